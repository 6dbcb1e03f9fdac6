"""Counting the records of a delimited file that the careful path reads, by its rules but with other code.

The rules are told in `cutting`. This goes from quote to quote through the bytes; that one matches patterns. The ledger balances
what the one cut against what the other counted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

    from quarterlake.processing.cut_patterns import Cutting

_CHUNK = 4 << 20
_BLOCK = 32 << 10
_SHORTEST_BLOCK = 512
_TRIED = 4
_SPACE, _CR = b" \r"


def count_carefully(stream: BinaryIO, cutting: Cutting, start: int, *, longest: int, blank: bool) -> int:
    """The number of records from the byte `start` on; blank lines are among them only where `blank` says so."""
    return _Scanner(stream, cutting, start, longest).count(blank=blank)


class _Scanner:
    """Goes through a stream; `_data` holds what is in memory, from the current record on at least `longest` bytes."""

    def __init__(self, stream: BinaryIO, cutting: Cutting, start: int, longest: int) -> None:
        stream.seek(start)
        self._stream, self._longest = stream, longest
        self._delimiter, self._lone_cr = cutting.delimiter, cutting.lone_cr
        self._quote, self._escape = cutting.quote, cutting.escape
        self._spaces = cutting.delimiter != b" "
        self._data, self._at, self._ended = b"", 0, False
        self._found: dict[bytes, int] = {}
        self._block = _BLOCK
        self._bounds = {self._delimiter, b"\n"}
        bound, quote = re.escape(self._delimiter) + rb"\n", re.escape(self._quote)
        self._bad_pair = re.compile(
            rb"(?:\A|(?<=[" + bound + rb"]))[ ]?(?:" + 2 * quote + rb")++(?!\r\n|[" + bound + quote + rb"])"
        )

    def count(self, *, blank: bool) -> int:
        """The number of records, with or without the blank lines."""
        records = 0
        while self._fill():
            if plain := self._plain_lines() or self._tidy_lines():
                records += plain
                continue
            start = self._at
            content, after = self._record(start)
            if after < 0:
                self._at = len(self._data)
                self._skip_line()
                records += 1
            else:
                self._at = after
                records += blank or content > start
        return records

    def _plain_lines(self) -> int:
        """Pass over the next lines up to one with a quote or a blank one, and return their number; 0 where there are none."""
        stop = self._at + _BLOCK
        if self._quote and (quote := self._data.find(self._quote, self._at, stop)) >= 0:
            stop = quote
        block = self._lines(stop)
        self._at += len(block)
        return block.count(b"\n")

    def _tidy_lines(self) -> int:
        """Pass over the next lines if their quotes open and close fields as they should, and return the number of records; else 0.

        Quotes that stand in a row cancel each other in pairs. One that is left opens a field or closes it: where
        it opens one it must stand at a field's start. Where a field goes over a line end all must be closed at a field's
        end, the empty ones too: otherwise their record would end with its first line.
        """
        if not self._quote or self._quote != self._escape or self._lone_cr:
            return 0
        stop = self._at + min(self._block, self._longest)
        for _ in range(_TRIED):
            block = self._data[self._at : self._data.rfind(b"\n", self._at, stop) + 1]
            outside, inside = _parted(block, self._quote)
            if len(outside) > len(inside):
                break
            # The last line end is within quotes.
            stop = max(self._at, self._data.rfind(self._quote, self._at, self._at + len(block)))
        records = self._records_of(block, outside, inside) if len(outside) > len(inside) else 0
        self._block = min(2 * self._block, _BLOCK) if records else max(self._block // 2, _SHORTEST_BLOCK)
        self._at += len(block) if records else 0
        return records

    def _records_of(self, block: bytes, outside: list[bytes], inside: list[bytes]) -> int:
        """The number of lines outside of quotes, if all quotes stand as they should and none of the lines is blank; else 0."""
        if not all(before[-1:] in self._bounds for before in outside[1:-1]):
            return 0
        if inside and outside[0] and outside[0][-1:] not in self._bounds:
            return 0
        if b"\n" in b"".join(inside):
            closed = all(after[:1] in self._bounds or after[:2] == b"\r\n" for after in outside[1:])
            if not closed or self._bad_pair.search(block) or b"\r" + self._quote in block:
                return 0
        text = self._quote.join(outside)
        if text[:1] in {b"\n", b"\r"} or b"\n\n" in text or b"\n\r\n" in text:
            return 0
        return text.count(b"\n")

    def _lines(self, stop: int) -> bytes:
        """The next lines that end before a place, up to a blank one; none where a line may end otherwise than by LF."""
        data, at = self._data, self._at
        if self._lone_cr or data[at : at + 1] in (b"\n", b"\r"):
            return b""
        block = data[at : data.rfind(b"\n", at, stop) + 1]
        for blank in (b"\n\n", b"\n\r\n") if b"\r" in block else (b"\n\n",):
            if (gap := block.find(blank)) >= 0:
                block = block[: gap + 1]
        return block

    def _fill(self) -> bool:
        """Have the longest record in memory, or all that is left; False when nothing is."""
        while not self._ended and len(self._data) - self._at <= self._longest:
            chunk = self._stream.read(_CHUNK)
            self._ended = not chunk
            self._hold(self._data[self._at :] + chunk)
        return self._at < len(self._data)

    def _hold(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self._found.clear()

    def _record(self, start: int) -> tuple[int, int]:
        """Where a record's content ends, and where its line does; (0, -1) where that is not in memory."""
        data = self._data
        limit = min(start + self._longest, len(data))
        line = self._line_end(start)
        if not self._quote or data.find(self._quote, start, line[0]) < 0:
            return line
        at = start
        while True:
            opening = at + (self._spaces and at < limit and data[at] == _SPACE)
            if data[opening : min(opening + 1, limit)] == self._quote:
                closed = self._after_quoted(opening + 1, limit)
                if closed < 0:
                    return self._line_end(at)
                if closed == len(data) or data[closed : closed + 1] != self._delimiter:
                    return self._line_end(closed)
                at = closed + 1
            else:
                line = self._line_end(at)
                delimiter = data.find(self._delimiter, at, min(line[0], limit))
                if delimiter < 0:
                    return line
                at = delimiter + 1

    def _after_quoted(self, at: int, limit: int) -> int:
        """Where the delimiter or the end that follows a quoted field is; -1 if it is not closed as it should be."""
        data, quote = self._data, self._quote
        while True:
            at = self._next_quote(at, limit)
            if at < 0:
                return -1
            if data[at + 1 : min(at + 2, limit)] == quote:
                at += 2
                continue
            at += 1
            while self._spaces and at < limit and data[at] == _SPACE:
                at += 1
            follower = data[at : min(at + 2, limit)]
            final = at == len(data) and self._ended and limit == len(data)
            ends = follower[:1] == b"\n" or follower == b"\r\n" or (self._lone_cr and follower[:1] == b"\r")
            return at if final or ends or follower[:1] == self._delimiter else -1

    def _next_quote(self, at: int, limit: int) -> int:
        """The next quote that no escape stands before."""
        data = self._data
        quote = data.find(self._quote, at, limit)
        if self._escape == self._quote:
            return quote
        while quote >= 0:
            escape = data.find(self._escape, at, quote)
            if escape < 0:
                return quote
            at = escape + 2
            if at > quote:
                quote = data.find(self._quote, at, limit)
        return -1

    def _line_end(self, at: int) -> tuple[int, int]:
        """Where a line's content ends from `at` on, and where the line does."""
        data, newline = self._data, self._next(b"\n", at)
        if self._lone_cr and (cr := self._next(b"\r", at)) < newline:
            if cr + 1 == len(data) and not self._ended:
                return 0, -1
            return cr, cr + 2 if data[cr + 1 : cr + 2] == b"\n" else cr + 1
        if newline == len(data) and not self._ended:
            return 0, -1
        return newline - (newline > at and data[newline - 1] == _CR), min(newline + 1, len(data))

    def _next(self, end: bytes, at: int) -> int:
        """Where the next such byte is, or what is in memory ends; looked for once, as places only go on."""
        known = self._found.get(end, -1)
        if known < at:
            known = self._data.find(end, at)
            known = self._found[end] = len(self._data) if known < 0 else known
        return known

    def _skip_line(self) -> None:
        """Go to the start of the next line, of which nothing is in memory yet, or to the end."""
        held = self._half_end()
        while not self._ended:
            chunk = self._stream.read(_CHUNK)
            self._ended = not chunk
            self._hold(held + chunk)
            _, after = self._line_end(0)
            if after >= 0:
                self._at = after
                return
            held = self._half_end()
        self._at = len(self._data)

    def _half_end(self) -> bytes:
        return b"\r" if self._lone_cr and self._data.endswith(b"\r") else b""


def _parted(block: bytes, quote: bytes) -> tuple[list[bytes], list[bytes]]:
    """What lies outside and inside of the quotes of some text, those left out that stand in a row and cancel each other."""
    parts = block.replace(2 * quote, b"").split(quote)
    return parts[::2], parts[1::2]
