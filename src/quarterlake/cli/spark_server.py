"""The verb that is a Spark Connect server."""

from __future__ import annotations

import os
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
    from quarterlake.processing.engines.spark_server import server_program
    from quarterlake.processing.engines.spark_session import server_settings

    settings = settings_of(lake, None, None)
    with open_lake(settings.lake, settings.s3, settings.scratch) as opened:
        properties, secrets = server_settings(settings.spark, opened, settings.s3)
    address = socket.gethostbyname(host)
    cluster = settings.spark.is_cluster
    properties |= {
        "spark.connect.grpc.binding.address": address,
        "spark.connect.grpc.binding.port": str(port),
        # Executors on other machines call the driver back, at the address where its clients do.
        "spark.driver.host": host if cluster else "127.0.0.1",
        "spark.driver.bindAddress": address if cluster else "127.0.0.1",
    }
    folder = Path(tempfile.mkdtemp(prefix="spark-", dir=settings.scratch))
    command, environment = server_program(settings.spark, properties, secrets, folder)
    os.execve(command[0], command, environment)  # noqa: S606
