"""The types a column can have, and how two of them widen to one that holds both.

The types form a join-semilattice: `join` is commutative, associative and idempotent, so the type of a column
does not depend on which file came first. `NULL` (no value seen yet) is its bottom, `STRING` its top.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

MAX_DECIMAL_DIGITS = 38
SHORT_DECIMAL_DIGITS = 18
"""Decimals of up to 18 digits are stored as 64-bit integers; longer ones as 128-bit."""
INT64_DIGITS = 19


class Kind(StrEnum):
    """The family of a column's type."""

    NULL = "null"
    BOOLEAN = "boolean"
    INT64 = "int64"
    DECIMAL = "decimal"
    FLOAT64 = "float64"
    DATE = "date"
    TIMESTAMP = "timestamp"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A column's type. `precision` and `scale` count decimal digits and are 0 unless `kind` is DECIMAL."""

    kind: Kind
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        if self.kind is Kind.DECIMAL:
            return f"decimal({self.precision},{self.scale})"
        return str(self.kind)

    @property
    def is_number(self) -> bool:
        """Whether sums and means make sense."""
        return self.kind in _NUMBERS

    @classmethod
    def parse(cls, text: str) -> ColumnType:
        """Read what `str` writes; raise ValueError for anything else."""
        if match := re.fullmatch(r"decimal\(([0-9]{1,2}),\s*([0-9]{1,2})\)", text):
            precision, scale = int(match[1]), int(match[2])
            if not (1 <= precision <= MAX_DECIMAL_DIGITS and scale <= precision):
                raise ValueError(
                    f"{text}: a decimal has 1 to {MAX_DECIMAL_DIGITS} digits, its scale among them"
                )
            return cls(Kind.DECIMAL, precision, scale)
        if text == Kind.DECIMAL or text not in list(Kind):
            raise ValueError(
                f"{text}: not a type; use one of {', '.join(k for k in Kind if k != Kind.DECIMAL)}, decimal(p,s)"
            )
        return cls(Kind(text))


NULL = ColumnType(Kind.NULL)
BOOLEAN = ColumnType(Kind.BOOLEAN)
INT64 = ColumnType(Kind.INT64)
FLOAT64 = ColumnType(Kind.FLOAT64)
DATE = ColumnType(Kind.DATE)
TIMESTAMP = ColumnType(Kind.TIMESTAMP)
STRING = ColumnType(Kind.STRING)

_NUMBERS = frozenset({Kind.INT64, Kind.DECIMAL, Kind.FLOAT64})
_TIMES = frozenset({Kind.DATE, Kind.TIMESTAMP})


def decimal_for(integer_digits: int, scale: int) -> ColumnType | None:
    """The decimal with room for so many digits before and after the point; None where none has.

    The precision is rounded up to a storage size, so that a longer value in a later file seldom widens it.
    """
    digits = integer_digits + scale
    if digits <= SHORT_DECIMAL_DIGITS:
        return ColumnType(Kind.DECIMAL, SHORT_DECIMAL_DIGITS, scale)
    if digits <= MAX_DECIMAL_DIGITS:
        return ColumnType(Kind.DECIMAL, MAX_DECIMAL_DIGITS, scale)
    return None


def join(left: ColumnType, right: ColumnType) -> ColumnType:
    """The narrowest type that holds the values of both."""
    if left == right or right.kind is Kind.NULL:
        return left
    if left.kind is Kind.NULL:
        return right
    kinds = {left.kind, right.kind}
    if kinds <= _TIMES:
        return TIMESTAMP
    if not kinds <= _NUMBERS:
        return STRING
    if Kind.FLOAT64 in kinds:
        return FLOAT64
    scale = max(left.scale, right.scale)
    integer_digits = max(_integer_digits(left), _integer_digits(right))
    if integer_digits + scale > MAX_DECIMAL_DIGITS:
        return FLOAT64
    return ColumnType(Kind.DECIMAL, integer_digits + scale, scale)


def casts_exactly(old: ColumnType, new: ColumnType) -> bool:
    """Whether values parsed as `old` become, by a cast, what parsing the text as `new` would have given.

    This is what lets a parsed file be kept when its contract widens. Text is not in it: `7` parsed as an
    integer may have been written `+7`.
    """
    if old == new:
        return True
    if old.kind is Kind.NULL:
        return new.kind is not Kind.STRING
    if new.kind is Kind.DECIMAL and old.kind in {Kind.INT64, Kind.DECIMAL}:
        return _integer_digits(old) <= _integer_digits(new) and old.scale <= new.scale
    return old.kind is Kind.DATE and new.kind is Kind.TIMESTAMP


def _integer_digits(column_type: ColumnType) -> int:
    return column_type.precision - column_type.scale if column_type.kind is Kind.DECIMAL else INT64_DIGITS
