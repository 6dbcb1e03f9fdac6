"""What the SQL of a user's aggregate is refused for, by walking SQLGlot's tree of it.

Refused is what depends on the clock, on chance, on the machine, on an order that is not given, or on more than the data set.
Nodes are told apart by their `key`, the lower-case name of their class, so that nothing of SQLGlot is imported here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlglot.exp import Expr as Expression

    from quarterlake.processing.user_sql import Source

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
BANNED = {name: reason for reason, names in _REASONS.items() for name in names.split()}
"""The functions that are refused, in lower case, with the reason and what to do instead."""
# Spark reads these without parentheses. `user` is left out: it is a likely column, and a column wins.
_BARE = BANNED.keys() & {
    "current_time",
    "localtime",
    "localtimestamp",
    "session_user",
    "current_role",
    "current_schema",
}

_PICKS = {"first", "last", "any_value", "first_value", "last_value", "nth_value"}
_COLLECTS = {
    "array_agg", "array_unique_agg", "collect_list", "collect_set",
    "list", "string_agg", "group_concat", "listagg",
}  # fmt: skip
_RANKS = {
    "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile",
    "lag", "lead", "first_value", "last_value", "nth_value",
}  # fmt: skip
_ORDER_SENSITIVE = re.compile(
    r"(try_)?(sum|avg)|mean|mad|product|std|stdev|stddev(_pop|_samp)?|var(iance)?(_pop|_samp)?|corr|covar(_pop|_samp)?"
    r"|regr_\w+|kurtosis(_pop)?|skewness|sum_distinct|sumkahan|kahan_sum|fsum|favg|entropy"
)


def check_query(tree: Expression, source: Source, dataset: str) -> None:
    """See that a query gives the same rows whenever and wherever it runs, and reads nothing but `dataset`.

    Raises:
        AggregateError: it does not; the message names the place in `source`.
    """
    for node in tree.walk():
        _check(node, source, dataset)
    _check_columns_named(tree, source)


def is_order_sensitive(tree: Expression) -> bool:
    """Whether a sum, mean or moment is in the query: on doubles these change with the order of addition."""
    return any(_ORDER_SENSITIVE.fullmatch(name) for node in tree.walk() for name in function_names(node))


def function_names(node: Expression) -> frozenset[str]:
    """What a function may be called, in lower case; nothing for other nodes."""
    if node.key == "anonymous":
        return frozenset({node.name.lower()})
    if node.key == "column" and not node.args.get("table"):
        return frozenset({node.name.lower()} & _BARE)
    return frozenset(n.lower() for n in node.sql_names()) if hasattr(node, "sql_names") else frozenset()


def _check(node: Expression, source: Source, dataset: str) -> None:
    for name in sorted(function_names(node) & BANNED.keys()):
        raise source.error_at(node, f"{name} is not allowed: {BANNED[name]}")
    if node.key in _CHECKS:
        _CHECKS[node.key](node, source)
    if node.key == "table":
        _check_table(node, source, dataset)
    _check_order(node, source)
    _check_format(node, source)


def _check_table(table: Expression, source: Source, dataset: str) -> None:
    own = table.this.key == "identifier" and not table.args.get("db")
    if not own or table.name.lower() not in {dataset.lower(), *visible_ctes(table)}:
        said = table.sql("spark", comments=False)
        raise source.error_at(
            table, f"{said} is not this data set; select from `{dataset}` or a WITH of this statement"
        )


def visible_ctes(table: Expression) -> Iterator[str]:
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


def _check_lateral(lateral: Expression, source: Source) -> None:
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


def _check_limit(limit: Expression, source: Source) -> None:
    if limit.parent is not None and limit.parent.args.get("order") is None:
        raise source.error_at(
            limit, f"{limit.key.upper()} without ORDER BY takes any rows; add ORDER BY to the same SELECT"
        )


def _check_sample(sample: Expression, source: Source) -> None:
    raise source.error_at(sample, "TABLESAMPLE takes other rows every time; filter with WHERE")


def _check_parameter(node: Expression, source: Source) -> None:
    raise source.error_at(node, "nothing gives a value to a parameter; write the value")


def _check_window(window: Expression, source: Source) -> None:
    if window.args.get("spec") and not _window_ordered(window):
        raise source.error_at(
            window, "ROWS or RANGE without ORDER BY frames any rows; add ORDER BY to the window"
        )


def _check_percentile(node: Expression, source: Source) -> None:
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


_CHECKS: dict[str, Callable[[Expression, Source], None]] = {
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


def _check_order(node: Expression, source: Source) -> None:
    names = function_names(node)
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


def _check_format(node: Expression, source: Source) -> None:
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


def _check_columns_named(tree: Expression, source: Source) -> None:
    """Refuse a result column without a name: each engine would make up another one."""
    for column in tree.selects:
        if column.key not in {"alias", "aliases", "column", "star"}:
            raise source.error_at(column, "this column has no name; add AS and a name")
