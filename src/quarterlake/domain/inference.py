"""What the values of a column say about its type, and what the columns say about time, key and dimensions.

Nothing is guessed away: a type is chosen only when its values survive it unchanged (`007` stays text, integers
beyond 64 bits become decimals). A column of which at least nine values in ten are of one type is of that type,
and the others are rejects that somebody must look at; below that it is text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

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
from quarterlake.domain.forms import Decision, Form, decide, merged, number_reading, plain_forms
from quarterlake.domain.value_formats import NumberFormat, read_format

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TYPED_SHARE = 0.9
"""A column is of a type when at least this share of its values is; the rest are rejects."""

NULL_TOKENS = (
    "", "NA", "N/A", "n/a", "na", "n.a.", "N.A.", "#N/A", "#NA", "null", "NULL", "Null", "(null)", "[NULL]", "#NULL!",
    "None", "none", "NONE", "nil", "NIL", "<NA>", "NaT", "-", "--", "?", ".", "\\N",
)  # fmt: skip
"""What stands for a missing value in a column that is not text. In text these are kept as they are."""

DOUBLE_DIGITS = 17
"""So many significant digits a binary64 may be printed with; a text with more is not what a double holds."""

EXACT_DOUBLE_DIGITS = 15
"""Every decimal of up to 15 significant digits survives IEEE 754 binary64 (DBL_DIG)."""

DIMENSION_VALUES = 50
DIMENSION_COMBINATIONS = 10_000
ROWS_A_VALUE = 2


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
    return found or Decision(infer_type(evidence))


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


@dataclass(frozen=True, slots=True)
class TimeCandidate:
    """A column that could be the record time.

    `in_name` is the share of sampled values inside the period that the file's name gives, `near_name` of those within a quarter of it; both None when no name has a timestamp.
    """

    name: str
    type: ColumnType
    nulls: int
    in_name: float | None = None
    near_name: float | None = None


_TIME_NAMES = (
    r"(event|record|observation)_?(time|timestamp|at|date)",
    r"timestamp|time_?stamp|ts|datetime|date_?time",
    r"(order(ed)?|occurred|happened|measured|observed|sold|shipped|departed)_?(at|time|on|date)",
    r"created_?(at|on|time|date)?",
    r"date|time|day",
    r".*(_at|_ts|_time|time_.*|_timestamp|_on)",
    r".*_?date",
)


def choose_record_time(candidates: Sequence[TimeCandidate]) -> tuple[str | None, str]:
    """The column that puts a record into a period, and why; None for the timestamp in the file's name.

    The file's name decides first: a column whose values do not lie near it (a birth date) is not the record time, and
    among several the one that agrees best is. Then never null before null, the usual names, and timestamps before dates.
    """
    near = [c for c in candidates if c.near_name is None or c.near_name >= TYPED_SHARE]
    if not near:
        if candidates:
            return (
                None,
                "record time: the file's name, since no time column's values lie near the timestamp in it",
            )
        return None, "record time: the file's name, since no column is a date or a timestamp"
    best = min(near, key=_time_rank)
    others = ", ".join(c.name for c in near if c is not best)
    why = f"record time: {best.name}"
    if best.in_name is not None:
        why += f", {best.in_name:.0%} of whose sampled values lie in the period of the file's name"
    if others:
        why += f" (other candidates: {others}; name one in a contract if this is wrong)"
    return best.name, why


def _time_rank(candidate: TimeCandidate) -> tuple[float, bool, int, bool]:
    name = candidate.name.casefold()
    rank = next((i for i, form in enumerate(_TIME_NAMES) if re.fullmatch(form, name)), len(_TIME_NAMES))
    agreement = -round(candidate.in_name or 0.0, 1)
    return agreement, candidate.nulls > 0, rank, candidate.type.kind is not Kind.TIMESTAMP


def looks_like_key(name: str, dataset: str) -> bool:
    """Whether a column is named like the identifier of its data set's records, not of something they refer to."""
    name, singular = name.casefold(), dataset.removesuffix("s")
    return name in {
        "id",
        "uuid",
        "guid",
        "key",
        "record_id",
        "event_id",
        "row_id",
        f"{dataset}_id",
        f"{singular}_id",
        f"{dataset}id",
        f"{singular}id",
        f"{singular}_uuid",
        f"{singular}_key",
        f"{singular}key",
        f"{singular}_no",
        f"{singular}_number",
    } or bool(
        re.fullmatch(rf"{re.escape(dataset[:1])}_{re.escape(singular)}(key|id)", name)
    )  # TPC's o_orderkey


def choose_dimensions(distinct: Mapping[str, int], rows: int) -> tuple[str, ...]:
    """The columns that the zero-config summary groups by, of those whose distinct values are given.

    Those with the fewest values first, while the product of the counts (a null is a value) stays below
    `DIMENSION_COMBINATIONS`; a column must repeat its values, or a summary would list the records again.
    """
    chosen: list[str] = []
    combinations = 1
    for name, values in sorted(distinct.items(), key=lambda item: (item[1], item[0])):
        repeats = values * ROWS_A_VALUE <= rows
        if (
            1 <= values <= DIMENSION_VALUES
            and repeats
            and combinations * (values + 1) <= DIMENSION_COMBINATIONS
        ):
            chosen.append(name)
            combinations *= values + 1
    return tuple(chosen)
