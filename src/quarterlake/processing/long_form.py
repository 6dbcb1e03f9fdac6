"""Many columns as one: DuckDB's time to plan a query grows faster than its expressions, so that 400 columns are better looked at by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def long_form(texts: Sequence[str], relation: str, quoted: Sequence[str | None] = ()) -> str:
    """A query that gives each of the text expressions, at least one, of each record of a relation as a row of its own.

    `k` is the expression's place from 0, `t` its text, and `q` whether its source wrote it as a string (JSON's `"12"`),
    by the conditions in `quoted`, one for each text or none at all; without one it did not.
    """
    marks = [f"coalesce({mark}, false)" if mark else "false" for mark in quoted]
    mark = f"unnest([{', '.join(marks)}])" if any(quoted) else "false"
    return f"SELECT unnest(range({len(texts)})) AS k, unnest([{', '.join(texts)}]) AS t, {mark} AS q FROM {relation}"
