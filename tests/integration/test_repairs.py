"""Rejects that are repaired and replayed: each counts once, whatever is done twice, in part, or afterwards."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quarterlake.cleaning import clean
from quarterlake.delivery.catalog import Catalog
from quarterlake.delivery.pages.views import profile_of
from quarterlake.domain.errors import UsageError
from quarterlake.domain.ledger import totals
from quarterlake.domain.profiles import PROFILE_VERSION, Profile
from quarterlake.exporting import export
from quarterlake.lake import documents, keys
from quarterlake.lake.folder import FolderStore
from quarterlake.overview import lake_status, ledger_entries, reject_entries
from quarterlake.processing.new_file import new_file
from quarterlake.publishing.outlooks import newest_outlook
from quarterlake.publishing.verify import verify
from quarterlake.repairing import replay
from quarterlake.rereading import reread
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import NOW, Scene, contract_yaml, curated_rows, names, objects

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from quarterlake.domain.ledger import FileEntry
    from quarterlake.domain.outlooks import Outlook
    from quarterlake.domain.releases import Release
    from quarterlake.repairing import Replayed

COLUMNS = (("sale_id", "string"), ("sold_at", "timestamp"), ("store", "string"), ("amount", "decimal(18,2)"))
HEADER = [name for name, _ in COLUMNS]
ALLOWED = [("reject_ratio", "warning", None)]
SOURCE = "sales/sales_2026-02.csv"

Rows = list[dict[str, Any]]


def month(name: str, bad: dict[int, dict[str, str]] | None = None) -> Rows:
    """Twelve sales of a month, some of them changed."""
    rows: Rows = [
        {
            "sale_id": f"{name}-{n:03d}",
            "sold_at": f"{name}-{n + 1:02d}T10:00:00Z",
            "store": "north, main" if n % 2 else 'the "old" one',
            "amount": f"{n}.25",
        }
        for n in range(12)
    ]
    for number, change in (bad or {}).items():
        rows[number] |= change
    return rows


def as_csv(rows: Rows) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_ndjson(rows: Rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_array(rows: Rows) -> bytes:
    return json.dumps(rows).encode()


def as_parquet(rows: Rows) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table({name: [row[name] for row in rows] for name in HEADER}), target)
    return target.getvalue()


BAD = {3: {"amount": "=3+4"}, 5: {"sold_at": "soon"}, 8: {"amount": "much"}}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Three months of the first quarter, published as revision 1; February has three rejects."""
    return first_revision(tmp_path, LakeTarget(str(tmp_path / "lake")))


def first_revision(folder: Path, target: LakeTarget) -> Scene:
    made = Scene(folder, target)
    made.declare(contract_yaml(COLUMNS, gates=ALLOWED))
    for name in ("2026-01", "2026-03"):
        made.put(f"sales_{name}.csv", as_csv(month(name)))
    made.put("sales_2026-02.csv", as_csv(month("2026-02", BAD)))
    assert names(made.run().published) == ["sales@2026-Q1.1"]
    return made


def exported(scene: Scene, name: str = "rejects.csv") -> tuple[Path, Rows]:
    path = scene.root / name
    with scene.pipeline() as pipeline:
        export(pipeline, "sales", path)
    return path, list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def save(path: Path, rows: Rows, *, encoding: str = "utf-8-sig", delimiter: str = ",") -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def replayed(scene: Scene, path: Path) -> Replayed:
    with scene.pipeline() as pipeline:
        [done] = replay(pipeline, path)
    return done


def repair(scene: Scene, change: Callable[[Rows], None], name: str = "rejects.csv") -> Replayed:
    """Export, change the rows, replay."""
    path, rows = exported(scene, name)
    change(rows)
    save(path, rows)
    return replayed(scene, path)


def amounts(*texts: str | None) -> Callable[[Rows], None]:
    """Give the rejected records these amounts and a time; None leaves a row as it is."""

    def change(rows: Rows) -> None:
        for row, text in zip(rows, texts, strict=True):
            if text is not None:
                row["amount"] = text
                row["sold_at"] = row["sold_at"] if row["sold_at"] != "soon" else "2026-02-20T10:00:00Z"

    return change


def ledger(scene: Scene) -> dict[str, FileEntry]:
    """The live entries by source; every one balances, and what is accepted is what is curated."""
    with scene.pipeline() as pipeline:
        entries = ledger_entries(pipeline, "sales")
        rows = curated_rows(pipeline)
    for entry in entries:
        entry.check()
    assert sum(entry.accepted for entry in entries) == len(rows)
    assert len({row["sale_id"] for row in rows}) == len(rows), "a record counts twice"
    return {entry.source: entry for entry in entries}


def counts(entry: FileEntry) -> tuple[int, int, int, int]:
    return entry.records, entry.accepted, entry.rejected, entry.superseded


def rejects_of(scene: Scene) -> list[Any]:
    with scene.pipeline() as pipeline:
        return list(reject_entries(pipeline, "sales"))


def totals_agree(scene: Scene) -> int:
    """The rejected records that `status` counts: those that are listed, and those in the sum of a run."""
    with scene.pipeline() as pipeline:
        rejected: int = lake_status(pipeline)["datasets"][0]["records"]["rejected"]
    outcome = scene.run()
    assert totals(outcome.entries)["rejected"] == rejected == len(rejects_of(scene))
    assert sum(count.count for count in outcome.rejects) == rejected
    return rejected


def told_rejects(scene: Scene, release: Release | None = None) -> dict[tuple[str, str], int]:
    """The rejects by file and reason that the newest outlook tells, or the profile of a release."""
    with scene.pipeline() as pipeline:
        store = pipeline.lake.aggregated
        told: Outlook | Profile | None = newest_outlook(store, "sales")[1]
        if release is not None:
            told = documents.read(store, keys.profile("sales", release.build.id, PROFILE_VERSION), Profile)
    assert told is not None
    return {(each.source, each.reason): each.count for each in told.rejects}


def test_an_export_has_the_trace_the_reason_the_raw_text_and_the_cells(scene: Scene) -> None:
    _, rows = exported(scene)
    data = as_csv(month("2026-02", BAD))
    assert [row["_source"] for row in rows] == [SOURCE] * 3
    assert [row["_line"] for row in rows] == ["5", "7", "10"]
    assert [row["_column"] for row in rows] == ["amount", "sold_at", "amount"]
    for row in rows:
        sha256, _, place = row["_trace"].partition("@b")
        assert len(sha256) == 64
        assert data[int(place) :].startswith(row["_raw"].encode())
    assert rows[0]["amount"] == "'=3+4", "no spreadsheet may compute what a file holds"
    assert rows[1]["store"] == "north, main"
    assert rows[1]["sold_at"] == "soon"


@pytest.mark.parametrize("form", ["{}", "[{}]"])
def test_a_name_that_stands_twice_leaves_its_cell_empty(tmp_path: Path, form: str) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    columns = (("id", "int64"), ("same", "string"), ("n.x", "int64"), ("kept", "string"), ("list", "string"))
    scene.declare(contract_yaml(columns, gates=ALLOWED))
    record = (
        '{"id": 1, "same": "a", "id": 2, "same": "a", "n": {"x": 1, "x": 3, "x": 1}, "kept": "b", '
        '"list": [{"y": 1, "y": 2}]}'
    )
    scene.put("sales_2026-02.json", form.format(record).encode())
    scene.run()
    _, [row] = exported(scene)
    assert row["_reason"] == "two fields of one name in one JSON object"
    assert [row[name] for name, _ in columns] == ["", "a", "", "b", ""]
    assert row["_raw"] == record


def test_names_that_only_case_tells_apart_have_a_cell_each(tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.declare(contract_yaml((("id", "int64"), ("ID_2", "int64"), ("n", "int64")), gates=ALLOWED))
    scene.put(
        "sales_2026-02.json", b'{"ID": 2, "id": 1, "n": "x"}\n{"id": 3, "n": "x"}\n{"ID": 4, "n": "x"}\n'
    )
    scene.run()
    _, rows = exported(scene)
    assert [(row["id"], row["ID_2"]) for row in rows] == [("1", "2"), ("3", ""), ("", "4")]


def test_discards_free_a_build_that_they_stopped_and_bad_repairs_do_not(tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.declare(contract_yaml(COLUMNS, extra={"recordTime": "sold_at"}))
    for name in ("2026-01", "2026-02", "2026-03"):
        scene.put(f"sales_{name}.csv", as_csv(month(name, BAD if name == "2026-02" else None)))
    assert scene.run().stopped == ["2026-Q1"]
    repair(scene, amounts("worse", "worse", "worse"), "worse.csv")
    assert scene.run().stopped == ["2026-Q1"]
    scene.put("sales_2026-01.csv", as_csv(month("2026-01", {0: {"amount": "7.00"}})))
    outcome = scene.run()
    assert outcome.stopped == ["2026-Q1"], "three records are rejected still"
    scene.put("sales_2026-01.csv", as_csv(month("2026-01")))

    def discard(rows: Rows) -> None:
        for row in rows:
            row["_action"] = "discard"

    repair(scene, discard)
    [release] = scene.run().published
    found = {entry.source: entry for entry in release.build.ledger}
    assert (found[SOURCE].accepted, found[SOURCE].rejected, found[SOURCE].superseded) == (9, 0, 3)
    assert release.build.observations.drift == ()
    with scene.pipeline() as pipeline:
        profile = profile_of(Catalog(pipeline.lake.aggregated), release)
    assert profile is not None
    assert profile.rejects == ()
    assert scene.run().published == []


def test_a_replay_makes_revision_2_of_its_quarter_and_of_that_one_only(scene: Scene) -> None:
    scene.put("sales_2025-10.csv", as_csv(month("2025-10")))
    scene.put("sales_2025-11.csv", as_csv(month("2025-11")))
    scene.put("sales_2025-12.csv", as_csv(month("2025-12")))
    assert names(scene.run().published) == ["sales@2025-Q4.1"]
    assert sum(told_rejects(scene).values()) == 3
    done = repair(scene, amounts("7.00", "5.25", None))
    assert (done.repaired, done.left, done.refused) == (2, 1, {})
    outcome = scene.run()
    assert names(outcome.published) == ["sales@2026-Q1.2"]
    [left] = rejects_of(scene)
    assert told_rejects(scene) == told_rejects(scene, outcome.published[0]) == {(SOURCE, left.reason): 1}
    found = ledger(scene)
    assert counts(found[SOURCE]) == (12, 9, 1, 2)
    assert found[SOURCE].repaired == 2
    assert counts(found[SOURCE + "/repaired"]) == (2, 2, 0, 0)
    assert len(rejects_of(scene)) == 1
    # The rows in the release are traced to the original lines, and to what was handed in.
    release = outcome.published[0]
    [(entry, repairs)] = [(e, e.repairs) for e in release.build.ledger if e.repairs is not None]
    data = as_csv(month("2026-02", BAD))
    lines = [data[int(place[1:]) :].split(b"\n")[0].decode() for place in repairs.places]
    assert [line.split(",")[0] for line in lines] == ["2026-02-003", "2026-02-005"]
    assert repairs.lines == (5, 7)
    with scene.pipeline() as pipeline:
        files = list(verify(pipeline.lake, release))
        assert all(file.holds for file in files)
        assert {repairs.sha256, entry.sha256} <= {file.recorded for file in files}
        sources = {row["sale_id"]: row["_source"] for row in curated_rows(pipeline)}
        status = lake_status(pipeline)["datasets"][0]
    assert sources["2026-02-003"] == entry.sha256
    assert (status["files"]["replays"], status["repaired"]) == (1, 2)
    assert status["files"]["landed"] == 6
    # Nothing new: nothing happens.
    assert names(scene.run().published) == []


def test_repaired_rows_and_a_changed_contract_make_revisions_on_any_store(
    tmp_path: Path, lake_target: LakeTarget
) -> None:
    """Export, edit, replay and run: revision 2 by repaired rows, revision 3 by a contract that takes what is left."""
    scene = first_revision(tmp_path, lake_target)
    done = repair(scene, amounts("7.00", "5.25", None))
    assert (done.repaired, done.left, done.refused, done.landed) == (2, 1, {}, [SOURCE + "/repaired"])
    again = replayed(scene, tmp_path / "rejects.csv")
    assert (again.repaired, again.unchanged, again.landed) == (0, 2, [])
    second = scene.run().published
    assert names(second) == ["sales@2026-Q1.2"]
    assert counts(ledger(scene)[SOURCE]) == (12, 9, 1, 2)
    assert counts(ledger(scene)[SOURCE + "/repaired"]) == (2, 2, 0, 0)
    loose = [(name, "string" if name == "amount" else kind) for name, kind in COLUMNS]
    scene.declare(contract_yaml(loose, gates=[*ALLOWED, ("schema_compatible", "warning", None)]))
    with scene.pipeline() as pipeline:
        read = reread(pipeline, "sales")[1]
        assert [(f.before, f.now) for f in read if f.source == SOURCE] == [(3, 1)]
    third = scene.run().published
    assert names(third) == ["sales@2026-Q1.3"]
    assert counts(ledger(scene)[SOURCE]) == (12, 11, 0, 1), "`soon` is no time under any contract"
    assert counts(ledger(scene)[SOURCE + "/repaired"]) == (2, 1, 0, 1)
    with scene.pipeline() as pipeline:
        for release in (*second, *third):
            assert all(file.holds for file in verify(pipeline.lake, release)), (
                "older revisions stay as they were"
            )
    assert names(scene.run().published) == []


def test_a_changed_contract_alone_makes_revision_2_on_any_store(
    tmp_path: Path, lake_target: LakeTarget
) -> None:
    scene = first_revision(tmp_path, lake_target)
    loose = [(name, "string" if name == "amount" else kind) for name, kind in COLUMNS]
    scene.declare(contract_yaml(loose, gates=[*ALLOWED, ("schema_compatible", "warning", None)]))
    with scene.pipeline() as pipeline:
        read = reread(pipeline, "sales")[1]
        assert [(f.before, f.now) for f in read if f.source == SOURCE] == [(3, 1)]
    assert names(scene.run().published) == ["sales@2026-Q1.2"]
    assert counts(ledger(scene)[SOURCE]) == (12, 11, 1, 0)


def test_the_same_sheet_twice_is_the_same_once(scene: Scene) -> None:
    path, rows = exported(scene)
    amounts("7.00", "5.25", "8.25")(rows)
    save(path, rows)
    assert replayed(scene, path).repaired == 3
    before = objects_of(scene)
    again = replayed(scene, path)
    assert (again.repaired, again.unchanged, again.landed) == (0, 3, [])
    assert objects_of(scene) == before
    scene.run()
    assert replayed(scene, path).unchanged == 3
    assert names(scene.run().published) == []
    assert counts(ledger(scene)[SOURCE]) == (12, 9, 0, 3)


def objects_of(scene: Scene) -> dict[str, bytes]:
    with scene.pipeline() as pipeline:
        return objects(pipeline.lake.raw)


def test_repairs_in_several_sheets_add_up_and_the_newest_of_a_record_wins(scene: Scene) -> None:
    repair(scene, amounts("7.00", None, None), "one.csv")
    repair(scene, amounts("7.50", "5.25", None), "two.csv")  # before any run: the first stands nowhere yet
    scene.run()
    found = ledger(scene)
    assert counts(found[SOURCE]) == (12, 9, 1, 2)
    with scene.pipeline() as pipeline:
        values = {row["sale_id"]: str(row["amount"]) for row in curated_rows(pipeline)}
        entries = ledger_entries(pipeline, "sales")
    assert values["2026-02-003"] == "7.50"
    assert [counts(e) for e in entries if e.repairs] == [(1, 0, 0, 1), (2, 2, 0, 0)]
    repair(scene, amounts("9.99"), "three.csv")
    assert names(scene.run().published) == ["sales@2026-Q1.3"]
    assert counts(ledger(scene)[SOURCE]) == (12, 9, 0, 3)


def test_a_repair_that_is_rejected_again_is_exported_again_under_its_first_trace(scene: Scene) -> None:
    _, first = exported(scene, "zero.csv")
    repair(scene, amounts("still bad", "5.25", None), "one.csv")
    scene.run()
    found = ledger(scene)
    assert counts(found[SOURCE]) == (12, 9, 1, 2)
    assert counts(found[SOURCE + "/repaired"]) == (2, 1, 1, 0)
    _, rows = exported(scene, "two.csv")
    assert {row["_trace"] for row in rows} == {first[0]["_trace"], first[2]["_trace"]}
    [again] = [row for row in rows if row["_trace"] == first[0]["_trace"]]
    assert again["amount"] == "still bad"

    def mend(rows: Rows) -> None:
        next(row for row in rows if row["_trace"] == first[0]["_trace"])["amount"] = "3.25"

    repair(scene, mend, "three.csv")
    scene.run()
    assert counts(ledger(scene)[SOURCE]) == (12, 9, 1, 2)
    assert counts(ledger(scene)[SOURCE + "/repaired"]) == (2, 2, 0, 0)
    assert totals_agree(scene) == 1


def test_a_corrected_file_ends_the_repairs_of_what_it_was(scene: Scene) -> None:
    repair(scene, amounts("7.00", "5.25", None))
    scene.run()
    path, _ = exported(scene, "late.csv")
    scene.put("sales_2026-02.csv", as_csv(month("2026-02")))
    scene.run()
    found = ledger(scene)
    assert counts(found[SOURCE]) == (12, 12, 0, 0)
    assert counts(found[SOURCE + "/repaired"]) == (2, 0, 0, 2)
    assert totals_agree(scene) == 0
    _, rows = path, list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    rows[0]["amount"] = "8.25"
    save(path, rows)
    done = replayed(scene, path)
    assert done.refused["2"].endswith(
        "was corrected since it was exported, so that this record is no more; export again"
    )
    # The bytes that it was come back, and the repairs with them.
    scene.put("sales_2026-02.csv", as_csv(month("2026-02", BAD)))
    scene.run()
    assert counts(ledger(scene)[SOURCE]) == (12, 9, 1, 2)


def test_a_record_that_is_discarded_on_purpose_is_superseded(scene: Scene) -> None:
    def change(rows: Rows) -> None:
        rows[0]["_action"], rows[1]["_action"] = "discard", "Discard"

    done = repair(scene, change)
    assert (done.repaired, done.discarded, done.left) == (0, 2, 1)
    scene.run()
    found = ledger(scene)
    assert counts(found[SOURCE]) == (12, 9, 1, 2)
    assert (found[SOURCE].repaired, found[SOURCE].discarded) == (0, 2)
    assert counts(found[SOURCE + "/repaired"]) == (0, 0, 0, 0)
    assert len(rejects_of(scene)) == sum(told_rejects(scene).values()) == 1


def test_an_edit_of_the_raw_text_is_said_to_be_none(scene: Scene) -> None:
    def change(rows: Rows) -> None:
        rows[0]["_raw"] = rows[0]["_raw"].replace("=3+4", "3.25")
        rows[1]["_raw"] = f" {rows[1]['_raw']}\r\n"

    done = repair(scene, change)
    assert (done.repaired, done.left, done.raw_changed, done.refused) == (0, 3, 1, {})
    # An older export does not tell.
    path, rows = exported(scene, "old.csv")
    change(rows)
    for row in rows:
        row["_exported"] = row["_exported"].partition("-")[0]
    save(path, rows)
    done = replayed(scene, path)
    assert (done.repaired, done.left, done.raw_changed) == (0, 3, 0)


def test_a_row_whose_cells_have_moved_is_refused(scene: Scene) -> None:
    path, _ = exported(scene)
    text = path.read_text("utf-8-sig")
    assert "=3+4" in text
    path.write_text(text.replace(",soon", ",so,on"), encoding="utf-8-sig")
    done = replayed(scene, path)
    assert (done.repaired, done.left, done.landed) == (0, 2, [])
    assert list(done.refused) == ["3"]
    assert "more cells than the header" in done.refused["3"]


def test_a_repair_that_is_rejected_again_is_listed_without_the_blanks_of_its_trace(scene: Scene) -> None:
    repair(scene, amounts("still bad", None, None))
    scene.run()
    [again] = [reject for reject in rejects_of(scene) if reject.source == SOURCE + "/repaired"]
    assert again.raw.endswith('"}')


def test_drift_whose_records_are_repaired_is_said_no_more(scene: Scene) -> None:
    [before] = [d.text for d in scene.run().drift if "amount" in d.text]
    assert before == f"{SOURCE}: 2 values of amount do not fit its type; their records are rejected"
    repair(scene, amounts("7.00", None, None), "one.csv")
    outcome = scene.run()
    assert f"{before} (1 of its 3 rejects are repaired or discarded)" in [d.text for d in outcome.drift]
    repair(scene, amounts("5.25", "6.00"), "two.csv")
    outcome = scene.run()
    assert outcome.drift == []
    [gate] = [g for g in outcome.published[0].quality.gates if g.gate == "within_contract"]
    assert (gate.passed, gate.message) == (True, "every file keeps to the contract")
    with scene.pipeline() as pipeline:
        assert lake_status(pipeline)["datasets"][0]["drift"] == []
        _, outlook = newest_outlook(pipeline.lake.aggregated, "sales")
    assert outlook is not None
    assert (outlook.drift, outlook.rejects) == ((), ())
    assert totals_agree(scene) == 0


def test_a_contract_that_takes_the_original_leaves_the_repair_out(scene: Scene) -> None:
    repair(scene, amounts("7.00", "5.25", "8.25"))
    scene.run()
    loose = [(name, "string" if name == "amount" else kind) for name, kind in COLUMNS]
    scene.declare(contract_yaml(loose, gates=[*ALLOWED, ("schema_compatible", "warning", None)]))
    with scene.pipeline() as pipeline:
        contract, again = reread(pipeline, "sales")
        assert [(file.source, file.before, file.now) for file in again if file.source == SOURCE] == [
            (SOURCE, 3, 1)
        ]
        assert not reread(pipeline, "sales")[1]
    assert contract.version == "1.0.0"
    scene.run()
    found = ledger(scene)
    assert counts(found[SOURCE]) == (12, 11, 0, 1)
    assert counts(found[SOURCE + "/repaired"]) == (3, 1, 0, 2)
    # And back: the repairs stand again.
    scene.declare(contract_yaml(COLUMNS, gates=[*ALLOWED, ("schema_compatible", "warning", None)]))
    scene.run()
    assert counts(ledger(scene)[SOURCE]) == (12, 9, 0, 3)
    assert counts(ledger(scene)[SOURCE + "/repaired"]) == (3, 3, 0, 0)


@pytest.mark.parametrize(
    ("form", "write"),
    [("ndjson", as_ndjson), ("json", as_array), ("parquet", as_parquet)],
)
def test_rejects_of_every_format_have_a_way_back(
    tmp_path: Path, form: str, write: Callable[[Rows], bytes]
) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.declare(contract_yaml(COLUMNS, gates=ALLOWED))
    scene.put(f"sales_2026-02.{form}", write(month("2026-02", BAD)))
    scene.run(periods=["2026-Q1"], allow_incomplete=True)
    done = repair(scene, amounts("7.00", "5.25", None))
    assert (done.repaired, done.refused) == (2, {})
    scene.run(periods=["2026-Q1"], allow_incomplete=True)
    source = f"sales/sales_2026-02.{form}"
    found = ledger(scene)
    assert counts(found[source]) == (12, 9, 1, 2)
    assert counts(found[source + "/repaired"]) == (2, 2, 0, 0)
    with scene.pipeline() as pipeline:
        rows = {row["sale_id"]: row for row in curated_rows(pipeline)}
    assert rows["2026-02-005"]["store"] == "north, main"


def test_where_the_files_name_gives_the_time_the_repair_has_that_time(tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    columns = [c for c in COLUMNS if c[0] != "sold_at"]
    scene.declare(contract_yaml(columns, gates=ALLOWED, extra={"recordTime": "fileName"}))
    scene.put("sales_2026-02.csv", b"sale_id,store,amount\na,x,1.00\nb,x,much\n")
    scene.run(periods=["2026-Q1"], allow_incomplete=True)

    def change(rows: Rows) -> None:
        rows[0]["amount"] = "2.00"

    repair(scene, change)
    scene.run(periods=["2026-Q1"], allow_incomplete=True)
    with scene.pipeline() as pipeline:
        assert {row["_month"] for row in curated_rows(pipeline)} == {"2026-02"}
    assert counts(ledger(scene)[SOURCE]) == (2, 1, 0, 1)


def test_equal_bytes_for_two_times_are_repaired_each_by_itself(tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    columns = [c for c in COLUMNS if c[0] != "sold_at"]
    scene.declare(contract_yaml(columns, gates=ALLOWED, extra={"recordTime": "fileName"}))
    for name in ("2026-01", "2026-02"):
        scene.put(f"sales_{name}.csv", b"sale_id,store,amount\na,x,1.00\nb,x,much\n")
    scene.run(periods=["2026-Q1"], allow_incomplete=True)

    def change(rows: Rows) -> None:
        rows[1]["amount"] = "2.00"

    done = repair(scene, change)
    assert (done.repaired, done.left, done.refused) == (1, 1, {})
    scene.run(periods=["2026-Q1"], allow_incomplete=True)
    with scene.pipeline() as pipeline:
        found = {entry.source: counts(entry) for entry in ledger_entries(pipeline, "sales")}
        assert sorted(row["_month"] for row in curated_rows(pipeline)) == ["2026-01", "2026-02", "2026-02"]
    assert found["sales/sales_2026-01.csv"] == (2, 1, 1, 0)
    assert found[SOURCE] == (2, 1, 0, 1)


def test_a_file_all_of_whose_records_are_repaired_is_no_longer_refused(tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.declare(contract_yaml(COLUMNS, gates=[("reject_ratio", "warning", None)]))
    scene.put("sales_2026-01.csv", as_csv(month("2026-01")))
    scene.put("sales_2026-02.csv", as_csv(month("2026-02", {n: {"amount": "much"} for n in range(12)})))
    assert list(scene.run(periods=["2026-Q1"], allow_incomplete=True).refused) == [SOURCE]

    def change(rows: Rows) -> None:
        for row in rows[1:]:
            row["amount"] = "1.00"
        rows[0]["_action"] = "discard"

    repair(scene, change)
    outcome = scene.run(periods=["2026-Q1"], allow_incomplete=True)
    assert not outcome.refused
    assert counts(ledger(scene)[SOURCE]) == (12, 0, 0, 12)
    with scene.pipeline() as pipeline:
        assert lake_status(pipeline)["datasets"][0]["files"]["refused"] == []


def test_equal_repairs_of_equal_records_in_two_files_are_two_records(tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.declare(contract_yaml(COLUMNS, gates=ALLOWED))
    head, good = b"sale_id,sold_at,store,amount\n", b"%d,2026-02-01T00:00:00Z,s,1.00\n"
    bad = b"x,2026-02-01T00:00:00Z,s,much\n"
    scene.put("sales_2026-02_a.csv", head + good % 1 + bad)
    scene.put("sales_2026-02_b.csv", head + good % 2 + bad)
    scene.run(periods=["2026-Q1"], allow_incomplete=True)

    def change(rows: Rows) -> None:
        for row in rows:
            row["amount"] = "2.00"

    assert len(repair(scene, change).landed) == 2
    scene.run(periods=["2026-Q1"], allow_incomplete=True)
    with scene.pipeline() as pipeline:
        assert len(curated_rows(pipeline)) == 4
        for entry in ledger_entries(pipeline, "sales"):
            entry.check()
            assert (entry.accepted, entry.rejected) == (1, 0)


@pytest.mark.parametrize(
    ("encoding", "delimiter"), [("utf-8", ","), ("utf-8-sig", ";"), ("utf-16", "\t"), ("windows-1252", ";")]
)
def test_what_spreadsheets_save_is_read(scene: Scene, encoding: str, delimiter: str) -> None:
    path, rows = exported(scene)
    rows[0]["amount"], rows[0]["store"] = "7.00", "café"
    save(path, rows, encoding=encoding, delimiter=delimiter)
    done = replayed(scene, path)
    assert (done.repaired, done.left, done.refused) == (1, 2, {})
    scene.run()
    with scene.pipeline() as pipeline:
        assert {row["store"] for row in curated_rows(pipeline)} >= {"café"}


def test_what_is_handed_in_lands_byte_for_byte_and_cleaning_leaves_it(scene: Scene) -> None:
    path, rows = exported(scene)
    amounts("7.00", "5.25", "8.25")(rows)
    save(path, rows)
    replayed(scene, path)
    scene.run()
    assert path.read_bytes() in objects_of(scene).values()
    with scene.pipeline() as pipeline:
        gone = clean(pipeline.lake, NOW.replace(year=2099))
        assert not [removed for removed in gone if removed.zone == "raw"]


def test_an_export_that_dies_leaves_no_sheet(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    path = scene.root / "rejects.csv"

    def die(*_: object) -> None:
        assert not path.exists(), "nobody may take half a sheet for a whole one"
        raise KeyboardInterrupt

    monkeypatch.setattr("quarterlake.exporting.place_of", die)
    with scene.pipeline() as pipeline, pytest.raises(KeyboardInterrupt):
        export(pipeline, "sales", path)
    assert [found.name for found in scene.root.iterdir() if "rejects" in found.name] == []
    monkeypatch.undo()
    assert len(exported(scene)[1]) == 3


def test_an_export_never_takes_the_place_of_a_file_that_came_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"

    def write() -> None:
        with new_file(path) as sheet:
            sheet.write("export")
            path.write_text("repairs")

    with pytest.raises(UsageError, match="exists, and may hold repairs"):
        write()
    assert path.read_text() == "repairs"
    assert [found.name for found in tmp_path.iterdir()] == ["rejects.csv"]


def test_wrong_sheets_are_refused_with_what_to_do(scene: Scene) -> None:
    path, rows = exported(scene)
    with scene.pipeline() as pipeline:
        with pytest.raises(UsageError, match="exists, and may hold repairs"):
            export(pipeline, "sales", path)
        other = scene.root / "other.csv"
        other.write_text("a,b\n1,2\n")
        with pytest.raises(UsageError, match="has no column _trace"):
            replay(pipeline, other)
    rows[0]["_action"] = "mend"
    rows[1]["_trace"], rows[1]["store"] = "x", "y"
    rows[2]["amount"] = "8.25"
    save(path, [*rows, rows[2]])
    done = replayed(scene, path)
    assert "no action" in done.refused["2"]
    assert "export again" in done.refused["3"]
    assert "twice" in done.refused["5"]
    assert done.repaired == 1
    for row in rows:
        row["discount"] = "1"
    save(path, rows)
    with scene.pipeline() as pipeline, pytest.raises(UsageError, match="discount is no column of sales"):
        replay(pipeline, path)


def test_a_column_that_the_sheet_lost_is_not_emptied(scene: Scene) -> None:
    path, rows = exported(scene)
    kept = [{name: text for name, text in row.items() if name != "store"} for row in rows]
    kept[0]["amount"] = kept[1]["amount"] = "1.00"
    kept[1]["_action"] = "discard"
    save(path, kept)
    done = replayed(scene, path)
    assert (done.repaired, done.discarded) == (0, 1)
    assert "lost its column store" in done.refused["2"]


def test_cells_survive_the_way_out_and_back(scene: Scene) -> None:
    odd = ["=1+1", "'=1", "''", "-5", "+49 30", "@x", "a\nb", 'say "x"', "é漢\u200b", "\tt", "'", "-"]
    rows = month("2026-02", {n: {"store": text, "amount": "much"} for n, text in enumerate(odd)})
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([HEADER, *([row[name] for name in HEADER] for row in rows)])
    scene.put("sales_2026-02.csv", text.getvalue().encode())
    scene.run()

    def change(rows: Rows) -> None:
        for row in rows:
            row["amount"] = "1.00"

    repair(scene, change)
    scene.run()
    with scene.pipeline() as pipeline:
        found = {row["sale_id"]: row["store"] for row in curated_rows(pipeline)}
    assert [found[f"2026-02-{n:03d}"] for n in range(len(odd))] == odd


def test_a_replay_that_is_killed_anywhere_is_repeated_by_the_same_command(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before each of its writes in turn, and then once more: what is there is what one undisturbed replay gives."""

    class KilledError(BaseException):
        """The process ends here."""

    path, rows = exported(scene)
    amounts("7.00", "5.25", None)(rows)
    save(path, rows)
    create, adopt = FolderStore.create, FolderStore.adopt
    left = 0

    def counting(write: Callable[..., Any]) -> Callable[..., Any]:
        def killed(*arguments: Any) -> Any:
            nonlocal left
            if left == 0:
                raise KilledError
            left -= 1
            return write(*arguments)

        return killed

    monkeypatch.setattr(FolderStore, "create", counting(create))
    monkeypatch.setattr(FolderStore, "adopt", counting(adopt))
    kills = 0
    for allowed in range(10):
        left = allowed
        try:
            done = replayed(scene, path)
        except KilledError:
            kills += 1
            continue
        break
    monkeypatch.undo()
    assert kills == 3  # before the file that was handed in, the records made of it, and the manifest
    assert done.repaired == 2
    assert replayed(scene, path).unchanged == 2
    assert names(scene.run().published) == ["sales@2026-Q1.2"]
    assert counts(ledger(scene)[SOURCE]) == (12, 9, 1, 2)
    assert counts(ledger(scene)[SOURCE + "/repaired"]) == (2, 2, 0, 0)
    with scene.pipeline() as pipeline:
        assert not [r for r in clean(pipeline.lake, NOW.replace(year=2099)) if r.zone == "raw"]


WRITTEN = "{encoding: windows-1252, delimiter: '~', escape: '\\'}"


def test_rejects_are_exported_and_repaired_as_the_contract_says_that_files_are_written(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.declare(contract_yaml(COLUMNS, gates=ALLOWED, extra={"reading": WRITTEN}))
    good = "".join(f"a{n}~2026-02-0{n}T10:00:00Z~Malmö~{n}.25\n" for n in range(1, 9))
    bad = '"b\\"1"~2026-02-09T10:00:00Z~"Københavns~ë"~much\n'
    scene.put("sales_2026-02.csv", ("~".join(HEADER) + "\n" + good + bad).encode("windows-1252"))
    scene.run(periods=["2026-Q1"], allow_incomplete=True)
    _, [row] = exported(scene)
    assert [row[name] for name in HEADER] == ['b"1', "2026-02-09T10:00:00Z", "Københavns~ë", "much"]
    (scene.root / "rejects.csv").unlink()
    repair(scene, amounts("7.00"))
    scene.run(periods=["2026-Q1"], allow_incomplete=True)
    with scene.pipeline() as pipeline:
        rows = {row["sale_id"]: row["store"] for row in curated_rows(pipeline)}
    assert rows['b"1'] == "Københavns~ë"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_a_long_reject_is_exported_whole(tmp_path: Path, encoding: str) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.declare(contract_yaml(COLUMNS, gates=ALLOWED))
    long = "é\n\u00a0ü\x0b" * 3_000
    text = as_csv(month("2026-02", {0: {"store": long}, 7: {"amount": "much", "store": long}})).decode()
    scene.put("sales_2026-02.csv", text.encode(encoding))
    scene.run(periods=["2026-Q1"], allow_incomplete=True)
    _, [row] = exported(scene)
    assert row["store"] == long, "a repair of less would change it"
