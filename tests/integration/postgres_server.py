"""A real PostgreSQL for the tests, from the Debian package `postgresql`; tests are skipped where it is not installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_PASSWORD = "p4ssword-of-the-tests"  # noqa: S105 - it protects nothing


@contextlib.contextmanager
def running_postgres(folder: Path) -> Iterator[str]:
    """Start a server that keeps its data in `folder`, give its URL, and stop it on exit."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("PostgreSQL is not installed (the Debian package postgresql)")
    home, user = folder / "data", _user()
    (folder / "password").write_text(_PASSWORD)
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    if user is not None:
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    control = str(programs[-1] / "pg_ctl")
    _run(
        [
            control,
            "init",
            "-s",
            "-D",
            str(home),
            "-o",
            f"-A scram-sha-256 -U tests --pwfile={folder / 'password'}",
        ],
        user,
    )
    options = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories= -p {port}"
    start = [control, "start", "-s", "-w", "-D", str(home), "-l", str(folder / "log"), "-o", options]
    _run(start, user)
    try:
        yield f"postgresql://tests:{_PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        _run([control, "stop", "-s", "-D", str(home), "-m", "immediate"], user)


def restart(folder: Path, *, stop: bool) -> None:
    """Stop the server of a folder, or start it again."""
    control = str(max(Path("/usr/lib/postgresql").glob("*/bin")) / "pg_ctl")
    words = ["stop", "-m", "immediate"] if stop else ["start", "-w", "-l", str(folder / "log")]
    if not stop:
        options = (folder / "data" / "postmaster.opts").read_text().split(None, 1)[1]
        words += ["-o", options.replace('"', "")]
    _run([control, *words, "-s", "-D", str(folder / "data")], _user())


@contextlib.contextmanager
def hanging(folder: Path) -> Iterator[None]:
    """Stop all processes of the server of a folder where they are, and let them go on afterwards."""
    first = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    processes = [psutil.Process(first), *psutil.Process(first).children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


def _user() -> str | None:
    """Who may run it: not root."""
    return "postgres" if os.getuid() == 0 else None


def _run(command: list[str], user: str | None) -> None:
    subprocess.run(command, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL, timeout=60)
