"""A repaired record's cells that nobody touched: they become what an accepted record with the same fields has, in every format."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quarterlake.exporting import export
from quarterlake.repairing import replay
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene, contract_yaml, curated_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from quarterlake.exporting import Exported
    from quarterlake.repairing import Replayed

NOTE = "long, \u00e9\u6f22 'and' so on; " * 400
BODY = (
    '"tags":[1.10,2,-0.50e3,"x",null], "k":{"m":[1.10,null],"t":"a \\"b\\""}, "o":{"p":{"q":2.50,"none":null},"z":12345678901234567890123}, '
    '"big":12345678901234567890, "long":1234567890123456789012345678901234567890123.10, "price":7.10, "exp":1e5, "f":1.5e-7, "yes":true, "none":null, "blank":"", '
    '"a.b":500, "a":{"b":6}, "Ab":1, "ab":2, "":9, " s ":"t ", "x~/\'y":"p", "=1+1":"=2+2", "text":"007", "esc":"\\u00e9\\n\\t\\"q\\" ", "more":[{"u":1.0},{"u":[]}], '
    '"pair":[{"v":1,"v":2}], "note":' + json.dumps(NOTE, ensure_ascii=False)
)
ACCEPTED = 20
"""So many records that the one that is bad makes no column text."""


def json_records() -> list[str]:
    numbers: list[object] = [*range(1, ACCEPTED + 1), "bad"]
    head = '{{"id":"r{0}", "at":"2026-02-{1:02d}T10:00:00Z", {2}, "n":{3}}}'
    first = BODY.replace('"blank":""', '"blank":"x"')  # else the column would hold nothing
    return [head.format(at, 1 + at, BODY if at else first, json.dumps(n)) for at, n in enumerate(numbers)]


def ndjson() -> bytes:
    return "\n".join(json_records()).encode()


def array() -> bytes:
    return f"[{','.join(json_records())}]".encode()


def pretty() -> bytes:
    """Over many lines: each comma and brace outside of strings begins one."""
    spread = (one.replace(", ", ",\n    ").replace("[1.10,2", "[\n 1.10 ,\n2") for one in json_records())
    return ("[\n  " + ",\n  ".join(spread) + "\n]\n").encode().replace(b"long,\n    ", b"long, ")


def broken() -> bytes:
    """An array with a record that breaks it, so that it is read record by record."""
    records = [f"  {one}" for one in json_records()]
    return ("[\n" + ",\n".join([*records[:5], '  {"id":"r", "at":[}', *records[5:]]) + "\n]\n").encode()


def concatenated() -> bytes:
    return "".join(json_records()).encode()


def wide() -> bytes:
    return array().decode().encode("utf-16")


def delimited() -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["id", "at", "n", "Ab", "ab", "a.b", "big", "price", "list", "none", "blank", "text", "note"]
    )
    for at, n in enumerate([*range(1, ACCEPTED + 1), "bad"]):
        cells = (1, 2, 9, 12345678901234567890, "7.10", "[1.10,2]", None, "<blank>", "007", NOTE + '\n"q"')
        writer.writerow([f"r{at}", f"2026-02-{1 + at:02d}T10:00:00Z", n, *cells])
    quoted = text.getvalue().replace("<blank>", '""')
    return quoted.encode().removesuffix(b"\n")  # the last record ends with the file


def parquet() -> bytes:
    size = ACCEPTED + 1
    when = datetime(2026, 2, 3, 10, 0, 0, 123456, tzinfo=UTC)
    one = pa.table(
        {
            "at": pa.array([when] * size, pa.timestamp("us", "UTC")),
            "local": pa.array([when.replace(tzinfo=None)] * size, pa.timestamp("ns")),
            "n": [*map(str, range(1, size)), "bad"],
            "tags": pa.array([[Decimal("1.10"), None]] * size, pa.list_(pa.decimal128(18, 2))),
            "o": [{"p": {"q": 2.5}, "l": [1, 2]}] * size,
            "m": pa.array([[("k", 1.5)]] * size, pa.map_(pa.string(), pa.float64())),
            "big": pa.array([Decimal(12345678901234567890123)] * size, pa.decimal128(38, 0)),
            "price": pa.array([Decimal("7.10")] * size, pa.decimal128(18, 2)),
            "narrow": pa.array([0.1] * size, pa.float32()),
            "double": [0.1 + 0.2] * size,
            "endless": [float("-inf")] * size,
            "whole": pa.array([1.0] * size, pa.float64()),
            "day": pa.array([when.date()] * size),
            "sure": [True] * size,
            "none": pa.array([None] * size, pa.string()),
            "blank": [""] * size,
            "bytes": [b"\xff\x00a"] * size,
            "Ab": [1] * size,
            "ab": [2] * size,
            "file_row_number": [7] * size,
            "note": [NOTE + '\n"q"'] * size,
        }
    )
    one = one.add_column(0, "id", pa.array([f"r{at}" for at in range(size)]))
    target = io.BytesIO()
    pq.write_table(one, target)
    return target.getvalue()


PARQUET = {
    "id": "string", "at": "timestamp", "local": "timestamp", "n": "int64", "tags": "string", "o.l": "string", "o.p.q": "float64",
    "m": "string", "big": "decimal(38,0)", "price": "decimal(18,2)", "narrow": "float64", "double": "float64", "endless": "float64", "whole": "int64",
    "day": "date", "sure": "boolean", "none": "string", "blank": "string", "bytes": "string", "Ab": "int64", "ab_2": "int64",
    "note": "string",
}  # fmt: skip
DELIMITED = {
    "id": "string", "at": "timestamp", "n": "int64", "Ab": "int64", "ab_2": "int64", "a.b": "int64", "big": "decimal(38,0)",
    "price": "decimal(18,2)", "list": "string", "none": "string", "blank": "string", "text": "string", "note": "string",
}  # fmt: skip
DECLARED = {"parquet": PARQUET, "delimited": DELIMITED}
"""Of JSON the columns are inferred."""


def exported(scene: Scene) -> tuple[Exported, Path, list[dict[str, str]]]:
    path = scene.root / "rejects.csv"
    with scene.pipeline() as pipeline:
        done = export(pipeline, "sales", path)
    csv.field_size_limit(1 << 22)
    return done, path, list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def replayed(scene: Scene, path: Path, rows: list[dict[str, str]]) -> Replayed:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), "utf-8", newline="")
    with scene.pipeline() as pipeline:
        [done] = replay(pipeline, path)
    scene.run(periods=["2026-Q1"], allow_incomplete=True)
    return done


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))


@pytest.fixture(autouse=True)
def _limit() -> Iterator[None]:
    before = csv.field_size_limit()
    yield
    csv.field_size_limit(before)


@pytest.mark.parametrize(
    "write", [ndjson, array, pretty, broken, concatenated, wide, delimited, parquet], ids=lambda w: w.__name__
)
def test_untouched_cells_become_what_accepted_records_have(scene: Scene, write: Callable[[], bytes]) -> None:
    if columns := DECLARED.get(write.__name__):
        scene.declare(
            contract_yaml([*columns.items()], extra={"recordTime": "at", "timezone": "Asia/Kolkata"})
        )
    scene.put("sales_2026-02", write())
    scene.run(periods=["2026-Q1"], allow_incomplete=True)
    done, path, rows = exported(scene)
    [row] = [row for row in rows if row["_column"] == "n"]
    assert row["n"] == "bad"
    row["n"] = "77"
    result = replayed(scene, path, rows)
    assert (result.repaired, result.refused) == (1, {})
    with scene.pipeline() as pipeline:
        found = {record["id"]: record for record in curated_rows(pipeline)}
    assert len(found) == ACCEPTED + 1
    own = {"id", "at", "n"}

    def shared(record: dict[str, Any]) -> dict[str, Any]:
        return {name: v for name, v in record.items() if name not in own and not name.startswith("_")}

    repaired = found.pop(f"r{ACCEPTED}")
    assert repaired["n"] == 77
    assert shared(repaired) == shared(found["r3"])
    assert {name for name, value in shared(repaired).items() if value is None} <= {"none", "o.p.none"}
    assert str(shared(repaired)["note"]).startswith(NOTE), "else nothing would be compared"
    assert done.without_cells == 0


@pytest.mark.parametrize("form", ["{}", "[{}]", "{}\n{{}}", "id,at,n,note\n"])
def test_a_record_that_is_too_long_to_be_shown_is_not_repaired_but_may_be_discarded(
    scene: Scene, form: str
) -> None:
    note = "x" * (1 << 20)
    columns = (("id", "string"), ("at", "timestamp"), ("n", "int64"), ("note", "string"))
    scene.declare(contract_yaml(columns, gates=[("reject_ratio", "warning", None)]))
    record = json.dumps({"id": "a", "at": "2026-02-01", "n": "bad", "note": note})
    if "," in form:
        record, form = f"a,2026-02-01,bad,{note}\n", form + "{}"
    scene.put("sales_2026-02", form.format(record).encode())
    scene.run(periods=["2026-Q1"], allow_incomplete=True)
    done, path, rows = exported(scene)
    row = next(row for row in rows if row["_column"] == "n")
    assert done.without_cells == 1
    assert "could not be read again" in row["_reason"]
    assert [row[name] for name, _ in columns] == [""] * 4
    kept = replayed(scene, path, rows)
    assert (kept.repaired, kept.refused, kept.left) == (0, {}, len(rows))
    row |= {"id": "a", "at": "2026-02-01", "n": "1"}
    refused = replayed(scene, path, rows)
    assert refused.repaired == 0
    assert "would empty those that are not filled in" in " ".join(refused.refused.values())
    row["_action"] = "discard"
    assert replayed(scene, path, rows).discarded == 1


def test_a_record_with_a_field_twice_is_exported_however_deep_it_is(scene: Scene) -> None:
    columns = (("id", "string"), ("at", "timestamp"), ("n", "int64"), ("x", "string"))
    scene.declare(contract_yaml(columns, gates=[("reject_ratio", "warning", None)]))
    good = '{"id": "a", "at": "2026-02-01", "n": 1, "x": [1]}\n'
    deep = "[" * 600 + "1" + "]" * 600
    scene.put(
        "sales_2026-02.json", f'{good}{{"id": "b", "at": "2026-02-01", "n": 1, "n": 2, "x": {deep}}}'.encode()
    )
    scene.run(periods=["2026-Q1"], allow_incomplete=True)
    _, _, [row] = exported(scene)
    assert (row["id"], row["n"], row["x"]) == ("b", "", deep)


def test_the_other_half_of_a_character_is_missing_and_all_else_is_there(scene: Scene) -> None:
    columns = (("id", "string"), ("at", "timestamp"), ("t", "string"), ("l", "string"))
    scene.declare(contract_yaml(columns, gates=[("reject_ratio", "warning", None)]))
    record = r'{"id":"\\ud83d", "at":"2026-02-01", "t":"a\ud83d", "l":["\ud83d\ude00", 1.10]}'
    scene.put("sales_2026-02.json", f'{{"id":"b", "at":"2026-02-01", "t":"c", "l":[]}}\n{record}'.encode())
    scene.run(periods=["2026-Q1"], allow_incomplete=True)
    _, _, [row] = exported(scene)
    assert [row[name] for name, _ in columns] == ["\\ud83d", "2026-02-01", "a\ufffd", '["\U0001f600",1.10]']
