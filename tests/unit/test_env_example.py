"""`.env.example` has every variable of the stack, each explained, and nothing else; `make env` fills in what is secret."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from config.make_env import filled, lacking

from quarterlake.domain.api_keys import id_in

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / ".env.example").read_text()
NAMES = re.findall(r"(?m)^([A-Z0-9_]+)=", EXAMPLE)
USED = {
    name
    for file in ("compose.yaml", "compose.cluster.yaml")
    for name in re.findall(r"\$\{([A-Z0-9_]+)", (ROOT / file).read_text())
}


def test_every_variable_of_the_stack_is_there_and_used() -> None:
    assert sorted(NAMES) == sorted(USED)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_explained(name: str) -> None:
    lines = EXAMPLE.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(f"{name}="))
    while not lines[at].startswith("#"):
        assert lines[at].strip(), f"{name} has no comment above it"
        at -= 1


def test_no_secret_of_the_example_stays_and_no_two_are_alike() -> None:
    first, second = filled(EXAMPLE), filled(EXAMPLE)
    assert "change-me" not in first
    found = dict(re.findall(r"(?m)^([A-Z0-9_]+)=(.*)$", first))
    other = dict(re.findall(r"(?m)^([A-Z0-9_]+)=(.*)$", second))
    secret = {
        name for name in found if name.endswith(("SECRET", "KEY", "PASSWORD", "TOKEN")) and name != "S3_KEY"
    }
    assert len(secret) > 10
    assert all(found[name] and found[name] != other[name] for name in secret)
    assert len({found[name] for name in secret}) == len(secret)
    assert len(found["AIRFLOW_JWT_SECRET"]) >= 64
    assert len(found["QUARTERLAKE_SERVICE_TOKEN"]) >= 32
    assert id_in(found["QUARTERLAKE_DELIVERY_KEY"]) is not None


def test_the_example_runs_as_it_is() -> None:
    found = dict(re.findall(r"(?m)^([A-Z0-9_]+)=(.*)$", EXAMPLE))
    assert len(found["AIRFLOW_JWT_SECRET"]) >= 64
    assert len(found["QUARTERLAKE_SERVICE_TOKEN"]) >= 32
    assert id_in(found["QUARTERLAKE_DELIVERY_KEY"]) is not None
    assert (found["AIRFLOW_USER"], found["AIRFLOW_PASSWORD"]) == ("airflow", "airflow")


def test_an_old_file_is_given_what_it_lacks_and_nothing_else() -> None:
    gone = ("DELIVERY_POSTGRES_PASSWORD", "QUARTERLAKE_URL_SECONDS", "MINIO_KMS_SECRET_KEY")
    old = "".join(
        f"{line}\n" for line in filled(EXAMPLE).splitlines() if line.split("=")[0] not in {*gone, "#"}
    )
    found = lacking(EXAMPLE, old)
    assert sorted(found) == sorted(gone)
    added = dict(re.findall(r"(?m)^([A-Z0-9_]+)=(.*)$", "\n".join(found.values())))
    assert added.keys() == found.keys()
    assert re.fullmatch("[0-9a-f]{80}", added["DELIVERY_POSTGRES_PASSWORD"])
    assert (added["QUARTERLAKE_URL_SECONDS"], added["MINIO_KMS_SECRET_KEY"]) == ("900", "")
    assert "# How long a download URL works" in found["QUARTERLAKE_URL_SECONDS"]
    assert lacking(EXAMPLE, old + "\n".join(found.values())) == {}


def test_the_file_on_disk_keeps_what_it_has(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "make_env.py").write_text((ROOT / "config/make_env.py").read_text())
    (tmp_path / ".env.example").write_text(EXAMPLE)
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=mine")
    for said in ("added to it: S3_PORT", "added to it: nothing"):
        done = subprocess.run(
            [sys.executable, folder / "make_env.py"], capture_output=True, text=True, check=True
        )
        assert said in done.stdout
    text = (tmp_path / ".env").read_text()
    assert text.startswith("POSTGRES_PASSWORD=mine\n")
    assert sorted(re.findall(r"(?m)^([A-Z0-9_]+)=", text)) == sorted(NAMES)
