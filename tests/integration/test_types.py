"""Formats from the files to the curated records: found by the whole column, kept in the contract, held against later files."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quarterlake.domain.odcs import from_yaml
from quarterlake.processing.parser import ParseJob, parse_file
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene
from tests.integration.test_formats import opened_connection
from tests.integration.test_parser import inferred

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.parsed import ParsedFile

__all__ = ["opened_connection"]


def lines(*rows: str, header: str = "id;at;amount") -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def formats(contract: Contract) -> dict[str, tuple[str, str]]:
    return {column.name: (str(column.type), column.format) for column in contract.columns}


def note_on(contract: Contract, name: str) -> str:
    return " ".join(note for note in contract.notes if note.startswith(f"{name}: "))


def test_a_later_file_may_tell_what_the_first_does_not(tmp_path: Path) -> None:
    # Each file's values could be read in two ways; together they cannot.
    files = {
        "sales_2026-01.csv": lines("1;01/01/2026;1,234"),
        "sales_2026-02.csv": lines("2;13/02/2026;1,5"),
        "sales_2026-03.csv": lines("3;03/03/2026;2,345"),
    }
    contract = inferred(tmp_path, files)
    assert formats(contract)["at"] == ("date", "d/M/yyyy")
    assert formats(contract)["amount"] == ("decimal(18,3)", "1234,56")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (("2.001", "1.250"), "string"),
        (("2.001", "24"), "string"),
        (("2.001", "2.5"), "decimal(18,3)"),
        (("0.125", "1.250"), "decimal(18,3)"),
        (("2.001", "1.2501"), "decimal(18,4)"),
    ],
)
def test_points_beside_decimal_commas_are_no_guess(
    tmp_path: Path, values: tuple[str, str], kind: str
) -> None:
    rows = [f"{n};2026-01-0{n};1.010,5{n};{value}" for n, value in enumerate(values, 1)]
    files = {"sales_2026-01.csv": lines(*rows, header="id;at;amount;other")}
    contract = inferred(tmp_path, files)
    assert formats(contract)["other"] == (kind, "")
    assert ("other columns have decimal commas" in note_on(contract, "other")) == (kind == "string")
    files = {
        "sales_2026-01.csv": lines(*rows, header="id;at;amount;other")
        .replace(b",5", b".5")
        .replace(b"1.0", b"10")
    }
    assert formats(inferred(tmp_path / "plain", files))["other"][0] != "string"


def test_integers_beside_decimal_commas_do_not_widen_by_points(tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.put("sales_2026-01.csv", lines("1;2026-01-01;1.010,51;7", header="id;at;amount;pieces"))
    scene.run()
    scene.put("sales_2026-02.csv", lines("1;2026-02-01;1.010,51;1.023", header="id;at;amount;pieces"))
    outcome = scene.run()
    assert outcome.contract is not None
    assert formats(outcome.contract)["pieces"] == ("int64", "")
    assert [count.reason for count in outcome.rejects] == ["not an integer of 64 bits"]


def test_what_only_a_late_record_tells_is_seen(tmp_path: Path) -> None:
    rows = [f"{n};0{1 + n % 9}/0{1 + n % 7}/2025;1,{n % 900 + 100}" for n in range(3_000)]
    files = {"sales.csv": lines(*rows, "9;28/01/2025;1,2,3"), "sales_2026-01.csv": lines("9;04/05/2025;1,5")}
    contract = inferred(tmp_path, files)
    assert formats(contract)["at"] == ("date", "d/M/yyyy")


def test_the_name_of_the_file_may_tell_day_from_month(tmp_path: Path) -> None:
    files = {
        f"sales_2026-0{month}.csv": lines(*(f"{day};0{day}/0{month}/2026;1" for day in range(1, 10)))
        for month in (2, 3)
    }
    contract = inferred(tmp_path, files)
    assert formats(contract)["at"] == ("date", "d/M/yyyy")
    assert "only so its values lie in the periods of their files' names" in note_on(contract, "at")
    assert contract.record_time == "at"


def test_what_cannot_be_told_stays_text_and_says_so(tmp_path: Path) -> None:
    contract = inferred(tmp_path, {"sales_2026-01.csv": lines("1;03/04/2020;1,234", "2;05/06/2020;5,678")})
    assert formats(contract) == {"id": ("int64", ""), "at": ("string", ""), "amount": ("string", "")}
    assert "d/M/yyyy from M/d/yyyy" in note_on(contract, "at")
    assert "1,234 or 1234,56" in note_on(contract, "amount")


def test_some_of_each_stays_text(tmp_path: Path) -> None:
    files = {
        "sales_2026-01.csv": lines(*(f"{n};{n}/01/2026;1.5" for n in range(1, 29))),
        "sales_2026-02.csv": lines(*(f"{n};02/{n}/2026;1,5" for n in range(1, 29))),
    }
    contract = inferred(tmp_path, files)
    assert formats(contract)["at"] == ("string", "")
    assert "some of its dates are d/M/yyyy and others M/d/yyyy" in note_on(contract, "at")
    assert "written in several ways" in note_on(contract, "amount")


def test_a_type_that_too_many_values_do_not_fit_becomes_text_and_says_so(tmp_path: Path) -> None:
    moment = 1_767_263_415_123_456_789
    table = pa.table(
        {
            "seen": pa.array([moment + n for n in range(20)], pa.timestamp("ns")),
            "at": pa.array([moment // 1_000] * 20, pa.timestamp("us", "UTC")),
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    contract = inferred(tmp_path, {"sales_2026-01.parquet": file.getvalue()})
    assert formats(contract) == {"seen": ("string", ""), "at": ("timestamp", "")}
    assert note_on(contract, "seen") == "seen: text, since too many of its values do not fit timestamp"
    assert note_on(contract, "at") == ""


def test_missing_values_are_told_by_column(tmp_path: Path) -> None:
    rows = [f"{'NA' if n % 5 == 0 else n};2026-01-{10 + n};{'-' if n % 7 == 0 else 'x'}" for n in range(15)]
    contract = inferred(tmp_path, {"sales_2026-01.csv": lines(*rows, header="n;at;code")})
    assert "n: 'NA' read as null" in contract.notes
    assert note_on(contract, "code").startswith("code: '-' kept as text")


def test_epochs_need_a_name_and_all_their_values(tmp_path: Path) -> None:
    rows = [f"{1_767_260_000 + n};{1_767_260_000 + n};{1_767_260_000_000 + n if n else 5}" for n in range(20)]
    contract = inferred(tmp_path, {"sales_2026-01.csv": lines(*rows, header="created_at;phone;seen_at")})
    assert formats(contract) == {
        "created_at": ("timestamp", "epoch_s 1990-2099"),
        "phone": ("int64", ""),
        "seen_at": ("int64", ""),
    }


def test_a_later_file_in_the_other_order_is_refused_whole(tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.put("sales_2026-01.csv", lines(*(f"{n};{n}/1/2026;1,5" for n in range(1, 29))))
    scene.run(allow_incomplete=True)
    scene.put("sales_2026-02.csv", lines(*(f"{n};2/{n}/2026;1,5" for n in range(1, 29))))
    with scene.pipeline() as pipeline:
        pipeline.ingest(scene.source)
        outcome = scene.run(allow_incomplete=True)
    [refused] = [entry["error"] for entry in map(msgspec.to_builtins, outcome.entries) if entry.get("error")]
    assert "16 of its values of at are dates only as M/d/yyyy, against 0 only as d/M/yyyy" in refused


@pytest.mark.parametrize("second", [["02/05/2026", "02/06/2026", "02/07/2026"], ["02/11/2026 10:00"]])
def test_a_later_file_whose_dates_lie_in_its_month_only_the_other_way_round_is_refused(
    second: list[str], tmp_path: Path
) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    time = " 10:00" if ":" in second[0] else ""
    scene.put("sales_2026-01.csv", lines("1;31/01/2026" + time, "2;30/01/2026" + time, header="id;at"))
    scene.run(allow_incomplete=True)
    scene.put("sales_2026-02.csv", lines(*(f"3;{day}" for day in second), header="id;at"))
    scene.put("sales_2026-03.csv", lines(f"4;28/03/2026{time}", f"5;04/03/2026{time}", header="id;at"))
    with scene.pipeline() as pipeline:
        pipeline.ingest(scene.source)
    outcome = scene.run(allow_incomplete=True)
    [refused] = [error for e in map(msgspec.to_builtins, outcome.entries) if (error := e.get("error"))]
    assert refused.startswith("sales/sales_2026-02.csv: read as d/M/yyyy, like the files before it")
    assert "read as M/d/yyyy all lie inside" in refused


def test_a_record_time_that_turns_out_to_be_text_gives_way_to_the_name(tmp_path: Path) -> None:
    file = io.BytesIO()
    moment = 1_767_263_415_123_456_789
    pq.write_table(pa.table({"at": pa.array([moment + n for n in range(20)], pa.timestamp("ns"))}), file)
    contract = inferred(tmp_path, {"sales_2026-01.parquet": file.getvalue()})
    assert formats(contract) == {"at": ("string", "")}
    assert contract.record_time is None
    assert "since at, which seemed to be it, is text" in contract.notes[0]


@pytest.mark.parametrize("odd", ["NaN", "1e-5"])
@pytest.mark.parametrize(("first", "rejected"), [("11.1234567890123456", 1), ("11.12", 0)])
def test_a_decimal_widens_to_a_double_only_if_every_value_survives(
    first: str, rejected: int, odd: str, tmp_path: Path
) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.put("sales_2026-01.csv", f"id,v\n1,{first}\n2,0.5\n".encode())
    scene.run(allow_incomplete=True)
    scene.put("sales_2026-02.csv", f"id,v\n3,{odd}\n4,0.5\n".encode())
    with scene.pipeline() as pipeline:
        pipeline.ingest(scene.source)
    outcome = scene.run(allow_incomplete=True)
    assert [(entry.accepted, entry.rejected) for entry in outcome.entries] == [
        (2, 0),
        (2 - rejected, rejected),
    ]


CONTRACT = """
kind: DataContract
apiVersion: v3.1.0
schema:
- name: sales
  customProperties: [{property: quarterlake.timezone, value: Europe/Berlin}, {property: quarterlake.recordTime, value: fileName}]
  properties:
  - {name: at, logicalType: timestamp, logicalTypeOptions: {format: "dd.MM.yy HH:mm"}}
  - {name: day, logicalType: date, logicalTypeOptions: {format: "MMM d, yyyy"}}
  - name: amount
    physicalType: decimal(18,2)
    customProperties: [{property: quarterlake.format, value: "1.234,56"}, {property: quarterlake.nulls, value: [none]}]
  - name: code
    logicalType: string
    customProperties: [{property: quarterlake.nulls, value: [NA, "-"]}]
"""


def parsed(
    connection: duckdb.DuckDBPyConnection, folder: Path, contract: str, data: bytes
) -> tuple[ParsedFile, list[tuple[Any, ...]]]:
    (folder / "raw").write_bytes(data)
    meant = from_yaml(contract, "contract")
    job = ParseJob("p", "o", "sales_2026-01.csv", "0", folder / "raw", "2026-01-01T00:00:00+00:00", meant)
    outcome = parse_file(connection, job, folder)
    names = ", ".join(f'"{column.name}"' for column in meant.columns)
    rows = connection.execute(
        f"SELECT {names} FROM read_parquet('{outcome.data}') WHERE _raw IS NULL"
    ).fetchall()
    return outcome.document, rows


def test_a_contract_says_how_its_columns_are_written(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    data = lines(
        "15.01.26 12:00;Jan 5, 2026;1.234,5;NA",
        "15.07.26 12:00;MAY 6, 2026;none;x",
        "30.02.26 12:00;May 6, 2026;1;x",
        "15.07.26 12:00;May 6, 2026;NA;x",
        "15.07.26 12:00;May 6, 2026;1,234.5;x",
        "15.07.26 12:00;;7;-",
        header="at;day;amount;code",
    )
    document, rows = parsed(connection, tmp_path, CONTRACT, data)
    winter, summer = datetime(2026, 1, 15, 11, tzinfo=UTC), datetime(2026, 7, 15, 10, tzinfo=UTC)
    assert rows == [
        (winter, date(2026, 1, 5), Decimal("1234.50"), None),
        (summer, date(2026, 5, 6), None, "x"),
        (summer, None, Decimal(7), None),
    ]
    assert document.reject_counts == {
        "not a timestamp as dd.MM.yy HH:mm": 1,
        "not a number written as 1.234,56 that decimal(18,2) holds exactly": 2,
    }


@pytest.mark.parametrize(
    ("form", "skipped", "other"),
    [
        ("", "2026-03-29T02:30:00", "2026-02-30T02:30:00"),
        ("d.M.yyyy H:mm", "29.3.2026 2:30", "30.2.2026 2:30"),
        ("d.M.yyyy H:mm[ X]", "29.3.2026 2:30", "29.3.2026 2:30 +1"),
    ],
)
def test_a_local_time_that_the_zone_skips_is_said_not_to_exist(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str, skipped: str, other: str
) -> None:
    options = f', logicalTypeOptions: {{format: "{form}"}}' if form else ""
    contract = (
        CONTRACT[: CONTRACT.index("  - {name: at")]
        + "  - {name: id, logicalType: integer}\n"
        + f"  - {{name: at, logicalType: timestamp{options}}}\n"
    )
    good = [f"{day};{day}.1.2026 2:30" if form else f"{day};2026-01-{day}T02:30:00" for day in range(10, 20)]
    rows = [*good, f"1;{skipped}", f"2;{other}", f"x;{skipped}"]
    document, accepted = parsed(connection, tmp_path, contract, lines(*rows, header="id;at"))
    assert len(accepted) == len(good)
    assert document.reject_counts == {
        "a local time that does not exist in Europe/Berlin, whose clocks skip it": 1,
        f"not a timestamp as {form}" if form else "not a timestamp (ISO 8601, to the microsecond)": 1,
        "not an integer of 64 bits": 1,
    }


@pytest.mark.parametrize(
    ("row", "accepted"),
    [
        ("2026-01-01T00:00:00.123456789", 0),
        ("2026-01-01T00:00:00.123456000", 1),
        ("2026-02-30", 0),
        ("2026-03-29T02:30:00", 0),  # Berlin's clocks skip it
        ("2026-03-29T02:30:00Z", 1),
    ],
)
def test_no_time_is_cut_off_or_moved(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, row: str, accepted: int
) -> None:
    contract = CONTRACT[: CONTRACT.index("  - {name: at")] + "  - {name: at, logicalType: timestamp}\n"
    document, _ = parsed(connection, tmp_path, contract, lines(row, "2026-01-01", header="at"))
    assert document.accepted == 1 + accepted
