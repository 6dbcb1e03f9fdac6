"""Which of the forms that JSON is sent in a file has: a value a line, one array, values one after another, or an object around an array."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.processing.json_marks import find_marks
from quarterlake.processing.json_scan import JsonText, UnevenError, json_text
from quarterlake.processing.json_wrappers import (
    MOST_MEMBERS,
    Wrapper,
    array_at,
    arrays,
    broken_array,
    is_of_records,
)

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 20
_LINES, _FEWEST, _NEARLY = 100, 2, 0.9
_NAME = re.compile(rb"(?!(?:null|true|false)$)[A-Za-z_][\w .-]*+")
"""What a header of one column looks like; what JSON has as a word is none."""
_LINE_END = re.compile(rb"\}([ \t]*+,?[ \t\r]*+\n[\s,]*+)(?=\{)")
"""What stands between two objects that are on lines of their own."""


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


def form_of_objects(name: str, path: Path, dataset: str, records: str | None = None) -> JsonForm:
    """The form of a JSON file of a data set that begins with an object; `name` is the file's.

    In a file that is one object, `records` says at which path in it the array of them is, or with nothing that it is the record itself. Raises UnreadableFileError where there is no array.
    """
    with json_text(path) as text:
        try:
            end = text.end_of(text.start)
        except UnevenError:
            return _broken(dataset, text, records)
        lines = b"\n" in text.data[text.start : min(end, text.start + _CHUNK)]
        rest = text.skip_between(end)
        if rest == len(text):
            by_line = not lines and b"," not in text.data[end:rest]
            return (
                _one_object(dataset, text, by_line=by_line)
                if records is None
                else _said(name, text, records, by_line=by_line)
            )
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


def _broken(dataset: str, text: JsonText, records: str | None) -> JsonForm:
    """The form of a text whose first object does not end."""
    lines = text.data[text.start : text.start + _CHUNK].splitlines()
    filled = [stripped for line in lines if (stripped := line.strip())]
    whole = sum(line.startswith(b"{") and line.endswith(b"}") for line in filled)
    if len(filled) > 1 and 2 * whole >= len(filled):
        return JsonForm(by_line=True)
    wrapper = broken_array(text, text.start, (), [])
    if wrapper and (is_of_records(dataset, wrapper) if records is None else wrapper.path == records):
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


def _said(name: str, text: JsonText, records: str, *, by_line: bool) -> JsonForm:
    """The form of one object whose records are at a path that a contract says."""
    if not records:
        return JsonForm(by_line)
    try:
        found = array_at(text, text.start, records, "")
    except UnevenError:
        found = None
    if found is None:
        raise UnreadableFileError(
            f"{name} has no list at {records}, where its contract says that the records are (quarterlake.reading, records). "
            "Send it again, or correct the contract."
        )
    return JsonForm(by_line, found)


def _one_object(dataset: str, text: JsonText, *, by_line: bool) -> JsonForm:
    found = list(islice(arrays(text, text.start, (), ()), MOST_MEMBERS + 1))
    if not 0 < len(found) <= MOST_MEMBERS:
        return JsonForm(by_line)
    fitting = [array for array in found if is_of_records(dataset, array)]
    if len(fitting) != 1:
        return JsonForm(by_line, lists=tuple(array.path for array in found))
    others = tuple(array.path for array in found if array is not fitting[0])
    beside = tuple(other for other in fitting[0].beside if other not in others)
    return JsonForm(by_line, replace(fitting[0], beside=beside), others)
