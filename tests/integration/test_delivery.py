"""The delivery API as a program that downloads meets it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.lakes import Scene, sales
from tests.integration.test_service import QUARTER, Service, _address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.conftest import LakeTarget

KEY = "k3y-of-the-tests-0123456789abcdefgh"


@contextmanager
def delivering(scene: Scene, *options: str, **environment: str) -> Iterator[Service]:
    log = scene.root / "delivery.log"
    settings = {
        "QUARTERLAKE_LAKE": scene.target.url,
        "QUARTERLAKE_DELIVERY_KEY": KEY,
        **scene.target.environment,
        **environment,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "quarterlake.cli", "serve", "--port", "0", *options],
            env={**os.environ, **settings},
            stderr=output,
            stdout=subprocess.DEVNULL,
            cwd=scene.root,
        )
    try:
        yield Service(_address(process, log), process, log)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def scene(tmp_path: Path, lake_target: LakeTarget) -> Scene:
    made = Scene(tmp_path, lake_target)
    made.put_months(*QUARTER)
    made.run()
    return made


def test_what_is_published_is_listed_and_downloads_with_its_hash(scene: Scene) -> None:
    scene.put("sales_2026-02.csv", sales("2026-02", 30))
    scene.run()
    with delivering(scene) as delivery, delivery.client(KEY) as client:
        assert client.get("/v1/datasets").json() == {
            "datasets": [{"dataset": "sales", "releases": 2, "latest": "sales@2026-Q1.2"}]
        }
        listed = client.get("/v1/datasets/sales/releases").json()["releases"]
        assert [release["name"] for release in listed] == ["sales@2026-Q1.1", "sales@2026-Q1.2"]
        release = client.get("/v1/releases/sales@2026-Q1.1").json()
        assert release["aggregates"][0]["columns"][0] == {"name": "quarter", "type": "string"}
        answer = client.get("/v1/releases/sales@2026-Q1.1/files")
        assert answer.headers["Cache-Control"] == "no-store"
        [file] = answer.json()["files"]
        assert file["sha256"] == release["files"][0]["sha256"]
        on_s3 = scene.target.url.startswith("s3://")
        assert (file["url_expires_at"] is not None) is on_s3
        with httpx.Client(trust_env=False) as nobody:
            answers = [nobody.get(file["url"]), client.get(file["url"])][0 if on_s3 else 1 :]
        for got in answers:
            if got.request.headers.get("Authorization") is None or not on_s3:
                assert got.status_code == 200
                assert hashlib.sha256(got.content).hexdigest() == file["sha256"]
                assert len(got.content) == file["size"]
        way = client.get("/v1/releases/sales@2026-Q1.1/files/0")
        assert way.status_code == (307 if on_s3 else 200)
        assert client.get("/v1/releases/sales@2026-Q1.1/files/1").status_code == 404
        assert client.get("/docs").status_code == 200
        assert "X-Amz-Signature" not in delivery.log.read_text()


def test_nothing_is_said_without_the_key(scene: Scene) -> None:
    with delivering(scene) as delivery, delivery.client("wrong") as client:
        for path in (
            "datasets",
            "datasets/sales/releases",
            "releases/sales@2026-Q1.1",
            "releases/sales@2026-Q1.1/files",
            "releases/sales@2026-Q1.1/files/0",
        ):
            answer = client.get(f"/v1/{path}")
            assert answer.status_code == 401
            assert "sha256" not in answer.text
        assert client.get("/readyz").json()["status"] == "ready"


def test_without_a_key_it_opens_on_loopback_alone(scene: Scene) -> None:
    with delivering(scene, "--open", QUARTERLAKE_DELIVERY_KEY="") as delivery:
        answer = httpx.get(f"{delivery.url}/v1/datasets", trust_env=False)
        assert answer.json()["datasets"][0]["latest"] == "sales@2026-Q1.1"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--open", "--host", "0.0.0.0"], "--open lets in everybody who reaches 0.0.0.0"),  # noqa: S104
        ([], "QUARTERLAKE_DELIVERY_KEY is not set; one of at least 32"),
    ],
)
def test_what_would_let_everybody_in_is_refused(tmp_path: Path, options: list[str], said: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "QUARTERLAKE_DELIVERY_KEY"}
    done = subprocess.run(
        [sys.executable, "-m", "quarterlake.cli", "serve", "--port", "0", *options],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    "name",
    ["sales@2026-Q1.9", "nothing", "..%2f..%2fetc@2026-Q1.1", "sales@2026-Q1.1%00", "%2e%2e@2026-Q1.1"],
)
def test_a_name_of_no_release_is_not_found(scene: Scene, name: str) -> None:
    with delivering(scene) as delivery, delivery.client(KEY) as client:
        for path in (f"releases/{name}", f"releases/{name}/files", f"datasets/{name}/releases"):
            assert client.get(f"/v1/{path}").status_code == 404
