"""What README.md and .env.example show is what quarterlake does."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from quarterlake.domain.odcs import from_yaml
from quarterlake.publishing.gates import GATES
from quarterlake.variables import VARIABLES

ROOT = Path(__file__).parents[2]
CLI = [sys.executable, "-m", "quarterlake.cli"]


def shown(marker: str) -> list[str]:
    """The lines of the block that follows a marker in README.md."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {marker}[^\n]*-->\n```\n(.*?)```", text, re.DOTALL)
    assert found, f"README.md has no block marked {marker}"
    return found[1].replace(".venv/bin/", "").splitlines()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder in which the demo ran, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    subprocess.run([sys.executable, ROOT / "demo/lay_out_flights.py", "data_source"], cwd=folder, check=True)
    done = subprocess.run(
        [*CLI, "run", "data_source", "--lake", "lake"], cwd=folder, check=True, capture_output=True, text=True
    )
    return folder, done.stdout.splitlines()


def test_the_demo_prints_what_the_readme_shows(demo: tuple[Path, list[str]]) -> None:
    assert demo[1] == shown("demo output")


def test_the_status_is_what_the_readme_shows(demo: tuple[Path, list[str]]) -> None:
    done = subprocess.run(
        [*CLI, "status", "--lake", "lake"], cwd=demo[0], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == shown("status output")


def test_the_readme_s_aggregate_runs(demo: tuple[Path, list[str]]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    sql = re.search(r"```sql\n-- aggregates/flights/late.sql\n(.*?)```", text, re.DOTALL)
    assert sql
    target = demo[0] / "aggregates" / "flights"
    target.mkdir(parents=True)
    (target / "late.sql").write_text(sql[1])
    done = subprocess.run(
        [*CLI, "process", "--dataset", "flights", "--period", "2013-Q1", "--lake", "lake"],
        cwd=demo[0],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert list((demo[0] / "lake/aggregated/flights/late").glob("2013-Q1-*.parquet"))


def test_the_gates_are_those_that_the_readme_lists() -> None:
    listed = [line.split() for line in shown("gates")]
    assert listed == [
        [gate.name, str(gate.severity), *([] if gate.threshold is None else [f"{gate.threshold:g}"])]
        for gate in GATES
    ]


def test_the_readme_s_downloads_send_a_key() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"`([^`\n]*quarterlake pull [^`\n]*)`", text)
    assert found
    assert all(command.startswith("QUARTERLAKE_KEY=ql_… quarterlake pull ") for command in found)


def test_the_contract_in_the_readme_reads() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(apiVersion.*?)```", text, re.DOTALL)
    assert found
    contract = from_yaml(found[1], "README.md")
    assert (contract.key, contract.record_time, contract.gates["reject_ratio"].threshold) == (
        ("order_id",), "ordered_at", 0.02,
    )  # fmt: skip


def test_every_setting_is_in_the_example_file() -> None:
    """Those of the stack with the stack's values, the others as comments with their defaults."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    of_the_stack = set(re.findall(r"(?m)^([A-Z][A-Z0-9_]+)=", text))
    others = dict(re.findall(r"(?m)^#([A-Z][A-Z0-9_]+)=(.*)$", text))
    assert others == {v.name: v.default for v in VARIABLES if v.name not in of_the_stack}
    assert all(f"# {v.meaning}\n#{v.name}=" in text for v in VARIABLES if v.name in others)


def test_the_picture_shows_the_architecture_as_it_is() -> None:
    """`make docs` renders it again."""
    source = (ROOT / "docs/architecture.mmd").read_bytes()
    picture = (ROOT / "docs/images/architecture.svg").read_text(encoding="utf-8")
    assert picture.rstrip().endswith(
        f"<!-- sha256 of architecture.mmd: {hashlib.sha256(source).hexdigest()} -->"
    )
