"""Finding the records of a file from its bytes alone, by other code than the parser's.

The ledger balances what the parser kept and rejected against the number of records found here, and a reject
report shows where in the file a record is. A survey goes through the file once and counts; a search then reads
only the spans of it that hold a wanted record. This module knows files in parts and records as stretches of
them; `records` and `json_records` know the formats. Memory is constant: one part, a few thousand spans, and at
most 64 KiB of a record that goes past its part.
"""

from __future__ import annotations

import io
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

CHUNK_BYTES = 128 << 10
"""How much of a file is read at a time to count: measured fastest, as it stays within the processor's cache."""
LOOK_BYTES = 4 << 10
"""How much of a span is counted at a time to find a record: what holds one is gone through record by record."""
RAW_BYTES = 64 << 10
"""At most this much of a record's text is kept."""

_BOM = b"\xef\xbb\xbf"
_MOST_SPANS = 4_096


@dataclass(frozen=True, slots=True)
class Location:
    """Where a record is in its file.

    Attributes:
        line: The physical line on which it starts, from 1.
        byte_offset: The place of its first byte in the decompressed file, from 0.
        raw: Its text without the newline that ends it, cut after 64 KiB; bytes that are not UTF-8 are
            replaced.
    """

    line: int
    byte_offset: int
    raw: str


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
    return _parts(stream, offset, held[offset:], chunk_bytes)


def _parts(stream: BinaryIO, offset: int, held: bytes, chunk_bytes: int) -> Iterator[Part]:
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
    for span, _ in _spans(parts, splitter, line=1):
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


def _spans(parts: Iterable[Part], splitter: Splitter, line: int) -> Iterator[tuple[Span, bytes]]:
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


def locate(
    stream: BinaryIO,
    surveyed: Survey,
    splitter: Splitter,
    ordinals: Sequence[int],
    skipped_offsets: Collection[int] = (),
    look_bytes: int = LOOK_BYTES,
) -> dict[int, Location]:
    """Find records by their place among those that the parser kept.

    Args:
        stream: The file.
        surveyed: Its survey.
        splitter: The rules of its format.
        ordinals: Ascending places, from 0, among the kept records; one past the last is left out of the result.
        skipped_offsets: Where the records that the parser dropped begin, in bytes from 0. One may also point
            into the line ends and blank lines just before its record, as DuckDB's positions often do.
        look_bytes: How much of a span is counted at a time.
    """
    return dict(_found(_Search(ordinals, skipped_offsets), stream, surveyed, splitter, look_bytes))


def locate_skipped(
    stream: BinaryIO,
    surveyed: Survey,
    splitter: Splitter,
    skipped_offsets: Collection[int],
    look_bytes: int = LOOK_BYTES,
) -> Iterator[tuple[int, Location]]:
    """Yield for each of `locate`'s `skipped_offsets` where its record is, in the file's order."""
    search = _Search((), skipped_offsets, skipped=True)
    return _found(search, stream, surveyed, splitter, look_bytes)


def _found(
    search: _Search, stream: BinaryIO, surveyed: Survey, splitter: Splitter, look_bytes: int
) -> Iterator[tuple[int, Location]]:
    for span in surveyed.spans:
        search.enter(span)
        if search.hit and search.look_plainly(stream, span, splitter):
            yield from search.take()
            search.leave()
        elif search.hit:
            for closer, data in _closer(stream, span, splitter, look_bytes):
                search.enter(closer)
                if search.hit:
                    search.look(closer, data, splitter.stretches(closer.carry, data))
                    yield from search.take()
                search.leave()
        else:
            search.leave()
        if search.done:
            break
    yield from search.finish()


def _closer(
    stream: BinaryIO, span: Span, splitter: Splitter, look_bytes: int
) -> Iterator[tuple[Span, bytes]]:
    """A span in smaller ones, with their bytes."""
    stream.seek(span.offset)
    splitter.carry = span.carry
    return _spans(
        _parts(io.BytesIO(stream.read(span.size)), span.offset, b"", look_bytes), splitter, span.line
    )


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


class _Search:
    """The progress of one search: what is still wanted, and the record found but not yet ended.

    A pair of counts belongs to the place before and after the current span: of the kept records that have
    begun, and of the skipped ones.
    """

    def __init__(
        self, ordinals: Sequence[int], skipped_offsets: Collection[int], *, skipped: bool = False
    ) -> None:
        self._wants_skipped = skipped
        self._wanted = iter(ordinals)
        self._next = next(self._wanted, None)
        self._skipped = sorted(set(skipped_offsets))
        self._kept = self._kept_after = 0
        self._passed = self._passed_after = 0
        self._seen = (0, 1)  # a place in the current span, and its line
        self._found: dict[int, Location] = {}
        self._open: tuple[int, int, int, bytearray] | None = None  # key, line, offset, text

    @property
    def done(self) -> bool:
        skipped = self._wants_skipped and self._passed_after < len(self._skipped)
        return self._next is None and self._open is None and not skipped

    @property
    def hit(self) -> bool:
        """Whether the current span must be looked at closely."""
        skipped = self._wants_skipped and self._passed < self._passed_after
        return skipped or self._open is not None or (self._next is not None and self._next < self._kept_after)

    def enter(self, span: Span) -> None:
        """Go to the next span, or once more to the first part of this one."""
        after = self._passed
        if span.gap < span.size:
            after = bisect_left(self._skipped, span.offset + span.size - span.gap)
        self._passed_after = after
        self._kept_after = self._kept + span.begun - (after - self._passed)

    def leave(self) -> None:
        self._kept, self._passed = self._kept_after, self._passed_after

    def look(self, span: Span, data: bytes, stretches: Iterable[Stretch]) -> None:
        """Take the wanted records that begin in a span, and more of the one in progress."""
        ordinal, self._seen = self._kept, (0, span.line)
        skipped = iter(self._skipped[self._passed : self._passed_after])
        skip = next(skipped, None)
        for stretch in stretches:
            if stretch.start >= 0:
                offset = span.offset + stretch.start
                if skip is not None and skip <= offset and stretch.end > stretch.start:
                    if self._wants_skipped:
                        self._begin(skip, span, data, stretch.start)
                    skip = next(skipped, None)
                else:
                    if ordinal == self._next:
                        self._begin(ordinal, span, data, stretch.start)
                        self._next = next(self._wanted, None)
                    ordinal += 1
            self._extend(data, stretch)
            if self.done and skip is None:
                break

    def look_plainly(self, stream: BinaryIO, span: Span, splitter: Splitter) -> bool:
        """Take the wanted records of a span all at once, where its records are lines; False where they are not."""
        if self._open is not None:
            return False
        stream.seek(span.offset)
        data = stream.read(span.size)
        starts = splitter.plain_starts(span.carry, data)
        if starts is None:
            return False
        offsets = self._skipped[self._passed : self._passed_after]
        skips = [bisect_left(starts, offset - span.offset) for offset in offsets]
        kept = len(starts) - len(skips)
        if kept != self._kept_after - self._kept or len({*skips, len(starts)}) <= len(skips):
            return False
        line = span.line + (bool(span.carry))
        if self._wants_skipped:
            for offset, at in zip(offsets, skips, strict=True):
                self._take_line(offset, span, data, starts, at, line)
        passed = 0
        while self._next is not None and self._next < self._kept_after:
            place = self._next - self._kept
            while passed < len(skips) and skips[passed] <= place + passed:
                passed += 1
            self._take_line(self._next, span, data, starts, place + passed, line)
            self._next = next(self._wanted, None)
        return True

    def _take_line(
        self, key: int, span: Span, data: bytes, starts: Sequence[int], at: int, line: int
    ) -> None:
        start = starts[at]
        ends = starts[at + 1] - 1 if at + 1 < len(starts) else len(data) - data.endswith(b"\n")
        text = data[start : min(ends, start + RAW_BYTES)]
        if ends == len(data) and len(text) < RAW_BYTES:
            self._open = (key, line + at, span.offset + start, bytearray(text))
        else:
            self._found[key] = Location(
                line + at, span.offset + start, text.decode("utf-8", errors="replace")
            )

    def take(self) -> list[tuple[int, Location]]:
        """Return what was found since the last call, with its keys: ordinals, or skipped offsets."""
        found, self._found = list(self._found.items()), {}
        return found

    def finish(self) -> list[tuple[int, Location]]:
        """Return the rest of what was found; the file's end ends a record too."""
        self._close()
        return self.take()

    def _begin(self, key: int, span: Span, data: bytes, start: int) -> None:
        seen, line = self._seen
        line += count_newlines(data[seen:start])
        self._seen = start, line
        self._open = (key, line, span.offset + start, bytearray())

    def _extend(self, data: bytes, stretch: Stretch) -> None:
        if self._open is None:
            return
        text = self._open[3]
        start = max(stretch.start, 0)
        text += data[start : max(start, min(stretch.end, start + RAW_BYTES - len(text)))]
        if stretch.ended or len(text) == RAW_BYTES:
            self._close()

    def _close(self) -> None:
        if self._open is not None:
            key, line, offset, text = self._open
            self._found[key] = Location(line, offset, text.decode("utf-8", errors="replace"))
            self._open = None
