"""The columns of a Parquet file: what its types mean as ours, fields of structs by their path, lists and maps as JSON text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from quarterlake.domain.column_types import (
    BOOLEAN,
    DATE,
    FLOAT64,
    INT64,
    MAX_DECIMAL_DIGITS,
    NULL,
    STRING,
    TIMESTAMP,
    ColumnType,
    decimal_for,
)
from quarterlake.domain.errors import UnreadableFileError
from quarterlake.processing.nanoseconds import cut_columns, cut_within
from quarterlake.processing.parquet_schema import Leaf, leaves, top_names
from quarterlake.processing.sql import identifier, literal, rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from duckdb import DuckDBPyConnection
    from duckdb.sqltypes import DuckDBPyType

_LEVELS = 8
_INT96 = "INT96"
_UINT64_DIGITS = 20
_TYPES = {
    "boolean": BOOLEAN,
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger"), INT64),
    "ubigint": decimal_for(_UINT64_DIGITS, 0) or STRING,
    **dict.fromkeys(("float", "double"), FLOAT64),
    "date": DATE,
    **dict.fromkeys(
        (
            "timestamp",
            "timestamp_s",
            "timestamp_ms",
            "timestamp_ns",
            "timestamp with time zone",
            "timestamptz_ns",
        ),
        TIMESTAMP,
    ),
    "null": NULL,
}
_NESTED = frozenset({"list", "array", "map", "struct", "union"})
_TEXT_BYTES = r"[\x00-\x08\x0e-\x1f]"
"""Control characters that text does not hold."""


@dataclass(frozen=True, slots=True)
class ParquetColumn:
    """A column, or a field of a struct: its path, and expressions for its text and its value of type `native`.

    `exact` is false where the value is NULL for what the type does not hold (nanoseconds); `local` says that it is a time without a zone.
    """

    path: tuple[str, ...]
    text: str
    native: ColumnType
    value: str
    exact: bool = True
    local: bool = False

    @property
    def name(self) -> str:
        """Its name as a column's."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class _Given:
    path: tuple[str, ...]
    value: str
    kind: DuckDBPyType


def parquet_columns(
    connection: DuckDBPyConnection, name: str, relation: str, path: str, expected: Collection[str] = ()
) -> tuple[list[ParquetColumn], dict[str, str]]:
    """The columns of a Parquet file that `relation` reads, and what there is to say of them.

    A struct whose path is an `expected` column stays JSON text. Raises UnreadableFileError for a decimal of more digits than
    are read exactly, and for INT96 timestamps below the microsecond, unless some columns are expected and it is none of them.
    """
    read = [leaf for leaf in leaves(connection, path) if leaf.is_read(expected)]
    _refuse_wide(name, read)
    described = connection.execute(f"SELECT * FROM {relation} LIMIT 0").description or []
    # DuckDB has names of its own for those that are empty or come again.
    given = [
        _Given((spelled,), identifier(str(column[0])), column[1])
        for spelled, column in zip(top_names(connection, path), described, strict=True)
    ]
    _refuse_cut(connection, name, path, read, {column.path[0]: column.kind for column in given})
    flat = [field for column in given for field in _fields(column, expected, _LEVELS)]
    binary = _binary(connection, relation, flat)
    found = [_column(field, binary=field.path in binary) for field in flat]
    said = {}
    if binary:
        said["bytes, not text"] = ", ".join(".".join(path) for path in sorted(binary))
    return found, said


def _refuse_wide(name: str, read: Collection[Leaf]) -> None:
    for leaf in read:
        if leaf.precision is not None and leaf.precision > MAX_DECIMAL_DIGITS:
            raise UnreadableFileError(
                f"{name}: its column {leaf.name} is a decimal({leaf.precision},{leaf.scale}), which has more than {MAX_DECIMAL_DIGITS} digits and "
                "would be rounded. Send it as text or with fewer digits, or leave it out of the contract."
            )


def _refuse_cut(
    connection: DuckDBPyConnection,
    name: str,
    path: str,
    read: Collection[Leaf],
    types: Mapping[str, DuckDBPyType],
) -> None:
    wide = [leaf for leaf in read if leaf.kind == _INT96]
    nested = {leaf.path[0]: types[leaf.path[0]] for leaf in wide if leaf.within}
    found = cut_columns(connection, path, [leaf for leaf in wide if not leaf.within])
    if found := found or cut_within(connection, path, nested):
        raise UnreadableFileError(
            f"{name}: its column {found[0]} holds INT96 timestamps below the microsecond, which would be cut. Write them as 64 bits of nanoseconds, "
            "of which only those are rejected, or rounded to the microsecond, or leave the column out of the contract."
        )


def _fields(given: _Given, expected: Collection[str], levels: int) -> Iterator[_Given]:
    """A struct's fields, theirs if they are structs; any other column itself."""
    name = ".".join(given.path)
    declared = name in expected and not any(other.startswith(f"{name}.") for other in expected)
    if given.kind.id != "struct" or declared or not levels:
        yield given
        return
    for place, (field, child) in enumerate(given.kind.children, start=1):
        kind = cast("DuckDBPyType", child)
        inner = f"struct_extract_at({given.value}, {place})"  # by name it could not be empty
        yield from _fields(_Given((*given.path, field), inner, kind), expected, levels - 1)


def _binary(connection: DuckDBPyConnection, relation: str, columns: list[_Given]) -> set[tuple[str, ...]]:
    """The columns of bytes that are not all text in UTF-8, as older writers leave their strings."""
    blobs = [column for column in columns if column.kind.id == "blob"]
    if not blobs:
        return set()
    checks = ", ".join(
        f"coalesce(bool_or({c.value} IS NOT NULL AND coalesce(regexp_matches(TRY(decode({c.value})), {literal(_TEXT_BYTES)}), true)), false)"
        for c in blobs
    )
    found = rows(connection, f"SELECT {checks} FROM {relation}")[0]
    return {column.path for column, is_binary in zip(blobs, found, strict=True) if is_binary}


def _column(given: _Given, *, binary: bool) -> ParquetColumn:
    value, kind = given.value, given.kind.id
    native = _native(given.kind)
    if native == STRING:
        text = f"CAST({value} AS VARCHAR)"
        if kind in _NESTED:
            text = f"CAST(to_json({value}) AS VARCHAR)"
        elif kind == "blob" and not binary:
            text = f"decode({value})"
        return ParquetColumn(given.path, text, STRING, text)
    if native == NULL:  # which DuckDB does not cast where it is a struct's field
        return ParquetColumn(given.path, "CAST(NULL AS VARCHAR)", NULL, "CAST(NULL AS VARCHAR)")
    text = f"CAST({value} AS VARCHAR)"
    nanos, wide = kind in {"timestamp_ns", "timestamptz_ns"}, kind in {"timestamp_s", "timestamp_ms"}
    local = native == TIMESTAMP and kind not in {"timestamp with time zone", "timestamptz_ns"}
    if native == TIMESTAMP:
        whole = f"make_timestamp(epoch_ns({value}) // 1000)"
        value = (
            f"CASE WHEN epoch_ns({value}) % 1000 = 0 THEN {whole} END"
            if nanos
            else f"TRY_CAST({value} AS {'TIMESTAMP' if local else 'TIMESTAMPTZ'})"
        )
        if nanos and not local:
            value = f"make_timestamptz(epoch_us({value}))"
    return ParquetColumn(given.path, text, native, value, exact=not (nanos or wide), local=local)


def _native(kind: DuckDBPyType) -> ColumnType:
    if kind.id == "decimal":
        digits = dict(kind.children)
        precision, scale = int(str(digits["precision"])), int(str(digits["scale"]))
        return decimal_for(precision - scale, scale) or STRING
    return _TYPES.get(kind.id, STRING)
