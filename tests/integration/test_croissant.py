"""Releases in Croissant, as `mlcroissant` validates and loads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from quarterlake.delivery.croissant import CONFORMS_TO, croissant
from quarterlake.publishing.releases import find_release
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene, contract_yaml, sales
from tests.integration.test_delivery import KEY, RELEASE, delivering
from tests.integration.test_service import QUARTER

if TYPE_CHECKING:
    from pathlib import Path

    from quarterlake.domain.releases import Release

LOAD = """
import json, sys, mlcroissant
dataset = mlcroissant.Dataset(json.loads(sys.stdin.read()))
print(json.dumps({
    made.id: [{name: str(value) for name, value in row.items()} for row in dataset.records(made.id)]
    for made in dataset.metadata.record_sets
}))
"""
COLUMNS = (
    ("sale_id", "varchar"),
    ("sold_at", "timestamp"),
    ("store", "varchar"),
    ("amount", "decimal(18,2)"),
    ("weight", "double"),
    ("gift", "boolean"),
)
TYPES = """
SELECT store AS `the store`, min(sold_at) AS first_sold, max(cast(sold_at AS date)) AS last_day, sum(amount) AS total,
       min(weight) AS lightest, bool_or(gift) AS any_gift, count(*) AS n, CAST(NULL AS bigint) AS nothing
FROM sales GROUP BY store
"""


def with_types(scene: Scene) -> None:
    """A release with two aggregates, which have columns of all published types."""
    scene.declare(contract_yaml(COLUMNS, key=("sale_id",)))
    path = scene.root / "aggregates" / "sales" / "types.sql"
    path.parent.mkdir(parents=True)
    path.write_text(TYPES, encoding="utf-8")
    header = [name for name, _ in COLUMNS]
    for month in QUARTER:
        rows = [(*row, 0.5, "true") for row in sales(month)]
        scene.put(f"sales_{month}.csv", rows, header)
    scene.run()


def validated(folder: Path, document: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    path = folder / "croissant.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    program = [f"{sys.prefix}/bin/mlcroissant", "validate", "--jsonld", str(path)]
    return subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)


def loaded(folder: Path, document: dict[str, Any], password: str) -> dict[str, list[dict[str, str]]]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={
            **os.environ,
            "CROISSANT_CACHE": str(folder / "croissants"),
            "CROISSANT_BASIC_AUTH_USERNAME": "key",
            "CROISSANT_BASIC_AUTH_PASSWORD": password,
        },
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, list[dict[str, str]]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_mlcroissant_validates_a_release_and_loads_its_records(
    tmp_path: Path, lake_target: LakeTarget
) -> None:
    scene = Scene(tmp_path, lake_target)
    with_types(scene)
    with delivering(scene) as delivery, delivery.client(KEY) as client:
        answer = client.get(f"/v1/releases/{RELEASE}/croissant")
        assert answer.headers["Content-Type"] == f'application/ld+json; profile="{CONFORMS_TO}"'
        document = answer.json()
        files = client.get(f"/v1/releases/{RELEASE}").json()["files"]
        described = document["distribution"]
        assert [(file["sha256"], file["contentSize"]) for file in described] == [
            (file["sha256"], f"{file['size']} B") for file in files
        ]
        assert {file["encodingFormat"] for file in described} == {"application/x-parquet"}
        again = client.get(
            f"/v1/releases/{RELEASE}/croissant", headers={"If-None-Match": answer.headers["ETag"]}
        )
        assert again.status_code == 304
        done = validated(tmp_path, document)
        assert (done.returncode, "error" in done.stderr.lower()) == (0, False), done.stderr
        records = loaded(tmp_path, document, KEY)
    [summary, types] = [records[name] for name in ("summary", "types")]
    assert len(types) == 3
    assert set(summary[0]) >= {"summary/quarter", "summary/count"}
    one = types[0]
    assert one["types/quarter"] == "b'2026-Q1'"
    assert one["types/the%20store"] == "b'north'"
    assert one["types/first_sold"] == "2026-01-04 10:00:00+00:00"
    assert one["types/any_gift"] == "True"
    assert one["types/nothing"] == "None"
    assert float(one["types/total"]) == pytest.approx(sum(i + 0.25 for i in range(3, 21, 3)) * 3)
    keys = {made["name"]: made.get("key") for made in document["recordSet"]}
    assert keys["summary"][0] == {"@id": "summary/quarter"}
    assert keys["types"] is None


def test_a_release_tells_what_it_was_made_from(tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.put_months(*QUARTER)
    scene.run()
    scene.put("sales_2026-02.csv", sales("2026-02", 30))
    scene.run()
    with scene.pipeline() as pipeline:
        release = find_release(pipeline.lake.aggregated, "sales@2026-Q1.2")
    document = croissant(release, "https://data.example.org")
    used = {(raw["name"], raw["sha256"]) for raw in document["prov:wasDerivedFrom"]}
    assert used == {(entry.source, entry.sha256) for entry in release.build.ledger}
    assert document["prov:wasRevisionOf"] == {"@id": "https://data.example.org/v1/releases/sales@2026-Q1.1"}
    assert document["version"] == "2.0.0"
    assert document["temporalCoverage"] == "2026-01-01T00:00:00Z/2026-04-01T00:00:00Z"
    assert "license" not in document
    done = validated(tmp_path, document)
    assert done.returncode == 0, done.stderr


def test_an_aggregate_of_several_files_has_a_record_set_for_each(tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.put_months(*QUARTER)
    [release] = scene.run().published
    document = croissant(_in_two_files(release), "https://data.example.org")
    assert [made["@id"] for made in document["recordSet"]] == ["summary-1", "summary-2"]
    done = validated(tmp_path, document)
    assert done.returncode == 0, done.stderr


def _in_two_files(release: Release) -> Release:
    replace = msgspec.structs.replace
    [made] = release.build.aggregates
    other = replace(made.files[0], path=f"{made.files[0].path}.2.parquet")
    build = replace(release.build, aggregates=(replace(made, files=(made.files[0], other)),))
    return replace(release, build=build)
