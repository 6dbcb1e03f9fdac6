"""Where the values of a JSON text begin and end, by brackets and quotes alone.

What lies between is left to the parser: a value that is no JSON but whose brackets match still has its place.
"""

from __future__ import annotations

import mmap
import re
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

STRING = rb'"[^"\\\n\r]*+(?:\\[^\n\r][^"\\\n\r]*+)*+"'
_PLAIN = rb'[^][{}"]*+'
_LEVELS = 6


def _inside(levels: int) -> bytes:
    """What may stand in an object or list with so many more levels of them in it."""
    inner = _inside(levels - 1) if levels else b""
    nested = rb"|\{" + inner + rb"\}|\[" + inner + rb"\]" if levels else b""
    return _PLAIN + rb"(?:(?:" + STRING + nested + rb")" + _PLAIN + rb")*+"


@cache
def _container() -> re.Pattern[bytes]:
    """An object or list with few levels in it, which nearly all are: found much faster than token by token.

    Compiling it takes as long as starting quarterlake, so only those who meet JSON do.
    """
    return re.compile(rb"\{" + _inside(_LEVELS) + rb"\}|\[" + _inside(_LEVELS) + rb"\]")


_TOKEN = re.compile(_PLAIN + rb"(" + STRING + rb"|[][{}\"])")
_SCALAR = re.compile(STRING + rb'|[^][{}",\s]++')
STRAY = re.compile(rb"(?:[^][{}\"]++|" + STRING + rb")*+")
_SPACE = re.compile(rb"\s*+")
_BETWEEN = re.compile(rb"[\s,]*+")
_KEY = re.compile(rb"[\s,]*+(" + STRING + rb")\s*+:\s*+")
_LET_GO = 64 << 20
_BOM = b"\xef\xbb\xbf"


class UnevenError(ValueError):
    """Brackets or quotes that do not match; `at` is the place in bytes."""

    def __init__(self, at: int) -> None:
        super().__init__(f"brackets or quotes do not match at byte {at}")
        self.at = at


class Member(NamedTuple):
    """A field of an object: its key, and the place of its value."""

    key: str
    start: int
    end: int


class JsonText:
    """A JSON file, mapped into memory and let go of as it is passed."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self._kept = 0

    def __len__(self) -> int:
        return len(self.data)

    @property
    def start(self) -> int:
        """The place of the first byte that is neither white space nor a byte order mark."""
        return self.skip_space(len(_BOM) if self.data[: len(_BOM)] == _BOM else 0)

    def skip_space(self, at: int) -> int:
        """The place of the next byte that is no white space."""
        return _end(_SPACE, self.data, at)

    def skip_between(self, at: int) -> int:
        """The place of the next byte that is neither white space nor a comma."""
        return _end(_BETWEEN, self.data, at)

    def end_of(self, at: int, stop: int | None = None) -> int:
        """The place after the value that begins here. Raises UnevenError where it has no end before `stop`."""
        self.let_go(at)
        stop = len(self.data) if stop is None else stop
        if self.data[at : at + 1] in (b"{", b"["):
            found = _container().match(self.data, at, stop)
            return found.end() if found else self._end_by_tokens(at, stop)
        found = _SCALAR.match(self.data, at, stop)
        if found is None:
            raise UnevenError(at)
        return found.end()

    @property
    def is_closed(self) -> bool:
        """Whether the last that stands in the text is the bracket that ends an array."""
        bracket = self.data.rfind(b"]")
        return bracket >= 0 and self.skip_space(bracket + 1) == len(self.data)

    def records(self) -> Iterator[tuple[int, int]]:
        """The places of the elements of the array that the text is, or else of the values that follow each other.

        Elements end with a comma, and empty ones are none; between values, what is neither object nor list is one value
        up to the next. Raises UnevenError where brackets do not match, or anything follows the array.
        """
        at = self.start
        if self.data[at : at + 1] != b"[":
            yield from self._values(at)
            return
        end = yield from self._elements(at + 1)
        if self.skip_space(end + 1) < len(self.data):
            raise UnevenError(end + 1)

    def _elements(self, at: int) -> Generator[tuple[int, int], None, int]:
        while True:
            at = self.skip_between(at)
            mark = self.data[at : at + 1]
            if mark in (b"]", b""):
                if not mark:
                    raise UnevenError(at)
                return at
            start = end = at
            while (mark := self.data[at : at + 1]) not in (b",", b"]"):
                if mark in (b"{", b"["):
                    at = self.end_of(at)
                elif (found := _SCALAR.match(self.data, at)) is not None:
                    at = found.end()
                else:
                    raise UnevenError(at)
                end, at = at, self.skip_space(at)
            yield start, end

    def _values(self, at: int) -> Iterator[tuple[int, int]]:
        while (at := self.skip_between(at)) < len(self.data):
            if self.data[at : at + 1] in (b"{", b"["):
                end = self.end_of(at)
            else:
                end = _end(STRAY, self.data, at)
                if end == at:
                    raise UnevenError(at)
            yield at, end
            at = end

    def members(self, at: int) -> Iterator[Member]:
        """The fields of the object that begins here. Raises UnevenError where it has no end."""
        at += 1
        while found := self.key_at(at):
            key, start = found
            at = self.end_of(start)
            yield Member(key, start, at)

    def key_at(self, at: int) -> tuple[str, int] | None:
        """The key that comes next in an object, and the place of its value; None for no further one."""
        found = _KEY.match(self.data, at)
        return (found[1][1:-1].decode(errors="replace"), found.end()) if found else None

    def _end_by_tokens(self, at: int, stop: int) -> int:
        open_: list[bytes] = []
        while found := _TOKEN.match(self.data, at, stop):
            at = found.end()
            token = found[1]
            if token in (b"{", b"["):
                open_.append(b"}" if token == b"{" else b"]")
            elif token in (b"}", b"]"):
                if not open_ or open_.pop() != token:
                    break
                if not open_:
                    return at
            elif token == b'"':
                break
        raise UnevenError(at)

    def let_go(self, at: int) -> None:
        """Let go of what was passed, so that a file larger than memory can be scanned."""
        passed = (at - self._kept) // _LET_GO * _LET_GO
        if passed > 0 and hasattr(mmap, "MADV_DONTNEED"):
            self.data.madvise(mmap.MADV_DONTNEED, self._kept, passed)
            self._kept += passed


def _end(pattern: re.Pattern[bytes], data: mmap.mmap, at: int) -> int:
    found = pattern.match(data, at)
    return found.end() if found else at


@contextmanager
def json_text(path: Path) -> Iterator[JsonText]:
    """A file that is not empty as JSON text."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield JsonText(data)
