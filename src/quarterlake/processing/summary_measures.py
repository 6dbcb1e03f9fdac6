"""The numbers that a summary describes, and which of them can be summed exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterlake.domain.column_types import Kind
from quarterlake.domain.errors import AggregateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.domain.contract import Column, Contract
    from quarterlake.processing.sql_dialects import SqlDialect

_SHORT_DECIMAL = 18
"""The most digits of a decimal whose square is sure to be one too."""
_SUM_LIMIT = 10**38
_WIDE_LIMIT = 2**126


@dataclass(frozen=True, slots=True)
class Measure:
    """A number column, and whether the sums of its squares fit into 128 bits.

    None of its `count` values is larger than `largest`, in units of its last digit.
    """

    column: Column
    exact: bool
    count: int = 0
    largest: int = 0

    def name(self, sql: SqlDialect) -> str:
        """Its quoted name."""
        return sql.identifier(self.column.name)

    def value(self, sql: SqlDialect) -> str:
        """Its value; a negative zero is a zero, or which of the two is the smallest would depend on threads."""
        name = self.name(sql)
        return f"({name} + 0.0)" if self.column.type.kind is Kind.FLOAT64 else name


def measured_columns(contract: Contract) -> list[Column]:
    """The numbers that a summary describes: all but keys, PII and dimensions."""
    left_out = {*contract.key, *(contract.groups)}
    return [c for c in contract.columns if c.type.is_number and not c.pii and c.name not in left_out]


def measures(dataset: str, columns: Sequence[Column], ranges: Sequence[object]) -> list[Measure]:
    """Which columns can be summed exactly, squares included, from the row of `ranges_query`.

    Raises AggregateError where a sum could have more digits than a decimal.
    """
    count = int(str(ranges[0]))
    largest = iter(ranges[1:])
    found = []
    for column in columns:
        if column.type.kind is Kind.FLOAT64:
            found.append(Measure(column, exact=False))
            continue
        unscaled = int(str(next(largest) or 0).replace(".", ""))
        if count * unscaled >= _SUM_LIMIT:
            raise AggregateError(
                f"{dataset}/summary: the sum of the column {column.name} may need more than the 38 digits of a decimal: "
                f"{count} records as large as {len(str(unscaled))} digits. Give the column a smaller type in the contract, "
                "such as float64, or write a summary.sql of your own without it."
            )
        found.append(Measure(column, _squares_fit(column, count, unscaled), count, unscaled))
    return found


def _squares_fit(column: Column, count: int, unscaled: int) -> bool:
    short = unscaled < 10**_SHORT_DECIMAL and column.type.scale <= _SHORT_DECIMAL
    return short and (count * unscaled) ** 2 < _WIDE_LIMIT
