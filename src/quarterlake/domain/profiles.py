"""What a build's columns hold: counts, spreads, histograms, frequent values, and what was rejected on the way.

A profile is made with its build, kept beside it and named by it. It holds no value of a column that is marked PII, and no
rejected text. Counts, extremes and histograms are exact; `Quantiles` say how exact they are.
"""

from collections.abc import Mapping

import msgspec

PROFILE_VERSION = "3"
"""Goes up whenever the same build would give another profile; profiles are then made anew, builds are not."""
MOST_FREQUENT = 30
"""A text column's values are listed, with how often each occurs, when there are no more than this."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The shares that a profile's quantiles stand at."""

Value = int | float | str
"""A value of a column: integers as such, doubles as such, decimals as their digits, dates and instants (UTC) in ISO 8601."""


class Histogram(msgspec.Struct, frozen=True):
    """How many values lie between two neighbours of `edges`: the lower one counts, the upper one does not."""

    edges: tuple[Value, ...]
    counts: tuple[int, ...]


class Quantiles(msgspec.Struct, frozen=True):
    """The values at `QUANTILES`, each no further from the exact one than `within`: 0 where they are exact.

    `within` is in the column's unit, for dates and instants in seconds.
    """

    at: tuple[Value, ...]
    within: float


class Spread(msgspec.Struct, frozen=True):
    """How a column's numbers, dates, instants or lengths are spread; NaN and infinities are left out.

    `mean` and `deviation` (of the sample; None for a single value) are correct to some 12 digits of `max - min`, and to 1e-280. For dates and instants
    they are taken from the bins that the quantiles come from, and no more exact than these; the deviation is in seconds then.
    """

    min: Value
    max: Value
    mean: Value
    deviation: float | None
    quantiles: Quantiles
    histogram: Histogram


class Frequency(msgspec.Struct, frozen=True):
    """How often a value occurs."""

    value: str
    count: int


class ColumnProfile(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column: `present` values and `nulls`, which together are the rows.

    `spread` is there for numbers, dates and instants that have a finite value, `lengths` (in characters) for texts.
    `frequencies` has every value of a text with no more than `MOST_FREQUENT` of them and of a boolean, the most frequent first; `distinct`
    counts them, and is None where it was not counted. A column marked PII has `present` and `nulls` alone.
    """

    name: str
    type: str
    present: int
    nulls: int
    pii: bool = False
    distinct: int | None = None
    nan: int = 0
    infinite: int = 0
    spread: Spread | None = None
    lengths: Spread | None = None
    frequencies: tuple[Frequency, ...] = ()

    def without_values(self) -> "ColumnProfile":
        """The same column as one that is marked PII."""
        return ColumnProfile(self.name, self.type, self.present, self.nulls, pii=True)


class TableProfile(msgspec.Struct, frozen=True):
    """The rows and columns of the period's curated records, or of one published aggregate."""

    name: str
    rows: int
    columns: tuple[ColumnProfile, ...]

    def column(self, name: str) -> ColumnProfile | None:
        """The column of this name, None where there is none."""
        return next((column for column in self.columns if column.name == name), None)

    def without_values_of(self, hidden: frozenset[str]) -> "TableProfile":
        """The same with counts alone of columns that have one of these names, in lower case (`releases.hidden_columns`)."""
        columns = (c.without_values() if c.name.casefold() in hidden else c for c in self.columns)
        return msgspec.structs.replace(self, columns=tuple(columns))


class RejectCount(msgspec.Struct, frozen=True):
    """How many records of a file were rejected for a reason."""

    source: str
    reason: str
    count: int


class Profile(msgspec.Struct, frozen=True):
    """The profile of one build.

    `records` are the period's curated records, `aggregates` the published tables in the build's order. `rows_by_day` counts the records
    by the day of their record time (UTC; days without any are left out, and all days where a file's name gives the time).
    `rejects` are those of the files that the build uses, by file, then reason.
    """

    build: str
    dataset: str
    period: str
    version: str
    records: TableProfile
    aggregates: tuple[TableProfile, ...]
    rows_by_month: Mapping[str, int]
    rows_by_day: Mapping[str, int]
    rejects: tuple[RejectCount, ...]

    def aggregate(self, name: str) -> TableProfile | None:
        """The profile of one aggregate, None where there is none of this name."""
        return next((table for table in self.aggregates if table.name == name), None)
