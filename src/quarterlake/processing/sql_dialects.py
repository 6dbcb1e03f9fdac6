"""Where the engines' SQL differs: the leaves of statements that are otherwise written once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from quarterlake.domain.column_types import ColumnType, Kind
from quarterlake.processing import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quarterlake.processing.summary_measures import Measure

_SPARK_TYPES = {
    Kind.NULL: "STRING",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INT64: "BIGINT",
    Kind.FLOAT64: "DOUBLE",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.STRING: "STRING",
}
_LONG, _LONG_DIGITS = 2**63, 18
_HASH_DIGITS = 15
"""So many hexadecimal digits fit into a signed integer of 64 bits."""


class SqlDialect(Protocol):
    """One engine's spelling."""

    semi_join: str
    anti_join: str
    wide_integer: str
    """An exact integer type for all values below 2^126."""
    instant: str
    """The type of a point in time."""
    text: str
    """The type of texts of any length."""

    def identifier(self, name: str) -> str:
        """A name, quoted."""

    def literal(self, text: str) -> str:
        """A text, quoted."""

    def type_name(self, column_type: ColumnType) -> str:
        """A column type."""

    def array(self, values: Iterable[str]) -> str:
        """A list of expressions."""

    def element(self, array: str, index: str) -> str:
        """The element of a list at an index from 1."""

    def exact_sum(self, measure: Measure) -> str:
        """The exact sum of an integer or decimal column."""

    def square_sum(self, measure: Measure) -> str:
        """The exact sum of the squares of an integer or decimal column: its digits are those of a sum of integers."""

    def quartiles(self, value: str) -> str:
        """An aggregate: the exact quartiles of doubles as a list, by memory alone."""

    def sorted_values(self, value: str) -> str:
        """An aggregate: all values but nulls as a sorted list."""

    def between(self, low: str, high: str, share: float) -> str:
        """The double that lies a share of the way from one to another."""

    def quotient(self, dividend: str, divisor: str) -> str:
        """A whole number divided by another, rounded down."""

    def since_1970(self, value: str, kind: Kind) -> str:
        """A date as the days, an instant as the microseconds since 1970: an integer."""

    def long_sum(self, value: str) -> str:
        """The exact sum of integers of 64 bits, as a `wide_integer`."""

    def text_hash(self, text: str) -> str:
        """An integer of 60 bits from a text's MD5, the same for every engine, as a `wide_integer`."""

    def row_hash(self, columns: Sequence[str]) -> str:
        """A hash of columns, equal for rows that are equal; of the engine's own kind."""


class _DuckDB:
    semi_join = "SEMI JOIN"
    anti_join = "ANTI JOIN"
    wide_integer = "HUGEINT"
    instant = "TIMESTAMPTZ"
    text = "VARCHAR"

    def identifier(self, name: str) -> str:
        return sql.identifier(name)

    def literal(self, text: str) -> str:
        return sql.literal(text)

    def type_name(self, column_type: ColumnType) -> str:
        return sql.type_name(column_type)

    def array(self, values: Iterable[str]) -> str:
        return f"[{', '.join(values)}]"

    def element(self, array: str, index: str) -> str:
        return f"{array}[{index}]"

    def exact_sum(self, measure: Measure) -> str:
        return f"sum({measure.name(self)})"

    def square_sum(self, measure: Measure) -> str:
        name, kind = measure.name(self), measure.column.type
        if kind.kind is Kind.INT64:
            return f"sum(CAST({name} AS HUGEINT) * {name})"
        # 18 digits times 18 overflow 18 in DuckDB
        wide = f"CAST({name} AS DECIMAL(19, {kind.scale}))"
        return f"sum({wide} * {wide})"

    def sorted_values(self, value: str) -> str:
        return f"list({value} ORDER BY {value}) FILTER (WHERE {value} IS NOT NULL)"

    def quartiles(self, value: str) -> str:
        return f"quantile_cont({value}, [0.25, 0.5, 0.75])"

    def between(self, low: str, high: str, share: float) -> str:
        """By the engine's own `quantile_cont`, which rounds as no other SQL does (a fused multiply-add).

        So both ways to quartiles agree in every bit.
        """
        return f"list_aggregate([{low}, {high}], 'quantile_cont', {share})"

    def quotient(self, dividend: str, divisor: str) -> str:
        return f"({dividend} // {divisor})"

    def since_1970(self, value: str, kind: Kind) -> str:
        return f"({value} - DATE '1970-01-01')" if kind is Kind.DATE else f"epoch_us({value})"

    def long_sum(self, value: str) -> str:
        return f"sum({value})"

    def text_hash(self, text: str) -> str:
        return f"CAST(CAST('0x' || substr(md5({text}), 1, {_HASH_DIGITS}) AS BIGINT) AS HUGEINT)"

    def row_hash(self, columns: Sequence[str]) -> str:
        return f"hash(row({', '.join(columns)}))"


class _Spark:
    semi_join = "LEFT SEMI JOIN"
    anti_join = "LEFT ANTI JOIN"
    wide_integer = "DECIMAL(38, 0)"
    instant = "TIMESTAMP"
    text = "STRING"

    def identifier(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def literal(self, text: str) -> str:
        """With numeric escapes for all that Spark's parser reads in a way of its own."""
        return "'" + "".join(c if c.isalnum() or c in " .,:;_-/=" else _escaped(c) for c in text) + "'"

    def type_name(self, column_type: ColumnType) -> str:
        return (
            str(column_type).upper() if column_type.kind is Kind.DECIMAL else _SPARK_TYPES[column_type.kind]
        )

    def array(self, values: Iterable[str]) -> str:
        return f"array({', '.join(values)})"

    def element(self, array: str, index: str) -> str:
        return f"element_at({array}, CAST({index} AS INT))"

    def exact_sum(self, measure: Measure) -> str:
        """In 64 bits where they hold it: Spark's wide decimals are slow."""
        name, kind = measure.name(self), measure.column.type
        if measure.count * measure.largest < _LONG and kind.precision <= _LONG_DIGITS:
            return f"sum({name})"
        return f"sum(CAST({name} AS DECIMAL(38, {kind.scale})))"

    def square_sum(self, measure: Measure) -> str:
        """In 64 bits where they hold it, else in two halves of 32, else in wide decimals."""
        name, scale = measure.name(self), measure.column.type.scale
        # A product of more than 38 digits would lose decimals without a word; no value here has more than 18.
        narrow = f"CAST({name} AS DECIMAL({_LONG_DIGITS}, {scale}))"
        if measure.largest**2 >= _LONG:
            wide = f"CAST({name} AS DECIMAL(38, 0)) * {name}"
            return f"sum({wide})" if scale == 0 else f"sum({narrow} * CAST({name} AS DECIMAL(19, {scale})))"
        unscaled = f"CAST({narrow} * {10**scale} AS BIGINT)" if scale else f"CAST({name} AS BIGINT)"
        square = f"{unscaled} * {unscaled}"
        if measure.count * measure.largest**2 < _LONG:
            return f"sum({square})"
        return self.long_sum(square)

    def quartiles(self, value: str) -> str:
        return f"percentile({value}, array(0.25D, 0.5D, 0.75D))"

    def sorted_values(self, value: str) -> str:
        return f"sort_array(collect_list({value}))"

    def between(self, low: str, high: str, share: float) -> str:
        """As Spark's own `percentile` does it."""
        return f"({1 - share}D * {low} + {share}D * {high})"

    def quotient(self, dividend: str, divisor: str) -> str:
        return f"({dividend} div {divisor})"

    def since_1970(self, value: str, kind: Kind) -> str:
        return f"unix_date({value})" if kind is Kind.DATE else f"unix_micros({value})"

    def long_sum(self, value: str) -> str:
        """In two halves of 32 bits: Spark's wide decimals are slow."""
        high, low = f"sum(shiftright({value}, 32))", f"sum(({value}) & 4294967295L)"
        return f"CAST({high} AS DECIMAL(38, 0)) * 4294967296BD + CAST({low} AS DECIMAL(38, 0))"

    def text_hash(self, text: str) -> str:
        return f"CAST(conv(substr(md5(CAST({text} AS BINARY)), 1, {_HASH_DIGITS}), 16, 10) AS DECIMAL(38, 0))"

    def row_hash(self, columns: Sequence[str]) -> str:
        # Spark's hash passes over nulls: without the flags (NULL, 1) and (1, NULL) would be equal.
        return f"xxhash64({', '.join(f'{column}, {column} IS NULL' for column in columns)})"


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - what `\\u` can hold


DUCKDB: SqlDialect = _DuckDB()
SPARK: SqlDialect = _Spark()
