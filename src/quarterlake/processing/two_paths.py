"""DuckDB's reader where it reads a delimited file as it is meant, the careful path where it would not."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from quarterlake.domain.errors import MisreadError
from quarterlake.processing.cutting import Cut, cut_in_runs
from quarterlake.processing.dialect_evidence import cells_of
from quarterlake.processing.faults import reading as duckdb_reading
from quarterlake.processing.footers import find_footer
from quarterlake.processing.relations import read_delimited, read_rewritten
from quarterlake.processing.rewriting import rewritten
from quarterlake.processing.structure import begins_table_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from quarterlake.domain.reading import Reading
    from quarterlake.processing.dialect import Dialect
    from quarterlake.processing.relations import Relation
    from quarterlake.processing.sources import PlainSource

T = TypeVar("T")

_CHUNK = 64 << 10
_GAPS = 1_024
"""So many gaps are looked behind for another table; they are cheap unless text is full of them."""
_HEAD = 1 << 20
_FIRST = 1 << 16
_FEW = 2
_PAIR = 2
_LONE_CR = re.compile(rb"\r(?!\n|\Z)")
_OVERLAP = 64
_LONG = 64 << 10
"""DuckDB's reader takes lines up to a limit, and keeps as many copies of one as it has fields too many."""
_BLANKS = re.compile(rb"[\r\n]*+")


def read_either_way(
    source: PlainSource,
    relation: Relation,
    reading: Reading,
    scratch: Path,
    work: Callable[[Relation], T],
    *,
    at_most: int | None = None,
) -> T:
    """The result of `work` over the file's records, read on the fast path if that reads them right, else on the careful one.

    `work` raises MisreadError when it sees that the fast path did not; the careful path is then taken. With `at_most` only
    so many records are needed, and only the first of the file's bytes are looked at.
    """
    dialect = relation.dialect
    if dialect is None:
        with duckdb_reading(source.name, source.path):
            return work(relation)
    why = needs_care(source, dialect, reading, limit=None if at_most is None else _HEAD)
    if why is None and _breaks_often(source, dialect):
        why = "several of the first records are broken"
    if why is None:
        if at_most is None and spans_lines(source):
            relation = replace(relation, sql=read_delimited(source.path, dialect, in_parts=False))
        try:
            with duckdb_reading(source.name, source.path):
                return work(relation)
        except MisreadError as misread:
            why = f"DuckDB's reader does not read it right: {misread.cause}"
    with (
        rewritten(source.path, dialect, reading, scratch, why=why, at_most=at_most) as made,
        duckdb_reading(source.name, source.path),
    ):
        careful = replace(relation, sql=read_rewritten(made), rewriting=made)
        return work(replace(careful, described={**relation.described, "careful": why}))


def spans_lines(source: PlainSource) -> bool:
    """Whether a line end stands between quotes in a file so large that it may be read in several parts.

    By the number of quotes before it: a stray one makes this say yes in vain, which costs time and nothing else.
    """
    with source.open() as stream:
        if stream.seek(0, io.SEEK_END) <= _HEAD:
            return False
        stream.seek(0)
        within = False
        while chunk := stream.read(_HEAD):
            parts = chunk.split(b'"')
            inside = b"".join(parts[not within :: 2])
            if b"\n" in inside or b"\r" in inside:
                return True
            within ^= len(parts) % 2 == 0
    return False


def _breaks_often(source: PlainSource, dialect: Dialect) -> bool:
    """Whether several of the first records have a stray quote, or fields missing or too many: the fast path would be tried in vain."""
    with source.open() as stream:
        stream.seek(dialect.start)
        head = stream.read(_FIRST)
    head = head[: head.rfind(dialect.line_end) + len(dialect.line_end)]
    width = len(dialect.columns)
    found = cut_in_runs(io.BytesIO(head), dialect.cutting, width)
    broken = (
        one.raw
        and (one.problem or len(cells_of(one, dialect.cutting)) not in {width, width + dialect.trailing})
        for one in found
        if isinstance(one, Cut)
    )
    return sum(map(bool, broken)) > _FEW


def needs_care(
    source: PlainSource, dialect: Dialect, reading: Reading, *, limit: int | None = None
) -> str | None:
    """Why DuckDB's reader would not read a file as it is meant, as far as that can be seen beforehand; None if it would.

    One pass over the bytes, or the first `limit` of them.
    """
    if dialect.special:
        return dialect.special
    with source.open() as stream:
        if find_footer(stream, dialect, reading) is not None:
            return "a footer"
        # In a small file this costs nothing; for a large one the count of its records says whether there are blank lines at all.
        if stream.seek(0, io.SEEK_END) <= _HEAD and holds_another_table(stream, dialect, reading):
            return "another table after a blank line"
        return _scan(stream, dialect, reading, limit)


def _scan(stream: BinaryIO, dialect: Dialect, reading: Reading, limit: int | None) -> str | None:
    end, heading = dialect.line_end, _heading(dialect, reading)
    _, *empty = _gaps(dialect, reading) or [b""]
    base = max(0, dialect.start - len(end))
    last_end, tail = base, b""
    stream.seek(base)
    while chunk := stream.read(_CHUNK):
        joined = tail + chunk
        if heading and heading in joined:
            return "a repeated header"
        if sign := _sign(joined, dialect):
            return sign
        if empty and empty[0] in joined:
            empty.clear()
            if holds_another_table(stream, dialect, reading):
                return "another table after an empty record"
            stream.seek(base + len(chunk))
        first = chunk.find(end)
        if base + (first if first >= 0 else len(chunk)) - last_end > _LONG:
            return "a long line"
        if first >= 0:
            last_end = base + chunk.rfind(end)
        tail = joined[-max(len(heading), _OVERLAP) :]
        base += len(chunk)
        if limit is not None and base > limit:
            break
    if heading and tail.endswith(heading.removesuffix(end)):
        return "a repeated header"
    return None


def _sign(data: bytes, dialect: Dialect) -> str | None:
    """What there is in some bytes that DuckDB's reader takes otherwise than it is meant."""
    if _reopens(dialect.delimiter.encode()).search(data):
        return "a quote that opens again after it was closed"
    if dialect.line_end == b"\r" or b"\r" not in data:
        return None
    if data.count(b"\r") == data.count(b"\r\n") + data.endswith(b"\r"):
        return None
    alone = any(not _is_quoted(data, found.start()) for found in _LONE_CR.finditer(data))
    return "a CR alone, which is text" if alone else None


@lru_cache(maxsize=16)
def _reopens(delimiter: bytes) -> re.Pattern[bytes]:
    """A quote that ends a field, blanks, and a quote; not one that begins a field, as in `" "`, nor two that stand for one.

    It begins with the first of some quotes in a row, so that all other text is passed over fast.
    """
    ends = rb"\r\n" + re.escape(delimiter)
    within, begun = rb'(?<=[^"' + ends + rb']")', rb"(?<=[" + ends + rb']")"'
    return re.compile(rb'"(?:' + within + rb"|" + begun + rb')(?:"")*+ +"')


def _is_quoted(data: bytes, at: int) -> bool:
    """Whether so many quotes stand before a place on its line that it is between two."""
    start = data.rfind(b"\n", 0, at) + 1
    return start > 0 and data.count(b'"', start, at) % 2 == 1


def holds_another_table(stream: BinaryIO, dialect: Dialect, reading: Reading) -> bool:
    """Whether another table begins after one of a file's first blank lines, or records of delimiters alone."""
    gaps = _gaps(dialect, reading)
    overlap = max(map(len, gaps), default=0)
    base, data, seen = max(0, dialect.start - len(dialect.line_end)), b"", 0
    stream.seek(base)
    while gaps and seen < _GAPS and (chunk := stream.read(_CHUNK)):
        kept = min(overlap, len(data))
        base += len(data) - kept
        data = data[len(data) - kept :] + chunk
        for gap in gaps:
            at = data.find(gap)
            while at >= 0 and seen < _GAPS:
                seen += 1
                stop = _end_of_blanks(data, at + len(gap))
                if _another_table(stream, base + stop, dialect, reading):
                    return True
                at = data.find(gap, stop)
    return False


def _heading(dialect: Dialect, reading: Reading) -> bytes:
    """The header as a line of its own; nothing where it may be repeated."""
    if not dialect.heading or reading.repeated_headers == "keep" or len(dialect.columns) == 1:
        return b""
    return dialect.line_end + dialect.heading + dialect.line_end


def _gaps(dialect: Dialect, reading: Reading) -> list[bytes]:
    """What may set off another table: a blank line, or one of delimiters alone."""
    end, width = dialect.line_end, len(dialect.columns)
    if width == 1 or reading.tables == "all":
        return []
    empty = end + dialect.delimiter.encode() * (width - 1) + end
    return [end + end, *([empty] if width > _PAIR else [])]


def _end_of_blanks(data: bytes, at: int) -> int:
    """Where the blank lines end that begin here: they are one gap, however many."""
    found = _BLANKS.match(data, at)
    return found.end() if found else at


def _another_table(stream: BinaryIO, offset: int, dialect: Dialect, reading: Reading) -> bool:
    here = stream.tell()
    try:
        return begins_table_at(stream, offset, dialect, reading)
    finally:
        stream.seek(here)
