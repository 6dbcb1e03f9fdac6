"""What the values of a column say about its type.

Nothing is guessed away: a type is chosen only when its values survive it unchanged (`007` stays text, integers
beyond 64 bits become decimals). A column of which at least nine values in ten are of one type is of that type,
and the others are rejects that somebody must look at; below that it is text.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from quarterlake.domain.column_types import (
    BOOLEAN,
    DATE,
    FLOAT64,
    INT64,
    INT64_DIGITS,
    NULL,
    SHORT_DECIMAL_DIGITS,
    STRING,
    TIMESTAMP,
    ColumnType,
    Kind,
    casts_exactly,
    decimal_for,
    join,
)
from quarterlake.domain.format_decision import decide
from quarterlake.domain.forms import Decision, Form, merged, plain_forms
from quarterlake.domain.number_forms import number_reading
from quarterlake.domain.value_formats import NumberFormat, read_format

TYPED_SHARE = 0.9
"""A column is of a type when at least this share of its values is; the rest are rejects."""

_MOST = 0.5

NULL_TOKENS = (
    "", "NA", "N/A", "n/a", "na", "n.a.", "N.A.", "#N/A", "#NA", "null", "NULL", "Null", "(null)", "[NULL]", "#NULL!",
    "None", "none", "NONE", "nil", "NIL", "<NA>", "NaT", "-", "--", "?", ".", "\\N",
)  # fmt: skip
"""What stands for a missing value in a column that is not text. In text these are kept as they are."""

DOUBLE_DIGITS = 17
"""So many significant digits a binary64 may be printed with; a text with more is not what a double holds."""

EXACT_DOUBLE_DIGITS = 15
"""Every decimal of up to 15 significant digits survives IEEE 754 binary64 (DBL_DIG)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Counts over the values of one column: how many have which form. Forms do not overlap but for `leading_zero`.

    `integer` (1e5 too), `fraction` (a plain decimal point), `exponent` (1e-5, NaN, infinity), `boolean`, `date` and
    `timestamp` count texts of that form; `leading_zero` counts integers such as `007`; `long` counts
    fractions of more than 15 significant digits and `long_exact` those of them that a binary64 prints back
    unchanged. `not_finite` counts those of `exponent` that are NaN or infinite, `local` those of `timestamp` without an
    offset, `formatted` texts that a format might read; `forms` has all values by form where that was looked at (see
    `quarterlake.domain.forms`). `integer_digits` and `scale` are the largest counts of digits before and after the point; an integer
    beyond 64 bits has at least 20 of them here, whatever its length. `beyond` counts numbers of more than 17 significant digits,
    which no binary64 is printed with.
    """

    present: int = 0
    nulls: int = 0
    boolean: int = 0
    integer: int = 0
    leading_zero: int = 0
    fraction: int = 0
    exponent: int = 0
    date: int = 0
    timestamp: int = 0
    long: int = 0
    long_exact: int = 0
    integer_digits: int = 0
    scale: int = 0
    not_finite: int = 0
    local: int = 0
    formatted: int = 0
    beyond: int = 0
    forms: dict[str, Form] = field(default_factory=dict)

    def formed(self) -> Evidence:
        """The same with its forms, which are those of plain values where none were counted."""
        if self.forms:
            return self
        found = plain_forms(
            self.integer,
            self.fraction,
            self.date,
            self.timestamp,
            whole=self.integer_digits,
            scale=self.scale,
        )
        return replace(self, forms=found)

    def __add__(self, other: Evidence) -> Evidence:
        values = {
            f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.name != "forms"
        }
        values["forms"] = merged(self.forms, other.forms)
        values["integer_digits"] = max(self.integer_digits, other.integer_digits)
        values["scale"] = max(self.scale, other.scale)
        return Evidence(**values)


def infer(evidence: Evidence, name: str = "") -> Decision:
    """The type of a column of this name, with the format that its values agree on where they need one."""
    found = decide(evidence.forms, evidence.present, TYPED_SHARE, name) if evidence.forms else None
    if found is not None:
        return found
    kind = infer_type(evidence)
    return Decision(kind, note=_why_text(evidence) if kind == STRING else "")


def _why_text(evidence: Evidence) -> str:
    """Why a column is text most of whose values are not; nothing for any other, and for numbers such as `007`."""
    numbers = evidence.integer + evidence.fraction + evidence.exponent
    if evidence.leading_zero:
        return ""
    if evidence.present and numbers >= evidence.present * TYPED_SHARE:
        return "text, since no type of numbers holds all of its values unchanged"
    for what, found in (("numbers", numbers), ("dates or times", evidence.date + evidence.timestamp)):
        if found and found >= evidence.present * _MOST:
            return f"text, since {evidence.present - found:,} of {evidence.present:,} values are no {what}; if they stand for missing ones, list them in quarterlake.nulls"
    return ""


def infer_type(evidence: Evidence) -> ColumnType:
    """The narrowest type that at least `TYPED_SHARE` of the values have, none of them changed by it."""
    needed = evidence.present * TYPED_SHARE
    if evidence.present == 0:
        return NULL
    if evidence.integer + evidence.leading_zero + evidence.fraction + evidence.exponent >= needed:
        return _number_type(evidence)
    if evidence.date >= needed:
        return DATE
    if evidence.date + evidence.timestamp >= needed:
        return TIMESTAMP
    return BOOLEAN if evidence.boolean >= needed else STRING


def _number_type(evidence: Evidence) -> ColumnType:
    if evidence.leading_zero:
        return STRING
    survives = evidence.long == evidence.long_exact and (
        not evidence.integer or evidence.integer_digits <= EXACT_DOUBLE_DIGITS
    )
    if evidence.exponent > evidence.not_finite or (evidence.exponent and survives):
        few = evidence.present * (1 - TYPED_SHARE)
        if evidence.beyond <= min(few, evidence.exponent):
            return FLOAT64
        if evidence.exponent > few:
            return STRING
    if evidence.fraction == 0:
        return (
            INT64
            if evidence.integer_digits <= INT64_DIGITS
            else decimal_for(evidence.integer_digits, 0) or STRING
        )
    if evidence.long and survives:
        return FLOAT64
    return decimal_for(evidence.integer_digits, evidence.scale) or (FLOAT64 if survives else STRING)


def evidence_of(column_type: ColumnType, values: int) -> Evidence:
    """The evidence that so many values give which were parsed as `column_type` without loss."""
    digits = column_type.precision - column_type.scale
    match column_type.kind:
        case Kind.INT64:
            return Evidence(present=values, integer=values, integer_digits=INT64_DIGITS)
        case Kind.DECIMAL if column_type.scale == 0:
            return Evidence(present=values, integer=values, integer_digits=digits)
        case Kind.DECIMAL:
            beyond = values if column_type.precision > SHORT_DECIMAL_DIGITS else 0
            return Evidence(
                present=values,
                fraction=values,
                integer_digits=min(digits, 15),
                scale=column_type.scale,
                beyond=beyond,
            )
        case Kind.FLOAT64:
            return Evidence(present=values, exponent=values)
        case Kind.DATE:
            return Evidence(present=values, date=values)
        case Kind.TIMESTAMP:
            return Evidence(present=values, timestamp=values)
        case Kind.BOOLEAN:
            return Evidence(present=values, boolean=values)
        case _:
            return Evidence(present=values)


def widened(current: ColumnType, good: int, misfits: Evidence) -> ColumnType:
    """What an inferred column's type becomes when values of a new file did not fit it; `current` where they are rejects.

    It widens only without loss: integers to decimals or floats, dates to timestamps, numbers with leading zeros
    back to text, nothing seen yet to anything. All else is held against the contract.
    """
    if misfits.present == 0 or current.kind is Kind.STRING:
        return current
    found = infer_type(evidence_of(current, good) + misfits)
    if current.kind is Kind.NULL:
        return found
    if found.kind is Kind.STRING:
        return STRING if current.is_number and misfits.leading_zero else current
    joined = join(current, found)
    if joined.kind is Kind.STRING or (
        joined.kind is Kind.FLOAT64 and current.precision > SHORT_DECIMAL_DIGITS and not misfits.exponent
    ):
        return current
    return joined


def plain(evidence: Evidence, format_text: str) -> Evidence:
    """The evidence of values under a format of numbers, as if they were written plainly; as it is for any other."""
    number = read_format(format_text) if format_text else None
    if not isinstance(number, NumberFormat) or not evidence.forms:
        return evidence
    found = Evidence(present=evidence.present, nulls=evidence.nulls)
    for form, counted in evidence.forms.items():
        reading = number_reading(form, number)
        if reading == "integer":
            found += Evidence(integer=counted.values, integer_digits=counted.whole + counted.scale)
        elif reading == "fraction":
            found += Evidence(fraction=counted.values, integer_digits=counted.whole, scale=counted.scale)
    return found


def keeps_parsed(old: ColumnType, new: ColumnType, rejects: int) -> bool:
    """Whether a file parsed under `old` can be kept under `new`: the cast is exact and nothing was rejected."""
    return rejects == 0 and casts_exactly(old, new)
