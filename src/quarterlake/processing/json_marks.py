"""Where a record surely begins in a JSON text whose brackets or quotes do not match: its *marks*.

Two kinds are known. *Lines*: where records begin lines, one that begins an object at their indent, which is the smallest
of all lines that do; braces and a comma may stand before it. *Keys*: where they do not, an object that is neither a field's value nor the first
in a list, and that begins with the key that the first record begins with. Either is taken only if the first records that are whole hold no such place inside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from quarterlake.processing.json_scan import STRING, JsonText, UnevenError

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK_SPACE = 63
"""White space of at most this many bytes may stand between what ends a record and a key that begins the next."""

_HEAD = 1 << 20
_LOOKED_AT = 20
_BEFORE = rb"(?:\}[ \t]*+)*+(?:,[ \t]*+)?+"
_LINE = re.compile(rb"\n([ \t]*+)" + _BEFORE + rb"\{")
_FIRST_KEY = re.compile(rb"\{\s*" + STRING)
_OBJECT = re.compile(rb"\{")
_BESIDE = re.compile(rb"[^[{:\s]\s*+\Z")
"""What stands before an object that is beside others."""


@dataclass(frozen=True)
class Marks:
    """How records begin: at lines with this `indent`, or with these bytes (`key`); in neither way where that is not sure."""

    array: bool
    indent: bytes | None = None
    key: bytes | None = None

    @cached_property
    def _pattern(self) -> re.Pattern[bytes] | None:
        """Matches what stands before a mark that begins a line, or the key of another, which may be in a list or a field's value."""
        if self.indent is not None:
            return re.compile(rb"\n" + re.escape(self.indent) + _BEFORE + rb"(?=\{)")
        return None if self.key is None else re.compile(re.escape(self.key))

    def described(self) -> str:
        """Where a record is known to begin, for people."""
        if self.indent is not None:
            return f"a line that begins with {{ after {len(self.indent)} spaces or tabs"
        if self.key is not None:
            return f"an object that begins with {self.key.decode(errors='replace')}"
        return "nowhere for sure: what follows a break is one record"

    def places(self, text: JsonText, start: int, stop: int | None = None) -> Iterator[int]:
        """Where records surely begin after `start`, as far as what lies before `stop` says."""
        if self._pattern is None:
            return
        stop, at = len(text) if stop is None else stop, start
        # Not `finditer`: what was not run to its end would keep the file mapped.
        while found := self._pattern.search(text.data, at, stop):
            at = found.end() if self.key is None else found.start() + 1
            if self.key is None:
                yield at
            elif _BESIDE.search(text.data[max(start, found.start() - MARK_SPACE - 1) : found.start()]):
                yield found.start()
                start = found.start()


def find_marks(text: JsonText, *, array: bool) -> Marks:
    """How records begin in a text, by its first megabyte."""
    head = text.data[text.start : text.start + _HEAD]
    if indents := _LINE.findall(head):
        lines = Marks(array, indent=min(indents, key=len))
        if _is_sure(text, lines):
            return lines
    if key := _FIRST_KEY.search(head):
        keys = Marks(array, key=key[0])
        if _is_sure(text, keys):
            return keys
    return Marks(array)


def _is_sure(text: JsonText, marks: Marks) -> bool:
    """Whether most of the first whole records hold no mark inside; none is looked for further than a megabyte away."""
    clean = marked = 0
    at = text.start
    for _ in range(_LOOKED_AT):
        found = _OBJECT.search(text.data, at, at + _HEAD)
        if found is None:
            break
        start = found.start()
        try:
            at = text.end_of(start, min(len(text), start + _HEAD))
        except UnevenError:
            place = next(marks.places(text, start, start + _HEAD), None)
            if place is None:
                break
            at = place
            continue
        inside = next(marks.places(text, start + 1, at), at)
        marked += inside < at
        clean += inside >= at
    return clean > marked
