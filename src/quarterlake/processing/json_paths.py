"""A field of JSON records by its path, and what it takes that a path leads through objects alone.

A JSON pointer reaches into lists too: `/b/0` is the field `0` of an object, or the first element of a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterlake.processing.sql import literals

if TYPE_CHECKING:
    from collections.abc import Sequence


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
        return _pointer(self.path)

    @property
    def doubtful(self) -> tuple[str, ...]:
        """The pointers of what may be a list on its way: what holds a key of digits alone."""
        numbers = (n for n, key in enumerate(self.path) if n and key.isascii() and key.isdigit())
        return tuple(_pointer(self.path[:n]) for n in numbers)


def kinds_above(record: str, fields: Sequence[JsonField]) -> str:
    """An expression for what `in_objects` has to know of a record."""
    return f"json_type({record}, {literals(_doubtful(fields))})"


def in_objects(values: str, above: str, fields: Sequence[JsonField]) -> str:
    """A list of the fields' values, NULL for each whose path leads into a list; `above` is what `kinds_above` gave."""
    places = {pointer: f"{above}[{n}]" for n, pointer in enumerate(_doubtful(fields), start=1)}
    if not places:
        return values
    kept = []
    for number, field in enumerate(fields, start=1):
        value = f"{values}[{number}]"
        asked = " AND ".join(f"{places[pointer]} = 'OBJECT'" for pointer in field.doubtful)
        kept.append(f"CASE WHEN {asked} THEN {value} END" if asked else value)
    return f"[{', '.join(kept)}]"


def _doubtful(fields: Sequence[JsonField]) -> list[str]:
    return sorted({pointer for field in fields for pointer in field.doubtful})


def _pointer(path: Sequence[str]) -> str:
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)
