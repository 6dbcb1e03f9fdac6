"""The fields of JSON records: those of nested objects by their path, lists and maps as JSON text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.processing.dialect import MAX_COLUMNS
from quarterlake.processing.sql import literal, literals, rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from duckdb import DuckDBPyConnection

_KEYS = "json_record_keys"
_LEVELS = 8
"""Objects are taken apart to this depth; what lies deeper stays JSON text."""
_MAP_KEYS = 100
"""An object with more keys than this over all records is a map, not a record: it stays JSON text."""


@dataclass(frozen=True, slots=True)
class JsonField:
    """A field: its path, and whether some records have an object there, whose own fields then stand for it."""

    path: tuple[str, ...]
    apart: bool = False

    @property
    def name(self) -> str:
        """Its name as a column's."""
        return ".".join(self.path)

    @property
    def pointer(self) -> str:
        """Its JSON pointer (RFC 6901)."""
        return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in self.path)


@dataclass(frozen=True, slots=True)
class JsonFields:
    """The fields of a file's records, and whether any record has two of one name in one object (`objects` are those taken apart)."""

    fields: tuple[JsonField, ...]
    objects: tuple[JsonField, ...]
    twice: bool
    maps: tuple[str, ...]

    def described(self) -> dict[str, str]:
        """For documents and people: what is not as one would expect."""
        names = [field.name for field in self.fields]
        alike = sorted({name for name in names if names.count(name) > 1})
        return ({"maps kept as text": ", ".join(self.maps)} if self.maps else {}) | (
            {"names of two fields": ", ".join(alike)} if alike else {}
        )

    def has_twice(self) -> str:
        """A condition: a record has a field twice."""
        keys = ["json_keys(json)", *(f"json_keys(json, {literal(o.pointer)})" for o in self.objects)]
        return "(" + " OR ".join(f"coalesce({_twice(key)}, false)" for key in keys) + ")"


def find_fields(
    connection: DuckDBPyConnection, name: str, reader: str, expected: Collection[str] = ()
) -> JsonFields:
    """The fields over all records of a reader.

    An object whose path is an `expected` column stays JSON text. There are none where there is no record, not even a broken one. Raises
    UnreadableFileError for records without a field, and for too many fields.
    """
    records = f"(SELECT json FROM {reader} WHERE json_type(json) = 'OBJECT')"
    # Read once: few records differ in their keys, so that lists of them are few too.
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_KEYS} AS SELECT json_keys(json) AS k, bool_or(CAST(json AS VARCHAR) LIKE '%{{%{{%') AS nested "
        f"FROM {records} GROUP BY 1"
    )
    keys = _distinct(connection, f"SELECT DISTINCT unnest(k) FROM {_KEYS} LIMIT {MAX_COLUMNS + 1}")
    nested, twice = rows(connection, f"SELECT bool_or(nested), bool_or({_twice('k')}) FROM {_KEYS}")[0]
    connection.execute(f"DROP TABLE {_KEYS}")
    fields = [JsonField((key,)) for key in keys]
    objects: list[JsonField] = []
    maps: list[str] = []
    level = fields if nested and len(keys) <= MAX_COLUMNS else []
    for _ in range(_LEVELS):
        found = list(_inside(connection, records, level, expected))
        if not found:
            break
        level = []
        for parent, others, inner in found:
            if len(inner) > _MAP_KEYS:
                maps.append(parent.name)
                continue
            at = fields.index(parent)
            fields[at : at + 1] = [JsonField(parent.path, apart=True)] if others else []
            objects.append(parent)
            level += [JsonField((*parent.path, key)) for key in inner]
        fields += level
    twice = bool(twice) or _any_twice(connection, records, objects)
    if not fields and rows(connection, f"SELECT 1 FROM {reader} LIMIT 1"):
        raise no_object(name)
    if len(fields) > MAX_COLUMNS:
        raise UnreadableFileError(
            f"{name} has more than {MAX_COLUMNS} fields over all its records. Send fewer, or keys that vary as values."
        )
    ordered = _in_file_order(connection, reader, sorted(fields, key=lambda f: f.path))
    return JsonFields(tuple(ordered), tuple(objects), bool(twice), tuple(maps))


def _in_file_order(connection: DuckDBPyConnection, reader: str, fields: list[JsonField]) -> list[JsonField]:
    """The fields, those of names that only case tells apart (or nothing) in the order in which the file first has them."""
    names = Counter(_folded(field) for field in fields)
    alike = [field for field in fields if names[_folded(field)] > 1]
    if not alike:
        return fields
    places = ", ".join(
        f"min(CASE WHEN json_type(json, {literal(field.pointer)}) IS NOT NULL THEN [n, {_place(field)}] END)"
        for field in alike
    )
    numbered = f"(SELECT json, row_number() OVER () AS n FROM {reader})"
    found = rows(connection, f"SELECT {places} FROM {numbered} WHERE json_type(json) = 'OBJECT'")[0]
    first = {field: cast("list[int] | None", place) or [] for field, place in zip(alike, found, strict=True)}
    ranked: dict[str, Iterator[JsonField]] = {}
    for name in {_folded(field) for field in alike}:
        group = [field for field in alike if _folded(field) == name]
        ranked[name] = iter(sorted(group, key=lambda field: first[field]))
    return [next(ranked[_folded(field)]) if field in first else field for field in fields]


def _folded(field: JsonField) -> str:
    """What makes two names one, as `unique_names` sees them."""
    return field.name.strip().casefold()


def _place(field: JsonField) -> str:
    """Where a field stands in its record: its number, and that of each object around it, from the outermost."""
    return ", ".join(
        f"coalesce(list_position(json_keys(json, {literal(JsonField(field.path[:depth]).pointer)}), {literal(key)}), 0)"
        for depth, key in enumerate(field.path)
    )


def no_object(name: str) -> UnreadableFileError:
    """The error for a file that holds no object that a column could be made of."""
    return UnreadableFileError(
        f"{name} begins like JSON, but nothing in it is a JSON object with a field. Send objects, one a line or in one array."
    )


def _inside(
    connection: DuckDBPyConnection, records: str, level: Sequence[JsonField], expected: Collection[str]
) -> Iterator[tuple[JsonField, bool, list[str]]]:
    """The fields that hold objects, whether they hold other values too, and the objects' keys."""
    if not level:
        return
    pointers = literals(field.pointer for field in level)
    types = f"SELECT json_type(json, {pointers}) AS t FROM {records}"
    every = f"range(1, {len(level) + 1})"
    signed = (
        f"list_concat(list_filter({every}, lambda i: t[i] = 'OBJECT'), "
        f"list_transform(list_filter({every}, lambda i: t[i] NOT IN ('OBJECT', 'NULL')), lambda i: -i))"
    )
    kinds = {
        int(number) for number in _distinct(connection, f"SELECT DISTINCT unnest({signed}) FROM ({types})")
    }
    for number, field in enumerate(level, start=1):
        if number not in kinds or _is_declared(field.name, expected):
            continue
        query = f"SELECT DISTINCT unnest(json_keys(json, {literal(field.pointer)})) FROM {records} LIMIT {_MAP_KEYS + 1}"
        if inner := _distinct(connection, query):
            yield field, -number in kinds, inner


def _is_declared(name: str, expected: Collection[str]) -> bool:
    return name in expected and not any(other.startswith(f"{name}.") for other in expected)


def _any_twice(connection: DuckDBPyConnection, records: str, objects: Sequence[JsonField]) -> bool:
    conditions = [_twice(f"json_keys(json, {literal(o.pointer)})") for o in objects]
    if not conditions:
        return False
    return bool(
        rows(
            connection,
            f"SELECT bool_or({' OR '.join(f'coalesce({c}, false)' for c in conditions)}) FROM {records}",
        )[0][0]
    )


def _twice(keys: str) -> str:
    return f"len({keys}) <> len(list_distinct({keys}))"


def _distinct(connection: DuckDBPyConnection, query: str) -> list[str]:
    return sorted(str(value) for (value,) in rows(connection, query))
