r"""JSON objects that are refused for an escape that stands for half a character, as `\ud83d` does without the other half."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from quarterlake.processing.record_search import RAW_BYTES
from quarterlake.processing.sources import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from quarterlake.processing.record_search import Location
    from quarterlake.processing.sources import PlainSource

HALF = "an escape for half a character (a lone surrogate)"
"""The reason for which such a record is rejected."""

_MAY_BE = re.compile(r"\\u[dD][89a-fA-F]")
_WIDEST = 4
"""A character has at most so many bytes."""


def is_halved(text: str) -> bool:
    """Whether a text is a JSON object but for an escape of half a character in it."""
    if not text.startswith("{") or not _MAY_BE.search(text):
        return False
    try:
        # As lists of pairs, so that none of two fields of one name is lost.
        found = json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=list)
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


@contextmanager
def halved_records(source: PlainSource) -> Iterator[Callable[[int, Location], bool]]:
    """A function that tells whether a broken record is such an object, by its ascending number from 0 and its place.

    What a place keeps is the beginning of a long record, so that one is read again.
    """
    by_line = source.format is Format.NDJSON
    with (source.path if by_line else source.anew).open("rb") as file:
        lines = _Lines(file)

        def is_one(ordinal: int, place: Location) -> bool:
            text = place.raw
            if len(text) >= RAW_BYTES // _WIDEST:
                line = lines.at(place.byte_offset) if by_line else lines.numbered(ordinal)
                text = line.decode(errors="replace").strip()
            return is_halved(text)

        yield is_one


class _Lines:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._passed = 0

    def at(self, offset: int) -> bytes:
        """The line from an offset on."""
        self._file.seek(offset)
        return self._file.readline()

    def numbered(self, number: int) -> bytes:
        """A line by its number; each is asked for after those before it."""
        line = next(islice(self._file, number - self._passed, None), b"")
        self._passed = number + 1
        return line
