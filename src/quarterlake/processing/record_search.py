"""Finding records in a file that was surveyed: only the spans of it that hold a wanted one are read again.

A reject report shows where in the file a record is. Memory is constant: one part, a few thousand spans, and at most 64 KiB of a record
that goes past its part.
"""

from __future__ import annotations

import io
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from quarterlake.processing.record_survey import Span, count_newlines, parts_from, spans_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from quarterlake.processing.record_survey import Splitter, Stretch, Survey

LOOK_BYTES = 4 << 10
"""How much of a span is counted at a time to find a record: what holds one is gone through record by record."""
RAW_BYTES = 64 << 10
"""At most this much of a record's text is kept."""
RAW_CHARACTERS = 4_096
"""At most this much of it is kept of a reject; its place says where the rest lies."""


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
    return spans_of(
        parts_from(io.BytesIO(stream.read(span.size)), span.offset, b"", look_bytes), splitter, span.line
    )


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
