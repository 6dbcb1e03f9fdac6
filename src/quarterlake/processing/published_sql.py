"""The SQL around a user's aggregate: what its result may look like, and how it is stored. For any engine."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from quarterlake.domain.errors import AggregateError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quarterlake.processing.engines.port import PeriodView
    from quarterlake.processing.sql_dialects import SqlDialect
    from quarterlake.processing.user_sql import UserAggregate


def published_query(
    sql: SqlDialect,
    view: PeriodView,
    aggregate: UserAggregate,
    query: str,
    described: Sequence[tuple[str, str]],
    stored_as: Callable[[str], str | None],
) -> str:
    """The query whose result has the columns `described` (name and type), with the period first, its rows sorted by all columns.

    `stored_as` gives the type that a published table holds for one of the engine's, None for none. Raises AggregateError for a
    result that cannot be published.
    """
    where = f"{view.dataset}/{aggregate.name}.sql"
    parts = [f"{sql.literal(view.period)} AS {sql.identifier(view.period_column)}"]
    names = Counter(name.casefold() for name, _ in described)
    for name, kind in described:
        if names[name.casefold()] > 1:
            raise AggregateError(
                f"{where}: its result has {names[name.casefold()]} columns named {name}. Give each a name of its own with AS."
            )
        if name.casefold() == view.period_column:
            raise AggregateError(
                f"{where}: its result has a column {name}, which quarterlake adds itself. Leave it out or give it another name."
            )
        stored = stored_as(kind)
        if stored is None:
            raise AggregateError(
                f"{where}: the column {name} is a {kind}; a published table holds plain values. Give each part a column of its own."
            )
        column = sql.identifier(name)
        parts.append(f"{column if stored == kind else f'CAST({column} AS {stored})'} AS {column}")
    return f"SELECT {', '.join(parts)} FROM ({query}) ORDER BY ALL NULLS LAST"
