"""Timestamps of 96 bits below the microsecond, which DuckDB's reader cuts off without a word.

Another reader gives them as 64 bits of nanoseconds, modulo 2**64 as it has no more. The sum of these and that of DuckDB's microseconds differ by what was cut,
which is never negative: where the sums are equal nothing was.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from quarterlake.processing.sql import identifier, literal, parquet, rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from duckdb import DuckDBPyConnection
    from duckdb.sqltypes import DuckDBPyType

    from quarterlake.processing.parquet_schema import Leaf

_WRAP = 1 << 64
_HALF = 1 << 63
_LISTS = frozenset({"list", "array"})


class _Step(NamedTuple):
    """A step from a nested value to the values in it: a struct's `field`, a list's `elements`, a map's `keys` or `values`."""

    kind: str
    name: str = ""


def cut_columns(connection: DuckDBPyConnection, path: str, columns: Sequence[Leaf]) -> list[str]:
    """Those of some columns of 96 bits, none of them in a list or map, in which DuckDB's reader cuts.

    One pass over these columns by either reader, in constant memory.
    """
    if not columns:
        return []
    sums = ", ".join(_kept(leaf.path) for leaf in columns)
    kept = rows(connection, f"SELECT {sums} FROM {parquet(literal(path))}")[0]
    return [
        leaf.name
        for leaf, one, other in zip(columns, kept, _given(path, columns), strict=True)
        if other is not None and int(str(one or 0)) != int(other)
    ]


def cut_within(connection: DuckDBPyConnection, path: str, columns: Mapping[str, DuckDBPyType]) -> list[str]:
    """Those of some columns of lists and maps, with their types, in whose timestamps of 96 bits DuckDB's reader cuts."""
    return [name for name, kind in columns.items() if _is_cut_within(connection, path, name, kind)]


def _is_cut_within(connection: DuckDBPyConnection, path: str, name: str, kind: DuckDBPyType) -> bool:
    for steps in _ways(kind):
        query = f"SELECT sum({_summed(identifier(name), steps)}) FROM {parquet(literal(path))}"
        kept = rows(connection, query)[0][0]
        given = _given_within(path, name, steps)
        if given is not None and int(str(kept or 0)) != int(given):
            return True
    return False


def _ways(kind: DuckDBPyType, *before: _Step) -> Iterator[tuple[_Step, ...]]:
    """The steps to each timestamp of microseconds in a type, as which those of 96 bits are read."""
    if kind.id in {"timestamp", "timestamp with time zone"}:
        yield before
    elif kind.id == "struct":
        for field, child in kind.children:
            yield from _ways(cast("DuckDBPyType", child), *before, _Step("field", str(field)))
    elif kind.id in _LISTS:
        yield from _ways(cast("DuckDBPyType", kind.children[0][1]), *before, _Step("elements"))
    elif kind.id == "map":
        for part, (_, inner) in zip(("keys", "values"), kind.children, strict=True):
            yield from _ways(cast("DuckDBPyType", inner), *before, _Step(part))


def _summed(value: str, steps: Sequence[_Step], depth: int = 0) -> str:
    if not steps:
        return _nanoseconds(value)
    step, *others = steps
    if step.kind == "field":
        return _summed(f"struct_extract({value}, {literal(step.name)})", others, depth)
    listed = value if step.kind == "elements" else f"map_{step.kind}({value})"
    inner = _summed(f"e{depth}", others, depth + 1)
    return f"list_sum(list_transform({listed}, lambda e{depth}: {inner}))"


def _given_within(path: str, name: str, steps: Sequence[_Step]) -> str | None:
    """The same sum by the other reader; None where the file itself says that its unit is a larger one."""
    values = f"SELECT {identifier(name)} AS v FROM given"
    for step in steps:
        inner = {
            "field": f"get_field(v, {literal(step.name)})",
            "elements": "unnest(v)",
            "keys": "unnest(map_keys(v))",
            "values": "unnest(map_values(v))",
        }[step.kind]
        values = f"SELECT {inner} AS v FROM ({values})"
    nanos = "arrow_cast(arrow_cast(v, 'Int64'), 'Decimal128(38, 0)')"
    with _other_reader(path) as query:
        counted = f"SELECT CAST(sum({nanos}) AS VARCHAR) AS s, min(arrow_typeof(v)) AS t FROM ({values})"
        [batch] = query.execute(counted).read_all().to_batches()
        total, unit = (batch.column(at)[0].as_py() for at in range(2))
    return (total or "0") if "(ns" in str(unit) else None


@contextmanager
def _other_reader(path: str) -> Iterator[Any]:
    """A reader that has the file as the table `given`."""
    from deltalake import QueryBuilder

    # A path of plain letters, since a location is taken for a pattern.
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "file.parquet")
        link.symlink_to(Path(path).resolve())
        query = QueryBuilder()
        query.execute(f"CREATE EXTERNAL TABLE given STORED AS PARQUET LOCATION '{link}'").read_all()
        yield query


def _kept(path: Sequence[str]) -> str:
    """The sum, in DuckDB, of a column's microseconds as nanoseconds of 64 bits."""
    value = identifier(path[0])
    for step in path[1:]:
        value = f"struct_extract({value}, {literal(step)})"
    return f"sum({_nanoseconds(value)})"


def _nanoseconds(value: str) -> str:
    micros = f"epoch_us({value})"
    far = f"(CAST({micros} AS HUGEINT) * 1000 + {_HALF})"
    wrapped = f"(({far} % {_WRAP}) + {_WRAP}) % {_WRAP} - {_HALF}"
    within = f"{micros} BETWEEN {-_HALF // 1000 + 1} AND {_HALF // 1000 - 1}"
    return f"CASE WHEN {within} THEN CAST({micros} * 1000 AS HUGEINT) ELSE {wrapped} END"


def _given(path: str, columns: Sequence[Leaf]) -> list[str | None]:
    """The sums of the columns' nanoseconds by the other reader; None where the file itself says that its unit is a larger one."""
    parts = []
    for number, column in enumerate(columns):
        value = identifier(column.path[0])
        for step in column.path[1:]:
            value = f"get_field({value}, {literal(step)})"
        nanos = f"arrow_cast(arrow_cast({value}, 'Int64'), 'Decimal128(38, 0)')"
        parts.append(f"CAST(sum({nanos}) AS VARCHAR) AS s{number}, min(arrow_typeof({value})) AS t{number}")
    with _other_reader(path) as query:
        [batch] = query.execute(f"SELECT {', '.join(parts)} FROM given").read_all().to_batches()
        found = [batch.column(at)[0].as_py() for at in range(2 * len(columns))]
        return [
            total if "(ns" in str(unit) else None for total, unit in zip(found[::2], found[1::2], strict=True)
        ]
