"""Finding the records of a file from its bytes alone, by other code than the parser's.

The ledger balances what the parser kept and rejected against the number of records found here, and a reject
report shows where in the file a record is. This module knows files in parts and records as stretches of
them; `records` and `json_records` know the formats. Memory is constant: one part, and at most
64 KiB of a record that goes past it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

CHUNK_BYTES = 128 << 10
"""How much of a file is read at a time to count: measured fastest, as it stays within the processor's cache."""
LOOK_BYTES = 64 << 10
"""How much is read at a time to find records: what holds one is gone through record by record."""
RAW_BYTES = 64 << 10
"""At most this much of a record's text is kept."""

_BOM = b"\xef\xbb\xbf"


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


class Splitter(Protocol):
    """Knows where records begin and end, and follows them through the successive parts of one file."""

    carry: bytes
    """A few bytes that stand for the record in progress and its state; empty between records."""

    def advance(self, data: bytes) -> int:
        """Take in the next part's bytes; return how many records begin in them."""

    def gap(self, data: bytes) -> int:
        """Return how many bytes at the end of the part just taken in lie before the next record's start."""

    def stretches(self, carry: bytes, data: bytes) -> Iterator[Stretch]:
        """Yield what a part holds of each record, where `carry` was the state before it."""


def read_parts(stream: BinaryIO, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Part]:
    """Read a file in parts of about `chunk_bytes` bytes, without a byte order mark at its start."""
    held = _read_start(stream)
    offset = len(_BOM) if held == _BOM else 0
    held = held[offset:]
    while chunk := stream.read(chunk_bytes):
        data = held + chunk
        held = b"\r" if data.endswith(b"\r") else b""
        data = data[: len(data) - len(held)]
        yield Part(offset, data)
        offset += len(data)
    if held:
        yield Part(offset, held)


def locate(
    parts: Iterable[Part], splitter: Splitter, ordinals: Sequence[int], skipped_offsets: Collection[int] = ()
) -> dict[int, Location]:
    """Find records by their place among those that the parser kept.

    Parts without a wanted record are counted, not looked at closely.

    Args:
        parts: The file.
        splitter: The rules of its format.
        ordinals: Ascending places, from 0, among the kept records; one past the last is left out of the result.
        skipped_offsets: Where the records that the parser dropped begin, in bytes from 0. One may also point
            into the line ends and blank lines just before its record, as DuckDB's positions often do.
    """
    return dict(_found(_Search(ordinals, skipped_offsets), parts, splitter))


def locate_skipped(
    parts: Iterable[Part], splitter: Splitter, skipped_offsets: Collection[int]
) -> Iterator[tuple[int, Location]]:
    """Yield for each of `locate`'s `skipped_offsets` where its record is, in the file's order."""
    return _found(_Search((), skipped_offsets, skipped=True), parts, splitter)


def _found(search: _Search, parts: Iterable[Part], splitter: Splitter) -> Iterator[tuple[int, Location]]:
    for part in parts:
        carry = splitter.carry
        begun = splitter.advance(part.data)
        search.enter(part, begun, splitter.gap(part.data))
        if search.hit:
            search.look(part, splitter.stretches(carry, part.data))
            yield from search.take()
        if search.done:
            break
        search.leave(part)
    yield from search.finish()


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

    A pair of counts belongs to the place before and after the current part: of the kept records that have
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
        self._line = 1  # of the current part's first byte
        self._seen = (0, 1)  # a place in the current part, and its line
        self._found: dict[int, Location] = {}
        self._open: tuple[int, int, int, bytearray] | None = None  # key, line, offset, text

    @property
    def done(self) -> bool:
        skipped = self._wants_skipped and self._passed_after < len(self._skipped)
        return self._next is None and self._open is None and not skipped

    @property
    def hit(self) -> bool:
        """Whether the current part must be looked at closely."""
        skipped = self._wants_skipped and self._passed < self._passed_after
        return skipped or self._open is not None or (self._next is not None and self._next < self._kept_after)

    def enter(self, part: Part, begun: int, gap: int) -> None:
        """Go to the next part, in which `begun` records begin and whose last `gap` bytes precede another."""
        self._line += part.lines_before
        if gap < len(part.data):
            self._passed_after = bisect_left(self._skipped, part.offset + len(part.data) - gap)
        self._kept_after = self._kept + begun - (self._passed_after - self._passed)

    def leave(self, part: Part) -> None:
        self._line += count_newlines(part.data)
        self._kept, self._passed = self._kept_after, self._passed_after

    def look(self, part: Part, stretches: Iterable[Stretch]) -> None:
        """Take the wanted records that begin in a part, and more of the one in progress."""
        ordinal, self._seen = self._kept, (0, self._line)
        skipped = iter(self._skipped[self._passed : self._passed_after])
        skip = next(skipped, None)
        for stretch in stretches:
            if stretch.start >= 0:
                offset = part.offset + stretch.start
                if skip is not None and skip <= offset and stretch.end > stretch.start:
                    if self._wants_skipped:
                        self._begin(skip, part, stretch.start)
                    skip = next(skipped, None)
                else:
                    if ordinal == self._next:
                        self._begin(ordinal, part, stretch.start)
                        self._next = next(self._wanted, None)
                    ordinal += 1
            self._extend(part.data, stretch)
            if self.done and skip is None:
                break

    def take(self) -> list[tuple[int, Location]]:
        """Return what was found since the last call, with its keys: ordinals, or skipped offsets."""
        found, self._found = list(self._found.items()), {}
        return found

    def finish(self) -> list[tuple[int, Location]]:
        """Return the rest of what was found; the file's end ends a record too."""
        self._close()
        return self.take()

    def _begin(self, key: int, part: Part, start: int) -> None:
        seen, line = self._seen
        line += count_newlines(part.data[seen:start])
        self._seen = start, line
        self._open = (key, line, part.offset + start, bytearray())

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
