"""Aggregates that users write: SQL files read, checked and carried from Spark's dialect to DuckDB's.

A release must come out the same whenever and wherever it is built, so whatever depends on the clock, on chance, on the
machine or on an order that is not given is refused (`user_sql_checks`) before anything runs. What only an engine can know
(whether a function or column exists) is left to the engine. What passes is carried to DuckDB (`user_sql_mends`).

SQLGlot takes a third of a second to import, so only the functions that parse import it, and its nodes are told apart
by their `key`, the lower-case name of their class.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from quarterlake.domain.errors import AggregateError
from quarterlake.processing.user_sql_checks import BANNED, check_query, function_names, is_order_sensitive

if TYPE_CHECKING:
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
    spark: str
    """The same for Spark, where it gives the types that DuckDB gives."""
    order_sensitive: bool
    """Whether a sum, mean or moment is in it: on doubles these change with the order of addition."""
    where: str
    """What errors name as the file."""

    def position_of(self, name: str) -> str:
        """`where:line:column` of the first word or sign that reads like `name` in any case, else of the beginning."""
        source = Source(self.sql, self.where)
        starts = (t.start for t in source.tokens() if t.text.casefold() == name.casefold())
        return source.position(next(starts, 0))


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
    from quarterlake.processing.user_sql_mends import for_spark, translate

    source = Source(text, where)
    if not _NAME.fullmatch(name):
        raise source.error(
            0,
            f"{name!r} cannot name an aggregate; rename the file to a lower-case letter followed by "
            "at most 62 lower-case letters, digits and underscores",
        )
    tree = _select(source)
    check_query(tree, source, dataset)
    return UserAggregate(
        name=name,
        sql=text,
        duckdb=translate(tree, source, dataset),
        spark=for_spark(tree),
        order_sensitive=is_order_sensitive(tree),
        where=where,
    )


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one aggregate and the name its errors give it; tells where in it a node begins."""

    text: str
    """As the user wrote it, in Spark's dialect."""
    where: str
    """What errors name as the file."""

    def error(self, offset: int, message: str) -> AggregateError:
        """The error to raise for what stands at `offset`, in characters from 0."""
        return AggregateError(f"{self.position(offset)}: {message}")

    def position(self, offset: int) -> str:
        """`where:line:column`, both counted from 1, of what stands at `offset`."""
        before = self.text[:offset]
        line, column = before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
        return f"{self.where}:{line}:{column}"

    def error_at(self, node: Expression, message: str) -> AggregateError:
        """The error to raise for a node."""
        return self.error(self.offset(node), message)

    def offset(self, node: Expression) -> int:
        """Where a node begins: its own token, else its first part's, else the token that names it, else its parent's."""
        if "start" in node.meta:
            return int(node.meta["start"])
        starts = [int(n.meta["start"]) for n in node.walk() if "start" in n.meta]
        if starts:
            return self._call_around(min(starts)) if hasattr(node, "sql_names") else min(starts)
        reasons = {BANNED[name] for name in function_names(node) & BANNED.keys()}
        named = [t.start for t in self.tokens() if BANNED.get(t.text.lower()) in reasons]
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

    def tokens(self) -> list[Token]:
        """The words and signs of the text, in its order."""
        from sqlglot import tokenize

        return [Token(t.text, t.start) for t in tokenize(self.text, read="spark")]


@dataclass(frozen=True, slots=True)
class Token:
    """One word or sign of a text."""

    text: str
    start: int
    """Where it begins, in characters from 0."""


def _select(source: Source) -> Expression:
    """The file's only statement, if it is a query."""
    first, *more = [s for s in _statements(source) if s is not None and s.key != "semicolon"] or [None]
    if first is None:
        raise source.error(0, "there is no statement; write one SELECT")
    if more:
        raise source.error_at(more[0], "a second statement begins; keep one SELECT per file")
    if first.key not in {"select", "union", "except", "intersect", "subquery"} or first.args.get("into"):
        raise source.error_at(first, "this is not a SELECT; an aggregate only reads")
    return first


def _statements(source: Source) -> list[Expression | None]:
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
