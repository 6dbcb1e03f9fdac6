"""Counting the records of a JSON text whose brackets or quotes do not match, by other code than `json_pieces` finds them.

The rule is the same: pieces between marks, objects and lists whose brackets match, and what does not match up to the
piece's end. A piece that a JSON reader takes whole is one record; the others are walked token by token.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from quarterlake.processing.json_marks import MARK_SPACE

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

    from quarterlake.processing.json_marks import Marks
    from quarterlake.processing.json_scan import JsonText

_SEPARATORS = b" \t\r\n\x0b\x0c,"
_AT_ONCE = 1 << 24
_SPECIAL = re.compile(rb'[][{}"]')
_CLOSER = {b"{": b"}", b"[": b"]"}
_DECODER = msgspec.json.Decoder(msgspec.Raw)


def count_pieces(text: JsonText, marks: Marks) -> int:
    """The number of records of a text with such marks."""
    start = text.start + (1 if marks.array else 0)
    total = 0
    for mark in _marks(text.data, marks, start):
        total += _count(text.data, start, mark, array=marks.array)
        text.let_go(mark)
        start = mark
    return total + _count(text.data, start, len(text), array=marks.array)


def _marks(data: mmap.mmap, marks: Marks, start: int) -> Iterator[int]:
    if marks.indent is not None:
        lead = b"\n" + marks.indent
        at = data.find(lead, start)
        while at >= 0:
            after = at + len(lead)
            if (skipped := _begins_object(data, after)) is not None:
                yield after + skipped
            at = data.find(lead, at + 1)
    elif marks.key is not None:
        at = data.find(marks.key, start)
        while at >= 0:
            before = data[max(start, at - MARK_SPACE - 1) : at].rstrip()
            if before and before[-1:] not in (b"[", b"{", b":"):
                yield at
            at = data.find(marks.key, at + 1)


def _begins_object(data: mmap.mmap, at: int) -> int | None:
    """How many bytes stand before an object's brace that begins a line here, if one does: braces that close others, and a comma."""
    end, comma = at, False
    while (mark := data[end : end + 1]) != b"{":
        blank = mark in (b" ", b"\t") and end > at
        if not blank and (comma or mark not in (b"}", b",")):
            return None
        comma = comma or mark == b","
        end += 1
    return end - at


def _count(data: mmap.mmap, start: int, stop: int, *, array: bool) -> int:
    if stop - start <= _AT_ONCE:
        bare = data[start:stop].strip(_SEPARATORS)
        if not bare:
            return 0
        if bare[:1] in _CLOSER and _is_json(bare):
            return 1
    return _walked(data, start, stop, array=array)


def _is_json(text: bytes) -> bool:
    try:
        _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _walked(data: mmap.mmap, at: int, stop: int, *, array: bool) -> int:
    """Follow the brackets; a record goes on until the next object or list opens beside it."""
    count, going = 0, False
    closers: list[bytes] = []
    while at < stop:
        if going:
            found = _SPECIAL.search(data, at, stop)
            if found is None:
                return count
            at = found.start()
        token = data[at : at + 1]
        at += 1
        if token in _CLOSER:
            count += not closers
            going = True
            closers.append(_CLOSER[token])
        elif closers and token in (b"}", b"]"):
            if closers.pop() != token:
                return count
        elif closers or not (token in _SEPARATORS or (array and token == b"]")):
            count += not (closers or going)
            going = True
            at = _end_of_string(data, at, stop) if token == b'"' else at
            if token in (b"}", b"]") or not at:
                return count
    return count


def _end_of_string(data: mmap.mmap, at: int, stop: int) -> int:
    """The place after the quote that ends a string, which began before `at`; 0 where its line ends first."""
    while (end := data.find(b'"', at, stop)) >= 0:
        inside = data[at:end]
        if b"\n" in inside or b"\r" in inside:
            return 0
        slashes = len(inside) - len(inside.rstrip(b"\\"))
        if slashes % 2 == 0:
            return end + 1
        at = end + 1
    return 0
