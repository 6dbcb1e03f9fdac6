"""The leaves of a Parquet file's schema, with the columns that they lie in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quarterlake.processing.sql import literal, rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from duckdb import DuckDBPyConnection

_REPEATED = "REPEATED"


class Leaf(NamedTuple):
    """A leaf: its path through structs, up to the list or map that it lies `within` if any; `kind` is its physical type.

    `precision` and `scale` are those of a decimal.
    """

    path: tuple[str, ...]
    kind: str
    within: bool
    precision: int | None
    scale: int | None

    @property
    def name(self) -> str:
        """The name of its column."""
        return ".".join(self.path)

    def is_read(self, expected: Collection[str]) -> bool:
        """Whether it, or a struct around it, is one of the columns that are expected; all are where none is."""
        return not expected or any(".".join(self.path[:n]) in expected for n in range(1, len(self.path) + 1))


class _Group:
    """A group whose children follow: its path, and whether a list or map is around them."""

    def __init__(self, path: tuple[str, ...], children: int, *, within: bool) -> None:
        self.path, self.left, self.within = path, children, within


def leaves(connection: DuckDBPyConnection, path: str) -> Iterator[Leaf]:
    """The leaves of a local Parquet file, in its order."""
    query = f"SELECT name, type, num_children, repetition_type, precision, scale FROM parquet_schema({literal(path)})"
    (_, _, children, *_), *elements = rows(connection, query)
    open_ = [_Group((), int(str(children)), within=False)]
    for name, kind, children, repetition, precision, scale in elements:
        while not open_[-1].left:
            open_.pop()
        around = open_[-1]
        around.left -= 1
        inner = around.within or (repetition == _REPEATED and bool(around.path))
        here = around.path if inner else (*around.path, str(name))
        if children:
            open_.append(_Group(here, int(str(children)), within=inner or repetition == _REPEATED))
        else:
            within = inner or repetition == _REPEATED
            yield Leaf(here, str(kind), within, _number(precision), _number(scale))


def top_names(connection: DuckDBPyConnection, path: str) -> list[str]:
    """The names of a local Parquet file's columns as it has them: some may be empty, or the same but for case."""
    query = f"SELECT name, coalesce(num_children, 0) FROM parquet_schema({literal(path)})"
    names, inside = [], 0
    for name, children in rows(connection, query)[1:]:
        if not inside:
            names.append(str(name))
        inside += int(str(children)) - bool(inside)
    return names


def _number(value: object) -> int | None:
    return None if value is None else int(str(value))
