"""A summary's dimensions in its SQL: `_k0` is the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quarterlake.processing.sql_dialects import SqlDialect


def key_names(dimensions: Sequence[str]) -> list[str]:
    """What the dimensions are called here."""
    return [f"_k{position}" for position in range(len(dimensions))]


def named_keys(sql: SqlDialect, dimensions: Sequence[str]) -> list[str]:
    """The columns that they are, each called so."""
    return [f"{sql.identifier(d)} AS {key}" for d, key in zip(dimensions, key_names(dimensions), strict=True)]


def listed(names: Iterable[str]) -> str:
    """The head of a list of columns that goes on."""
    return "".join(f"{name}, " for name in names)


def group_by(dimensions: Sequence[str]) -> str:
    """The clause that groups by them. The keys come first in each list of columns; by position, since a column of the data may be named like a key."""
    return (
        f"GROUP BY {', '.join(str(position + 1) for position in range(len(dimensions)))}"
        if dimensions
        else ""
    )
