"""Which columns of a user's aggregate show values of columns that are marked PII, under whatever name.

SQLGlot's lineage follows a column of the result to the columns that it is made from. Numbers of values (`count`, `count_if`), `IS NULL`, the
order and the parts of windows and the conditions of `FILTER` show no value, so they are left out first. What cannot be followed counts as PII.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlglot.exp import Expr as Expression
    from sqlglot.lineage import Node

_NUMBERS = {"count", "countif"}


def showing(
    sql: str, dataset: str, columns: Collection[str], marked: Collection[str], result: Sequence[str]
) -> frozenset[str]:
    """Those columns of a query's `result` that may show a value of a `marked` column; names mean the same in any case.

    `sql` is a checked aggregate in Spark's dialect over a view named `dataset` that has these `columns`.
    """
    hidden = {name.casefold() for name in marked}
    open_ = {name.casefold() for name in columns} - hidden
    if open_.issuperset(name.casefold() for name in columns):
        return frozenset()
    made_from = _lineage(sql, dataset, columns)
    return frozenset(
        name
        for name in result
        if (node := made_from.get(name.casefold())) is None or not _is_open(node, dataset, open_)
    )


def _lineage(sql: str, dataset: str, columns: Collection[str]) -> dict[str, Node]:
    """What each column of the result is made from, by its name in lower case; nothing where it cannot be worked out."""
    from sqlglot import parse_one
    from sqlglot.lineage import lineage

    try:
        tree = _without_what_shows_no_value(parse_one(sql, read="spark"))
        schema = {dataset: dict.fromkeys(columns, "string")}
        found = lineage(None, tree, schema, dialect="spark", trim_selects=False)
    except Exception:  # noqa: BLE001 - whatever SQLGlot cannot follow is treated as PII
        return {}
    return {name.casefold(): node for name, node in found.items()}


def _without_what_shows_no_value(tree: Expression) -> Expression:
    from sqlglot import exp

    for node in [n for n in tree.walk() if n.key == "filter"]:
        node.replace(node.this)
    for window in [n for n in tree.walk() if n.key == "window"]:
        for part in ("partition_by", "order", "spec"):
            window.set(part, None)
    for node in reversed([n for n in tree.walk() if n.key in _NUMBERS or _is_null_test(n)]):
        node.replace(exp.Literal.number(1))
    return tree


def _is_null_test(node: Expression) -> bool:
    return node.key == "is" and bool(node.expression.key == "null")


def _is_open(node: Node, dataset: str, columns: Collection[str]) -> bool:
    """Whether all that a column is made from are constants, and columns of the data set that may be shown."""
    ends = (each for each in node.walk() if not each.downstream)
    return all(_is_constant(end) or _read_from(end, dataset) in columns for end in ends)


def _is_constant(end: Node) -> bool:
    return not any(n.key in {"column", "star", "table", "placeholder"} for n in end.expression.walk())


def _read_from(end: Node, dataset: str) -> str | None:
    """The column of the data set's view that lineage ends at, in lower case; None where it ends elsewhere."""
    from sqlglot import parse_one

    if end.source.key != "table" or end.source.name.casefold() != dataset.casefold():
        return None
    return str(parse_one(end.name).name).casefold()
