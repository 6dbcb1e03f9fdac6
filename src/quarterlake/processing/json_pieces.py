"""The records of a JSON text whose brackets or quotes do not match, so that a broken one is rejected alone.

The text is cut at its marks, where records surely begin, and each piece is read by itself. Its objects and lists whose
brackets match are records. What stands beside them spoils the one before it, since that may have been closed too early;
and what does not match is one record up to the piece's end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from quarterlake.processing.json_scan import STRAY, JsonText, UnevenError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

    from quarterlake.processing.json_marks import Marks

_BETWEEN = {True: re.compile(rb"[]\s,]*+"), False: re.compile(rb"[\s,]*+")}
"""What is no record, in an array and else."""

_TRAILING = b" \t\r\n\x0b\x0c,"
_TAIL = 1 << 12


class Piece(NamedTuple):
    """A record's place; a `spoiled` one is no JSON."""

    start: int
    end: int
    spoiled: bool = False


def pieces(text: JsonText, marks: Marks) -> Iterator[Piece]:
    """The records of a text, in order."""
    start = text.start + marks.array
    for mark in marks.places(text, start):
        yield from _within(text, start, mark, marks)
        start = mark
    yield from _within(text, start, len(text), marks)


def _within(text: JsonText, at: int, stop: int, marks: Marks) -> Iterator[Piece]:
    between = _BETWEEN[marks.array]
    held: Piece | None = None
    while (at := _after(between, text.data, at, stop)) < stop:
        if text.data[at : at + 1] in (b"{", b"["):
            if held:
                yield held
            try:
                end = text.end_of(at, stop)
            except UnevenError:
                yield Piece(at, _trimmed(text.data, at, stop), spoiled=True)
                return
            held = Piece(at, end)
        else:
            start = held.start if held else at
            end = _after(STRAY, text.data, at, stop)
            if end == at:
                yield Piece(start, _trimmed(text.data, at, stop), spoiled=True)
                return
            held = Piece(start, _trimmed(text.data, at, end), spoiled=True)
        at = end
    if held:
        yield held


def _after(pattern: re.Pattern[bytes], data: mmap.mmap, at: int, stop: int) -> int:
    found = pattern.match(data, at, stop)
    return found.end() if found else at


def _trimmed(data: mmap.mmap, start: int, stop: int) -> int:
    """The end of a record less what separates it from the next."""
    tail = data[max(start + 1, stop - _TAIL) : stop]
    return stop - len(tail) + len(tail.rstrip(_TRAILING))
