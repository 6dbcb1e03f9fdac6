"""Counting and finding the records of a JSON file from its bytes alone.

Two shapes are known: one value a line (NDJSON, where blank lines are no records), and one array of records.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.processing.record_search import (
    CHUNK_BYTES,
    LOOK_BYTES,
    Location,
    Stretch,
    Survey,
    locate,
    read_parts,
    survey,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SPACE = b" \t\r\n"
_LINE = re.compile(rb"([^ \t\r\n][^\n]*)")
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


class _ArrayCounter:
    """Counts commas at depth one, outside strings."""

    def __init__(self) -> None:
        self._carry = b""  # a quote within a string, and a backslash whose partner is to come
        self._depth = 0
        self._commas = 0
        self._filled = False  # something lies between the array's brackets
        self._opened = self._closed = False

    def advance(self, data: bytes, offset: int) -> None:
        """Take in the next part, which begins at `offset`."""
        plain = self._without_strings(data).translate(None, _SPACE)
        for _ in range(_FOLDS if self._depth else 0):
            plain, folded = _SIMPLE.subn(b"0", plain)
            if not folded:
                break
        self._follow(plain, f"between bytes {offset} and {offset + len(data)}")

    def finish(self) -> int:
        """Return the number of elements."""
        if not self._opened:
            raise UnreadableFileError(
                "the JSON file is empty: an array was expected; write `[]` for no records"
            )
        if not self._closed:
            raise UnreadableFileError(
                f"the JSON array is not closed: the file ends at depth {self._depth}, after element "
                f"{self._commas}; it was probably cut off: provide the whole file"
            )
        return self._commas + 1 if self._filled else 0

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

    def _turn(self, bracket: bytes, where: str) -> None:
        if not self._opened:
            self._require(met=bracket == b"[", problem="does not begin with an array", where=where)
            self._opened = True
        elif not self._closed:
            self._filled = self._filled or bracket in b"[{"
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
            self._commas += text.count(b",")
            self._filled = True

    @staticmethod
    def _require(*, met: bool, problem: str, where: str) -> None:
        if not met:
            raise UnreadableFileError(
                f"the JSON file {problem}, {where}: write one array of records, or one record a line"
            )
