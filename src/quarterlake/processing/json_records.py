"""Counting and finding the records of a JSON file from its bytes alone.

Three forms are known: one value a line (NDJSON, where blank lines are no records), one array of records, and values one after
another. The last two are counted here by depth alone; `json_scan` finds their places by other code.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.processing.json_pieces import pieces
from quarterlake.processing.json_recount import count_pieces
from quarterlake.processing.json_scan import json_text
from quarterlake.processing.record_search import LOOK_BYTES, RAW_BYTES, Location, locate
from quarterlake.processing.record_survey import (
    CHUNK_BYTES,
    Stretch,
    Survey,
    count_newlines,
    read_parts,
    survey,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from quarterlake.processing.json_marks import Marks

_SPACE = b" \t\r\n\x0b\x0c"
"""What DuckDB's reader passes over too: a form feed alone is no record."""
_LINE = re.compile(rb"([^ \t\r\n\x0b\x0c][^\n]*)")
_SIMPLE = re.compile(rb"\[[^][{}]*\]|\{[^][{}]*\}")
_BRACKET = re.compile(rb"[][{}]")
# Few passes fold nearly all records away; a bound keeps deep nesting from costing a pass a level.
_FOLDS = 4


def survey_lines_json(stream: BinaryIO, *, chunk_bytes: int = CHUNK_BYTES) -> Survey:
    """Count the lines of a decompressed NDJSON file that are not blank."""
    return survey(read_parts(stream, chunk_bytes), _LineSplitter())


def locate_lines_json(
    stream: BinaryIO, surveyed: Survey, ordinals: Sequence[int], *, look_bytes: int = LOOK_BYTES
) -> dict[int, Location]:
    """Find records of a decompressed NDJSON file by their ascending places, from 0, among the lines not blank.

    A record starts at its first byte that is not white space. One past the last is left out of the result.
    """
    return locate(stream, surveyed, _LineSplitter(), ordinals, (), look_bytes)


def count_array_json(stream: BinaryIO, *, chunk_bytes: int = CHUNK_BYTES) -> int:
    """Return the number of elements of the one array that a decompressed JSON file is.

    Raises:
        UnreadableFileError: The file is not one array: it begins otherwise, is cut off or goes on after the
            array; the message says where. What the elements are is left to the parser.
    """
    array = _ArrayCounter()
    for part in read_parts(stream, chunk_bytes):
        array.advance(part.data, part.offset)
    return array.finish()


def count_values_json(stream: BinaryIO, *, chunk_bytes: int = CHUNK_BYTES) -> int:
    """Return the number of values that follow each other in a decompressed JSON file, with commas between them or not.

    What stands between objects and lists is one value up to the next. Raises UnreadableFileError where brackets do not match.
    """
    values = _ValueCounter()
    for part in read_parts(stream, chunk_bytes):
        values.advance(part.data, part.offset)
    return values.finish()


def count_broken_json(path: Path, marks: Marks) -> int:
    """Return the number of records of a JSON file whose brackets or quotes do not match."""
    with json_text(path) as text:
        return count_pieces(text, marks)


def locate_json(path: Path, ordinals: Sequence[int], marks: Marks | None = None) -> dict[int, Location]:
    """Find records of a JSON array, or of values one after another, by their ascending places from 0; those between `marks` of a broken text."""
    wanted = iter(ordinals)
    next_ = next(wanted, None)
    found: dict[int, Location] = {}
    line, seen = 1, 0
    with json_text(path) as text:
        places = text.records() if marks is None else (piece[:2] for piece in pieces(text, marks))
        for ordinal, (start, end) in enumerate(places):
            if next_ is None:
                break
            if ordinal < next_:
                continue
            for at in range(seen, start, CHUNK_BYTES):
                line += count_newlines(text.data[at : min(at + CHUNK_BYTES, start)])
            seen = start
            raw = text.data[start : min(end, start + RAW_BYTES)].decode(errors="replace")
            found[ordinal] = Location(line, start, raw)
            next_ = next(wanted, None)
    return found


class _LineSplitter:
    """Knows the records of NDJSON: lines with something other than white space in them."""

    def __init__(self) -> None:
        self.carry = b""

    def advance(self, data: bytes) -> tuple[int, int]:
        """Take in the next part's bytes; return how many records begin in them, and how many line ends they hold."""
        before, text = self.carry, self.carry + data
        last = text[text.rfind(b"\n") + 1 :]
        self.carry = b"{" if last.strip(_SPACE) else b""
        newlines = text.count(b"\n")
        lines = newlines + bool(self.carry)
        objects = text.count(b"\n{") + text.startswith(b"{")
        if objects != lines:
            lines = sum(1 for _ in _LINE.finditer(text))
        return lines - bool(before), newlines

    def plain_starts(self, carry: bytes, data: bytes) -> list[int] | None:  # noqa: ARG002
        """See `Splitter`: lines of JSON may be blank and are looked at one by one."""
        return None

    def gap(self, data: bytes) -> int:  # noqa: ARG002 - the protocol's; the parser drops no lines of JSON
        """Return 0: places are among all lines."""
        return 0

    def stretches(self, carry: bytes, data: bytes) -> Iterator[Stretch]:
        """Yield what a part holds of each record, where `carry` was the state before it."""
        text, before = carry + data, len(carry)
        for found in _LINE.finditer(text):
            ended = found.end() < len(text)
            end = found.end() - (ended and text.endswith(b"\r", 0, found.end()))
            yield Stretch(found.start() - before, end - before, ended)


class _Counter:
    """Follows the depth of brackets outside strings."""

    _folds = 0  # only within what closes last may records be folded away before they are counted

    def __init__(self) -> None:
        self._carry = b""  # a quote within a string, and a backslash whose partner is to come
        self._depth = 0

    def advance(self, data: bytes, offset: int) -> None:
        """Take in the next part, which begins at `offset`."""
        plain = self._without_strings(data).translate(None, _SPACE)
        for _ in range(self._folds if self._depth else 0):
            plain, folded = _SIMPLE.subn(b"0", plain)
            if not folded:
                break
        self._follow(plain, f"between bytes {offset} and {offset + len(data)}")

    def _turn(self, bracket: bytes, where: str) -> None:
        raise NotImplementedError

    def _between(self, text: bytes, where: str) -> None:
        raise NotImplementedError

    def _without_strings(self, data: bytes) -> bytes:
        """Put one quote for each string.

        A backslash only ever occurs in a string, so a pair of two can go, and then a quote with one before it.
        """
        text = self._carry + data
        slashes = len(text) - len(text.rstrip(b"\\"))
        held = text[len(text) - slashes % 2 :]
        text = text[: len(text) - len(held)]
        if b"\\" in text:
            text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
        pieces = text.split(b'"')
        self._carry = (b"" if len(pieces) % 2 else b'"') + held
        return b'"'.join(pieces[::2])

    def _follow(self, plain: bytes, where: str) -> None:
        """Follow the depth through text without strings and white space."""
        position = 0
        for bracket in _BRACKET.finditer(plain):
            self._between(plain[position : bracket.start()], where)
            position = bracket.end()
            self._turn(bracket[0], where)
        self._between(plain[position:], where)


class _ArrayCounter(_Counter):
    """Counts what is not empty between commas at depth one."""

    _folds = _FOLDS

    def __init__(self) -> None:
        super().__init__()
        self._elements = 0
        self._filled = False  # something lies between the last comma and here
        self._opened = self._closed = False

    def finish(self) -> int:
        """Return the number of elements."""
        if not self._opened:
            raise UnreadableFileError(
                "the JSON file is empty: an array was expected; write `[]` for no records"
            )
        if not self._closed:
            raise UnreadableFileError(
                f"the JSON array is not closed: the file ends at depth {self._depth}, after element "
                f"{self._elements}; it was probably cut off: provide the whole file"
            )
        return self._elements

    def _turn(self, bracket: bytes, where: str) -> None:
        if not self._opened:
            self._require(met=bracket == b"[", problem="does not begin with an array", where=where)
            self._opened = True
        elif not self._closed:
            if bracket in b"[{":
                self._fill()
        else:
            self._require(met=False, problem="goes on after its array", where=where)
        self._depth += 1 if bracket in b"[{" else -1
        self._closed = self._depth == 0

    def _between(self, text: bytes, where: str) -> None:
        if not text:
            return
        self._require(met=self._opened, problem="does not begin with an array", where=where)
        self._require(met=not self._closed, problem="goes on after its array", where=where)
        if self._depth == 1:
            first, *others = text.split(b",")
            if first:
                self._fill()
            if others:
                self._elements += sum(map(bool, others))
                self._filled = bool(others[-1])

    def _fill(self) -> None:
        if self._depth == 1 and not self._filled:
            self._elements += 1
            self._filled = True

    @staticmethod
    def _require(*, met: bool, problem: str, where: str) -> None:
        if not met:
            raise UnreadableFileError(
                f"the JSON file {problem}, {where}: write one array of records, or one record a line"
            )


class _ValueCounter(_Counter):
    """Counts what opens at depth zero, and what else stands there."""

    def __init__(self) -> None:
        super().__init__()
        self._values = 0
        self._stray = False

    def finish(self) -> int:
        """Return the number of values."""
        if self._depth:
            raise UnreadableFileError(
                f"the JSON file ends at depth {self._depth}, after value {self._values}: it was probably cut off: provide the whole file"
            )
        return self._values

    def _turn(self, bracket: bytes, where: str) -> None:
        if bracket in b"[{":
            self._values += not self._depth
            self._stray = False
            self._depth += 1
            return
        self._depth -= 1
        if self._depth < 0:
            raise UnreadableFileError(f"the JSON file closes a bracket that is not open, {where}")

    def _between(self, text: bytes, where: str) -> None:  # noqa: ARG002 - that of an array says where
        if not self._depth and text.strip(b","):
            self._values += not self._stray
            self._stray = True
