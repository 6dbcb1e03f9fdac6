"""Delivery beside the least that a server of its kind can do: a warm release document, presigned URLs, a download of 1 GB.

    python bench/delivery.py [--seconds 3] [--rounds 3] [--gigabytes 1]

Each figure is taken beside its yardstick in the same run, in turns: an empty FastAPI endpoint that gives the same bytes, and a static file of the
same server. Every connection stays open; the load comes from one process, over loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import psutil
from fastapi import FastAPI, Response
from fastapi.responses import FileResponse

from quarterlake.delivery.links import SignedLinks
from quarterlake.domain.releases import DataFile, Release
from quarterlake.lake.s3_options import S3Options
from quarterlake.web.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = f"ql_{'0' * 12}_{'1' * 64}"
CONNECTIONS = 8
PATH = "/v1/datasets/orders/releases/latest"
NAME = "orders@2026-Q1.1"
MIB = 1 << 20


@dataclass(frozen=True)
class Server:
    """A server that was started for the benchmark."""

    port: int
    pid: int


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--yardstick", nargs=2, metavar=("BODY", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.yardstick:
        _serve_yardstick(*map(Path, options.yardstick))
        return
    root = Path(tempfile.mkdtemp(prefix="bench-delivery-", dir=Path(__file__).parent))
    try:
        print("| what | yardstick | quarterlake | ratio |")
        print("| --- | ---: | ---: | ---: |")
        _measure(root, options.seconds, options.rounds, int(options.gigabytes * 1e9))
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _measure(root: Path, seconds: float, rounds: int, size: int) -> None:
    big = _make_lake(root, size)
    database = root / "keys.sqlite"
    environment = {
        "QUARTERLAKE_DELIVERY_KEY": KEY,
        "QUARTERLAKE_DELIVERY_DATABASE": str(database),
        "QUARTERLAKE_REQUESTS_PER_MINUTE": "0",
    }
    command = ["-m", "quarterlake.cli", "serve", "--port", "0", "--lake", str(root / "lake")]
    with _started(command, root / "delivery.log", environment) as delivery:
        body = root / "body.json"
        body.write_bytes(_get(delivery, PATH))
        [file] = json.loads(_get(delivery, f"/v1/releases/{NAME}/files"))["files"]
        with _started(
            [__file__, "--yardstick", str(body), str(big)], root / "yardstick.log", {}
        ) as yardstick:
            _compare_requests(delivery, yardstick, seconds, rounds)
            _compare_downloads(delivery, yardstick, file["url"], size, rounds)
    _measure_signing(rounds)


def _compare_requests(delivery: Server, yardstick: Server, seconds: float, rounds: int) -> None:
    empty: list[tuple[float, float]] = []
    latest: list[tuple[float, float]] = []
    for _ in range(rounds):
        empty.append(asyncio.run(_rate(yardstick, "/empty", seconds)))
        latest.append(asyncio.run(_rate(delivery, PATH, seconds)))
    for place, unit in enumerate(("requests/s", "requests per CPU second of the server")):
        least, ours = (statistics.median(rate[place] for rate in rates) for rates in (empty, latest))
        print(f"| `GET …/releases/latest`, {unit} | {least:,.0f} | {ours:,.0f} | {ours / least:.2f} |")


def _compare_downloads(delivery: Server, yardstick: Server, url: str, size: int, rounds: int) -> None:
    static: list[tuple[float, float]] = []
    gateway: list[tuple[float, float]] = []
    address = urlsplit(url)
    with _memory_of(delivery.pid) as grown:
        for _ in range(rounds):
            static.append(_download(yardstick, "/static", size))
            gateway.append(_download(delivery, f"{address.path}?{address.query}", size))
    for place, unit in enumerate(("MiB/s", "MiB per CPU second of the server")):
        least, ours = (
            size / MIB / statistics.median(each[place] for each in took) for took in (static, gateway)
        )
        print(
            f"| download of {size / 1e9:.1f} GB, {unit} | {least:,.0f} | {ours:,.0f} | {ours / least:.2f} |"
        )
    print(f"| its memory: resident MiB before, at most | {grown[0] / MIB:,.0f} | {grown[1] / MIB:,.0f} | |")


def _measure_signing(rounds: int) -> None:
    signing = S3Options(endpoint="http://localhost:9000", access_key_id="signing", secret_access_key="s" * 40)
    links = SignedLinks("s3://aggregated", signing, 900)
    files = [DataFile(f"orders/summary/{n:064x}.parquet", 1, "0" * 64, 1) for n in range(1000)]
    took = []
    for _ in range(rounds * 3):
        began = time.perf_counter()
        links.to(msgspec.convert({}, type=dict), files, "", "")  # type: ignore[arg-type] # which release does not matter
        took.append((time.perf_counter() - began) * 1000)
    print(
        f"| presigning 1,000 files, ms (median of {len(took)}) | 100 allowed | {statistics.median(took):.1f} | |"
    )


async def _rate(server: Server, path: str, seconds: float) -> tuple[float, float]:
    """Answers a second, and for each CPU second of the server, over some connections, after a moment to warm up."""
    await _load(server, path, min(1, seconds))
    before = _cpu(server)
    answered = await _load(server, path, seconds)
    return answered / seconds, answered / (_cpu(server) - before)


def _cpu(server: Server) -> float:
    times = psutil.Process(server.pid).cpu_times()
    return float(times.user + times.system)


async def _load(server: Server, path: str, seconds: float) -> int:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
    end = time.monotonic() + seconds

    async def worker() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        count = 0
        while time.monotonic() < end:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            _check_ok(head)
            await reader.readexactly(_length(head))
            count += 1
        writer.close()
        return count

    return sum(await asyncio.gather(*(worker() for _ in range(CONNECTIONS))))


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.index(b"content-length:") + len(b"content-length:")
    return int(lower[at : lower.index(b"\r\n", at)])


def _download(server: Server, path: str, size: int) -> tuple[float, float]:
    """Seconds to read an answer whole, and CPU seconds of the server."""
    before = _cpu(server)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        began = time.perf_counter()
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        buffer, total = bytearray(MIB), 0
        while got := connection.recv_into(buffer):
            total += got
        took = time.perf_counter() - began
    if total <= size:
        raise SystemExit(f"{path}: only {total} bytes came")
    return took, _cpu(server) - before


def _get(server: Server, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: connection.recv(MIB), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    _check_ok(head)
    return body


def _check_ok(head: bytes) -> None:
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(head.decode())


@contextlib.contextmanager
def _memory_of(pid: int) -> Iterator[list[int]]:
    """Resident bytes of a process before, and the most meanwhile."""
    process, done = psutil.Process(pid), threading.Event()
    seen = [process.memory_info().rss] * 2

    def watch() -> None:
        while not done.wait(0.02):
            seen[1] = max(seen[1], process.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


@contextlib.contextmanager
def _started(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[Server]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        yield Server(_port(process, log), process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    pause = threading.Event()
    while process.poll() is None:
        for line in log.read_text().splitlines():
            if '"listening"' in line:
                return int(json.loads(line)["address"].rsplit(":", 1)[1])
        pause.wait(0.05)
    raise SystemExit(log.read_text())


def _serve_yardstick(body: Path, file: Path) -> None:
    app, content = FastAPI(), body.read_bytes()

    @app.get("/empty")
    async def empty() -> Response:
        return Response(content, media_type="application/json")

    @app.get("/static")
    async def static() -> FileResponse:
        return FileResponse(file)

    serve(app, "127.0.0.1", 0)


def _make_lake(root: Path, size: int) -> Path:
    """A lake with one release, and beside its small file's place a big one; returns the big file."""
    source = root / "source" / "orders"
    source.mkdir(parents=True)
    for month in ("2026-01", "2026-02", "2026-03"):
        rows = [f"{n},{month}-{1 + n % 27:02d}T10:00:00Z,{('DE', 'FR')[n % 2]},{n}.5" for n in range(100)]
        text = "\n".join(["order_id,ordered_at,country,amount", *rows, ""])
        (source / f"orders_{month}.csv").write_text(text)
    lake = root / "lake"
    subprocess.run(
        [sys.executable, "-m", "quarterlake.cli", "run", str(source.parent), "--lake", str(lake)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=root,
    )
    zone = lake / "aggregated"
    [record] = (zone / "_quarterlake/orders/releases").iterdir()
    release = msgspec.json.decode(record.read_bytes(), type=Release)
    made = release.build.aggregates[0]
    big = zone / "orders/summary/big.parquet"
    with big.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
        file.write(bytes(size % MIB))
    aggregate = msgspec.structs.replace(
        made, files=(DataFile("orders/summary/big.parquet", size, "0" * 64, made.rows),)
    )
    build = msgspec.structs.replace(release.build, aggregates=(aggregate,))
    record.chmod(0o644)
    record.write_bytes(msgspec.json.encode(msgspec.structs.replace(release, build=build)))
    return big


if __name__ == "__main__":
    main()
