"""JSON written anew, a record a line, where DuckDB's reader refuses the file as it was sent.

A line that is no JSON stands for each record that no line can be; the others are as they were, and every record keeps its number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import msgspec

from quarterlake.processing.json_pieces import pieces
from quarterlake.processing.json_scan import JsonText, UnevenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quarterlake.processing.json_marks import Marks

LONGEST_JSON = 1 << 24
"""A record of more bytes is rejected. One of so many is read within the default memory of the engine, by one thread."""

OVERLONG = b"!!\n"
_SPOILED = b"!\n"
_CHUNK = 1 << 20
BLANK = b" \t\r\n\x0b\x0c"
_BETWEEN = b" \t\r\n,"
_OPENING = b"{["
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
_DECODER = msgspec.json.Decoder(msgspec.Raw)


def is_whole(text: JsonText) -> bool:
    """Whether each element of an array, or each of values one after another, is JSON by itself, whatever parts them."""
    try:
        with memoryview(text.data) as view:
            for start, end in text.records():
                if view[start] in _OPENING:
                    with view[start:end] as record:
                        _DECODER.decode(record)
                else:
                    _DECODER.decode(text.data[start:end].rstrip(_BETWEEN))
    except (UnevenError, msgspec.DecodeError, RecursionError):
        return False
    return True


def one_a_line(text: JsonText, marks: Marks | None) -> Iterator[bytes]:
    """The records of an array, or of values one after another, as NDJSON; those between `marks` of a text that is not whole."""
    if marks is None:
        found: Iterable[tuple[int, int, bool]] = ((start, end, False) for start, end in text.records())
    else:
        found = pieces(text, marks)
    for start, end, spoiled in found:
        if end - start > LONGEST_JSON:
            yield OVERLONG
        else:
            yield _SPOILED if spoiled else text.data[start:end].translate(_ONE_LINE) + b"\n"


def without_overlong(lines: BinaryIO) -> Iterator[bytes]:
    """NDJSON line by line, in constant memory."""
    while line := lines.readline(2 * LONGEST_JSON):
        whole = line.endswith(b"\n") or len(line) < 2 * LONGEST_JSON
        if whole and len(line) <= LONGEST_JSON:
            yield line
            continue
        if whole and len(bare := line.strip(BLANK)) <= LONGEST_JSON:
            yield bare + b"\n"  # blanks around a record are not of it
            continue
        filled = bool(line.strip(BLANK))
        while not line.endswith(b"\n") and (line := lines.readline(_CHUNK)):
            filled = filled or bool(line.strip(BLANK))
        yield OVERLONG if filled else b"\n"
