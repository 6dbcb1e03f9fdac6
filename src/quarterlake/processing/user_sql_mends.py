"""SQLGlot's tree of a Spark query carried to DuckDB's dialect.

SQLGlot does the translation; `_MENDS` puts right what it leaves wrong, as found by running its output on DuckDB 2.0 beside
Spark 4's documented results (ANSI mode, UTC).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import ErrorLevel, parse_one
from sqlglot.errors import SqlglotError

from quarterlake.processing.user_sql_checks import visible_ctes

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlglot.exp import Expr as Expression

    from quarterlake.processing.user_sql import Source


def translate(tree: Expression, source: Source, dataset: str) -> str:
    """The checked query in DuckDB's dialect, for a session in UTC, every identifier quoted; `tree` stays as it is.

    Raises:
        AggregateError: DuckDB has nothing for a part of it; the message names the query's place in `source`.
    """
    mended = tree.copy()
    for table in [
        n for n in mended.walk() if n.key == "table" and n.name.lower() not in set(visible_ctes(n))
    ]:
        table.this.set("this", dataset)
    # The innermost first, so that what goes into a template is mended already; skewness last, for it repeats its FILTER.
    for mends in (_MENDS, {"skewness": _skewness}):
        for node in reversed([n for n in mended.walk() if n.key in mends]):
            mends[node.key](node)
    try:
        return str(mended.sql("duckdb", identify=True, comments=False, unsupported_level=ErrorLevel.RAISE))
    except SqlglotError as error:
        raise source.error_at(tree, f"cannot be carried to DuckDB: {error}; write it another way") from error


def for_spark(tree: Expression) -> str:
    """The checked query for Spark itself: means and divisions of decimals are doubles, as in DuckDB, not rounded decimals."""
    mended = tree.copy()
    for node in reversed([n for n in mended.walk() if n.key in {"avg", "div"}]):
        for part in ("this", "expression"):
            if node.args.get(part) is not None and node.args[part].key != "distinct":
                node.set(part, _as_double(node.args[part]))
    return str(mended.sql("spark", comments=False))


def _template(sql: str, **parts: Expression) -> Expression:
    """DuckDB's `sql` with its columns replaced by the `parts` of the same name."""
    tree: Expression = parse_one(sql, read="duckdb")
    for column in [n for n in tree.walk() if n.key == "column"]:
        column.replace(parts[column.name].copy())
    return tree


def _to_int(cast: Expression, function: str) -> Expression:
    """Spark drops the fraction, DuckDB rounds. The operand's type is known to DuckDB alone, which folds TYPEOF away."""
    return _template(
        f"""CASE WHEN TYPEOF(x) IN ('DOUBLE', 'FLOAT') THEN {function}(TRUNC({function}(x AS DOUBLE)) AS BIGINT)
                 WHEN STARTS_WITH(TYPEOF(x), 'DECIMAL') THEN {function}(SPLIT_PART(CAST(x AS TEXT), '.', 1) AS BIGINT)
                 ELSE {function}(x AS BIGINT) END""",
        x=cast.this,
    )


def _to_text(cast: Expression, _function: str) -> Expression:
    """Spark writes a timestamp without its zone, which is UTC."""
    return _template(
        """CASE WHEN TYPEOF(x) = 'TIMESTAMP WITH TIME ZONE' THEN LEFT(CAST(x AS TEXT), -3)
                ELSE CAST(x AS TEXT) END""",
        x=cast.this,
    )


_CASTS = dict.fromkeys(("TINYINT", "SMALLINT", "INT", "BIGINT"), _to_int) | dict.fromkeys(
    ("TEXT", "VARCHAR"), _to_text
)


def _mend_cast(cast: Expression) -> None:
    """In ANSI mode CAST raises for what it cannot read; SQLGlot makes it a NULL."""
    function = "TRY_CAST" if cast.args.get("safe") else "CAST"
    kind = cast.args["to"].this.value
    strict = _template(f"{function}(x AS BIGINT)", x=cast.this)
    # to_timestamp(x) arrives as a cast to a time without a zone.
    strict.set(
        "to",
        _template("CAST(x AS TIMESTAMPTZ)", x=cast.this).args["to"]
        if _is_to_timestamp(cast)
        else cast.args["to"],
    )
    if kind in _CASTS:
        inner = _CASTS[kind](cast, function)
        strict.set("this", inner)
    cast.replace(strict)


def _is_to_timestamp(cast: Expression) -> bool:
    return cast.key == "cast" and "start" in cast.meta and cast.args["to"].this.value == "TIMESTAMP"


def _mend_divide(node: Expression) -> None:
    """In ANSI mode a division by zero is an error; SQLGlot makes it a NULL, and DuckDB alone an infinity."""
    node.set("safe", value=False)
    divisor = node.expression
    if divisor.key != "literal" or divisor.args["is_string"] or float(divisor.name) == 0:
        raising = "CASE WHEN (y) = 0 THEN ERROR('division by zero; use try_divide') ELSE y END"
        node.set("expression", _template(raising, y=divisor))


def _mend_percentile(node: Expression) -> None:
    """Spark's percentile interpolates, as a double; QUANTILE picks a value and decimals would be rounded."""
    node.replace(_template("QUANTILE_CONT(x, q)", x=_as_double(node.this), q=node.args["quantile"]))


def _as_double(value: Expression) -> Expression:
    if value.key != "distinct":
        return _template("CAST(x AS DOUBLE)", x=value)
    distinct = value.copy()
    distinct.set("expressions", [_template("CAST(x AS DOUBLE)", x=v) for v in value.expressions])
    return distinct


def _mend_within_group(node: Expression) -> None:
    if node.this.key == "percentilecont":
        for ordered in node.expression.expressions:
            ordered.set("this", _as_double(ordered.this))


_UNITS = {"MM": "MONTH", "MON": "MONTH", "YYYY": "YEAR", "YY": "YEAR", "DD": "DAY"}


def _mend_trunc(node: Expression) -> None:
    """Spark's short names of units; trunc gives a date and date_trunc an instant, whatever it is given."""
    unit = node.args["unit"]
    unit.set("this", _UNITS.get(unit.name.upper(), unit.name))
    kind = "DATE" if node.key == "datetrunc" else "TIMESTAMPTZ"
    node.replace(_template(f"CAST(x AS {kind})", x=node))


def _mend_unix(node: Expression) -> None:
    """Without a pattern unix_timestamp takes dates and instants too; it gives whole seconds."""
    pattern = node.args.get("format")
    if pattern is None or pattern.name == _UNIX_DEFAULT:
        node.replace(_template("CAST(FLOOR(EPOCH(CAST(x AS TIMESTAMPTZ))) AS BIGINT)", x=node.this))
    else:
        node.replace(_template("CAST(x AS BIGINT)", x=node))


_UNIX_DEFAULT = "%Y-%mstrict-%dstrict %Hstrict:%Mstrict:%Sstrict"


def _mend_any(node: Expression) -> None:
    # As an operand (x = ANY (...)) it is no aggregate.
    if node.parent is not None and node.parent.args.get("expression") is not node:
        node.replace(_template("BOOL_OR(x)", x=node.this.unnest()))


def _mend_extract(node: Expression) -> None:
    """Spark counts days of the week from 1, DuckDB from 0; both start on Sunday."""
    if node.this.name.upper() in {"DOW", "DAYOFWEEK"}:
        node.replace(_template("(x + 1)", x=node))


_ANONYMOUS = {
    ("std", 1): "STDDEV(a)",
    ("mean", 1): "AVG(a)",
    ("every", 1): "BOOL_AND(a)",
    ("some", 1): "BOOL_OR(a)",
    ("weekday", 1): "(ISODOW(a) - 1)",
    ("pmod", 2): "((((a) % (b)) + (b)) % (b))",
    ("bigint", 1): "CAST(a AS BIGINT)",
}
"""Functions of Spark that SQLGlot passes on as they are; by name and number of arguments."""


def _mend_anonymous(node: Expression) -> None:
    template = _ANONYMOUS.get((node.name.lower(), len(node.expressions)))
    if template is not None:
        node.replace(_template(template, **dict(zip("ab", node.expressions, strict=False))))


def _skewness(node: Expression) -> None:
    """Spark's is the population's, DuckDB's the sample's: undo the correction, and give 0 for two different values."""
    whole = node
    while whole.parent is not None and whole.parent.key in {"filter", "window"} and whole.arg_key == "this":
        whole = whole.parent

    def of(function: str) -> Expression:
        replaced = whole.copy()
        inner = next(n for n in replaced.walk() if n.key == "skewness")
        call = _template(f"{function}(x)", x=node.this)
        return call if inner is replaced else (inner.replace(call), replaced)[1]

    whole.replace(
        _template(
            "CASE WHEN n > 2 THEN s * (n - 2) / SQRT(CAST(n AS DOUBLE) * (n - 1)) WHEN v > 0 THEN 0.0 END",
            n=of("COUNT"),
            s=whole,
            v=of("VAR_POP"),
        )
    )


def _swap(sql: str) -> Callable[[Expression], None]:
    """A mend that puts the node (`node`) or its operand (`x`) into a template."""

    def mend(node: Expression) -> None:
        node.replace(_template(sql, x=node.this, node=node))

    return mend


_MENDS: dict[str, Callable[[Expression], None]] = {
    "cast": _mend_cast,
    "trycast": _mend_cast,
    "div": _mend_divide,
    "quantile": _mend_percentile,
    "median": _swap("MEDIAN(CAST(x AS DOUBLE))"),
    "withingroup": _mend_within_group,
    "datetrunc": _mend_trunc,
    "timestamptrunc": _mend_trunc,
    "strtounix": _mend_unix,
    "strtotime": _swap("CAST(node AS TIMESTAMPTZ)"),
    "tsordsadd": _swap("CAST(node AS DATE)"),
    "addmonths": _swap("CAST(node AS DATE)"),
    "kurtosis": _swap("KURTOSIS_POP(x)"),
    "dayofweek": _swap("(node + 1)"),
    "extract": _mend_extract,
    "countif": _swap("CAST(node AS BIGINT)"),
    "any": _mend_any,
    "anonymous": _mend_anonymous,
}
