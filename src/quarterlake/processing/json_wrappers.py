"""An object around an array of records: which of the arrays in a JSON object are what the file is about."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from quarterlake.processing.json_scan import STRING, JsonText, UnevenError, json_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 20
_DEPTH = 3
_TAIL = 1 << 16
_TRIED = 100
MOST_MEMBERS = 1000
"""An object with more fields, or lists in it, than this is no wrapper: what it holds is told by its keys."""
_FLAT = rb"(?:" + STRING + rb'|\{[^{}]*+\}|\[[^][]*+\]|[^][{}",\s]++)'
_AFTER = rb"(?:\s*+,\s*+" + STRING + rb"\s*+:\s*+" + _FLAT + rb")*+\s*+\}\s*+"
"""Further fields of an object, each flat, and its end."""

_RECORDS = frozenset(
    {"data", "records", "results", "rows", "value", "values", "entries", "documents", "hits"}
)
"""What a list of records is usually called."""

_ABOUT = frozenset(
    {
        "count", "counts", "total", "num", "page", "pages", "paging", "pagination", "next", "prev", "previous", "has", "more",
        "limit", "offset", "size", "meta", "metadata", "status", "success", "ok", "error", "errors", "message", "version",
        "kind", "links", "link", "cursor", "token", "took", "generated", "exported", "header", "headers", "schema",
        "response", "result", "body", "payload", "etag", "odata", "context", "request",
    }
)  # fmt: skip
"""Words in the names of what else stands in an object around records: such a field is about them."""


@dataclass(frozen=True, slots=True)
class Wrapper:
    """The array of records in the one object that a file is: its path, place, and what else the object holds."""

    path: str
    start: int
    end: int
    beside: tuple[str, ...]

    def described(self) -> dict[str, str]:
        """For documents and people."""
        beside = {"beside them, not read": ", ".join(self.beside)} if self.beside else {}
        return {"records in": self.path} | beside


def unwrapped(path: Path, wrapper: Wrapper) -> Iterator[bytes]:
    """The file with blanks for all but the wrapped array: every byte and line of it keeps its place."""
    with json_text(path) as text:
        yield from _blanks(text, 0, wrapper.start)
        for at in range(wrapper.start, wrapper.end, _CHUNK):
            yield text.data[at : min(at + _CHUNK, wrapper.end)]
        yield from _blanks(text, wrapper.end, len(text))


def _blanks(text: JsonText, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _CHUNK):
        yield re.sub(rb"[^\r\n]", b" ", text.data[at : min(at + _CHUNK, end)])


def array_at(text: JsonText, at: int, rest: str, path: str) -> Wrapper | None:
    """The list at a path below the object that begins here; a key may hold dots, as those that part keys."""
    members = list(text.members(at))
    for member in members:
        here, deeper = f"{path}{member.key}", rest[len(member.key) + 1 :]
        if not f"{rest}.".startswith(f"{member.key}."):
            continue
        beside = tuple(path + other.key for other in members if other is not member)
        first = text.data[member.start : member.start + 1]
        if not deeper and first == b"[":
            return Wrapper(here, member.start, member.end, beside)
        if deeper and first == b"{" and (found := array_at(text, member.start, deeper, f"{here}.")):
            return replace(found, beside=(*beside, *found.beside))
    return None


def arrays(
    text: JsonText, at: int, path: tuple[str, ...], around: tuple[tuple[tuple[str, ...], int], ...]
) -> Iterator[Wrapper]:
    """The arrays of objects in an object, and in the objects in it; `around` has the fields of each object around, and which one this is in."""
    try:
        members = list(islice(text.members(at), MOST_MEMBERS + 1))
    except UnevenError:
        return
    if len(members) > MOST_MEMBERS:
        return
    names = tuple(".".join((*path, member.key)) for member in members)
    for number, member in enumerate(members):
        first = text.data[member.start : member.start + 1]
        here, places = (*path, member.key), (*around, (names, number))
        if first == b"[":
            inner = text.skip_space(member.start + 1)
            if text.data[inner : inner + 1] in (b"{", b"]"):
                yield Wrapper(".".join(here), member.start, member.end, _others(places))
        elif first == b"{" and len(here) < _DEPTH:
            yield from arrays(text, member.start, here, places)


def _others(places: tuple[tuple[tuple[str, ...], int], ...]) -> tuple[str, ...]:
    return tuple(name for names, own in places for n, name in enumerate(names) if n != own)


def is_of_records(dataset: str, array: Wrapper) -> bool:
    """Whether an array is what a file of a data set is about: by its name, or since all beside it is about it.

    The file's own name has no say: parsed files are told apart by their bytes.
    """
    key = array.path.rsplit(".", 1)[-1].casefold()
    if key in _RECORDS or key == dataset or key in re.split(r"[^a-z]+", dataset):
        return True
    return all(_is_about(other) for other in array.beside)


def _is_about(path: str) -> bool:
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", path.rsplit(".", 1)[-1])
    return any(word.casefold() in _ABOUT for word in words)


def broken_array(text: JsonText, at: int, path: tuple[str, ...], beside: list[str]) -> Wrapper | None:
    """The array of objects in an object that does not end, where it is what does not."""
    at += 1
    while found := text.key_at(at):
        key, start = found
        here = (*path, key)
        try:
            at = text.end_of(start)
        except UnevenError:
            break
        beside.append(".".join(here))
    else:
        return None
    if text.data[start : start + 1] == b"{" and len(here) < _DEPTH:
        return broken_array(text, start, here, beside)
    inner = text.skip_space(start + 1)
    if text.data[start : start + 1] != b"[" or text.data[inner : inner + 1] != b"{":
        return None
    return Wrapper(".".join(here), start, _end_of_broken(text, len(here)), tuple(beside))


def _end_of_broken(text: JsonText, depth: int) -> int:
    """The place after the bracket of a broken array in so many objects: all after it closes those; the text's end if it was cut off."""
    start = max(0, len(text) - _TAIL)
    tail = text.data[start:]
    rest = re.compile(rb"(?:" + _AFTER + rb"){%d}" % depth)
    end, at = len(text), len(tail)
    for _ in range(_TRIED):
        at = tail.rfind(b"]", 0, at)
        if at < 0:
            break
        if rest.fullmatch(tail, at + 1):
            end = start + at + 1
    return end
