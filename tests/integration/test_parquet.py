"""Parquet from anywhere: every type is exact, or said."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quarterlake.domain.reading import EVIDENCE
from quarterlake.processing.drafts import contract_of as contract_drafted
from quarterlake.processing.inspecting import inspect_path
from quarterlake.processing.parser import ParseJob, parse_file
from quarterlake.processing.samples import sample_file
from tests.integration.test_formats import contract_of, opened_connection, parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import duckdb

__all__ = ["opened_connection"]

MOMENT = datetime(2026, 1, 1, 10, 30, 15, 123456, tzinfo=UTC)
MICROS = 1_767_263_415_123_456


def written(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


TYPES: list[tuple[pa.Array, str, Any]] = [
    (pa.array([MICROS // 1_000_000], pa.timestamp("s")), "timestamp", MOMENT.replace(microsecond=0)),
    (pa.array([MICROS // 1_000], pa.timestamp("ms")), "timestamp", MOMENT.replace(microsecond=123_000)),
    (pa.array([MICROS], pa.timestamp("us")), "timestamp", MOMENT),
    (pa.array([MICROS], pa.timestamp("us", "America/New_York")), "timestamp", MOMENT),
    (pa.array([MICROS * 1_000], pa.timestamp("ns")), "timestamp", MOMENT),
    (pa.array([MICROS * 1_000], pa.timestamp("ns", "UTC")), "timestamp", MOMENT),
    (
        pa.array([-1], pa.timestamp("us")),
        "timestamp",
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ),
    (pa.array([255], pa.uint8()), "int64", 255),
    (pa.array([-128], pa.int8()), "int64", -128),
    (pa.array([2**32 - 1], pa.uint32()), "int64", 2**32 - 1),
    (pa.array([2**64 - 1], pa.uint64()), "decimal(38,0)", Decimal(2**64 - 1)),
    (pa.array([Decimal("1.10")], pa.decimal128(9, 2)), "decimal(18,2)", Decimal("1.10")),
    (pa.array([Decimal("9" * 38)], pa.decimal128(38, 0)), "decimal(38,0)", Decimal("9" * 38)),
    (pa.array(["x"]).dictionary_encode(), "string", "x"),
    (pa.array([np.float16(1.5)], pa.float16()), "float64", 1.5),
    (pa.array([0.1], pa.float32()), "float64", float(np.float32(0.1))),
    (pa.array([date(2026, 1, 2)]), "date", date(2026, 1, 2)),
    (pa.array([time(1, 2, 3)], pa.time64("us")), "string", "01:02:03"),
    (pa.array([3_723_000_000_001], pa.time64("ns")), "string", "01:02:03.000000001"),
    (pa.array([UUID(int=7).bytes], pa.uuid()), "string", str(UUID(int=7))),
    (pa.array(["hé".encode()], pa.binary()), "string", "hé"),
    (pa.array([b"\x00\xff"], pa.binary()), "string", r"\x00\xFF"),
    (pa.array([True]), "boolean", True),
    (pa.array([[1, None, 3]]), "string", "[1,null,3]"),
    (pa.array([[Decimal("1.15")]]), "string", "[1.15]"),
    (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), "string", '{"k":1}'),
    (pa.array([None], pa.null()), "null", None),
]


@pytest.mark.parametrize(("values", "kind", "value"), TYPES, ids=[str(values.type) for values, _, _ in TYPES])
def test_each_type_is_found_and_exact(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, values: pa.Array, kind: str, value: object
) -> None:
    data = written(pa.table({"v": values}))
    found = parse(connection, tmp_path, data, {"v": kind})
    assert found.rows == [(value,)]
    sample = sample_file(connection, "x", tmp_path / "raw", tmp_path, dataset="sales", records=10, stamp=None)
    assert str(sample.natives["v"]) == kind


def test_nanoseconds_that_do_not_fit_are_rejected_not_cut(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for zone in (None, "UTC"):
        values = pa.array([MICROS * 1_000, MICROS * 1_000 + 1, None], pa.timestamp("ns", zone))
        found = parse(connection, tmp_path, written(pa.table({"v": values})), {"v": "timestamp"})
        assert found.rows == [(MOMENT,), (None,)]
        assert found.rejects[0]["reason"] == "not a timestamp (ISO 8601, to the microsecond)"
        assert "123456001" in found.rejects[0]["raw"]


NANOS = pa.timestamp("ns")


@pytest.mark.parametrize("struct", [False, True])
@pytest.mark.parametrize(
    ("values", "is_cut"),
    [
        ([MICROS * 1_000, None, -MICROS * 1_000, -1_000], False),
        ([MICROS * 1_000 + 1, None], True),
        ([-1], True),
        ([None], False),
        ([], False),
    ],
)
def test_timestamps_of_96_bits_are_exact_or_refused(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    values: list[int | None],
    *,
    is_cut: bool,
    struct: bool,
) -> None:
    array = pa.array(values, NANOS)
    table = pa.table({"a": pa.StructArray.from_arrays([array], ["v"]) if struct else array, "b": array})
    data = written(table, use_deprecated_int96_timestamps=True)
    column = "a.v" if struct else "a"
    found = parse(connection, tmp_path, data, {column: "timestamp"})
    if is_cut:
        assert found.document.error is not None
        assert f"its column {column} holds INT96 timestamps below the microsecond" in found.document.error
    else:
        whole = [None if value is None else value // 1_000 for value in values]
        expected = pa.array(whole, pa.timestamp("us", "UTC")).to_pylist()
        assert found.rows == [(value,) for value in expected]


INSTANT = pa.array([MICROS * 1_000, -1_000, None, 7_000], NANOS)
CUT = pa.array([MICROS * 1_000, -1_000, None, 7_001], NANOS)
NESTED: dict[str, Callable[[pa.Array], pa.Array]] = {
    "a list": lambda v: pa.ListArray.from_arrays([0, 2, 2, 4], v),
    "a list of lists": lambda v: pa.ListArray.from_arrays(
        [0, 1, 1, 2], pa.ListArray.from_arrays([0, 3, 4], v)
    ),
    "structs in a list": lambda v: pa.ListArray.from_arrays(
        [0, 1, 3, 4], pa.StructArray.from_arrays([pa.array("wxyz"), v], ["of", "it"])
    ),
    "a list in a struct": lambda v: pa.StructArray.from_arrays(
        [pa.ListArray.from_arrays([0, 2, 2, 4], v)], ["l"]
    ),
    "a map's values": lambda v: pa.MapArray.from_arrays([0, 2, 2, 4], pa.array("wxyz"), v),
    "a map's keys": lambda v: pa.MapArray.from_arrays([0, 1, 2, 3], v.drop_null(), pa.array("xyz")),
}


@pytest.mark.parametrize("form", NESTED)
def test_timestamps_of_96_bits_in_lists_and_maps_are_exact_or_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: str
) -> None:
    for values in (INSTANT, CUT):
        table = pa.table({"a": NESTED[form](values), "b": [1, 2, 3]})
        data = written(table, use_deprecated_int96_timestamps=True)
        columns = {"a.l" if form == "a list in a struct" else "a": "string"}
        found = parse(connection, tmp_path, data, columns)
        if values is CUT:
            assert "its column a holds INT96 timestamps below the microsecond" in (found.document.error or "")
        else:
            assert found.document.error is None
            assert len(found.rows) == 3
        assert parse(connection, tmp_path, data, {"b": "int64"}).rows == [(1,), (2,), (3,)]


def test_timestamps_of_96_bits_may_lie_in_any_year(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    days = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 123456, tzinfo=UTC)]
    table = pa.table({"v": pa.array([day.replace(tzinfo=None) for day in days], pa.timestamp("us"))})
    data = written(table, use_deprecated_int96_timestamps=True, store_schema=False)
    assert parse(connection, tmp_path, data, {"v": "timestamp"}).rows == [(day,) for day in days]


def test_a_wide_decimal_in_a_struct_or_a_list_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    wide = pa.array([Decimal("9" * 40)], pa.decimal256(40, 0))
    table = pa.table(
        {
            "a": pa.StructArray.from_arrays([wide], ["d"]),
            "l": pa.ListArray.from_arrays([0, 1], wide),
            "v": [1],
        }
    )
    for column in ("a.d", "a", "l"):
        error = parse(connection, tmp_path, written(table), {column: "string", "v": "int64"}).document.error
        assert error is not None
        assert "decimal(40,0)" in error
    assert parse(connection, tmp_path, written(table), {"v": "int64"}).rows == [(1,)]


def test_names_that_differ_in_case_alone_are_told_apart(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    found = parse(connection, tmp_path, written(pa.table({"A": [1], "a": [2], "b": [3]})), {"a": "int64"})
    assert found.rows == [(2,)]


def test_a_field_without_a_type_is_null(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = pa.array([{"a": 1, "n": None}], pa.struct([("a", pa.int64()), ("n", pa.null())]))
    data = written(pa.table({"s": rows, "z": pa.nulls(1)}))
    found = parse(connection, tmp_path, data, {"s.a": "int64", "s.n": "string", "z": "int64"})
    assert found.rows == [(1, None, None)]


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_times_beyond_the_calendar_are_rejects(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, unit: str
) -> None:
    table = pa.table({"id": [1, 2, 3], "at": pa.array([2**63 - 1, -(2**63) + 1, 0], pa.timestamp(unit))})
    found = parse(connection, tmp_path, written(table), {"id": "int64", "at": "timestamp"})
    assert found.document.error is None
    assert [row[0] for row in found.rows] == [3]
    assert len(found.rejects) == 2


def test_structs_are_columns_by_their_path(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    values = pa.array([{"b": {"c d": 1, "l": ["x"]}, "e": "y"}, None, {"b": None, "e": None}])
    data = written(pa.table({"a": values}))
    found = parse(connection, tmp_path, data, {"a.b.c d": "int64", "a.b.l": "string", "a.e": "string"})
    assert found.rows == [(1, '["x"]', "y"), (None, None, None), (None, None, None)]
    assert parse(connection, tmp_path, data, {"a": "string"}).rows[0] == (
        '{"b":{"c d":1,"l":["x"]},"e":"y"}',
    )


def test_a_decimal_beyond_38_digits_is_refused_by_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    table = pa.table({"wide": pa.array([Decimal(10) ** 45], pa.decimal256(50, 1)), "b": [1]})
    refused = parse(connection, tmp_path, written(table), {"wide": "string"})
    assert "its column wide is a decimal(50,1)" in (refused.document.error or "")
    assert parse(connection, tmp_path, written(table), {"b": "int64"}).rows == [(1,)]


def test_empty_row_groups_and_files_without_records(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    table = pa.table({"a": pa.array([1, 2, 3])})
    with pq.ParquetWriter(buffer, table.schema) as writer:
        for part in (table.slice(0, 0), table.slice(0, 2), table.slice(0, 0), table.slice(2)):
            writer.write_table(part)
    assert parse(connection, tmp_path, buffer.getvalue(), {"a": "int64"}).rows == [(1,), (2,), (3,)]
    empty = parse(connection, tmp_path, written(table.slice(0, 0)), {"a": "int64"})
    assert (empty.document.records, empty.document.error) == (0, None)


def test_a_type_that_differs_from_the_contracts_is_cast_exactly_or_rejected(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    table = pa.table({"a": pa.array([1.5, 2.0, 3.25])})
    found = parse(connection, tmp_path, written(table), {"a": "decimal(18,1)"})
    assert found.rows == [(Decimal("1.5"),), (Decimal(2),)]
    assert len(found.rejects) == 1


def test_times_without_a_zone_are_the_contracts(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    local = [datetime(2026, 1, 15, 12), datetime(2026, 3, 29, 2, 30), datetime(2026, 10, 25, 2, 30)]  # noqa: DTZ001
    raw = tmp_path / "raw"
    raw.write_bytes(written(pa.table({"t": pa.array(local, pa.timestamp("us"))})))
    contract = msgspec.structs.replace(contract_of({"t": "timestamp"}), timezone="Europe/Berlin")
    stamp = "2026-01-01T00:00:00+00:00"
    outcome = parse_file(connection, ParseJob("p", "o", "x", "0", raw, stamp, contract), tmp_path)
    rows = connection.execute(f"SELECT t FROM read_parquet('{outcome.data}') WHERE _raw IS NULL").fetchall()
    assert rows == [(datetime(2026, 1, 15, 11, tzinfo=UTC),), (datetime(2026, 10, 25, 1, 30, tzinfo=UTC),)]
    assert outcome.document.reject_counts == {
        "a local time that does not exist in Europe/Berlin, whose clocks skip it": 1
    }


def test_names_that_are_empty_or_come_again_are_told_apart_as_in_csv(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    values = [pa.array([1]), pa.array([2]), pa.array([{"": 3, "y": 4}]), pa.array([5]), pa.array([6])]
    data = written(pa.Table.from_arrays(values, names=["id", "", "s", "ID", "_source"]))
    columns = dict.fromkeys(["id", "column_2", "s.", "s.y", "ID_2"], "int64")
    assert parse(connection, tmp_path, data, columns).rows == [(1, 2, 3, 4, 5)]
    found = inspect_path(tmp_path / "raw", EVIDENCE, first=1)
    assert found.how["renamed"] == "no name to column_2, ID to ID_2"
    assert list(found.types) == [*columns, "_source"]


def test_a_column_with_a_name_of_ours_is_noted(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(written(pa.table({"a": ["x"], "_source": ["y"]})))
    sample = sample_file(
        connection, "sales_2026-01.parquet", raw, tmp_path, dataset="sales", records=10, stamp=None
    )
    draft = contract_drafted("sales", [sample], lambda _: {})
    assert draft is not None
    assert [column.name for column in draft.columns] == ["a", "_source_"]
    assert "column _source_: _source in the files, which is a name of quarterlake's own" in draft.notes
