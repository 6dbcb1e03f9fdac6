"""Counting and finding the records of a delimited text file from its bytes alone.

What a record is follows DuckDB 2.0's `read_csv` in strict mode, with the quote doubled as its own escape. It was
studied with that version, and tests compare the two:

- A record ends with LF, CRLF or CR. One without content is a record only where there is a single column.
- A quote opens a quoted stretch at the start of a field, where one space may come before it, and after the
  end of a quoted stretch and any spaces. Elsewhere it is text: `2,b"c` and `2,  "b` open nothing. Within a
  quoted stretch only a quote matters. Text between its end and the next delimiter (`"b"c`) makes DuckDB
  reject the record and moves no boundary.
- A quote that is never closed makes one record of all the rest of the file.
- Skipped lines and the header end by the same rules, except that blank ones count among them.

Where DuckDB differs, so that its kept and rejected records do not add up to the count:

- It refuses a file of mixed line ends in strict mode.
- Text after a closing quote in the header or a skipped line makes it return nothing of the file, silently.
- The second time that text follows a closing quote in one record, it begins a new record in the middle.
- A quote right after a byte order mark opens nothing if its line is skipped or a header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO

from quarterlake.processing.record_search import LOOK_BYTES, Location, locate, locate_skipped
from quarterlake.processing.record_survey import (
    CHUNK_BYTES,
    Part,
    Stretch,
    Survey,
    count_newlines,
    read_parts,
    survey,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

# Stands for text that is neither blank nor a field's start: no UTF-8 text, so no delimiter, holds this byte.
_TEXT = b"\xff"
# With a quote for less than so many bytes, splitting at quotes is faster than matching what they enclose.
_DENSE = 16
_BLANK_RUN = re.compile(rb"\n+")
_LINE = re.compile(rb"(?!\Z)([^\r\n]*)(?:\r\n?|\n|\Z)")
_FILLED_LINE = re.compile(rb"([^\r\n]+)(?:\r\n?|\n|\Z)")


@dataclass(frozen=True, slots=True)
class TextShape:
    """How the bytes of a delimited text file are to be read.

    Attributes:
        delimiter: The one byte between fields.
        quote: The one byte around quoted fields, doubled inside them; `b""` for none.
        header: Whether the first record after the skipped lines is a header, which is not counted.
        columns: The number of columns; with more than one, blank lines are no records.
        skip: The number of lines before the header. As in DuckDB, a quote that opens a field there carries
            its line over newlines.
    """

    delimiter: bytes
    quote: bytes
    header: bool
    columns: int
    skip: int = 0


def survey_delimited(stream: BinaryIO, shape: TextShape, *, chunk_bytes: int = CHUNK_BYTES) -> Survey:
    """Count the records of a decompressed delimited text file, broken ones included."""
    splitter = _DelimitedSplitter(shape)
    return replace(survey(_parts(stream, shape, chunk_bytes), splitter), blank=splitter.blank)


def locate_delimited(
    stream: BinaryIO,
    shape: TextShape,
    surveyed: Survey,
    ordinals: Sequence[int],
    skipped_offsets: Collection[int],
    *,
    look_bytes: int = LOOK_BYTES,
) -> dict[int, Location]:
    """Find records of a decompressed delimited text file by their place among those that the parser kept.

    Args:
        stream: The file.
        shape: How to read it.
        surveyed: Its survey, under the same shape.
        ordinals: Ascending places, from 0, among the kept records; one past the last is left out of the result.
        skipped_offsets: Where the records that the parser dropped begin, in bytes from 0; DuckDB's
            `line_byte_position` less one, which may point to a line end just before its record.
        look_bytes: How much is looked at at a time.
    """
    return locate(stream, surveyed, _DelimitedSplitter(shape), ordinals, skipped_offsets, look_bytes)


def locate_dropped(
    stream: BinaryIO,
    shape: TextShape,
    surveyed: Survey,
    skipped_offsets: Collection[int],
    *,
    look_bytes: int = LOOK_BYTES,
) -> Iterator[tuple[int, Location]]:
    """Find the records that the parser dropped, in the file's order: each of the offsets with its record's place."""
    return locate_skipped(stream, surveyed, _DelimitedSplitter(shape), skipped_offsets, look_bytes)


def _parts(stream: BinaryIO, shape: TextShape, chunk_bytes: int) -> Iterator[Part]:
    """Read a file from its first record on, past the skipped lines and the header."""
    parts = read_parts(stream, chunk_bytes)
    if lines := shape.skip + shape.header:
        lines_shape = TextShape(shape.delimiter, shape.quote, header=False, columns=1)
        first = _after_lines(parts, _DelimitedSplitter(lines_shape), lines)
        if first is None:
            return
        yield first
    yield from parts


def _after_lines(parts: Iterable[Part], splitter: _DelimitedSplitter, lines: int) -> Part | None:
    """Return what follows the first `lines` records in the part in which the last of them ends."""
    dropped = 0
    for part in parts:
        carry = splitter.carry
        splitter.advance(part.data)
        for stretch in splitter.stretches(carry, part.data):
            lines -= stretch.ended
            if not lines:
                newline = 2 if part.data.startswith(b"\r\n", stretch.end) else 1
                cut = stretch.end + newline
                return Part(part.offset + cut, part.data[cut:], dropped + count_newlines(part.data[:cut]))
        dropped += count_newlines(part.data)
    return None


class _DelimitedSplitter:
    """Knows the records of delimited text; see the module's rules.

    What came before a part is told by a carry of one or two bytes put before it: the quote (within a quoted
    stretch), two quotes (after one), the delimiter (at a field's start), or plain text.
    """

    def __init__(self, shape: TextShape) -> None:
        self.carry = b""
        self.blank = False
        self._shape = shape
        delimiter, quote = (b"\\x%02x" % ord(byte or b"\0") for byte in (shape.delimiter, shape.quote))
        # Both begin with the bare quote, which the regex engine looks for at memchr's speed.
        opening = rb"Q(?:(?<![^D\r\n]Q)|(?<=[ ]Q)(?<![^D\r\n][ ]Q))"
        stretch = opening + rb"[^Q]*(?:Q[ ]*Q[^Q]*)*(?:Q|\Z)"
        self._opening = re.compile(opening.replace(b"Q", quote).replace(b"D", delimiter))
        self._stretch = re.compile(stretch.replace(b"Q", quote).replace(b"D", delimiter))
        self._line = _LINE if shape.columns == 1 else _FILLED_LINE

    def advance(self, data: bytes) -> tuple[int, int]:
        """Take in the next part's bytes; return how many records begin in them, and how many line ends they hold."""
        before, text = self.carry, self.carry + data
        quoted, inside = self._has_quote(text), False
        if quoted:
            text, inside = self._collapse(text)
        self.carry = self._state(text, inside=inside)
        folded = b"\r" in text
        if folded:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        blank = self._shape.columns > 1 and (b"\n\n" in text or text.startswith(b"\n"))
        self.blank |= blank
        ends = len(_BLANK_RUN.findall(text)) - text.startswith(b"\n") if blank else text.count(b"\n")
        newlines = count_newlines(data) if quoted or folded or blank else ends
        return ends + bool(self.carry) - bool(before), newlines

    def stretches(self, carry: bytes, data: bytes) -> Iterator[Stretch]:
        """Yield what a part holds of each record, where `carry` was the state before it."""
        text, before = carry + data, len(carry)
        if self._has_quote(text):
            text = self._stretch.sub(lambda found: self._shape.quote * len(found[0]), text)
        for found in self._line.finditer(text):
            end = found.end(1)
            yield Stretch(found.start() - before, end - before, end < len(text))

    def plain_starts(self, carry: bytes, data: bytes) -> list[int] | None:
        """See `Splitter`: without a quote, a CR or a blank line in it or about to be."""
        quote = self._shape.quote
        if self._has_quote(data) or b"\r" in data or (quote and carry.startswith(quote)):
            return None
        if b"\n\n" in data or (not carry and data.startswith(b"\n")):
            return None
        starts = list(accumulate(map(len, data.splitlines(keepends=True)), initial=0))[:-1]
        return starts[1:] if carry else starts

    def gap(self, data: bytes) -> int:
        """Return how many bytes at the end of the part just taken in lie before the next record's start."""
        # Only records with content are dropped, so blank ones lie in the gap too.
        return 0 if self.carry else len(data) - len(data.rstrip(b"\r\n"))

    def _has_quote(self, text: bytes) -> bool:
        return bool(self._shape.quote) and self._shape.quote in text

    def _collapse(self, text: bytes) -> tuple[bytes, bool]:
        """Put one quote for each quoted stretch; say whether the text ends within one.

        All quotes but those that are plain text lie in stretches, and only the last can hold an odd number.
        """
        quote = self._shape.quote
        quotes = text.count(quote)
        if quotes * _DENSE > len(text) and (collapsed := self._collapse_plainly(text)) is not None:
            return collapsed, bool(quotes % 2)
        collapsed, stretches = self._stretch.subn(quote, text)
        plain = collapsed.count(quote) - stretches
        return collapsed, bool((quotes - plain) % 2)

    def _collapse_plainly(self, text: bytes) -> bytes | None:
        """Do the same by parity alone, in half the time; None if any opening quote would not follow a field's end."""
        quote = self._shape.quote
        pieces = text.split(quote)
        collapsed = quote.join(pieces[::2]) + (b"" if len(pieces) % 2 else quote)
        openings = collapsed.count(self._shape.delimiter + quote) + collapsed.count(b"\n" + quote)
        return collapsed if openings + collapsed.startswith(quote) == collapsed.count(quote) else None

    def _state(self, text: bytes, *, inside: bool) -> bytes:
        """Return the carry after a text whose quoted stretches are one quote each."""
        quote, delimiter = self._shape.quote, self._shape.delimiter
        if inside:
            return quote
        if not text or text.endswith((b"\n", b"\r")):
            return b""
        bare = text.rstrip(b" ")
        if quote and bare.endswith(quote) and self._opening.match(bare, len(bare) - 1):
            return quote * 2
        tail = text[-2:].lstrip(b"\r\n")
        if tail.endswith(delimiter):
            return delimiter
        return tail if tail in (b" ", delimiter + b" ") else _TEXT
