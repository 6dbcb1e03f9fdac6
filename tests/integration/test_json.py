"""JSON as people send it: each form gives the same records, and a broken one is rejected alone with its place."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from quarterlake.domain.reading import EVIDENCE
from quarterlake.processing.inspecting import inspect_path
from quarterlake.processing.json_anew import is_whole, one_a_line
from quarterlake.processing.json_forms import form_of_objects
from quarterlake.processing.json_marks import Marks, find_marks
from quarterlake.processing.json_pieces import pieces
from quarterlake.processing.json_records import (
    count_array_json,
    count_broken_json,
    count_values_json,
    locate_json,
)
from quarterlake.processing.json_scan import json_text
from quarterlake.processing.samples import sample_file
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene, curated_rows, names
from tests.integration.test_formats import opened_connection, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["opened_connection"]

FORMS: dict[str, Callable[[Sequence[object]], str]] = {
    "ndjson": lambda records: "\n".join(map(json.dumps, records)),
    "array": json.dumps,
    "pretty array": lambda records: json.dumps(records, indent=2),
    "array with a last comma": lambda records: "[" + "".join(f"{json.dumps(r)},\n" for r in records) + "]",
    "a comma after each line": lambda records: "".join(f"{json.dumps(r)},\n" for r in records),
    "a comma between lines": lambda records: ",\r\n".join(map(json.dumps, records)),
    "a comma before each line": lambda records: "\n, ".join(map(json.dumps, records)) + "\n",
    "commas": lambda records: ", ".join(map(json.dumps, records)) + ",",
    "values without a space": lambda records: "".join(map(json.dumps, records)),
    "pretty values": lambda records: "\n".join(json.dumps(r, indent=1) for r in records),
    "wrapped": lambda records: json.dumps({"count": len(records), "data": records, "next": None}),
    "pretty wrapped": lambda records: json.dumps({"data": records}, indent=4),
    "wrapped twice": lambda records: json.dumps({"response": {"docs": records}, "status": {"ok": True}}),
}
RECORDS: list[dict[str, Any]] = [
    {"a": 1, "b": 'x { [ " \\ ] é \U0001f600'},
    {"a": 12345678901234567890, "b": None},
    {"b": "", "a": -3},
]


@pytest.fixture(name="small")
def opened_small(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the memory that quarterlake has unless told otherwise."""
    config: dict[str, Any] = {
        "threads": 2,
        "memory_limit": "400MB",
        "temp_directory": str(tmp_path / "spilled"),
    }
    with duckdb.connect(config=config) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


@pytest.mark.parametrize(("fields", "nested"), [(60, 0), (300, 0), (30, 1), (200, 1)])
def test_many_fields_take_little_memory(
    small: duckdb.DuckDBPyConnection, tmp_path: Path, fields: int, nested: int
) -> None:
    count = 2000
    values = ({"v": n} if nested else n for n in range(count))
    data = "".join(json.dumps({f"f{i}": value for i in range(fields)}) + "\n" for value in values)
    twice = json.dumps({"f0": {"v": 1}} | {f"f{fields - 1}": 0}).replace("0}", '{"v": 1, "v": 2}}')
    columns = {f"f{i}.v" if nested else f"f{i}": "int64" for i in range(fields)}
    found = parse(small, tmp_path, (data + twice * nested).encode(), columns)
    assert found.rows == [(n,) * fields for n in range(count)]
    assert len(found.rejects) == nested
    sample = sample_file(
        small, "f.json", tmp_path / "raw", tmp_path, dataset="sales", records=count, stamp=None
    )
    assert sample.error is None
    assert sample.columns.keys() == columns.keys()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_same_records(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str, encoding: str
) -> None:
    data = FORMS[form](RECORDS).encode(encoding)
    found = parse(connection, tmp_path, data, {"a": "decimal(38,0)", "b": "string"})
    assert [(int(a), b) for a, b in found.rows] == [(record["a"], record["b"]) for record in RECORDS]
    assert found.document.records == len(RECORDS)


@pytest.mark.parametrize(
    "form", ["array", "pretty array", "values without a space", "pretty values", "wrapped"]
)
def test_a_broken_record_is_rejected_alone_with_its_place(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str
) -> None:
    text = FORMS[form]([{"a": 1}, {"a": "MARK"}, {"a": 3}]).replace('"MARK"', "1 2 oops")
    found = parse(connection, tmp_path, text.encode(), {"a": "int64"})
    assert found.rows == [(1,), (3,)]
    [reject] = found.rejects
    assert reject["reason"] == "not a JSON object"
    assert text[reject["byte_offset"] :].startswith(reject["raw"])
    assert "oops" in reject["raw"]
    assert reject["line"] == text[: reject["byte_offset"]].count("\n") + 1


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [",", ",\n", "", "\n"])
@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_lines_that_end_with_a_comma_are_values(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, count: int, last: str, line_end: str
) -> None:
    text = ",\n".join(json.dumps({"a": n}) for n in range(count)) + last
    found = parse(connection, tmp_path, text.replace("\n", line_end).encode(), {"a": "int64"})
    assert found.rows == [(n,) for n in range(count)]


@pytest.mark.parametrize("bad", ['{"a": 2, "b":', '{"a": 2},', '{"a": 2, "b": {"c": 1},', "oops", "oops,"])
@pytest.mark.parametrize("after", ["", ","])
def test_a_broken_line_is_rejected_alone_whether_lines_end_with_commas_or_not(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, after: str, bad: str
) -> None:
    for place in range(bad.startswith("oops"), 4):
        lines = [f'{{"a": {n}}}{after}' for n in range(4)]
        lines[place] = bad
        data = "\n".join([*lines, ""]).encode()
        found = parse(connection, tmp_path, data, {"a": "int64"})
        if after and bad == '{"a": 2},':
            assert len(found.rows) == 4
            continue
        # Between values, stray text spoils the one before it.
        spoiled = bool(after) and bad.startswith("oops")
        assert (len(found.rows), len(found.rejects)) == (3 - spoiled, 1), (place, data)


@pytest.mark.parametrize(
    "first", ["oops!", "null", "# x", '"oops', "{oops", "oops {", "a,b", "\ufeff7", "{'a': 1}"]
)
@pytest.mark.parametrize("last", ["", "\n"])
def test_a_first_line_that_is_broken_is_rejected_alone(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, first: str, last: str
) -> None:
    lines = [first, *(f'{{"a":{n},"b":{{"c":[{n}, 2]}}}}' for n in range(3))]
    data = ("\n\n".join(lines) + last).encode()
    found = parse(connection, tmp_path, data, {"a": "int64", "b.c": "string"})
    assert found.rows == [(n, f"[{n},2]") for n in range(3)]
    assert [(reject["line"], reject["reason"]) for reject in found.rejects] == [(1, "not a JSON object")]
    long = "\n".join([first, *(f'{{"a":{n}}}' for n in range(40)), "oops", *['{"a":-1}'] * 9000])
    found = parse(connection, tmp_path, long.encode(), {"a": "int64"})
    assert [reject["line"] for reject in found.rejects] == [1, 42]


@pytest.mark.parametrize("form", FORMS)
def test_an_escape_for_half_a_character_is_said_in_each_form(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str
) -> None:
    long = "x" * 70_000
    values = [
        "\ud83d",
        "\udc00!",
        "\ud83d\ude00",
        ["\ud83dA"],
        long + "\ud83d",
        "MARK",
        "\\ud83d",
        long + "MARK\udc00",
    ]
    records = [{"a": n, "b": value} for n, value in enumerate(values)]
    text = FORMS[form](records).replace('MARK"', '" oops').replace("MARK", "\\u12")
    found = parse(connection, tmp_path, text.encode(), {"a": "int64", "b": "string"})
    assert [a for a, _ in found.rows] == [2, 6]
    half, broken = "an escape for half a character (a lone surrogate)", "not a JSON object"
    assert [reject["reason"] for reject in found.rejects] == [half, half, half, half, broken, broken]
    assert found.document.reject_counts == {half: 4, broken: 2}
    assert inspect_path(tmp_path / "raw", EVIDENCE, first=9).reject_counts == {half: 4, broken: 2}


def test_what_is_no_object_is_rejected_in_an_array(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    found = parse(connection, tmp_path, b'[1, {"a": 2}, "x", null, [3], {"a": 4}]', {"a": "int64"})
    assert found.rows == [(2,), (4,)]
    assert [reject["raw"] for reject in found.rejects] == ["1", '"x"', "null", "[3]"]


def test_a_field_twice_in_one_object_is_no_guess(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    data = b'{"a": 1, "a": 2}\n{"a": 3}\n{"a": 4, "n": {"x": 1, "x": 1}}\n'
    found = parse(connection, tmp_path, data, {"a": "int64", "n.x": "int64"})
    assert found.rows == [(3, None)]
    assert found.document.reject_counts == {"two fields of one name in one JSON object": 2}
    assert [reject["line"] for reject in found.rejects] == [1, 3]


def test_nested_objects_are_columns_by_their_path_and_lists_stay_lists(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    data = (
        b'{"a": {"b": {"c": 1.10}, "d": "x"}, "l": [1, 2.50, {"z": 12345678901234567890123}]}\n'
        b'{"a": {"d": "y"}, "l": []}\n{"a": 5, "l": null}\n'
    )
    columns = {"a": "int64", "a.b.c": "decimal(18,2)", "a.d": "string", "l": "string"}
    rows = [tuple(map(str, row)) for row in parse(connection, tmp_path, data, columns).rows]
    assert rows == [
        ("None", "1.10", "x", '[1,2.50,{"z":12345678901234567890123}]'),
        ("None", "None", "y", "[]"),
        ("5", "None", "None", "None"),
    ]


def test_a_negative_zero_keeps_its_sign(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    numbers = ["-0", "-0.0", "-0.5", "-0e1", "[-0,-0.0,0]", "0"]
    data = "\n".join(f'{{"a":{number}}}' for number in [*numbers, "-0 "])
    found = parse(connection, tmp_path, data.encode(), {"a": "string"})
    assert [text for (text,) in found.rows] == [*numbers, "-0"]


def test_a_text_that_holds_what_marks_numbers_meanwhile_comes_out_exactly(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    texts = [
        "\ufdd05",
        "\ufdd0",
        "\ufdd0\ufdd01.5",
        "\ufdd0_",
        "\\ufdd05",
        "\\\ufdd05\\",
        'x"\ufdd07"',
        "a\\b",
    ]
    for escaped in (True, False):
        lists = [json.dumps([text], separators=(",", ":"), ensure_ascii=False) for text in texts]
        data = "\n".join(
            f'{{"n":1.10,"b":{json.dumps(text, ensure_ascii=escaped)},"l":{json.dumps([text], ensure_ascii=escaped)},"k\ufdd0":2.50}}'
            for text in texts
        )
        columns = dict.fromkeys(("n", "b", "l", "k\ufdd0"), "string")
        found = parse(connection, tmp_path, data.encode(), columns)
        assert found.rows == [("1.10", b, held, "2.50") for b, held in zip(texts, lists, strict=True)]


def test_elements_of_a_list_are_no_fields(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Though a JSON pointer such as `/b/0` reaches them."""
    data = (
        b'{"b":{"0":5,"1":{"0":"x"}},"c":[{"0":9,"0":9}]}\n'
        b'{"b":[7,{"0":"y"}]}\n{"b":{"0":[{"z":1,"z":1}],"1":["w"]}}\n{"b":{"0":"s"},"c":{"0":1}}\n'
        b'{"b":[{"q":1}]}\n{"b":{"1":{"0":"t","0":"t"}}}\n'
    )
    columns = dict.fromkeys(("b", "b.0", "b.1", "b.1.0", "c", "c.0"), "string")
    found = parse(connection, tmp_path, data, columns)
    assert found.rows == [
        (None, "5", None, "x", '[{"0":9,"0":9}]', None),
        ('[7,{"0":"y"}]', None, None, None, None, None),
        (None, '[{"z":1,"z":1}]', '["w"]', None, None, None),
        (None, "s", None, None, None, "1"),
        ('[{"q":1}]', None, None, None, None, None),
    ]
    assert [reject["line"] for reject in found.rejects] == [6]
    sample = sample_file(
        connection, "f.json", tmp_path / "raw", tmp_path, dataset="sales", records=9, stamp=None
    )
    assert sorted(sample.columns) == sorted(columns)
    assert sample.columns["b.0"].present == 3


def test_declared_columns_are_found_in_maps_and_below_many_levels(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    deep = ".".join("abcdefghijkl")
    nested: Any = 5
    for key in reversed("bcdefghijkl"):
        nested = {key: nested, "x": 1}
    records: list[dict[str, Any]] = [{"m": {f"k{n}": n, "k7": {"y.z": n}}, "a": nested} for n in range(149)]
    text = "\n".join(map(json.dumps, records))
    twice = '\n{"m": {"k2": 3, "k2": 4}}\n{"m": {"zz": [1]}}'
    columns = {"m.k2": "int64", "m.k7.y.z": "int64", "m.k99": "int64", deep: "int64"}
    found = parse(connection, tmp_path, (text + twice).encode(), columns)
    assert found.rows == [
        *((2 if n == 2 else None, n, 99 if n == 99 else None, 5) for n in range(149)),
        (None,) * 4,
    ]
    assert found.document.reject_counts == {"two fields of one name in one JSON object": 1}
    assert found.document.dialect["maps kept as text"] == "m"
    columns = {"m": "string", "m.k2": "int64", "a.b.c.d.e.f.g.h.i": "string"}
    found = parse(connection, tmp_path, (text + twice).encode(), columns)
    assert found.rows[2] == ('{"k2":2,"k7":{"y.z":2}}', 2, '{"j":{"k":{"l":5,"x":1},"x":1},"x":1}')


def test_a_declared_object_stays_json_text(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    found = parse(connection, tmp_path, b'{"a": {"b": 1.10}}\n', {"a": "string"})
    assert found.rows == [('{"b":1.10}',)]


def test_paths_that_collide_both_stay_and_are_told(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    found = parse(connection, tmp_path, b'{"a.b": 1, "a": {"b": 2}}\n', {"a.b": "int64", "a.b_2": "int64"})
    assert sorted(found.rows[0]) == [1, 2]
    assert found.document.dialect["names of two fields"] == "a.b"


@pytest.mark.parametrize(
    ("data", "renamed"),
    [
        (b'{"id": 1, "ID": 2}', "ID to ID_2"),
        (b'[{"ID": 2, "id": 1}]', "id to id_2"),
        (b'{"b": 0}\n{"ID": 2}\n{"id": 1}\n', "id to id_2"),
        (b'{"b": 0}\n{"id": 1}\n{"ID": 2, "id": 1}\n', "ID to ID_2"),
        (b'{"o": {"id": 1}}\n{"o": {"ID": 2, "id": 1}}\n', "o.ID to o.ID_2"),
    ],
)
def test_of_names_that_only_case_tells_apart_the_first_in_the_file_keeps_its_own(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, data: bytes, renamed: str
) -> None:
    path = tmp_path / "sent"
    path.write_bytes(data)
    assert inspect_path(path, EVIDENCE, first=1).how["renamed"] == renamed
    before, _, after = renamed.partition(" to ")
    other = before.swapcase().replace("O.", "o.")
    for lower, upper in ((other, after), (before, f"{other}_2")):
        found = parse(connection, tmp_path, data, {lower: "int64", upper: "int64"})
        values = [{value for row in found.rows for value in row[at : at + 1] if value} for at in range(2)]
        assert values == ([{1}, {2}] if lower.islower() else [{2}, {1}]), "whichever has the number"
        assert [drift.column for drift in found.document.drift if drift.column != "b"] == []


def test_an_object_with_lists_of_its_own_is_a_record(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    data = b'{"order_id": 7, "items": [{"x": 1}], "payments": [{"y": 2}]}'
    found = parse(connection, tmp_path, data, {"order_id": "int64", "items": "string"})
    assert found.rows == [(7, '[{"x":1}]')]
    assert found.document.dialect["lists in the one record"] == "items, payments"


@pytest.mark.parametrize("blank", [b"\x0c", b"\x0b", b" \x0c\r"])
def test_a_line_that_the_reader_takes_for_blank_is_no_record(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, blank: bytes
) -> None:
    for data in (
        b'{"a": 1}\n' + blank + b'\n{"a": 2}',
        b'{"a": 1}\n{"a": 2}\n' + blank,
        b'[{"a": 1}, {"a": 2}]' + blank,
    ):
        found = parse(connection, tmp_path, data, {"a": "int64"})
        assert (found.document.error, found.rows) == (None, [(1,), (2,)])


@pytest.mark.parametrize("rest", [b"", b",", b", \n", b",{", b',{"a"'])
def test_all_whole_records_of_an_array_that_was_cut_off_are_kept(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, rest: bytes
) -> None:
    found = parse(connection, tmp_path, b'[{"a": 1}, {"a": 2}' + rest, {"a": "int64"})
    assert found.rows == [(1,), (2,)]
    assert found.document.records == 2 + (b"{" in rest)


def test_which_list_holds_the_records_is_not_told_by_the_file_s_name(tmp_path: Path) -> None:
    """Parsed files are told apart by their bytes: the same ones under two names would be taken for each other."""
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")), dataset="orders")
    both = {"orders": [{"id": f"o{n}"} for n in range(3)], "refunds": [{"id": f"r{n}"} for n in range(2)]}
    for name, content in (("orders", both), ("orders", [{"id": "y"}]), ("refunds", both)):
        scene.put(f"{name}_2026-01.json", json.dumps(content).encode())
        with scene.pipeline() as pipeline:
            pipeline.ingest(scene.source)
    scene.run()
    with scene.pipeline() as pipeline:
        assert sorted(row["id"] for row in curated_rows(pipeline, "orders")) == ["o0", "o1", "o2", "y"]


def test_what_stands_beside_the_records_is_told(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    data = b'{"total": 2, "sales": [{"a": 1}, {"a": 2}], "customers": [{"b": 1}]}'
    found = parse(connection, tmp_path, data, {"a": "int64"})
    assert found.rows == [(1,), (2,)]
    dialect = found.document.dialect
    assert (dialect["records in"], dialect["other lists, not read"]) == ("sales", "customers")
    assert dialect["beside them, not read"] == "total"


@pytest.mark.parametrize(
    "form", ['{{{}, "data": [{{"a": 1}}]}}', '{{"result": {{{}, "data": [{{"a": 1}}]}}}}']
)
def test_an_object_of_a_great_many_fields_is_no_wrapper(tmp_path: Path, form: str) -> None:
    """It is told by its keys. Looking at it takes as long as it is, however many fields it has."""
    path = tmp_path / "many.json"
    for count, records_in in ((900, "data"), (200_000, None)):
        path.write_text(form.format(", ".join(f'"total{n}": {{}}, "list{n}": []' for n in range(count // 2))))
        found = form_of_objects("many.json", path, "many").wrapper
        assert (found.path.rsplit(".", 1)[-1] if found else None) == records_in


def test_a_broken_object_of_a_great_many_fields_is_looked_at_once(tmp_path: Path) -> None:
    path = tmp_path / "many.json"
    path.write_text(
        "{" + "".join(f'"total{n}": {{}}, ' for n in range(100_000)) + '"data": [{"a": 1}, {"a": '
    )
    found = form_of_objects("many.json", path, "many").wrapper
    assert found is not None
    assert (found.path, len(found.beside)) == ("data", 100_000)


BREAKS = {
    "an object that does not close": (r'"mark"(\s*)}', r'"mark"\1'),
    "an object that closes twice": (r'"mark"(\s*})', r'"mark"\1}'),
    "a list that does not close": ('"mark"', "[1, 2"),
    "a list that closes twice": ('"mark"', "[1]]"),
    "a quote that does not close": ('"mark"', '"mark'),
    "a quote too many": ('"mark"', '"mark""'),
    "a value cut off": (r'"mark"(\s*)}', r"\1"),
    "a line end in a string": ('"mark"', r'"ma\nrk"'),
    "the wrong bracket": (r'"mark"(\s*)}', r"[1}]\1"),
}
LAID_OUT: dict[str, Callable[[Sequence[object]], str]] = {
    **{name: form for name, form in FORMS.items() if name != "ndjson"},
    "one object a line in an array": lambda records: "[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n",
    "braces that meet": lambda records: (
        "[{\n" + "\n},{\n".join(json.dumps(r, indent=2)[2:-2] for r in records) + "\n}]"
    ),
    "objects in lists": lambda records: json.dumps(
        [{"id": n, "of": [{"x": 1}, {"x": 2}], "r": r} for n, r in enumerate(records)], indent=2
    ),
}


@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("form", LAID_OUT)
def test_uneven_brackets_or_quotes_reject_their_record_alone(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str, broken: str, place: int
) -> None:
    if (form, broken) == ("values without a space", "a value cut off") and place != 4:
        pytest.skip("the next record looks like the value that was cut off: one broken record")
    records = [{"a": n, "b": "mark" if n == place else "x"} for n in range(5)]
    text = re.sub(*BREAKS[broken], LAID_OUT[form](records))
    column = "r.a" if form == "objects in lists" else "a"
    found = parse(connection, tmp_path, text.encode(), {column: "int64"})
    assert found.document.error is None
    assert found.rows == [(n,) for n in range(5) if n != place]
    [reject] = found.rejects
    assert text[reject["byte_offset"] :].startswith(reject["raw"])
    assert f'"a": {place}' in reject["raw"]
    assert reject["line"] == text[: reject["byte_offset"]].count("\n") + 1


@pytest.mark.parametrize("form", LAID_OUT)
def test_a_file_that_was_cut_off_loses_its_last_record_alone(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str
) -> None:
    text = LAID_OUT[form]([{"a": n, "b": "mark" if n == 3 else "x"} for n in range(4)])
    column = "r.a" if form == "objects in lists" else "a"
    found = parse(connection, tmp_path, text[: text.index("mark")].encode(), {column: "int64"})
    assert found.document.error is None
    assert found.rows == [(0,), (1,), (2,)]
    assert len(found.rejects) == 1


@pytest.mark.parametrize(
    ("data", "accepted", "rejected"),
    [
        (b'[{"a": 1}, {"b": 2, "a": 2}, {"b": [, {"c": 3}, {"c": 4}]', 2, 1),
        (b'[{"a": {"b": 1}}, "c": 2}, {"a": {"b": 3}}]', 1, 1),
        (b'[{"a": 1}]\n[{"a": 2}, {"a": 3}]', 2, 1),
        (b'[{"a": 0}, {"a": 1}, 7, {"a": 2]', 1, 2),
    ],
)
def test_where_no_record_surely_begins_the_rest_is_one_reject(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, data: bytes, accepted: int, rejected: int
) -> None:
    found = parse(connection, tmp_path, data, {"a": "string"})
    assert (len(found.rows), len(found.rejects)) == (accepted, rejected)


@pytest.mark.parametrize(("gap", "indent"), [(1_000_000, b""), (1_100_000, None)])
def test_marks_are_looked_for_within_a_megabyte(tmp_path: Path, gap: int, indent: bytes | None) -> None:
    path = tmp_path / "rare.json"
    path.write_text('[\n{"a": [1},' + " " * gap + '\n{"b": 2},\n{"b": 3},\n{"b": 4}]')
    with json_text(path) as text:
        assert find_marks(text, array=True).indent == indent


def test_objects_of_lists_that_begin_lines_like_records_are_none(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    record = '{"a": 1, "of": [\n{"a": 5},\n{"a": 6}\n]}'
    text = f"[\n{record},\n{record},\n{record[:-1]},\n{record}\n]"
    found = parse(connection, tmp_path, text.encode(), {"a": "int64"})
    assert found.rows == [(1,), (1,)]
    assert len(found.rejects) == 1
    assert found.document.dialect["a record surely begins"].startswith("nowhere for sure")


BITS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b'{"a"',
    b'{"a": 1}',
    b": 1",
    b",",
    b"\n",
    b"\r",
    b"  ",
    b"\\",
    b"x",
    b'"b"',
    b"\n  {",
    b"}, {",
    b'{"a{"',
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(st.sampled_from(BITS), min_size=1, max_size=40).map(b"".join),
    first=st.sampled_from([b"[", b'[{"a": 0},', b'{"a": 0}', b'[\n  {"a": 0},\n  {"a": 1},']),
)
@example(data=b'x{"a{"a{": 3},{"a{": 4}]', first=b'[{"a": 0},')
def test_whatever_is_broken_two_codes_count_the_same_records(
    tmp_path: Path, data: bytes, first: bytes
) -> None:
    path = tmp_path / "broken.json"
    data = first + data
    path.write_bytes(data)
    array = first.startswith(b"[")
    with json_text(path) as text:
        marks = find_marks(text, array=array)
        for each in (
            marks,
            Marks(array),
            Marks(array, indent=b""),
            Marks(array, key=b'{"a"'),
            Marks(array, key=b'{"a{"'),
        ):
            found = list(pieces(text, each))
            assert count_broken_json(path, each) == len(found)
            ends = [0, *(piece.end for piece in found)]
            assert all(end <= piece.start < piece.end for end, piece in zip(ends, found, strict=False))
            between = b"".join(data[end : piece.start] for end, piece in zip(ends, found, strict=False))
            assert not between.strip(b" \t\r\n,[]"), "what is no record holds nothing"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.dictionaries(st.text(max_size=3), JSON, max_size=3), min_size=1, max_size=6),
    indent=st.none() | st.integers(0, 2),
    chunk=st.integers(1, 64),
)
def test_two_counts_and_the_places_agree(
    tmp_path: Path, values: list[Any], indent: int | None, chunk: int
) -> None:
    path = tmp_path / "values.json"
    texts = [json.dumps(value, indent=indent, ensure_ascii=False) for value in values]
    for joined, count in (("".join(texts), count_values_json), (f"[{','.join(texts)}]", count_array_json)):
        data = joined.encode("utf-8", "surrogatepass")
        path.write_bytes(data)
        assert count(io.BytesIO(data), chunk_bytes=chunk) == len(values)
        marks = Marks(array=joined.startswith("["))
        with json_text(path) as text:
            assert is_whole(text)
            assert [json.loads(line) for line in one_a_line(text, None)] == values
            assert [json.loads(line) for line in one_a_line(text, marks)] == values
        assert count_broken_json(path, marks) == len(values)
        places = locate_json(path, range(len(values)))
        assert [places[n].raw for n in range(len(values))] == texts


@pytest.mark.parametrize(
    "data",
    [b"{}", b'{"a":1} junk\n', b"[1, 2]", b"[[1], [2]]", b"[", b"[]]", b"[]\n[]", b'{"data": ['],
)
def test_what_holds_no_record_is_said_plainly(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, data: bytes
) -> None:
    error = parse(connection, tmp_path, data, {"a": "int64"}).document.error
    assert error is not None
    assert "nothing in it is a JSON object with a field" in error


EMPTY = [
    b"[]",
    b"\xef\xbb\xbf[ ]\n",
    b'{"data":[]}',
    b'{"count": 0, "next": null, "data": [\n]}\n',
    b'{"sales": []}',
]


@pytest.mark.parametrize("data", EMPTY)
def test_an_array_without_records_is_a_file_of_none(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, data: bytes
) -> None:
    document = parse(connection, tmp_path, data, {"a": "int64"}).document
    assert (document.error, document.records, document.missing, document.drift) == (None, 0, (), ())
    found = inspect_path(tmp_path / "raw", EVIDENCE, first=5)
    assert (found.records, found.columns, found.types, found.rejects) == (0, (), {}, [])


@pytest.mark.parametrize("data", EMPTY)
def test_a_month_without_records_is_not_refused(tmp_path: Path, data: bytes) -> None:
    """Whether it comes first, when nothing says what columns there will be, or later."""
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    scene.put("sales_2026-01.json", data)
    first = scene.run()
    assert (first.refused, first.contract) == ({}, None)
    for month in ("2026-02", "2026-03"):
        scene.put(f"sales_{month}.json", json.dumps([{"id": 7, "amount": 1.5}]).encode())
    scene.put("sales_2026-04.json", data + b" ")
    outcome = scene.run()
    assert outcome.refused == {}
    assert [(entry.records, entry.accepted) for entry in outcome.entries] == [(0, 0), (1, 1), (1, 1), (0, 0)]
    assert not outcome.drift
    assert names(outcome.published) == ["sales@2026-Q1.1"]
