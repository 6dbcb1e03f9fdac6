"""The verb that is a Spark Connect server."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from quarterlake.cli.context import DebugOption, LakeOption, settings_of


def spark_server(
    host: Annotated[str, typer.Option("--host", help="The address or name to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 15002,
    lake: LakeOption = None,
    debug: DebugOption = False,
) -> None:
    """Be a Spark Connect server for the lake, configured as quarterlake needs it, until told to stop."""
    from quarterlake.lake.location import open_lake
    from quarterlake.processing.engines.spark_server import driver_address, server_program
    from quarterlake.processing.engines.spark_session import server_settings

    settings = settings_of(lake, None, None)
    with open_lake(settings.lake, settings.s3, settings.scratch) as opened:
        properties, secrets = server_settings(settings.spark, opened, settings.s3)
    address = socket.gethostbyname(host)
    properties |= {
        # Executors on other machines call the driver back, at the address where its clients do.
        **driver_address(settings.spark, host, address),
        "spark.connect.grpc.binding.address": address,
        "spark.connect.grpc.binding.port": str(port),
    }
    folder = (settings.scratch or Path(tempfile.gettempdir())) / f"spark-server-{port}"
    shutil.rmtree(folder, ignore_errors=True)  # what a killed one spilled
    folder.mkdir(mode=0o700, parents=True)
    command, environment = server_program(settings.spark, properties, secrets, folder)
    os.execve(command[0], command, environment)  # noqa: S606
