"""`quarterlake keys`, and the ledger of accesses, as those who run a server meet them."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from quarterlake.delivery.keystore import Access, open_keystore
from quarterlake.delivery.retention import BATCH
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene, names
from tests.integration.postgres_server import hanging, running_postgres
from tests.integration.test_delivery import KEY, delivering, document, environment_of, eventually, keys
from tests.integration.test_service import QUARTER

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))


def live(scene: Scene) -> list[str]:
    """The ids of the live keys."""
    listed = json.loads(keys(scene, "list", "--json"))["keys"]
    return [key["id"] for key in listed if key["state"] == "live"]


def test_a_profile_that_is_there_stays_and_no_key_is_made(scene: Scene) -> None:
    profile = scene.root / "app.share"
    keys(scene, "create", "--name", "app", "--profile", str(profile))
    before, made = profile.read_bytes(), live(scene)
    assert stat.S_IMODE(profile.stat().st_mode) == 0o600
    said = keys(scene, "create", "--name", "app", "--profile", str(profile), status=2)
    assert "app.share is there already and was left as it is" in said
    assert "Name another file" in said
    other = scene.root / "notes.txt"
    other.write_text("mine")
    (scene.root / "dangling").symlink_to(scene.root / "nowhere")
    for place in ("notes.txt", "dangling"):
        assert "is there already" in keys(
            scene, "create", "--name", "app", "--profile", str(scene.root / place), status=2
        )
    assert "cannot be written" in keys(
        scene, "create", "--name", "app", "--profile", str(scene.root / "no" / "folder"), status=2
    )
    assert (profile.read_bytes(), other.read_text(), live(scene)) == (before, "mine", made)


def test_a_key_that_cannot_be_made_leaves_no_profile(scene: Scene) -> None:
    profile = scene.root / "app.share"
    for wrong in (("--name", "environment"), ("--name", "app", "--expires", "2001-01-01")):
        keys(scene, "create", *wrong, "--profile", str(profile), status=2)
        assert not profile.exists()


def test_keys_of_one_name_are_rotated(scene: Scene) -> None:
    """A name has two live keys for as long as both are in use, never three; what is revoked does not count."""
    keys(scene, "create", "--name", "app", "--profile", str(scene.root / "first.share"))
    keys(scene, "create", "--name", "app", "--profile", str(scene.root / "second.share"))
    first, second = live(scene)
    said = keys(scene, "create", "--name", "app", "--profile", str(scene.root / "third.share"), status=2)
    assert f"app has 2 live keys, {first} and {second}. Revoke one with" in said
    assert not (scene.root / "third.share").exists()
    keys(scene, "revoke", first)
    keys(scene, "create", "--name", "app", "--profile", str(scene.root / "third.share"))
    assert len(live(scene)) == 2
    keys(scene, "create", "--name", "other")


def test_a_mistyped_lake_is_refused_and_nothing_is_made(scene: Scene, tmp_path: Path) -> None:
    mistyped = tmp_path / "lakee"
    (tmp_path / "other").mkdir()
    for verb in (["serve", "--open"], ["keys", "list"], ["keys", "create", "--name", "app"]):
        for place in (str(mistyped), str(tmp_path / "other"), f"{mistyped}/{{zone}}/x"):
            environment = environment_of(scene)
            del environment["QUARTERLAKE_DELIVERY_DATABASE"]
            done = subprocess.run(
                [sys.executable, "-m", "quarterlake.cli", *verb, "--lake", place],
                env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 2
            assert f"There is no lake at {place}" in done.stderr
            assert "quarterlake run" in done.stderr
    assert not mistyped.exists()
    assert list((tmp_path / "other").iterdir()) == []


def test_a_lake_without_a_release_is_served(scene: Scene) -> None:
    scene.put_months(QUARTER[0])
    scene.run()
    assert not names(scene.run().published)
    with delivering(scene) as delivery, delivery.client(KEY) as client:
        assert document(client, "datasets")["datasets"] == []
        assert client.get("/readyz").status_code == 200
        scene.put_months(*QUARTER)
        scene.run()
        eventually(lambda: bool(document(client, "datasets")["datasets"]))


def test_while_the_database_hangs_every_answer_is_503(
    scene: Scene, tmp_path_factory: pytest.TempPathFactory
) -> None:
    scene.put_months(*QUARTER)
    scene.run()
    folder = tmp_path_factory.mktemp("postgres")
    with (
        running_postgres(folder) as url,
        delivering(scene, QUARTERLAKE_DELIVERY_DATABASE=url) as delivery,
        delivery.client(KEY) as client,
    ):
        document(client, "releases/sales@2026-Q1.1/rows")
        with hanging(folder):
            # Keys are trusted for some seconds yet; nothing is handed out that cannot be noted.
            answer = client.get("/v1/releases/sales@2026-Q1.1/rows")
            assert answer.status_code == 503
            assert "Retry-After" in answer.headers
            eventually(lambda: client.get("/v1/datasets").status_code == 503)
            eventually(lambda: client.get("/readyz").status_code == 503)
        eventually(lambda: client.get("/v1/releases/sales@2026-Q1.1/rows").status_code == 200)


def test_a_server_forgets_old_lines_of_the_ledger_while_it_serves(scene: Scene) -> None:
    scene.put_months(*QUARTER)
    scene.run()
    now = datetime.now(UTC)
    place = str(scene.root / "keys.sqlite")
    store = open_keystore(place)
    store.all()
    with sqlite3.connect(place) as ledger:
        ledger.executemany(
            "INSERT INTO accesses (at, key_id, name, what, release, files) VALUES (?, 'k', 'app', 'links', 'sales@2026-Q1.1', '')",
            [((now - timedelta(days=40)).isoformat(timespec="milliseconds"),)] * (3 * BATCH),
        )
    store.record(Access(now - timedelta(days=20), "k", "app", "links", "sales@2026-Q1.1", ()))
    store.close()
    with (
        delivering(scene, QUARTERLAKE_ACCESS_DAYS="30") as delivery,
        delivery.client(KEY) as client,
    ):
        document(client, "releases/sales@2026-Q1.1/rows")

        def kept() -> list[str]:
            lines: list[dict[str, str]] = document(client, "accesses")["accesses"]
            return [line["what"] for line in lines]

        eventually(lambda: kept() == ["rows", "links"])
    with delivering(scene, QUARTERLAKE_ACCESS_DAYS="0") as delivery, delivery.client(KEY) as client:
        assert len(document(client, "accesses")["accesses"]) == 2
