"""A Spark Connect server on this machine, for as long as it is needed."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from quarterlake.domain.errors import EngineUnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quarterlake.processing.engines.spark_options import SparkOptions

JAVA_VERSIONS = (17, 21, 25)
"""https://spark.apache.org/docs/latest/: what Spark 4.2 runs on."""
_ANYWHERE = "0.0.0.0"  # noqa: S104 - executors of a cluster have to reach the driver
_START_SECONDS = 120
_STOP_SECONDS = 20
_LOG_LINES = 12
# The kernel ends the server when this process dies, however it dies; the mark survives exec, and spark-submit execs.
_LAUNCHER = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execvp(sys.argv[1], sys.argv[1:])"
_JAVA_VERSION = re.compile(r'version "(\d+)')


def java_version(java: Path) -> int | None:
    """The major version of a `java` program; None where it does not run."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _JAVA_VERSION.search(done.stderr + done.stdout)
    return int(found[1]) if found else None


def find_java(options: SparkOptions) -> Path:
    """The `java` program. Raises UsageError where there is none, or none that Spark runs on."""
    path = options.environment.get("PATH")
    found = str(options.java_home / "bin" / "java") if options.java_home else shutil.which("java", path=path)
    wanted = " or ".join(map(str, JAVA_VERSIONS))
    version = java_version(Path(found)) if found else None
    if found is None or version is None:
        raise UsageError(
            f"Spark needs Java {wanted}, and there is none{f' in {options.java_home}' if options.java_home else ' on the path'}. "
            "Install one (a JRE will do) and set JAVA_HOME, or set SPARK_REMOTE to a server that runs elsewhere."
        )
    if version not in JAVA_VERSIONS:
        raise UsageError(
            f"Spark needs Java {wanted}; {found} is Java {version}. Set JAVA_HOME to one of those."
        )
    return Path(found)


def find_spark(options: SparkOptions) -> Path:
    """The folder of a Spark installation. Raises UsageError where there is none."""
    home = options.spark_home
    if home is None and (spec := find_spec("pyspark")) and spec.origin:
        home = Path(spec.origin).parent
    if home is None or not (home / "jars").is_dir() or not (home / "bin" / "spark-submit").is_file():
        raise UsageError(
            "There is no Spark on this machine to start. Install it with `pip install 'quarterlake[spark-local]'`, set SPARK_HOME to one, "
            "or set SPARK_REMOTE=sc://host:port to a Spark Connect server."
        )
    return home


@contextlib.contextmanager
def local_server(
    options: SparkOptions, properties: Mapping[str, str], secrets: Mapping[str, str], scratch: Path
) -> Iterator[str]:
    """Start a server and give its `sc://` address; it stops with the context, and when this process dies.

    The address holds a token, and the server takes no call without it: other users of the machine reach the loopback
    interface too. `secrets` are put into the server's environment, where `properties` name them as `${env.NAME}`.

    Raises:
        UsageError: no Java or no Spark is here.
        EngineUnavailableError: the server did not start; the message shows the end of its log.
    """
    port, token = _free_port(), token_urlsafe(32)
    folder = scratch / "spark"
    folder.mkdir(exist_ok=True)
    given = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        **driver_address(options),
        **properties,
    }
    secrets = {**secrets, "SPARK_CONNECT_AUTHENTICATE_TOKEN": token}
    if not options.is_cluster:
        secrets["SPARK_LOCAL_HOSTNAME"] = "localhost"
    submit, environment = server_program(options, given, secrets, folder)
    command = [sys.executable, "-c", _LAUNCHER, *submit]
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
    try:
        _wait(server, port, log)
        yield f"sc://localhost:{port}/;token={token}"  # for this name alone the client sends a token without TLS
    finally:
        _stop(server)


def server_program(
    options: SparkOptions, properties: Mapping[str, str], secrets: Mapping[str, str], folder: Path
) -> tuple[list[str], dict[str, str]]:
    """The command that is a server, and its environment; `folder` takes its properties, its spilled data and nothing to keep.

    Raises UsageError: no Java or no Spark is here.
    """
    java, home = find_java(options), find_spark(options)
    settings = {
        "spark.local.dir": str(folder / "local"),
        "spark.sql.warehouse.dir": f"file://{folder}/warehouse",
        "spark.driver.memory": options.memory,
        **properties,
    }
    listed = folder / "spark.properties"
    listed.touch(mode=0o600)
    listed.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    environment = {
        **options.environment,
        **secrets,
        "SPARK_HOME": str(home),
        "JAVA_HOME": str(java.resolve().parents[1]),
        "PYSPARK_PYTHON": options.environment.get("PYSPARK_PYTHON") or sys.executable,
        "SPARK_NO_DAEMONIZE": "1",
        "QUARTERLAKE_S3A_BUFFER": str(folder / "s3a"),
    }
    command = [
        *(str(home / "bin" / "spark-submit"), "--master", _master(options)),
        *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
        *("--properties-file", str(listed), "spark-internal"),
    ]
    return command, environment


def driver_address(
    options: SparkOptions, host: str | None = None, address: str | None = None
) -> dict[str, str]:
    """Where executors find the driver: at this machine's name, or another, on a cluster; nowhere else than here without one."""
    if not options.is_cluster:
        return {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    return {
        "spark.driver.host": host or socket.gethostname(),
        "spark.driver.bindAddress": address or _ANYWHERE,
    }


def _master(options: SparkOptions) -> str:
    """A local one tries a task four times, as a cluster does: else a worker that dies would end the job."""
    return re.sub(r"^local\[([^,\]]+)\]$", r"local[\1,4]", options.master)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            raise EngineUnavailableError(f"The Spark server did not start. The end of its log:\n{_tail(log)}")
        if is_listening("127.0.0.1", port, seconds=1):
            return
        time.sleep(0.1)
    raise EngineUnavailableError(
        f"The Spark server did not answer within {_START_SECONDS} s. The end of its log:\n{_tail(log)}"
    )


def is_listening(host: str, port: int, *, seconds: float) -> bool:
    """Whether something takes connections at an address."""
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return True
    except OSError:
        return False


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


def _stop(server: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
