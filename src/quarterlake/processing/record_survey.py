"""Counting the records of a file from its bytes alone, by other code than the parser's.

The ledger balances what the parser kept and rejected against the number of records found here. This module knows files in parts
and records as stretches of them; `records` and `json_records` know the formats, and `record_search` finds records again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CHUNK_BYTES = 128 << 10
"""How much of a file is read at a time to count: measured fastest, as it stays within the processor's cache."""

_BOM = b"\xef\xbb\xbf"
_MOST_SPANS = 4_096


class Part(NamedTuple):
    """A stretch of a file; successive parts leave out nothing but a byte order mark and a preamble.

    Attributes:
        offset: Where it begins in the file, in bytes from 0.
        data: Its bytes; never the first half of a CRLF alone.
        lines_before: The physical lines left out between the part before and this one.
    """

    offset: int
    data: bytes
    lines_before: int = 0


class Stretch(NamedTuple):
    """What a part holds of one record.

    Attributes:
        start: Its first byte's place in the part, negative where it began in an earlier one.
        end: The place after its last byte, without the newline.
        ended: Whether the record ends here: a newline follows it in the part.
    """

    start: int
    end: int
    ended: bool


class Span(NamedTuple):
    """What a survey knows of some bytes of a file.

    Attributes:
        offset: Where they begin in the file, from 0.
        size: How many they are.
        line: The physical line of the first of them, from 1.
        begun: How many records begin in them.
        carry: The splitter's state before them.
        gap: How many of them, at their end, lie before the next record's start.
    """

    offset: int
    size: int
    line: int
    begun: int
    carry: bytes
    gap: int

    def followed_by(self, other: Span) -> Span:
        """This span and the next one as one."""
        gap = other.gap + (self.gap if other.gap == other.size else 0)
        return Span(
            self.offset,
            other.offset + other.size - self.offset,
            self.line,
            self.begun + other.begun,
            self.carry,
            gap,
        )


@dataclass(frozen=True, slots=True)
class Survey:
    """How many records a file has, and how they are spread over it; without spans no record can be found.

    `blank` says whether there are blank lines among them.
    """

    records: int
    spans: Sequence[Span] = ()
    blank: bool = False


class Splitter(Protocol):
    """Knows where records begin and end, and follows them through the successive parts of one file."""

    carry: bytes
    """A few bytes that stand for the record in progress and its state; empty between records."""

    def advance(self, data: bytes) -> tuple[int, int]:
        """Take in the next part's bytes; return how many records begin in them, and how many line ends they hold."""

    def gap(self, data: bytes) -> int:
        """Return how many bytes at the end of the part just taken in lie before the next record's start."""

    def stretches(self, carry: bytes, data: bytes) -> Iterator[Stretch]:
        """Yield what a part holds of each record, where `carry` was the state before it."""

    def plain_starts(self, carry: bytes, data: bytes) -> list[int] | None:
        """Where the records that begin in a part do, if each is a line of its own and none is blank; None if not."""


def read_parts(stream: BinaryIO, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Part]:
    """Read a file in parts of about `chunk_bytes` bytes, without a byte order mark at its start."""
    held = _read_start(stream)
    offset = len(_BOM) if held == _BOM else 0
    return parts_from(stream, offset, held[offset:], chunk_bytes)


def parts_from(stream: BinaryIO, offset: int, held: bytes, chunk_bytes: int) -> Iterator[Part]:
    """The parts of a stream that goes on at `offset` of its file; `held` was read of it already."""
    while chunk := stream.read(chunk_bytes):
        data = held + chunk
        held = b"\r" if data.endswith(b"\r") else b""
        data = data[: len(data) - len(held)]
        yield Part(offset, data)
        offset += len(data)
    if held:
        yield Part(offset, held)


def survey(parts: Iterable[Part], splitter: Splitter) -> Survey:
    """Go through a file once; its spans double in size whenever they become too many."""
    spans: list[Span] = []
    records, held, at_most = 0, 0, 1
    for span, _ in spans_of(parts, splitter, line=1):
        records += span.begun
        if spans and held < at_most:
            spans[-1] = spans[-1].followed_by(span)
            held += 1
        else:
            spans.append(span)
            held = 1
        if len(spans) > _MOST_SPANS:
            last = spans.pop()
            spans = [one.followed_by(two) for one, two in zip(spans[::2], spans[1::2], strict=True)]
            spans.append(last)
            at_most *= 2
    return Survey(records, spans)


def spans_of(parts: Iterable[Part], splitter: Splitter, line: int) -> Iterator[tuple[Span, bytes]]:
    """Each part as a span, with its bytes; `line` is that of the first."""
    for part in parts:
        carry = splitter.carry
        begun, newlines = splitter.advance(part.data)
        line += part.lines_before
        yield (
            Span(part.offset, len(part.data), line, begun, carry, splitter.gap(part.data)),
            part.data,
        )
        line += newlines


def count_newlines(data: bytes) -> int:
    """Return how many line ends (LF, CRLF or CR) some bytes hold."""
    count = data.count(b"\n")
    if b"\r" in data:
        count += data.count(b"\r") - data.count(b"\r\n")
    return count


def _read_start(stream: BinaryIO) -> bytes:
    """Read as many bytes as a byte order mark has; a stream may hand them over one by one."""
    start = b""
    while len(start) < len(_BOM) and (more := stream.read(len(_BOM) - len(start))):
        start += more
    return start
