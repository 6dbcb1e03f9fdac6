"""What the records of a delimited file are: the table's own, or footers, repeated headers, other tables, broken ones."""

from __future__ import annotations

import io
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from quarterlake.processing.cutting import LONGEST, Cut, Run, cut, cut_in_runs, fields, one_by_one
from quarterlake.processing.dialect_evidence import cells_of, is_value
from quarterlake.processing.layout import is_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterlake.domain.reading import Reading
    from quarterlake.processing.dialect import Dialect

FOOTER = "footer"
REPEATED_HEADER = "repeated header"
SECOND_TABLE = "second table"
TOO_MANY = "more fields than the header"
TOO_FEW = "fewer fields than the header"
NOT_UTF8 = "not UTF-8"

_LOOK = 1 << 14
_ENDS = (b"\n", b"\r")
_BLOCK = 6


class Seen(NamedTuple):
    """A record, why it is not one of the table's (None if it is), and its fields where they had to be looked for."""

    cut: Cut
    reason: str | None
    cells: list[tuple[bytes, bool]] | None


def table_records(
    stream: BinaryIO,
    dialect: Dialect,
    reading: Reading,
    footer: int | None,
    *,
    start: int | None = None,
    line: int | None = None,
    longest: int = LONGEST,
) -> Iterator[Seen | Run]:
    """Every record of a file from its first on, or from the one at `start`, in the file's order; blank lines are left out.

    `footer` is where the first record of the footer begins. Records of the table that need no closer look come in runs.
    """
    plain = not (dialect.padded or dialect.trailing)
    begun = cut_in_runs(
        stream,
        dialect.cutting,
        len(dialect.columns) if plain else 0,
        start=dialect.start if start is None else start,
        line=dialect.line if line is None else line,
        longest=longest,
    )
    yield from _Classifier(dialect, reading, footer, begun).records()


def begins_table_at(stream: BinaryIO, offset: int, dialect: Dialect, reading: Reading) -> bool:
    """Whether another table begins with the first record from `offset` on, as far as that can be told without what is before it."""
    stream.seek(offset)
    cuts = cut(io.BytesIO(stream.read(_LOOK)), dialect.cutting)
    return _Classifier(dialect, reading, None, cuts).begins_table()


class _Classifier:
    def __init__(
        self, dialect: Dialect, reading: Reading, footer: int | None, cuts: Iterator[Cut | Run]
    ) -> None:
        self._dialect, self._reading, self._footer = dialect, reading, footer
        self._cutting, self._width = dialect.cutting, len(dialect.columns)
        self._empty = {dialect.cutting.delimiter * (self._width - 1)} if self._width > 2 else set()  # noqa: PLR2004
        self._plain = not (dialect.padded or dialect.trailing)
        self._cuts, self._ahead = cuts, deque[Cut]()
        self._heading = dialect.heading if reading.repeated_headers == "reject" and self._width > 1 else b""
        self._rest: str | None = None

    def records(self) -> Iterator[Seen | Run]:
        """See `table_records`."""
        gap, single = False, self._width == 1
        while (one := self._next()) is not None:
            if isinstance(one, Run):
                if not gap and self._is_plain(one):
                    yield one
                else:
                    self._ahead.extend(one.cuts())
            elif not one.raw and not single:
                gap = True
            else:
                yield self._seen(one, gap=gap)
                gap = self._rest is None and one.raw in self._empty

    def _seen(self, one: Cut, *, gap: bool) -> Seen:
        if one.start == self._footer:
            self._rest = FOOTER
        elif gap and self._rest is None and self._begins_table(one):
            self._rest = SECOND_TABLE
        if self._rest is not None:
            return Seen(one, self._rest, None)
        if self._heading and one.raw == self._heading:
            return Seen(one, REPEATED_HEADER, None)
        if one.problem is not None:
            return Seen(one, one.problem, None)
        if one.raw in self._empty:
            return self._empty_or(one)
        return self._looked_at(one)

    def begins_table(self) -> bool:
        """Whether the next record that has content begins another table."""
        while (one := self._next()) is not None:
            if isinstance(one, Cut) and one.raw:
                return self._begins_table(one)
        return False

    def _is_plain(self, run: Run) -> bool:
        """Whether all records of a run are the table's, and none needs a closer look."""
        if self._rest is not None or (self._heading and self._heading in run.data):
            return False
        if self._footer is not None and run.start <= self._footer < run.start + len(run.data):
            return False
        ends = _ENDS if b"\r" in run.data else _ENDS[:1]
        if any(
            run.data.startswith(empty) or end + empty in run.data for empty in self._empty for end in ends
        ):
            return False
        return _is_utf8(run.data)

    def _empty_or(self, one: Cut) -> Seen:
        """A record without a value belongs to the other table or the footer that it sets off, if it does."""
        if following := self._peek(1):
            if following[0].start == self._footer:
                self._rest = FOOTER
            elif self._begins_table(following[0], skip=1):
                self._rest = SECOND_TABLE
        return Seen(one, self._rest, None)

    def _looked_at(self, one: Cut) -> Seen:
        if self._plain and not one.quoted and one.raw.isascii():
            delimiter = self._cutting.delimiter
            further = one.raw.count(delimiter) + 1 - self._width
            ended = further > 0 and one.raw.endswith(delimiter * further)
            return Seen(one, _width_reason(self._width + (0 if ended else further), self._width), None)
        if not _is_utf8(one.raw):
            return Seen(one, NOT_UTF8, None)
        cells = self._cells(one)
        return Seen(one, _width_reason(len(cells), self._width), cells)

    def _cells(self, one: Cut) -> list[tuple[bytes, bool]]:
        if one.quoted:
            cells = fields(one.raw, self._cutting)
        else:
            cells = [(text, False) for text in one.raw.split(self._cutting.delimiter)]
        while len(cells) > self._width and cells[-1] == (b"", False):
            cells.pop()
        if self._dialect.padded:
            cells[1:] = [(text if quoted else text.removeprefix(b" "), quoted) for text, quoted in cells[1:]]
        return cells

    def _begins_table(self, one: Cut, skip: int = 0) -> bool:
        """Whether another table begins with a record that a blank line sets off.

        The records that follow, up to the next blank line, have one other number of fields, or the first is a header over values.
        """
        if self._width == 1 or self._reading.tables == "all" or one.raw == self._dialect.heading:
            return False
        block = [one]
        for following in islice(self._peek(_BLOCK + skip), skip, None):
            if not following.raw:
                break
            block.append(following)
        rows = [[text for text, _ in cells_of(each, self._cutting)] for each in block if each.problem is None]
        if rows and len(rows[0]) == 1:
            rows = rows[1:]  # a title
        return len(rows) > 1 and self._is_other(rows)

    def _is_other(self, rows: Sequence[Sequence[str]]) -> bool:
        widths = {len(row) for row in rows}
        own = {self._width, self._width + 1} if self._dialect.trailing else {self._width}
        if len(widths) == 1 and min(widths) > 1 and not widths & own:
            return True
        words = [
            at
            for at in self._dialect.typed
            if at < len(rows[0]) and rows[0][at].strip() and not is_value(rows[0][at])
        ]
        heads = bool(words) and is_header(rows[0], rows[1:], ()) is not None
        return heads and not any(map(is_value, filter(str.strip, rows[0])))

    def _next(self) -> Cut | Run | None:
        return self._ahead.popleft() if self._ahead else next(self._cuts, None)

    def _peek(self, count: int) -> list[Cut]:
        while len(self._ahead) < count and (one := next(self._cuts, None)) is not None:
            self._ahead.extend(one_by_one((one,)))
        return list(islice(self._ahead, count))


def _width_reason(fields: int, width: int) -> str | None:
    return None if fields == width else TOO_MANY if fields > width else TOO_FEW


def _is_utf8(raw: bytes) -> bool:
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
