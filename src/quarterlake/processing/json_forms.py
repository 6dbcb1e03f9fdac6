"""Which of the forms that JSON is sent in a file has: a value a line, one array, values one after another, or an object around an array."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from quarterlake.processing.json_marks import find_marks
from quarterlake.processing.json_scan import STRING, JsonText, UnevenError, json_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 20
_DEPTH = 3
_TAIL = 1 << 16
_TRIED = 100
_MOST = 1000
"""An object with more fields, or lists in it, than this is no wrapper: what it holds is told by its keys."""
_LINES, _FEWEST, _NEARLY = 100, 2, 0.9
_FLAT = rb"(?:" + STRING + rb'|\{[^{}]*+\}|\[[^][]*+\]|[^][{}",\s]++)'
_AFTER = rb"(?:\s*+,\s*+" + STRING + rb"\s*+:\s*+" + _FLAT + rb")*+\s*+\}\s*+"
"""Further fields of an object, each flat, and its end."""

_NAME = re.compile(rb"(?!(?:null|true|false)$)[A-Za-z_][\w .-]*+")
"""What a header of one column looks like; what JSON has as a word is none."""
_LINE_END = re.compile(rb"\}([ \t]*+,?[ \t\r]*+\n[\s,]*+)(?=\{)")
"""What stands between two objects that are on lines of their own."""

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


@dataclass(frozen=True, slots=True)
class JsonForm:
    """`by_line` says that each line is a value; `wrapper` that the records are in an array of the one object; `lists` names other lists of objects in it."""

    by_line: bool
    wrapper: Wrapper | None = None
    lists: tuple[str, ...] = ()

    def described(self) -> dict[str, str]:
        """For documents and people: where the records are, and which other lists of objects there are."""
        where = self.wrapper.described() if self.wrapper else {}
        kept = "other lists, not read" if self.wrapper else "lists in the one record"
        return where | ({kept: ", ".join(self.lists)} if self.lists else {})


def form_of_objects(name: str, path: Path) -> JsonForm:
    """The form of a JSON file that begins with an object; `name` is the file's."""
    with json_text(path) as text:
        try:
            end = text.end_of(text.start)
        except UnevenError:
            return _broken(name, text)
        lines = b"\n" in text.data[text.start : min(end, text.start + _CHUNK)]
        rest = text.skip_between(end)
        if rest == len(text):
            return _one_object(name, text, by_line=not lines and b"," not in text.data[end:rest])
        next_on_line = b"\n" not in text.data[end:rest] and text.data[rest : rest + 1] == b"{"
        if lines or next_on_line or _parted_by_commas(text, end):
            return JsonForm(by_line=False)
        return JsonForm(by_line=not _marked(text, text.skip_space(end)))


def goes_on_in_objects(head: bytes, *, whole: bool) -> bool:
    """Whether nearly all of the first lines but the very first are each a JSON object with a field, and nothing else.

    The first may be anything but a name, which is the header of a column of objects. `whole` says
    that the head is the whole file; else its last line is cut off. Of less than two lines nothing is said.
    """
    filled = [line for line in head.splitlines()[: None if whole else -1] if line.strip()]
    first, *lines = filled[: _LINES + 1] or [b""]
    objects = sum(map(_is_object, lines))
    return objects >= _FEWEST and objects >= _NEARLY * len(lines) and not _NAME.fullmatch(first.strip())


def _is_object(line: bytes) -> bool:
    line = line.strip()
    if not (line.startswith(b"{") and line.endswith(b"}")):
        return False
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return bool(found)


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


def _broken(name: str, text: JsonText) -> JsonForm:
    """The form of a text whose first object does not end."""
    lines = text.data[text.start : text.start + _CHUNK].splitlines()
    filled = [stripped for line in lines if (stripped := line.strip())]
    whole = sum(line.startswith(b"{") and line.endswith(b"}") for line in filled)
    if len(filled) > 1 and 2 * whole >= len(filled):
        return JsonForm(by_line=True)
    if wrapper := _broken_array(name, text, text.start, (), []):
        return JsonForm(by_line=False, wrapper=wrapper)
    if len(filled) > 1:
        return JsonForm(by_line=False)
    return JsonForm(by_line=not _marked(text, text.start))


def _parted_by_commas(text: JsonText, end: int) -> bool:
    """Whether commas stand between most of the first objects that end and begin lines; one alone is a broken line of others. `end` is the first one's."""
    head = text.data[end - 1 : end + _CHUNK]
    between = _LINE_END.findall(head)
    return 2 * sum(b"," in one for one in between) > len(between)


def _marked(text: JsonText, at: int) -> bool:
    """Whether records surely begin after a place, though there is no line but the one it is on."""
    end = text.data.find(b"\n", at)
    if end >= 0 and text.skip_space(end) < len(text):
        return False
    return next(find_marks(text, array=False).places(text, at), None) is not None


def _broken_array(
    name: str, text: JsonText, at: int, path: tuple[str, ...], beside: list[str]
) -> Wrapper | None:
    """The array of records in an object that does not end, where it is what does not."""
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
        return _broken_array(name, text, start, here, beside)
    inner = text.skip_space(start + 1)
    if text.data[start : start + 1] != b"[" or text.data[inner : inner + 1] != b"{":
        return None
    array = Wrapper(".".join(here), start, _end_of_broken(text, len(here)), tuple(beside))
    return array if _is_of_records(name, array) else None


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


def _one_object(name: str, text: JsonText, *, by_line: bool) -> JsonForm:
    found = list(islice(_arrays(text, text.start, (), ()), _MOST + 1))
    if not 0 < len(found) <= _MOST:
        return JsonForm(by_line)
    fitting = [array for array in found if _is_of_records(name, array)]
    if len(fitting) != 1:
        return JsonForm(by_line, lists=tuple(array.path for array in found))
    others = tuple(array.path for array in found if array is not fitting[0])
    beside = tuple(other for other in fitting[0].beside if other not in others)
    return JsonForm(by_line, replace(fitting[0], beside=beside), others)


def _arrays(
    text: JsonText, at: int, path: tuple[str, ...], around: tuple[tuple[tuple[str, ...], int], ...]
) -> Iterator[Wrapper]:
    """The arrays of objects in an object, and in the objects in it; `around` has the fields of each object around, and which one this is in."""
    try:
        members = list(islice(text.members(at), _MOST + 1))
    except UnevenError:
        return
    if len(members) > _MOST:
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
            yield from _arrays(text, member.start, here, places)


def _others(places: tuple[tuple[tuple[str, ...], int], ...]) -> tuple[str, ...]:
    return tuple(name for names, own in places for n, name in enumerate(names) if n != own)


def _is_of_records(name: str, array: Wrapper) -> bool:
    """Whether an array is what the file is about: by its name, or since all beside it is about it."""
    key = array.path.rsplit(".", 1)[-1].casefold()
    if key in _RECORDS or key in re.split(r"[^a-z]+", name.casefold()):
        return True
    return all(_is_about(other) for other in array.beside)


def _is_about(path: str) -> bool:
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", path.rsplit(".", 1)[-1])
    return any(word.casefold() in _ABOUT for word in words)
