"""Downloads through the delivery API itself: from a lake in a folder, and from S3 where the store stays private."""

from __future__ import annotations

import email
import hashlib
import re
import signal
import socket
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import psutil
import pytest

from quarterlake.domain.releases import DataFile, Release
from quarterlake.lake import keys
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene
from tests.integration.test_delivery import KEY, RELEASE, delivering, document, eventually
from tests.integration.test_service import QUARTER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.test_service import Service

GATEWAY = {"QUARTERLAKE_DELIVERY_DOWNLOADS": "gateway"}


@pytest.fixture
def scene(tmp_path: Path, lake_target: LakeTarget) -> Scene:
    made = Scene(tmp_path, lake_target)
    made.put_months(*QUARTER)
    made.run()
    return made


@pytest.fixture
def delivery(scene: Scene) -> Iterator[Service]:
    with delivering(scene, **GATEWAY) as running:
        yield running


def listed(delivery: Service) -> dict[str, Any]:
    with delivery.client(KEY) as client:
        [file] = document(client, f"releases/{RELEASE}/files")["files"]
    return dict(file)


def test_a_file_comes_whole_and_in_ranges(delivery: Service) -> None:
    file = listed(delivery)
    url, size = file["url"], file["size"]
    assert url.startswith(delivery.url)
    with httpx.Client(trust_env=False) as nobody:
        whole = nobody.get(url)
        content = whole.content
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert whole.headers["Content-Type"] == "application/vnd.apache.parquet"
        assert whole.headers["ETag"] == f'"{file["sha256"]}"'
        assert whole.headers["Cache-Control"] == "no-store"
        name = file["path"].rsplit("/", 1)[1]
        assert whole.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        head = nobody.head(url)
        assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(size), b"")
        for asked, start, end in (("0-3", 0, 4), ("100-", 100, size), ("-8", size - 8, size)):
            part = nobody.get(url, headers={"Range": f"bytes={asked}"})
            assert part.status_code == 206
            assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
            assert part.content == content[start:end]
        beyond = nobody.get(url, headers={"Range": f"bytes={size}-"})
        assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
        other = nobody.get(url, headers={"Range": "bytes=0-3", "If-Range": '"other"'})
        assert (other.status_code, len(other.content)) == (200, size)
        assert nobody.get(url, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304


def test_several_ranges_come_as_parts(delivery: Service) -> None:
    file = listed(delivery)
    content = httpx.get(file["url"], trust_env=False).content
    answer = httpx.get(file["url"], headers={"Range": "bytes=0-3,100-149"}, trust_env=False)
    assert answer.status_code == 206
    assert len(answer.content) == int(answer.headers["Content-Length"])
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    parts: Any = email.message_from_bytes(head + answer.content).get_payload()
    assert [part["Content-Range"] for part in parts] == [
        f"bytes 0-3/{file['size']}",
        f"bytes 100-149/{file['size']}",
    ]
    assert content[:4] in answer.content
    assert content[100:150] in answer.content


def test_a_url_that_was_changed_or_has_expired_gives_nothing(scene: Scene) -> None:
    with delivering(scene, QUARTERLAKE_URL_SECONDS="10", **GATEWAY) as delivery:
        url = listed(delivery)["url"]
        with httpx.Client(trust_env=False) as nobody:
            for changed in (
                re.sub(r"expires=(\d+)", r"expires=9\1", url),
                url.replace("/0/", "/1/"),
                url.replace("Q1.1/", "Q1.2/"),
                url.replace("by=0", "by=1"),
                url[:-1] + ("0" if url[-1] != "0" else "1"),
                re.sub("signature=.", "signature=%C3%A9", url),
            ):
                answer = nobody.get(changed)
                assert answer.status_code == 403, changed
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert (answer.json()["title"], answer.json()["type"]) == (
                    "The URL opens nothing",
                    "urn:quarterlake:problem:403:url",
                )
            assert nobody.get(url.partition("?")[0]).status_code == 422
            assert nobody.get(url).status_code == 200
            eventually(lambda: nobody.get(url).status_code == 403)
            expired = nobody.get(url).json()
            assert "expired" in expired["detail"]
            assert expired["title"] == "The URL opens nothing"


def test_a_url_outlives_a_restart(scene: Scene) -> None:
    with delivering(scene, **GATEWAY) as delivery:
        before, url = delivery.url, listed(delivery)["url"]
    with delivering(scene, **GATEWAY) as delivery:
        assert httpx.get(url.replace(before, delivery.url), trust_env=False).status_code == 200


def test_the_address_of_the_settings_is_in_the_urls(scene: Scene) -> None:
    with delivering(scene, QUARTERLAKE_DELIVERY_URL="https://data.example.org/lake/", **GATEWAY) as delivery:
        assert listed(delivery)["url"].startswith("https://data.example.org/lake/v1/files/")


def test_a_download_is_not_kept_in_memory_and_ends_before_the_server_does(tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.put_months(*QUARTER)
    scene.run()
    size = 200 << 20
    enlarge(tmp_path / "lake" / "aggregated", size)
    with delivering(scene) as delivery:
        host, _, path = listed(delivery)["url"].removeprefix("http://").partition("/")
        name, _, port = host.partition(":")
        process = psutil.Process(delivery.process.pid)
        before = process.memory_info().rss
        with socket.create_connection((name, int(port)), timeout=30) as connection:
            connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            got = len(connection.recv(1 << 16))
            delivery.process.send_signal(signal.SIGTERM)
            while chunk := connection.recv(1 << 20):
                got += len(chunk)
                assert process.memory_info().rss - before < 50 << 20
        assert size < got < size + 2000  # and the head
        delivery.process.wait(30)
        assert "Application shutdown complete." in delivery.log.read_text()


def enlarge(zone: Path, size: int) -> None:
    """Give the release a file of this size, full of holes."""
    record = zone / keys.release("sales", "2026-Q1", 1)
    release = msgspec.json.decode(record.read_bytes(), type=Release)
    [made] = release.build.aggregates
    big = "sales/summary/big.parquet"
    with (zone / big).open("wb") as file:
        file.truncate(size)
    aggregate = msgspec.structs.replace(made, files=(DataFile(big, size, "0" * 64, made.rows),))
    build = msgspec.structs.replace(release.build, aggregates=(aggregate,))
    record.unlink()
    record.write_bytes(msgspec.json.encode(msgspec.structs.replace(release, build=build)))
