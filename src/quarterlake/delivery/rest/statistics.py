"""Statistics of columns in the shape of Hugging Face's dataset viewer, with quantiles beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from quarterlake.domain.profiles import QUANTILES

if TYPE_CHECKING:
    from quarterlake.domain.profiles import ColumnProfile, Spread, TableProfile

_INTEGERS = frozenset(
    {"byte", "short", "integer", "long", "tinyint", "smallint", "int", "bigint", "hugeint", "ubigint"}
)
_FRACTIONS = ("decimal", "double", "float", "real")
Number = int | float | str
"""Decimals are digits in a text, dates and instants ISO 8601."""


class HistogramDocument(BaseModel):
    """How many values lie between two neighbours of the edges, of which there is one more."""

    hist: list[int] = Field(examples=[[12, 30, 7]])
    bin_edges: list[Number] = Field(examples=[[0.0, 10.0, 20.0, 30.0]])


class QuantileDocument(BaseModel):
    """The value that a share of all values does not exceed."""

    share: float = Field(examples=[0.5])
    value: Number = Field(examples=[12.5])


class ColumnStatistics(BaseModel):
    """What is known of a column; which fields there are depends on its type. For `string_text` the numbers are of lengths, in characters."""

    nan_count: int = Field(description="Nulls.", examples=[0])
    nan_proportion: float = Field(examples=[0.0])
    min: Number | None = None
    max: Number | None = None
    mean: Number | None = None
    median: Number | None = None
    std: float | None = None
    histogram: HistogramDocument | None = None
    quantiles: list[QuantileDocument] | None = None
    quantiles_within: float | None = Field(
        None,
        description="How far a quantile may be from the exact one, in the column's unit (seconds for instants); 0 is exact.",
    )
    n_unique: int | None = None
    frequencies: dict[str, int] | None = None
    no_label_count: int | None = None
    no_label_proportion: float | None = None
    not_a_number_count: int | None = Field(None, description="NaN, which `nan_count` does not count.")
    infinite_count: int | None = None


class ColumnDocument(BaseModel):
    """A column with its statistics."""

    column_name: str = Field(examples=["origin"])
    column_type: str = Field(
        description="`int`, `float`, `datetime`, `bool`, `string_label`, `string_text`, or `hidden` for PII.",
        examples=["string_label"],
    )
    column_statistics: ColumnStatistics


class StatisticsDocument(BaseModel):
    """Statistics of a table's columns."""

    num_examples: int = Field(description="Rows.", examples=[33])
    statistics: list[ColumnDocument]
    partial: bool = False


def statistics_of(table: TableProfile) -> StatisticsDocument:
    """The statistics in a profile."""
    return StatisticsDocument(
        num_examples=table.rows,
        statistics=[_column(column) for column in table.columns],
        partial=False,
    )


def _column(column: ColumnProfile) -> ColumnDocument:
    kind = _kind(column)
    rows = column.present + column.nulls
    known: dict[str, Any] = {
        "nan_count": column.nulls,
        "nan_proportion": column.nulls / rows if rows else 0.0,
    }
    spread = column.lengths if kind == "string_text" else column.spread
    if spread is not None:
        known |= _spread(spread)
    if column.distinct is not None:
        known["n_unique"] = column.distinct
    if kind in {"bool", "string_label"}:
        known["frequencies"] = {each.value: each.count for each in column.frequencies}
    if kind == "string_label":
        known |= {"no_label_count": 0, "no_label_proportion": 0.0}
    if kind == "float":
        known |= {"not_a_number_count": column.nan, "infinite_count": column.infinite}
    return ColumnDocument(
        column_name=column.name, column_type=kind, column_statistics=ColumnStatistics(**known)
    )


def _kind(column: ColumnProfile) -> str:
    name = column.type.lower()
    if column.pii:
        return "hidden"
    if name.startswith("bool"):
        return "bool"
    if name in _INTEGERS:
        return "int"
    if name.startswith(_FRACTIONS):
        return "float"
    if name.startswith(("date", "timestamp")):
        return "datetime"
    return "string_label" if column.frequencies else "string_text"


def _spread(spread: Spread) -> dict[str, Any]:
    quantiles = dict(zip(QUANTILES, spread.quantiles.at, strict=False))
    return {
        "min": spread.min,
        "max": spread.max,
        "mean": spread.mean,
        "median": quantiles.get(0.5),
        "std": spread.deviation,
        "histogram": HistogramDocument(
            hist=list(spread.histogram.counts), bin_edges=list(spread.histogram.edges)
        ),
        "quantiles": [QuantileDocument(share=share, value=value) for share, value in quantiles.items()],
        "quantiles_within": spread.quantiles.within,
    }
