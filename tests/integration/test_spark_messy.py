"""A messy lake gives the same with either engine: drift, formats found by inference, many small files, lists, repairs."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quarterlake.domain.profiles import PROFILE_VERSION, Profile
from quarterlake.exporting import export
from quarterlake.lake import documents, keys
from quarterlake.overview import lake_status, ledger_entries, reject_entries
from quarterlake.processing.engines.spark_options import SparkOptions
from quarterlake.processing.engines.spark_server import local_server
from quarterlake.repairing import replay
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene, contract_yaml, curated_rows, names, summary_rows
from tests.integration.test_spark import assert_alike, columns, engine, nans_named, scenes, stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from quarterlake.outcomes import DatasetOutcome
    from quarterlake.pipeline import Pipeline

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")

ALLOWED = [("reject_ratio", "warning", 0.5), ("required_not_null", "warning", None)]
COLUMNS = [("sale_id", "int64"), ("sold_at", "timestamp"), ("store", "string"), ("amount", "decimal(18,2)")]


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server for lakes in folders."""
    options = SparkOptions(master="local[2]", memory="1g", environment=dict(os.environ))
    properties = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "4"}
    with local_server(options, properties, {}, tmp_path_factory.mktemp("spark")) as address:
        yield address


def delimited(header: Sequence[str], rows: Sequence[Sequence[object]], **options: Any) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", **options).writerows([header, *rows])
    return text.getvalue()


def formats_found(scene: Scene) -> None:
    """No contract: times day first, a marker for what is missing, codes, doubles, lists; Latin-1, a preamble, a footer, gaps."""
    header = ("code", "sold on", "amount", "ratio", "place", "tags")
    for number, month in enumerate(("01", "02", "03")):
        rows = [
            (
                f"{n:04d}",
                f"{1 + n % 27}/{month}/2026 {n % 24}:05",
                "NA" if n % 11 == 3 else f"{n}.{n % 100:02d}",
                f"{n}e-3",
                ("Köln", "Orléans", "", "a;b")[n % 4],
                "[1, 2]" if n % 2 else "",
            )
            for n in range(number * 200, number * 200 + 150)
        ]
        text = delimited(header, [*rows, ("9999", "30/02/2026 1:00", "1.00", "1e0", "x", "")], delimiter=";")
        footer = "\nTotal;;60;;;\n" if number == 1 else ""
        preamble = "# from the till\n\n" if number == 2 else ""
        scene.put(f"sales_2026-{month}.csv", (preamble + text + footer).encode("latin-1"))
    lists = [
        {
            "code": f"{n:04d}",
            "sold on": f"{1 + n % 27}/03/2026 7:00",
            "amount": n / 4,
            "tags": [n, {"x": None}],
        }
        for n in range(800, 830)
    ]
    scene.put("sales_2026-03_more.ndjson", "".join(json.dumps(record) + "\n" for record in lists).encode())


def small_files(scene: Scene) -> None:
    """Twelve small files a month, two of them unlike the others."""
    for number in range(1, 37):
        month, day = f"2026-0{1 + (number - 1) // 12}", 1 + (number - 1) % 12
        rows: list[tuple[object, ...]] = [
            (number * 10 + n, f"{month}-{day:02d}T0{n}:00:00Z", "ns"[n % 2], f"{n}.{number:02d}", n % 3 or "")
            for n in range(5)
        ]
        names_of = ("sale_id", "sold_at", "store", "amount", "note")
        if number == 15:
            rows[2] = (*rows[2][:3], "dear", "")
        if number == 30:
            names_of, rows = names_of[::-1], [row[::-1] for row in rows]
        scene.put(f"sales_{month}-{day:02d}_{number}.csv", delimited(names_of, rows).encode())


def drifting(scene: Scene) -> None:
    """A person's contract, and files that leave it in each way."""
    policies = "{type: reject_row, added: evolve, dropped: null_fill, case: reject_row, reordered: evolve}"
    scene.declare(
        contract_yaml(
            COLUMNS,
            key=["sale_id"],
            gates=ALLOWED,
            extra={"recordTime": "sold_at", "drift": policies, "dimensions": "[store]"},
        )
    )

    def rows(first: int, month: str) -> list[dict[str, object]]:
        return [
            {
                "sale_id": n,
                "sold_at": f"2026-{month}-{1 + n % 27:02d}T10:00:00.000001Z",
                "store": ("north", "south", "")[n % 3],
                "amount": f"{n}.25",
                "discount": f"0.{n % 7}",
            }
            for n in range(first, first + 25)
        ]

    def put(name: str, records: list[dict[str, object]], kept: Sequence[str]) -> None:
        held = [[record[column.lower()] for column in kept] for record in records]
        scene.put(name, delimited(kept, held).encode())

    usual = [name for name, _ in COLUMNS]
    put("sales_2026-01.csv", rows(1, "01"), usual)
    put("sales_2026-01_late.csv", rows(20, "01"), [*reversed(usual), "discount"])
    put("sales_2026-02.csv", rows(100, "02"), ["sale_id", "sold_at", "amount"])
    put("sales_2026-02_case.csv", rows(150, "02"), ["sale_id", "sold_at", "STORE", "amount"])
    wrong = rows(200, "03")
    wrong[3]["amount"], wrong[7]["amount"], wrong[9]["sold_at"] = "3.0001", "many", "soon"
    put("sales_2026-03.csv", wrong, usual)
    target = io.BytesIO()
    held = rows(300, "03")
    table = {
        name: [None if n % 5 == 0 else row[name] for n, row in enumerate(held)]
        for name in ("store", "discount")
    }
    kept = {name: [row[name] for row in held] for name in ("sale_id", "sold_at", "amount")}
    pq.write_table(pa.table({**kept, **table, "tags": [[n, None] for n in range(25)]}), target)
    scene.put("sales_2026-03.parquet", target.getvalue())


def everything_of(pipeline: Pipeline, outcome: DatasetOutcome) -> dict[str, Any]:
    """All that a run says and leaves that may not depend on the engine."""
    status = lake_status(pipeline)["datasets"][0]
    aggregated = pipeline.lake.aggregated
    profiles = []
    for build in outcome.builds:
        profile = documents.read(aggregated, keys.profile("sales", build.id, PROFILE_VERSION), Profile)
        assert profile is not None
        profiles.append(
            msgspec.to_builtins(profile) | {"aggregates": [(t.name, t.rows) for t in profile.aggregates]}
        )
    return {
        "contract": outcome.contract,
        "builds": [build.id for build in outcome.builds],
        "months": [[(m.month, m.content) for m in build.months] for build in outcome.builds],
        "published": names(outcome.published),
        "columns": columns(outcome),
        "entries": outcome.entries,
        "refused": outcome.refused,
        "drift": outcome.drift,
        "rejects by reason": outcome.rejects,
        "gates": stopped(outcome),
        "rejects": [msgspec.to_builtins(entry) for entry in reject_entries(pipeline, "sales")],
        "ledger": ledger_entries(pipeline, "sales"),
        "status": {name: status[name] for name in ("drift", "waiting") if name in status},
        "curated": list(map(nans_named, curated_rows(pipeline))),
        "profiles": profiles,
    }


def compare(embedded: Scene, cluster: Scene) -> DatasetOutcome:
    """Run both, and hold one against the other; the embedded engine's outcome."""
    ours, theirs = embedded.run(), cluster.run()
    with embedded.pipeline() as one, cluster.pipeline() as other:
        expected, found = everything_of(one, ours), everything_of(other, theirs)
        for part, value in expected.items():
            assert found[part] == value, part
        assert_alike(summary_rows(other), summary_rows(one))
    return ours


def repaired(scene: Scene, change: Callable[[dict[str, str]], None]) -> None:
    """Export the rejects, change each that was repaired, replay."""
    sheet = scene.root / "rejects.csv"
    with scene.pipeline() as pipeline:
        export(pipeline, "sales", sheet)
    rows = list(csv.DictReader(io.StringIO(sheet.read_text("utf-8-sig"), newline="")))
    assert rows
    for row in rows:
        change(row)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    sheet.write_bytes(text.getvalue().encode("utf-8-sig"))
    with scene.pipeline() as pipeline:
        [done] = replay(pipeline, sheet)
    assert (done.refused, done.repaired) == ({}, len(rows) - done.left)
    assert done.repaired > 0


def mend(row: dict[str, str]) -> None:
    if row.get("sold on", "").startswith("30/02"):
        row["sold on"] = row["sold on"].replace("30/02", "28/02")
    if row.get("amount") in {"dear", "many", "3.0001"}:
        row["amount"] = "77.50"
    if row.get("sold_at") == "soon":
        row["sold_at"] = "2026-03-09T00:00:00Z"


@pytest.mark.parametrize("prepare", [formats_found, small_files, drifting])
def test_a_messy_lake_and_its_repairs_are_the_same_with_either_engine(
    prepare: Callable[[Scene], None], tmp_path: Path, remote: str
) -> None:
    embedded, cluster = scenes(tmp_path, LakeTarget(str(tmp_path / "lake")), remote, prepare)
    first = compare(embedded, cluster)
    assert names(first.published) == ["sales@2026-Q1.1"]
    rejected = sum(entry.rejected for entry in first.entries)
    assert rejected > 0
    assert first.drift

    for scene in (embedded, cluster):
        repaired(scene, mend)
    second = compare(embedded, cluster)
    assert names(second.published) == ["sales@2026-Q1.2"]
    assert first.builds[0].id != second.builds[0].id

    cluster.environment.clear()
    assert cluster.run().published == []
    embedded.environment.update(engine(remote))
    assert embedded.run().published == []
