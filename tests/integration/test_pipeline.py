"""The whole run on small real files: quarters, corrections, bad files, widening contracts, the same bytes everywhere."""

from __future__ import annotations

import csv
import gzip
import io
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quarterlake.domain.ledger import totals
from quarterlake.domain.odcs_writing import to_yaml
from quarterlake.overview import lake_status, ledger_entries, reject_entries
from quarterlake.processing.contracts import in_force
from quarterlake.processing.sql import type_name
from quarterlake.publishing.releases import find_release, releases_of
from quarterlake.publishing.verify import verify
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import (
    HEADER,
    Scene,
    csv_text,
    curated_rows,
    listing,
    names,
    objects,
    sales,
    summary_rows,
)

if TYPE_CHECKING:
    from pathlib import Path

    from quarterlake.pipeline import Pipeline

FIRST_QUARTER = ("2026-01", "2026-02", "2026-03")


@pytest.fixture
def scene(tmp_path: Path, lake_target: LakeTarget) -> Scene:
    return Scene(tmp_path, lake_target)


@pytest.fixture
def in_folder(tmp_path: Path) -> Scene:
    return Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))


def expected_by_store(scene: Scene, months: tuple[str, ...]) -> dict[str, tuple[int, Decimal]]:
    """Count and sum by store of the records of some months, read by Python's csv module."""
    found: dict[str, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
    for path in sorted((scene.source / scene.dataset).iterdir()):
        for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))):
            if row["sold_at"][:7] in months:
                count, total = found[row["store"]]
                found[row["store"]] = count + 1, total + Decimal(row["amount"])
    return dict(found)


def published_by_store(rows: list[dict[str, Any]], quarter: str) -> dict[str, tuple[int, Decimal]]:
    return {row["store"]: (row["count"], row["amount_sum"]) for row in rows if row["quarter"] == quarter}


def parquet(stored: dict[str, bytes]) -> dict[str, bytes]:
    return {key: data for key, data in stored.items() if key.endswith(".parquet")}


# Releases


def test_monthly_files_become_one_release_a_complete_quarter(scene: Scene) -> None:
    scene.put_months(*FIRST_QUARTER, "2026-04", "2026-05", count=30)

    outcome = scene.run()

    assert names(outcome.published) == ["sales@2026-Q1.1"]
    assert outcome.is_clean
    with scene.pipeline() as pipeline:
        rows = summary_rows(pipeline)
    assert {row["quarter"] for row in rows} == {"2026-Q1"}
    assert published_by_store(rows, "2026-Q1") == expected_by_store(scene, FIRST_QUARTER)


def test_an_incomplete_quarter_is_published_when_the_user_names_it_and_says_so(in_folder: Scene) -> None:
    in_folder.put_months(*FIRST_QUARTER, "2026-04")

    refused = in_folder.run(periods=["2026-Q2"])
    allowed = in_folder.run(periods=["2026-Q2"], allow_incomplete=True)

    assert refused.stopped == ["2026-Q2"]
    assert names(refused.published) == []
    assert names(allowed.published) == ["sales@2026-Q2.1"]


def test_allow_incomplete_alone_publishes_every_quarter_that_has_records(in_folder: Scene) -> None:
    in_folder.put_months(*FIRST_QUARTER, "2026-04")

    outcome = in_folder.run(allow_incomplete=True)

    assert names(outcome.published) == ["sales@2026-Q1.1", "sales@2026-Q2.1"]


def test_a_named_quarter_without_records_is_reported(in_folder: Scene) -> None:
    in_folder.put_months(*FIRST_QUARTER)

    outcome = in_folder.run(periods=["2025-Q4", "2026-Q1"])

    assert outcome.absent == ["2025-Q4"]
    assert not outcome.is_clean
    assert names(outcome.published) == ["sales@2026-Q1.1"]


@pytest.mark.parametrize(
    ("now", "later_month", "published"),
    [
        (datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC), None, []),
        (datetime(2026, 4, 1, tzinfo=UTC), None, ["sales@2026-Q1.1"]),
        (datetime(2026, 3, 20, tzinfo=UTC), "2026-04", ["sales@2026-Q1.1"]),
    ],
)
def test_a_quarter_closes_at_its_end_or_with_a_later_month(
    in_folder: Scene, now: datetime, later_month: str | None, published: list[str]
) -> None:
    in_folder.put_months(*FIRST_QUARTER, *filter(None, [later_month]))

    assert names(in_folder.run(now).published) == published


def test_a_stray_record_of_the_far_future_closes_nothing(in_folder: Scene) -> None:
    in_folder.put_months("2026-01", "2026-02")
    in_folder.put("sales_2026-03.csv", [*sales("2026-03"), ("x", "2099-01-01T00:00:00Z", "north", "1.00")])

    assert names(in_folder.run(datetime(2026, 3, 25, tzinfo=UTC)).published) == []


def test_a_month_that_lacks_holds_its_quarter_back(in_folder: Scene) -> None:
    in_folder.put_months("2026-01", "2026-03", "2026-04")

    outcome = in_folder.run()

    assert names(outcome.published) == []
    assert outcome.completeness[0].lacking == ("2026-02",)


def test_a_second_run_puts_no_object_into_the_lake(scene: Scene) -> None:
    scene.put_months(*FIRST_QUARTER, "2026-04")
    first = scene.run()
    with scene.pipeline() as pipeline:
        before = listing(pipeline)

    second = scene.run(datetime(2026, 6, 1, tzinfo=UTC))

    assert second.published == []
    assert second.current == first.published
    with scene.pipeline() as pipeline:
        assert listing(pipeline) == before


# Corrections, late records, duplicates


def test_a_corrected_file_makes_revision_2_of_its_quarter_alone(scene: Scene) -> None:
    scene.put_months("2025-10", "2025-11", "2025-12", *FIRST_QUARTER)
    first = {release.period: release for release in scene.run().published}
    with scene.pipeline() as pipeline:
        before = summary_rows(pipeline)
    scene.put("sales_2026-02.csv", sales("2026-02", 21, amount="{number}.75"))

    second = scene.run()

    assert names(second.published) == ["sales@2026-Q1.2"]
    assert names(second.current) == ["sales@2025-Q4.1"]
    with scene.pipeline() as pipeline:
        store = pipeline.lake.aggregated
        assert find_release(store, "sales@2026-Q1.1") == first["2026-Q1"]
        for name in ("sales@2026-Q1.1", "sales@2026-Q1.2"):
            assert all(file.holds for file in verify(pipeline.lake, find_release(store, name)))
        now = summary_rows(pipeline)
        old_version = max(release.table_version("summary") for release in first.values())
        assert summary_rows(pipeline, version=old_version) == before
    assert published_by_store(now, "2026-Q1") == expected_by_store(scene, FIRST_QUARTER)
    assert published_by_store(now, "2025-Q4") == published_by_store(before, "2025-Q4")


def test_late_records_in_a_new_file_make_revision_2_of_the_quarter_they_belong_to(scene: Scene) -> None:
    scene.put_months("2025-10", "2025-11", "2025-12", *FIRST_QUARTER, "2026-04")
    scene.run()
    scene.put("sales_2026-05.csv", [*sales("2026-05"), *sales("2025-11", 3, first=500)])

    outcome = scene.run()

    assert names(outcome.published) == ["sales@2025-Q4.2"]
    assert names(outcome.current) == ["sales@2026-Q1.1"]
    with scene.pipeline() as pipeline:
        rows = summary_rows(pipeline)
    assert published_by_store(rows, "2025-Q4") == expected_by_store(scene, ("2025-10", "2025-11", "2025-12"))


def test_correcting_a_file_back_publishes_the_first_build_again(in_folder: Scene) -> None:
    in_folder.put_months(*FIRST_QUARTER)
    first = in_folder.run().published[0]
    in_folder.put("sales_2026-02.csv", sales("2026-02", amount="{number}.75"))
    in_folder.run()
    in_folder.put_months("2026-02")

    third = in_folder.run()

    assert names(third.published) == ["sales@2026-Q1.3"]
    with in_folder.pipeline() as pipeline:
        last = summary_rows(pipeline)
        assert last == summary_rows(pipeline, version=first.table_version("summary"))
    assert third.published[0].build.aggregates[0].files[0].sha256 == first.build.aggregates[0].files[0].sha256
    assert third.published[0].build.id == first.build.id


def test_the_same_bytes_under_another_name_count_once(scene: Scene) -> None:
    scene.put_months(*FIRST_QUARTER)
    scene.put("sales_2026-02_again.csv", sales("2026-02"))

    outcome = scene.run()

    duplicates = {entry.source: entry.duplicate_of for entry in outcome.entries if entry.duplicate_of}
    assert duplicates == {"sales/sales_2026-02_again.csv": "sales/sales_2026-02.csv"}
    assert sum(entry.accepted for entry in outcome.entries) == 60
    with scene.pipeline() as pipeline:
        assert sum(row["count"] for row in summary_rows(pipeline)) == 60


def test_correcting_the_first_of_two_equal_files_keeps_the_records_of_the_second(in_folder: Scene) -> None:
    in_folder.put_months(*FIRST_QUARTER)
    in_folder.put("sales_2026-02_again.csv", sales("2026-02"))
    in_folder.run()
    in_folder.put("sales_2026-02.csv", sales("2026-02", 5, first=300))

    outcome = in_folder.run()

    assert names(outcome.published) == ["sales@2026-Q1.2"]
    assert not any(entry.duplicate_of for entry in outcome.entries)
    with in_folder.pipeline() as pipeline:
        assert sum(row["count"] for row in summary_rows(pipeline)) == 65


def test_a_data_set_none_of_whose_files_can_be_read_says_why(in_folder: Scene) -> None:
    in_folder.put("sales_2026-01.csv", bytes(range(256)) * 20)
    refused = in_folder.run().refused
    assert "is binary" in refused["sales/sales_2026-01.csv"]
    in_folder.put("sales_2026-02.csv", bytes(range(256)) * 30)
    with in_folder.pipeline() as pipeline:
        pipeline.ingest(in_folder.source)
        [status] = lake_status(pipeline, "sales")["datasets"]
        first, second = ledger_entries(pipeline, "sales")
    assert status["files"]["unprocessed"] == 1, "the second has not been looked at"
    assert status["files"]["refused"] == [
        {"source": source, "error": error} for source, error in refused.items()
    ]
    assert (first.error, second.error) == (refused["sales/sales_2026-01.csv"], None)


def test_bytes_that_land_twice_with_others_between_are_parsed_once(in_folder: Scene) -> None:
    for rows in (sales("2026-01", 2000), sales("2026-01", 2), sales("2026-01", 2000)):
        in_folder.put("sales_2026-01.csv", rows)
        with in_folder.pipeline() as pipeline:
            pipeline.ingest(in_folder.source)
    entries = in_folder.run().entries
    assert [(entry.records, entry.accepted) for entry in entries] == [(2000, 0), (2, 0), (2000, 2000)]


def test_bytes_that_come_again_are_unprocessed_until_they_are_curated(in_folder: Scene) -> None:
    in_folder.put_months(*FIRST_QUARTER)
    in_folder.run()
    in_folder.put("sales_2026-01.csv", sales("2026-01", 7))
    in_folder.run()
    in_folder.put_months("2026-01")
    with in_folder.pipeline() as pipeline:
        pipeline.ingest(in_folder.source)
        [status] = lake_status(pipeline, "sales")["datasets"]
        for entry in ledger_entries(pipeline, "sales"):
            entry.check()
    assert status["files"]["unprocessed"] == 1
    assert status["records"] == {
        "files": 5, "records": 67, "accepted": 40, "rejected": 0, "superseded": 27
    }  # fmt: skip
    in_folder.run()
    with in_folder.pipeline() as pipeline:
        [status] = lake_status(pipeline, "sales")["datasets"]
    assert (status["files"]["unprocessed"], status["records"]["accepted"]) == (0, 60)


def test_the_ledger_balances_through_corrections_duplicates_and_rejects(in_folder: Scene) -> None:
    in_folder.put_months(*FIRST_QUARTER, "2026-04", count=200)
    in_folder.put("sales_2026-02_again.csv", sales("2026-02", 200))
    in_folder.put(
        "sales_2026-03.csv", [*sales("2026-03", 200), ("bad", "2026-03-01T00:00:00Z", "north", "many")]
    )
    release = in_folder.run().published[0]
    in_folder.put("sales_2026-01.csv", sales("2026-01", 190))
    in_folder.run()

    with in_folder.pipeline() as pipeline:
        entries = ledger_entries(pipeline, "sales")
        rejects = list(reject_entries(pipeline, "sales"))
        curated = len(curated_rows(pipeline))
    for entry in entries:
        entry.check()
    assert all(entry.balances for entry in release.build.ledger)
    assert totals(entries) == {
        "files": 6,
        "records": 200 * 4 + 1 + 190,
        "accepted": 790,
        "rejected": 1,
        "superseded": 200,
    }
    assert curated == 790
    assert [(reject.source, reject.line, reject.column) for reject in rejects] == [
        ("sales/sales_2026-03.csv", 202, "amount")
    ]
    assert rejects[0].raw == "bad,2026-03-01T00:00:00Z,north,many"


# What an inferred contract says of itself


@pytest.mark.parametrize(
    ("header", "record", "encoding", "note"),
    [
        ("Order ID,at", "{n},2026-01-05", "utf-8", "key: Order ID, named like an identifier"),
        ("place,at", "{m},2026-01-05", "utf-8", "key: none, so that equal rows all count"),
        ("shop_id,at", "{n},2026-01-05", "utf-8", "shop_id might be one, unique in the sample"),
        ("id,at", "{q},2026-01-05", "utf-8", "key: none, since id is missing in some records"),
        ("v,at", "{bad},2026-01-05", "utf-8", "v: text, since 50 of 200 values are no numbers"),
        ("v,at", "2026-01-{bad},2026-01-05", "utf-8", "v: text, since 50 of 200 values are no dates or times"),
        ("v,at", "\u0141\u00f3d\u017a {n},2026-01-05", "cp1250", "encoding: windows-1252, which bytes alone do not tell"),
    ],
)  # fmt: skip
def test_a_contract_says_why(in_folder: Scene, header: str, record: str, encoding: str, note: str) -> None:
    scene = replace(in_folder, dataset="orders")
    beyond_the_sample = 2_100
    lines = [
        record.format(
            n=n, m=n % 7, q="" if n == beyond_the_sample else n, bad=10 + n % 19 if n % 4 else "n/v"
        )
        for n in range(beyond_the_sample + 100 if "{q}" in record else 200)
    ]
    scene.put("orders_2026-01.csv", "\n".join([header, *lines]).encode(encoding))
    contract = scene.run().contract
    assert contract is not None
    assert any(note in said for said in contract.notes), contract.notes


# Months that have not landed


def test_a_month_all_of_whose_records_are_rejected_has_not_landed(in_folder: Scene) -> None:
    in_folder.put_months("2026-01", "2026-03")
    in_folder.put("sales_2026-02.csv", b"sale_id,store,sold_at,amount\n" + b"7,2026-02-05\n" * 20)
    outcome = in_folder.run()
    assert outcome.published == []
    assert [found.lacking for found in outcome.completeness] == [("2026-02",)]
    assert list(outcome.refused) == ["sales/sales_2026-02.csv"]


def test_a_header_says_that_nothing_happened_but_not_that_nothing_had(in_folder: Scene) -> None:
    header = csv_text([])
    in_folder.put_months("2026-01", "2026-03")
    in_folder.put("sales_2026-02.csv", header)
    assert names(in_folder.run().published) == ["sales@2026-Q1.1"]
    in_folder.put("sales_2026-03.csv", header)
    in_folder.put_months("2026-02")
    outcome = in_folder.run()
    assert (outcome.published, list(outcome.stale)) == ([], ["2026-Q1"])


@pytest.mark.parametrize(
    "first", [b"sale_id,store,sold_at,amount\n", b"Dear team,\nplease find attached.\nBest"]
)
def test_a_contract_that_no_record_has_met_binds_nobody(in_folder: Scene, first: bytes) -> None:
    in_folder.put("sales_2026-01.csv", first)
    in_folder.run()
    in_folder.run()
    with in_folder.pipeline() as pipeline:
        before = in_force(pipeline.parsing, "sales", None)
    in_folder.put_months(*FIRST_QUARTER)
    [release] = in_folder.run().published
    assert before is not None
    assert (before.version, before.record_time) == ("1.0.0", None)
    assert (release.build.contract.version, release.build.contract.record_time) == ("1.1.0", "sold_at")
    assert release.build.observations.rows == 60
    in_folder.put("sales_2026-01.csv", first)
    in_folder.put("sales_2026-02.csv", first)
    in_folder.put("sales_2026-03.csv", first)
    in_folder.run()
    with in_folder.pipeline() as pipeline:
        assert in_force(pipeline.parsing, "sales", None) == release.build.contract, "it was met once"


def test_equal_headers_name_a_month_each(in_folder: Scene) -> None:
    header = csv_text([])
    in_folder.put_months("2026-01")
    in_folder.put("sales_2026-02.csv", header)
    in_folder.put("sales_2026-03.csv", header)
    assert names(in_folder.run().published) == ["sales@2026-Q1.1"]


@pytest.mark.parametrize("apart", [False, True])
def test_rejects_count_at_the_gate_whatever_file_they_are_in(in_folder: Scene, *, apart: bool) -> None:
    in_folder.put_months("2026-01", "2026-03")
    good, bad = sales("2026-02", 20), [("x", "no time", "north", 1)] * 2
    in_folder.put("sales_2026-02.csv", good if apart else [*good, *bad])
    if apart:
        in_folder.put("sales_2026-02-15.csv", bad)
    outcome = in_folder.run()
    assert outcome.stopped == ["2026-Q1"]
    [stopping] = [gate for gate in outcome.reports[0].gates if gate.stops]
    assert (stopping.gate, stopping.observed) == ("reject_ratio", 2 / 62)


# Files that cannot be read


def unreadable_files() -> dict[str, bytes]:
    table = io.BytesIO()
    pq.write_table(pa.table({"sale_id": ["a"]}), table)
    return {
        "sales_2026-03_empty.csv": b"",
        "sales_2026-03_cut.csv.gz": gzip.compress(csv_text(sales("2026-03", 500)), mtime=0)[:-40],
        "sales_2026-03_cut.parquet": table.getvalue()[:-10],
        "sales_2026-03_binary.csv": bytes(range(256)) * 20,
    }


def test_an_error_names_the_file_that_it_is_of(in_folder: Scene) -> None:
    in_folder.put("sales_2026-02.csv", b"")
    in_folder.run()
    in_folder.put_months("2026-02")
    in_folder.put("sales_2026-03.csv", b"")
    [(source, error)] = in_folder.run().refused.items()
    assert error.startswith(f"{source} is empty")
    with in_folder.pipeline() as pipeline:
        [status] = lake_status(pipeline, "sales")["datasets"]
    assert status["files"]["refused"] == [{"source": source, "error": error}]


@pytest.mark.parametrize("bad", list(unreadable_files()))
def test_an_unreadable_file_is_refused_by_name_and_the_others_are_published(
    in_folder: Scene, bad: str
) -> None:
    in_folder.put_months(*FIRST_QUARTER)
    in_folder.put(bad, unreadable_files()[bad])

    outcome = in_folder.run()

    assert list(outcome.refused) == [f"sales/{bad}"]
    assert bad in outcome.refused[f"sales/{bad}"]
    assert not outcome.is_clean
    assert names(outcome.published) == ["sales@2026-Q1.1"]
    with in_folder.pipeline() as pipeline:
        assert sum(row["count"] for row in summary_rows(pipeline)) == 60
        assert [entry.source for entry in ledger_entries(pipeline, "sales") if entry.error] == [
            f"sales/{bad}"
        ]


def test_a_data_set_of_unreadable_files_alone_is_refused(in_folder: Scene) -> None:
    for name, content in unreadable_files().items():
        in_folder.put(name, content)

    outcome = in_folder.run()

    assert sorted(outcome.refused) == sorted(f"sales/{name}" for name in unreadable_files())
    assert outcome.published == []


# Contracts that widen


def put_quarter(scene: Scene, first_month: int, amount: str) -> None:
    for month in range(first_month, first_month + 3):
        scene.put(f"sales_2026-{month:02d}.csv", sales(f"2026-{month:02d}", amount=amount))


def parsed_rows(pipeline: Pipeline, name: str) -> list[tuple[object, ...]]:
    """A live file's accepted records, cast to the types of the contract in force as curating does."""
    landings, settled = pipeline.settled("sales")
    assert settled is not None
    landing = next(found for found in landings if found.manifest.source.endswith(name))
    parsed = settled.parsed[landing.manifest.sequence]
    assert parsed.data is not None
    columns = ", ".join(f'CAST("{c.name}" AS {type_name(c.type)})' for c in settled.contract.columns)
    with pipeline.lake.curated.local([parsed.data]) as [path], duckdb.connect() as connection:
        query = f"SELECT {columns}, _month FROM read_parquet('{path}') WHERE _raw IS NULL ORDER BY ALL"
        found: list[tuple[object, ...]] = connection.execute(query).fetchall()
    return found


def test_integers_then_decimals_widen_the_contract_once_and_both_quarters_are_published(
    in_folder: Scene,
) -> None:
    put_quarter(in_folder, 1, "{number}")
    in_folder.run()
    put_quarter(in_folder, 4, "{number}.25")

    outcome = in_folder.run(datetime(2026, 7, 2, tzinfo=UTC))

    assert outcome.contract is not None
    assert outcome.contract.version == "1.1.0"
    assert outcome.contract.column("amount").type.kind == "decimal"
    assert outcome.stopped == []
    with in_folder.pipeline() as pipeline:
        rows = summary_rows(pipeline)
    assert published_by_store(rows, "2026-Q1") == expected_by_store(in_folder, FIRST_QUARTER)
    assert published_by_store(rows, "2026-Q2") == expected_by_store(
        in_folder, ("2026-04", "2026-05", "2026-06")
    )


@pytest.mark.parametrize(("late", "kind"), [("{number}.25", "decimal"), ("00{number}", "string")])
def test_what_was_parsed_before_equals_a_fresh_parse(tmp_path: Path, late: str, kind: str) -> None:
    grown = Scene(tmp_path / "grown", LakeTarget(str(tmp_path / "grown-lake")))
    fresh = Scene(tmp_path / "fresh", LakeTarget(str(tmp_path / "fresh-lake")))
    put_quarter(grown, 1, "{number}")
    grown.run()
    for scene in (grown, fresh):
        put_quarter(scene, 1, "{number}")
        put_quarter(scene, 4, late)
    contract = grown.run().contract
    assert contract is not None
    assert contract.column("amount").type.kind == kind

    fresh.declare(to_yaml(contract))
    fresh.run()

    with grown.pipeline() as one, fresh.pipeline() as other:
        assert parsed_rows(one, "2026-01.csv") == parsed_rows(other, "2026-01.csv")
        assert curated_rows(one) == curated_rows(other)


def test_leading_zeros_that_arrive_later_turn_the_column_back_to_text(in_folder: Scene) -> None:
    in_folder.put("sales_2026-01.csv", [(*row, 7) for row in sales("2026-01")], (*HEADER, "till"))
    in_folder.run()
    in_folder.put("sales_2026-02.csv", [(*row, "007") for row in sales("2026-02")], (*HEADER, "till"))

    outcome = in_folder.run()

    assert outcome.contract is not None
    assert str(outcome.contract.column("till").type) == "string"
    with in_folder.pipeline() as pipeline:
        assert {row["till"] for row in curated_rows(pipeline)} == {"7", "007"}


def test_a_new_column_makes_no_new_revision_of_earlier_quarters(in_folder: Scene) -> None:
    in_folder.put_months(*FIRST_QUARTER)
    in_folder.run()
    rows = [(*row, f"kind{number % 2}") for number, row in enumerate(sales("2026-04"))]
    in_folder.put("sales_2026-04.csv", rows, (*HEADER, "kind"))

    outcome = in_folder.run()

    assert outcome.contract is not None
    assert outcome.contract.column("kind").type.kind == "string"
    assert outcome.published == []
    assert names(outcome.current) == ["sales@2026-Q1.1"]
    with in_folder.pipeline() as pipeline:
        assert {row["kind"] for row in curated_rows(pipeline)} == {None, "kind0", "kind1"}


# The same bytes, open to other tools


def fill(scene: Scene) -> None:
    scene.put_months(*FIRST_QUARTER, "2026-04", count=50)
    scene.put("sales_2026-03_late.csv", [*sales("2026-03", 9, first=200), *sales("2026-01", 9, first=300)])
    scene.run()


def test_two_lakes_hold_the_same_bytes(tmp_path: Path, lake_target: LakeTarget) -> None:
    one = Scene(
        tmp_path / "one", LakeTarget(str(tmp_path / "one-lake")), environment={"QUARTERLAKE_THREADS": "1"}
    )
    other = Scene(tmp_path / "other", lake_target, environment={"QUARTERLAKE_THREADS": "2"})
    for scene in (one, other):
        fill(scene)

    with one.pipeline() as left, other.pipeline() as right:
        for zone in ("curated", "aggregated"):
            mine, theirs = (parquet(objects(getattr(side.lake, zone))) for side in (left, right))
            assert mine
            assert mine == theirs
        assert releases_of(left.lake.aggregated, "sales") == releases_of(right.lake.aggregated, "sales")


def test_published_tables_open_in_other_tools(in_folder: Scene) -> None:
    fill(in_folder)
    path = in_folder.root / "lake" / "aggregated" / "sales" / "summary"
    order = ["quarter", "store"]

    with in_folder.pipeline() as pipeline:
        expected = summary_rows(pipeline)
        [release] = releases_of(pipeline.lake.aggregated, "sales")
    frame = pl.read_delta(str(path)).sort(order)
    with duckdb.connect() as connection:
        listed = [str(path.parent.parent / file.path) for file in release.build.aggregates[0].files]
        relation = connection.execute("SELECT * FROM read_parquet(?) ORDER BY quarter, store", [listed])
        named = [column[0] for column in relation.description]
        found = [dict(zip(named, row, strict=True)) for row in relation.fetchall()]

    assert expected
    assert frame.to_dicts() == expected
    assert found == expected
