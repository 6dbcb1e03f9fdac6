"""Aggregates that users write: SQL files read, checked and carried from Spark's dialect to DuckDB's.

A release must come out the same whenever and wherever it is built, so whatever depends on the clock, on chance, on the
machine or on an order that is not given is refused here, before anything runs. What only an engine can know (whether a
function or column exists) is left to the engine. SQLGlot does the translation; `_MENDS` puts right what it
leaves wrong, as found by running its output on DuckDB 2.0 beside Spark 4's documented results (ANSI mode, UTC).

SQLGlot takes a third of a second to import, so only the functions that parse import it, and its nodes are told apart
by their `key`, the lower-case name of their class.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from quarterlake.domain.errors import AggregateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlglot.exp import Expr as Expression

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class UserAggregate:
    """One aggregate that passed every check."""

    name: str
    """The file's stem. `summary` replaces the aggregate that every data set has without configuration."""
    sql: str
    """The text as the user wrote it, in Spark's dialect."""
    duckdb: str
    """The same in DuckDB's dialect, for a session in UTC; every identifier is quoted."""
    order_sensitive: bool
    """Whether a sum, mean or moment is in it: on doubles these change with the order of addition."""


def load_aggregates(directory: Path, dataset: str) -> tuple[UserAggregate, ...]:
    """Read `<directory>/<dataset>/*.sql`, sorted by name; nothing when there is no such folder.

    Hidden files are skipped.

    Raises:
        AggregateError: a file is not UTF-8 or its name or SQL cannot be used.
    """
    paths = sorted(
        p for p in (directory / dataset).glob("*.sql") if p.is_file() and not p.name.startswith(".")
    )
    loaded = (parse_aggregate(path.stem, _read(path), dataset, str(path)) for path in paths)
    return tuple(sorted(loaded, key=lambda aggregate: aggregate.name))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise AggregateError(
            f"{path}:1:1: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error


def parse_aggregate(name: str, text: str, dataset: str, where: str) -> UserAggregate:
    """Check and translate one aggregate's `text`; `where` is what its errors name as the file.

    Raises:
        AggregateError: the message starts `where:line:column: `, both counted from 1.
    """
    source = _Source(text, where)
    if not _NAME.fullmatch(name):
        raise source.error(
            0,
            f"{name!r} cannot name an aggregate; rename the file to a lower-case letter followed by "
            "at most 62 lower-case letters, digits and underscores",
        )
    tree = _select(source)
    for node in tree.walk():
        _check(node, source, dataset)
    _check_columns_named(tree, source)
    sensitive = any(_ORDER_SENSITIVE.fullmatch(n) for node in tree.walk() for n in _function_names(node))
    return UserAggregate(
        name=name, sql=text, duckdb=_translate(tree, source, dataset), order_sensitive=sensitive
    )


@dataclass(frozen=True, slots=True)
class _Source:
    text: str
    where: str

    def error(self, offset: int, message: str) -> AggregateError:
        before = self.text[:offset]
        line, column = before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
        return AggregateError(f"{self.where}:{line}:{column}: {message}")

    def error_at(self, node: Expression, message: str) -> AggregateError:
        return self.error(self.offset(node), message)

    def offset(self, node: Expression) -> int:
        """Where a node begins: its own token, else its first part's, else the token that names it, else its parent's."""
        if "start" in node.meta:
            return int(node.meta["start"])
        starts = [int(n.meta["start"]) for n in node.walk() if "start" in n.meta]
        if starts:
            return self._call_around(min(starts)) if hasattr(node, "sql_names") else min(starts)
        reasons = {_BANNED[name] for name in _function_names(node) & _BANNED.keys()}
        named = [t.start for t in self.tokens() if _BANNED.get(t.text.lower()) in reasons]
        return named[0] if named else self.offset(node.parent) if node.parent else 0

    def _call_around(self, start: int) -> int:
        """Where the function call begins whose first argument begins at `start`."""
        before = [t for t in self.tokens() if t.start < start]
        calls = (a.start for a, b in pairwise(before) if b.text == "(" and a.text[0].isalpha())
        return max(calls, default=start)

    def word(self, node: Expression) -> str:
        """The function's name as it is written."""
        found = re.match(r"\w+", self.text[self.offset(node) :])
        return found[0] if found else node.key

    def tokens(self) -> list[_Token]:
        from sqlglot import tokenize

        return [_Token(t.text, t.start) for t in tokenize(self.text, read="spark")]


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int


def _select(source: _Source) -> Expression:
    """The file's only statement, if it is a query."""
    first, *more = [s for s in _statements(source) if s is not None and s.key != "semicolon"] or [None]
    if first is None:
        raise source.error(0, "there is no statement; write one SELECT")
    if more:
        raise source.error_at(more[0], "a second statement begins; keep one SELECT per file")
    if first.key not in {"select", "union", "except", "intersect", "subquery"} or first.args.get("into"):
        raise source.error_at(first, "this is not a SELECT; an aggregate only reads")
    return first


def _statements(source: _Source) -> list[Expression | None]:
    from sqlglot import parse
    from sqlglot.errors import ParseError, SqlglotError

    try:
        return list(parse(source.text, read="spark"))
    except ParseError as error:
        found = error.errors[0] if error.errors else {}
        line, column = found.get("line") or 1, found.get("col") or 1
        start = _offset(source.text, line, column) - max(len(found.get("highlight") or "") - 1, 0)
        reason = re.sub(r"<Token .*?text: (.*?), line:.*", r"`\1`", found.get("description") or str(error))
        raise source.error(
            max(start, 0), f"syntax error: {reason.rstrip('.')}; mend the SQL (Spark's dialect)"
        ) from error
    except SqlglotError as error:
        missing = re.search(r"Missing (\S+) from \d+:(\d+)", str(error.__cause__))
        start = int(missing[2]) if missing else 0  # "line:offset", the offset being the text's
        reason = (
            f"no closing {missing[1]} for what begins here"
            if missing
            else "a comment or quotation is not closed"
        )
        raise source.error(start, f"syntax error: {reason}; close it") from error


def _offset(text: str, line: int, column: int) -> int:
    return sum(len(part) for part in text.splitlines(keepends=True)[: line - 1]) + column - 1


# --- what is refused ---------------------------------------------------------------------------------------------

_REASONS = {
    "the answer would change with the time of the run; use the records' own times": """
        current_date current_timestamp current_time current_datetime localtime localtimestamp current_localtime
        current_localtimestamp now today getdate curdate curtime sysdate systimestamp utc_date utc_time utc_timestamp
        get_current_time get_current_timestamp transaction_timestamp statement_timestamp clock_timestamp age
        current_timestamp_ltz unix_date_now""",
    "the answer would change from run to run; leave chance out": """
        rand randn random randstr uniform normal zipf uuid gen_random_uuid uuidv4 uuidv7 generate_uuid uuid_string
        shuffle setseed monotonically_increasing_id nextval currval txid_current""",
    "the answer would depend on the machine or session; read the data set's columns only": """
        spark_partition_id input_file_name input_file_block_start input_file_block_length current_user session_user
        user current_role version current_version current_catalog current_database current_schema current_schemas
        current_timezone current_setting current_query getenv getvariable reflect java_method try_reflect
        pg_backend_pid connection_id in_search_path""",
    "an aggregate reads the data set's view and nothing else; bring other files in as data": """
        read_csv read_csv_auto read_json read_json_auto read_json_objects read_ndjson read_ndjson_auto
        read_ndjson_objects read_parquet parquet_scan parquet_metadata read_text read_blob read_files glob sniff_csv
        query query_table write_log ai_query http_get""",
    "it is an approximation, which differs between engines; use count(DISTINCT ...) or percentile(...)": """
        approx_count_distinct approx_distinct approx_percentile percentile_approx approx_quantile approx_top_k
        approx_top_k_accumulate reservoir_quantile histogram_numeric count_min_sketch hll_sketch_agg""",
    "each engine hashes in its own way; use md5 or sha2": "hash xxhash64 murmur_hash",
    "it takes whichever of equals comes first; rank with a window whose ORDER BY settles ties": """
        mode max_by min_by arg_max arg_min argmax argmin""",
}
_BANNED = {name: reason for reason, names in _REASONS.items() for name in names.split()}
# Spark reads these without parentheses. `user` is left out: it is a likely column, and a column wins.
_BARE = _BANNED.keys() & {
    "current_time",
    "localtime",
    "localtimestamp",
    "session_user",
    "current_role",
    "current_schema",
}

_PICKS = {"first", "last", "any_value", "first_value", "last_value", "nth_value"}
_COLLECTS = {
    "array_agg",
    "array_unique_agg",
    "collect_list",
    "collect_set",
    "list",
    "string_agg",
    "group_concat",
    "listagg",
}
_RANKS = {
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
}
_ORDER_SENSITIVE = re.compile(
    r"(try_)?(sum|avg)|mean|mad|product|std|stdev|stddev(_pop|_samp)?|var(iance)?(_pop|_samp)?|corr|covar(_pop|_samp)?"
    r"|regr_\w+|kurtosis(_pop)?|skewness|sum_distinct|sumkahan|kahan_sum|fsum|favg|entropy"
)


def _function_names(node: Expression) -> frozenset[str]:
    """What a function may be called, in lower case; nothing for other nodes."""
    if node.key == "anonymous":
        return frozenset({node.name.lower()})
    if node.key == "column" and not node.args.get("table"):
        return frozenset({node.name.lower()} & _BARE)
    return frozenset(n.lower() for n in node.sql_names()) if hasattr(node, "sql_names") else frozenset()


def _check(node: Expression, source: _Source, dataset: str) -> None:
    for name in sorted(_function_names(node) & _BANNED.keys()):
        raise source.error_at(node, f"{name} is not allowed: {_BANNED[name]}")
    if node.key in _CHECKS:
        _CHECKS[node.key](node, source)
    if node.key == "table":
        _check_table(node, source, dataset)
    _check_order(node, source)
    _check_format(node, source)


def _check_table(table: Expression, source: _Source, dataset: str) -> None:
    own = table.this.key == "identifier" and not table.args.get("db")
    if not own or table.name.lower() not in {dataset.lower(), *_visible_ctes(table)}:
        said = table.sql("spark", comments=False)
        raise source.error_at(
            table, f"{said} is not this data set; select from `{dataset}` or a WITH of this statement"
        )


def _visible_ctes(table: Expression) -> Iterator[str]:
    """The names that the WITH clauses around a table give it, in lower case."""
    node = table
    while (parent := node.parent) is not None:
        if parent.key == "with":
            recursive = parent.args.get("recursive")
            ctes = parent.expressions if recursive else parent.expressions[: parent.expressions.index(node)]
            yield from (cte.alias.lower() for cte in ctes)
        elif (clause := parent.args.get("with_")) is not None and clause is not node:
            yield from (cte.alias.lower() for cte in clause.expressions)
        node = parent


def _check_lateral(lateral: Expression, source: _Source) -> None:
    if lateral.this.key not in {
        "subquery",
        "explode",
        "explodeouter",
        "posexplode",
        "posexplodeouter",
        "inline",
        "unnest",
    }:
        raise source.error_at(
            lateral, "only explode, posexplode, inline or a subquery can follow LATERAL; use one of them"
        )


def _check_limit(limit: Expression, source: _Source) -> None:
    if limit.parent is not None and limit.parent.args.get("order") is None:
        raise source.error_at(
            limit, f"{limit.key.upper()} without ORDER BY takes any rows; add ORDER BY to the same SELECT"
        )


def _check_sample(sample: Expression, source: _Source) -> None:
    raise source.error_at(sample, "TABLESAMPLE takes other rows every time; filter with WHERE")


def _check_parameter(node: Expression, source: _Source) -> None:
    raise source.error_at(node, "nothing gives a value to a parameter; write the value")


def _check_window(window: Expression, source: _Source) -> None:
    if window.args.get("spec") and not _window_ordered(window):
        raise source.error_at(
            window, "ROWS or RANGE without ORDER BY frames any rows; add ORDER BY to the window"
        )


def _check_percentile(node: Expression, source: _Source) -> None:
    # SQLGlot drops percentile's third argument, so it has to be counted in the text.
    depth = commas = 0
    for token in (t for t in source.tokens() if t.start > source.offset(node)):
        depth += (token.text in "([") - (token.text in ")]")
        commas += token.text == "," and depth == 1
        if depth == 0:
            break
    if commas > 1:
        raise source.error_at(
            node, "percentile with frequencies is not supported; leave the third argument out"
        )


_CHECKS: dict[str, Callable[[Expression, _Source], None]] = {
    "lateral": _check_lateral,
    "limit": _check_limit,
    "fetch": _check_limit,
    "offset": _check_limit,
    "tablesample": _check_sample,
    "placeholder": _check_parameter,
    "parameter": _check_parameter,
    "window": _check_window,
    "quantile": _check_percentile,
}


def _check_order(node: Expression, source: _Source) -> None:
    names = _function_names(node)
    if names & (_PICKS | _COLLECTS | _RANKS) and not _ordered(node, collects=bool(names & _COLLECTS)):
        said = source.word(node)
        advice = "wrap it in sort_array(...)" if names & _COLLECTS else "add ORDER BY to its OVER (...)"
        raise source.error_at(node, f"{said} depends on an order that is not given; {advice}")


def _ordered(function: Expression, *, collects: bool) -> bool:
    """Whether the order in which a function meets its rows is given, or does not matter to what is around it."""
    if function.this is not None and getattr(function.this, "key", "") == "order":
        return True
    node = function
    while node.parent is not None and node.parent.key in {"ignorenulls", "respectnulls", "filter"}:
        node = node.parent
    around = node.parent
    if around is None or node.arg_key != "this":
        return False
    if around.key == "window":
        return _window_ordered(around)
    return around.key == "withingroup" or (collects and around.key in {"arraysort", "sortarray"})


def _window_ordered(window: Expression) -> bool:
    if window.args.get("order") is not None:
        return True
    select, alias = window.parent_select, window.alias.lower()
    definitions = (select.args.get("windows") or []) if select is not None and alias else []
    return any(d is not window and d.name.lower() == alias and _window_ordered(d) for d in definitions)


def _check_format(node: Expression, source: _Source) -> None:
    """Refuse date patterns that SQLGlot would carry over as plain text."""
    pattern = node.args.get("format")
    if pattern is None or node.key not in _FORMATTERS:
        return
    if pattern.key != "literal":
        raise source.error_at(node, "the date pattern is not a plain text; write it out, as in 'yyyy-MM-dd'")
    left = re.sub(r"%-?[a-zA-Z](strict)?", "", pattern.name)
    if unknown := re.search(r"[A-Za-z']", left):
        raise source.error_at(
            node,
            f"{unknown[0]} in the date pattern cannot be carried to DuckDB; use y, M, d, H, h, m, s, SSSSSS, a, D or E, "
            "and concat(...) for other text",
        )


_FORMATTERS = {"timetostr", "strtotime", "strtounix", "tsordstodate", "unixtostr", "tsordstotimestamp"}


def _check_columns_named(tree: Expression, source: _Source) -> None:
    """Refuse a result column without a name: each engine would make up another one."""
    for column in tree.selects:
        if column.key not in {"alias", "aliases", "column", "star"}:
            raise source.error_at(column, "this column has no name; add AS and a name")


# --- what SQLGlot leaves wrong -----------------------------------------------------------------------------------


def _translate(tree: Expression, source: _Source, dataset: str) -> str:
    from sqlglot import ErrorLevel
    from sqlglot.errors import SqlglotError

    mended = tree.copy()
    for table in [
        n for n in mended.walk() if n.key == "table" and n.name.lower() not in set(_visible_ctes(n))
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


def _template(sql: str, **parts: Expression) -> Expression:
    """DuckDB's `sql` with its columns replaced by the `parts` of the same name."""
    from sqlglot import parse_one

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
