"""The fields of JSON records: those of nested objects by their path, lists and maps as JSON text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, cast

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.processing.dialect import MAX_COLUMNS
from quarterlake.processing.json_paths import JsonField, in_objects, kinds_above
from quarterlake.processing.sql import literal, literals, rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from duckdb import DuckDBPyConnection

_KEYS = "json_record_keys"
_INNER_KEYS = "json_inner_keys"
_LEVELS = 8
"""Objects are taken apart to this depth; what lies deeper stays JSON text."""
_MAP_KEYS = 100
"""An object with more keys than this over all records is a map, not a record: it stays JSON text."""


@dataclass(frozen=True, slots=True)
class JsonFields:
    """The fields of a file's records, and whether any record has two of one name in one object (`objects` are those taken apart)."""

    fields: tuple[JsonField, ...]
    objects: tuple[JsonField, ...]
    twice: bool
    maps: tuple[str, ...]

    def described(self) -> dict[str, str]:
        """For documents and people: what is not as one would expect."""
        names = [one.name for one in self.fields]
        alike = sorted({name for name in names if names.count(name) > 1})
        return ({"maps kept as text": ", ".join(self.maps)} if self.maps else {}) | (
            {"names of two fields": ", ".join(alike)} if alike else {}
        )

    def keys(self, record: str) -> str:
        """An expression for the keys that `has_twice` has to know of a record."""
        return f"json_keys({record}, {literals(one.pointer for one in self._all_objects)})"

    def has_twice(self, keys: str, above: str) -> str:
        """A condition: a record has a field twice. `above` is what `kinds_above` gave for `objects`."""
        known = in_objects(keys, above, self._all_objects)
        return f"coalesce(len(list_filter({known}, lambda k: {_twice('k')})) > 0, false)"

    @property
    def _all_objects(self) -> tuple[JsonField, ...]:
        return (JsonField(()), *self.objects)


def find_fields(
    connection: DuckDBPyConnection, name: str, reader: str, expected: Collection[str] = ()
) -> JsonFields:
    """The fields over all records of a reader.

    An object whose path is an `expected` column stays JSON text; one that lies deep or is a map has the fields that are `expected`, beside its text. There are none where there is no record, not even a broken one. Raises
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
    found = _Found({(key,): JsonField((key,)) for key in keys}, bool(twice))
    if nested:
        _take_apart(connection, records, found, expected)
    fields = found.fields
    if not fields and rows(connection, f"SELECT 1 FROM {reader} LIMIT 1"):
        raise no_object(name)
    if len(fields) > MAX_COLUMNS:
        raise UnreadableFileError(
            f"{name} has more than {MAX_COLUMNS} fields over all its records. Send fewer, or keys that vary as values."
        )
    ordered = _in_file_order(connection, reader, [fields[path] for path in sorted(fields)])
    return JsonFields(tuple(ordered), tuple(found.objects), found.twice, tuple(found.maps))


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
    for name in {_folded(one) for one in alike}:
        group = [one for one in alike if _folded(one) == name]
        ranked[name] = iter(sorted(group, key=lambda one: first[one]))
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


@dataclass(slots=True)
class _Found:
    """What `JsonFields` will hold, as far as it is known."""

    fields: dict[tuple[str, ...], JsonField]
    twice: bool
    objects: list[JsonField] = field(default_factory=list)
    maps: list[str] = field(default_factory=list)


def _take_apart(
    connection: DuckDBPyConnection, records: str, found: _Found, expected: Collection[str]
) -> None:
    """Put the fields of the objects in the records for these, level by level."""
    level = list(found.fields.values())
    for depth in count():
        deep = depth >= _LEVELS
        if deep:
            level = [one for one in level if _declared_in(one.name, expected)]
        if not level or len(found.fields) > MAX_COLUMNS:
            return
        every = _inside(connection, records, level, expected)
        level = [one for inside in every for one in _fields_of(inside, found, expected, deep=deep)]
        found.fields |= {one.path: one for one in level}


def _fields_of(inside: _Inside, found: _Found, expected: Collection[str], *, deep: bool) -> list[JsonField]:
    """The fields of an object that are taken out of it; it is no field itself any more where those are all it holds."""
    parent, keys = inside.parent, inside.keys
    is_map = len(keys) > _MAP_KEYS
    if is_map and not deep:
        found.maps.append(parent.name)
    if is_map or deep:
        keys = sorted(_declared_in(parent.name, expected).intersection(keys))
    elif inside.others:
        found.fields[parent.path] = JsonField(parent.path, apart=True)
    else:
        del found.fields[parent.path]
    if keys:
        found.objects.append(parent)
        found.twice |= inside.twice
    return [JsonField((*parent.path, key)) for key in keys]


@dataclass(slots=True)
class _Inside:
    """A field that holds objects, whether it holds other values too, the objects' keys, and whether one of them has a key twice."""

    parent: JsonField
    others: bool
    keys: list[str]
    twice: bool = False


def _inside(
    connection: DuckDBPyConnection, records: str, level: Sequence[JsonField], expected: Collection[str]
) -> list[_Inside]:
    """What is in those fields of a level that hold objects with a key; of a map, as many keys as make it one, and those that are declared."""
    types = (
        f"SELECT {in_objects('t', 'above', level)} AS t FROM (SELECT {kinds_above('json', level)} AS above, "
        f"json_type(json, {literals(one.pointer for one in level)}) AS t FROM {records})"
    )
    every = f"range(1, {len(level) + 1})"
    signed = (
        f"list_concat(list_filter({every}, lambda i: t[i] = 'OBJECT'), "
        f"list_transform(list_filter({every}, lambda i: t[i] NOT IN ('OBJECT', 'NULL')), lambda i: -i))"
    )
    kinds = {
        int(number) for number in _distinct(connection, f"SELECT DISTINCT unnest({signed}) FROM ({types})")
    }
    parents = {
        one: -number in kinds
        for number, one in enumerate(level, start=1)
        if number in kinds and not _is_declared(one.name, expected)
    }
    return _keys_inside(connection, records, parents, expected) if parents else []


def _keys_inside(
    connection: DuckDBPyConnection,
    records: str,
    parents: Mapping[JsonField, bool],
    expected: Collection[str],
) -> list[_Inside]:
    """The keys of all parents in one pass, since each call that takes a record apart costs much memory, and each pass much time."""
    of = list(parents)
    each = (
        f"SELECT unnest(range({len(of)})) AS i, unnest({in_objects('ks', 'above', of)}) AS ks "
        f"FROM (SELECT {kinds_above('json', of)} AS above, json_keys(json, {literals(one.pointer for one in of)}) AS ks FROM {records})"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_INNER_KEYS} AS SELECT i, k, bool_or(twice) AS twice "
        f"FROM (SELECT i, unnest(ks) AS k, {_twice('ks')} AS twice FROM ({each})) GROUP BY i, k"
    )
    declared = [
        f"({number}, {literal(key)})"
        for number, parent in enumerate(of)
        for key in sorted(_declared_in(parent.name, expected))
    ]
    wanted = f"n <= {_MAP_KEYS + 1}" + (f" OR (i, k) IN ({', '.join(declared)})" if declared else "")
    query = (
        "SELECT i, k, twice FROM (SELECT i, k, bool_or(twice) OVER (PARTITION BY i) AS twice, "
        f"row_number() OVER (PARTITION BY i ORDER BY k) AS n FROM {_INNER_KEYS}) WHERE {wanted} ORDER BY i, k"
    )
    found = [_Inside(parent, others, []) for parent, others in parents.items()]
    for number, key, twice in rows(connection, query):
        inside = found[int(str(number))]
        inside.keys.append(str(key))
        inside.twice = bool(twice)
    connection.execute(f"DROP TABLE {_INNER_KEYS}")
    return [inside for inside in found if inside.keys]


def _is_declared(name: str, expected: Collection[str]) -> bool:
    return name in expected and not any(other.startswith(f"{name}.") for other in expected)


def _declared_in(name: str, expected: Collection[str]) -> set[str]:
    """The keys in an object that paths to `expected` columns may go by: points may be in keys too."""
    ways = (other.removeprefix(f"{name}.").split(".") for other in expected if other.startswith(f"{name}."))
    return {".".join(way[:end]) for way in ways for end in range(1, len(way) + 1)}


def _twice(keys: str) -> str:
    return f"len({keys}) <> len(list_distinct({keys}))"


def _distinct(connection: DuckDBPyConnection, query: str) -> list[str]:
    return sorted(str(value) for (value,) in rows(connection, query))
