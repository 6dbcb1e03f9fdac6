r"""Why a JSON record is rejected that may look whole.

It is longer than the reader takes, or has an escape that stands for half a character, as `\ud83d` does without the other half.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from quarterlake.processing.cutting import TOO_LONG
from quarterlake.processing.json_anew import BLANK, LONGEST_JSON, OVERLONG
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
_LOOKED_AT = 1 << 20
"""A record of more bytes is not taken apart in Python, which would take many times as much memory."""
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
def record_faults(source: PlainSource) -> Iterator[Callable[[int, Location], str | None]]:
    """A function that says why a broken record is no JSON object, as far as it is one of those here; by its ascending number from 0 and its place.

    What a place keeps is the beginning of a long record, so that one is read again.
    """
    by_line = source.format is Format.NDJSON
    with (source.path if by_line else source.anew).open("rb") as file:
        lines = _Lines(file)

        def fault_of(ordinal: int, place: Location) -> str | None:
            text = place.raw
            if len(text) >= RAW_BYTES // _WIDEST:
                line = lines.at(place.byte_offset) if by_line else lines.numbered(ordinal)
                if line == OVERLONG or len(line.rstrip(BLANK)) > LONGEST_JSON:
                    return TOO_LONG
                text = line[: _LOOKED_AT + 1].decode(errors="replace").strip()
            return HALF if len(text) <= _LOOKED_AT and is_halved(text) else None

        yield fault_of


class _Lines:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._passed = 0

    def at(self, offset: int) -> bytes:
        """The line from an offset on, or its beginning where it is too long."""
        self._file.seek(offset)
        return self._file.readline(LONGEST_JSON + 1)

    def numbered(self, number: int) -> bytes:
        """A line by its number; each is asked for after those before it."""
        line = next(islice(self._file, number - self._passed, None), b"")
        self._passed = number + 1
        return line
