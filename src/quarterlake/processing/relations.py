"""A plain source as a SQL relation: one text (or native value) a column, one row a record, in the file's order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from quarterlake.domain.errors import MisreadError, UnreadableFileError
from quarterlake.domain.reading import EVIDENCE, Reading
from quarterlake.processing.cutting import LONGEST, TOO_LONG
from quarterlake.processing.dialect import Dialect, find_dialect, unique_names
from quarterlake.processing.faults import reading as duckdb_reading
from quarterlake.processing.json_anew import LONGEST_JSON, is_whole, one_a_line, without_overlong
from quarterlake.processing.json_fields import JsonFields, find_fields, no_object
from quarterlake.processing.json_marks import Marks, find_marks
from quarterlake.processing.json_paths import JsonField, in_objects, kinds_above
from quarterlake.processing.json_scan import json_text
from quarterlake.processing.json_texts import json_texts
from quarterlake.processing.parquet_columns import parquet_columns
from quarterlake.processing.sources import Format, PlainSource
from quarterlake.processing.sql import literal, literals, number, parquet

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from quarterlake.domain.column_types import ColumnType
    from quarterlake.processing.rewriting import Rewriting

_SHOWN = 8
DROPPED = "dropped_records"
DROPPED_SCANS = "dropped_scans"
"""The temporary tables in which DuckDB's CSV reader notes the records that it could not cut into fields."""

MOST_DROPS = 500
"""So many faults are noted of a file at most, each with its whole line, one for each field too many: more are for the careful path."""


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column as its file gives it.

    `text` is an expression for its text; `native` its type where the format has types; `value` then is the
    expression of that type: NULL too, unless `exact`, for what the type does not hold, and a TIMESTAMP in the contract's zone
    where it is `local`. `quoted` is a condition: the record wrote it as a JSON string. `spelled` is its name
    in the file where `name`, unique whatever the case, may differ from it.
    """

    name: str
    text: str
    native: ColumnType | None = None
    value: str | None = None
    quoted: str | None = None
    spelled: str = ""
    exact: bool = True
    local: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """`sql` stands after FROM; without `columns` there is no record: JSON that holds none, as `[]`.

    `broken` is a condition that a row is no record (a line that is no JSON object).

    `twice` is one that it has two fields of one name. `whole` is then an expression for the row's text. A delimited file has its `dialect`, and its `rewriting` where the
    careful path reads it; a JSON text that is broken as a whole has `marks`. The fields of `json` are those of its columns, in their order.
    """

    sql: str
    columns: tuple[SourceColumn, ...]
    described: dict[str, str] = field(default_factory=dict)
    broken: str | None = None
    twice: str | None = None
    whole: str = "NULL"
    dialect: Dialect | None = None
    rewriting: Rewriting | None = None
    marks: Marks | None = None
    json: JsonFields | None = None


def relation_of(
    connection: DuckDBPyConnection,
    source: PlainSource,
    expected: Collection[str] = (),
    reading: Reading = EVIDENCE,
) -> Relation:
    """The relation over a source's records; `expected` column names help to tell a header from a record.

    What `reading` says of a delimited file is so.
    """
    match source.format:
        case Format.DELIMITED:
            relation = _delimited(source, expected, reading)
        case Format.PARQUET:
            relation = _parquet(connection, source, expected)
        case _:
            relation = _json(connection, source, expected)
    return replace(relation, described=relation.described | _renamed(relation))


def _renamed(relation: Relation) -> dict[str, str]:
    """For documents and people: the columns that are not called as the file has them."""
    if relation.dialect is not None and not relation.dialect.header:
        return {}
    found = [
        f"{c.spelled.strip() or 'no name'} to {c.name}"
        for c in relation.columns
        if c.spelled.strip() != c.name
    ]
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return {"renamed": ", ".join([*found[:_SHOWN], *more])} if found else {}


def _delimited(source: PlainSource, expected: Collection[str], reading: Reading) -> Relation:
    with source.open() as stream:
        dialect = find_dialect(source.name, stream, expected, reading)
    slots = _slots(dialect)
    columns = tuple(
        SourceColumn(name, slot, spelled=spelled)
        for name, spelled, slot in zip(dialect.columns, dialect.spelled, slots, strict=True)
    )
    sql = read_delimited(source.path, dialect, in_parts=True)
    return Relation(sql, columns, _described(source) | dialect.described(), dialect=dialect)


def read_delimited(path: Path, dialect: Dialect, *, in_parts: bool) -> str:
    """The relation's SQL over a file as it is. A large one is read in parts side by side if so asked, which DuckDB begins amid a field where fields go over line ends."""
    options = f"header = {str(dialect.header).lower()}, skip = {dialect.blank}"
    return _read_csv(path, dialect, options, in_parts=in_parts)


def read_rewritten(rewriting: Rewriting) -> str:
    """The relation's SQL over the plain file of the careful path."""
    plain = replace(rewriting.dialect, delimiter=rewriting.delimiter, quote='"', line_end=b"\n")
    options = f"header = false, skip = 0, max_line_size = {2 * LONGEST}"
    return _read_csv(rewriting.plain, plain, options, in_parts=not rewriting.spans_lines)


def _read_csv(path: Path, dialect: Dialect, options: str, *, in_parts: bool) -> str:
    declared = ", ".join(f"{slot}: 'VARCHAR'" for slot in _slots(dialect))
    quote = literal(dialect.quote)
    line_end = {b"\n": r"'\n'", b"\r": r"'\r'"}.get(dialect.line_end, r"'\r\n'")
    return (
        f"read_csv({literal(path)}, columns = {{{declared}}}, {options}, auto_detect = false, "
        f"delim = {literal(dialect.delimiter)}, quote = {quote}, escape = {quote}, new_line = {line_end}, "
        f"parallel = {str(in_parts).lower()}, allow_quoted_nulls = false, ignore_errors = true, store_rejects = true, hive_partitioning = false, "
        f"rejects_table = '{DROPPED}', rejects_scan = '{DROPPED_SCANS}', rejects_limit = {MOST_DROPS})"
    )


def _slots(dialect: Dialect) -> list[str]:
    return [f"c{position}" for position in range(len(dialect.columns))]


def _described(source: PlainSource) -> dict[str, str]:
    return {
        "format": str(source.format),
        "compression": source.compression,
        "encoding": source.encoding.label,
        "why encoding": source.encoding.why,
    }


def _json(connection: DuckDBPyConnection, source: PlainSource, expected: Collection[str]) -> Relation:
    reader, said, marks = _json_reader(source), dict(source.said), None
    try:
        with duckdb_reading(source.name, source.path):
            _refuse_overlong(connection, source, reader)
            _refuse_cut_off(source)
            found = find_fields(connection, source.name, reader, expected)
    except MisreadError as misread:
        if source.format is Format.NDJSON and misread.cause != TOO_LONG:
            raise
        why, marks = _write_anew(source)
        if marks is not None:
            said["a record surely begins"] = marks.described()
        said["read"] = f"record by record, since {why or misread.cause}"
        reader = _by_line(source.anew)
        try:
            found = find_fields(connection, source.name, reader, expected)
        except UnreadableFileError as refused:
            if misread.cause == TOO_LONG:
                raise UnreadableFileError(
                    f"{refused} Records of more than {LONGEST_JSON:,} bytes are not read."
                ) from None
            raise
        if not found.fields:
            raise no_object(source.name) from None
    names = unique_names([field.name for field in found.fields])
    columns = tuple(
        _json_column(position, name, field)
        for position, (name, field) in enumerate(zip(names, found.fields, strict=True), start=1)
    )
    return Relation(
        _json_records(reader, found),
        columns,
        _described(source) | said | found.described(),
        broken="json IS NULL OR json_type(json) <> 'OBJECT'",
        twice="twice" if found.twice else None,
        whole="CAST(json AS VARCHAR)",
        marks=marks,
        json=found,
    )


def _json_reader(source: PlainSource) -> str:
    if source.format is Format.NDJSON:
        return _by_line(source.path)
    layout = "array" if source.format is Format.JSON_ARRAY else "unstructured"
    return _read_json(source.path, f"format = '{layout}'")


def _refuse_overlong(connection: DuckDBPyConnection, source: PlainSource, reader: str) -> None:
    """Raise MisreadError for a record that is too long: DuckDB takes those up to twice as long, or not, by where they stand."""
    if source.path.stat().st_size <= LONGEST_JSON:
        return
    if number(connection, f"SELECT coalesce(max(strlen(json)), 0) FROM {reader}") > LONGEST_JSON:
        raise MisreadError(f"{source.name} cannot be read: it has {TOO_LONG}.", TOO_LONG)


def _refuse_cut_off(source: PlainSource) -> None:
    """Raise MisreadError for an array that does not end: DuckDB takes one that was cut off after a comma."""
    if source.format is not Format.JSON_ARRAY:
        return
    with json_text(source.path) as text:
        if not text.is_closed:
            raise MisreadError(
                f"{source.name} cannot be read: its array does not end.", "its array does not end"
            )


def _write_anew(source: PlainSource) -> tuple[str, Marks | None]:
    """Write a file's records one a line. Returns what is wrong with it as a whole, if anything but records that are too long, and then the marks between which its records are."""
    if source.format is Format.NDJSON:
        with source.open() as stream, source.anew.open("wb") as lines:
            lines.writelines(without_overlong(stream))
        return "", None
    with json_text(source.path) as text, source.anew.open("wb") as lines:
        if is_whole(text):
            lines.writelines(one_a_line(text, None))
            return "", None
        marks = find_marks(text, array=source.format is Format.JSON_ARRAY)
        lines.writelines(one_a_line(text, marks))
        return "the file as a whole is no JSON", marks


def _json_records(reader: str, found: JsonFields) -> str:
    """Each record with its fields' texts and kinds, and whether it has a field `twice`.

    One call for all fields: each call of its own keeps what it took apart, a chunk of records at a time.
    """
    pointers = [field.pointer for field in found.fields]
    texts = f"{json_texts('json', pointers)} AS texts, {kinds_above('json', found.fields)} AS above"
    kinds = f"json_type(json, {literals(pointers)}) AS kinds"
    keys = f"{found.keys('json')} AS keys, {kinds_above('json', found.objects)} AS above_keys"
    held = ", ".join(f"{in_objects(name, 'above', found.fields)} AS {name}" for name in ("texts", "kinds"))
    twice = f"{found.has_twice('keys', 'above_keys')} AS twice"
    return f"(SELECT json, {held}, {twice} FROM (SELECT json, {texts}, {kinds}, {keys} FROM {reader}))"


def read_json_again(relation: Relation, lines: Path) -> str:
    """A JSON relation's SQL over some of its records, written one a line; a line that is no JSON is a row too, a blank one is none."""
    if relation.json is None:
        raise ValueError("only JSON is read by its fields")
    return _json_records(_by_line(lines), relation.json)


def _by_line(path: Path) -> str:
    return _read_json(path, "format = 'newline_delimited', ignore_errors = true")


def _read_json(path: Path, options: str) -> str:
    limit = min(LONGEST_JSON, max(path.stat().st_size, 1 << 16))
    return f"read_json_objects({literal(path)}, {options}, maximum_object_size = {limit}, hive_partitioning = false)"


def _json_column(position: int, name: str, field: JsonField) -> SourceColumn:
    kind = f"kinds[{position}]"
    text = f"texts[{position}]"
    if field.apart:
        text = f"CASE WHEN {kind} <> 'OBJECT' THEN {text} END"
    return SourceColumn(name, text, quoted=f"{kind} = 'VARCHAR'", spelled=field.name)


def _parquet(connection: DuckDBPyConnection, source: PlainSource, expected: Collection[str]) -> Relation:
    sql = parquet(literal(source.path))
    found, said = parquet_columns(connection, source.name, sql, str(source.path), expected)
    names = unique_names([column.name for column in found])
    columns = tuple(
        SourceColumn(
            name,
            column.text,
            column.native,
            column.value,
            spelled=column.name,
            exact=column.exact,
            local=column.local,
        )
        for column, name in zip(found, names, strict=True)
    )
    return Relation(sql, columns, _described(source) | said)
