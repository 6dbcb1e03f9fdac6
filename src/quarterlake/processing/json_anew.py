"""JSON written anew, a record a line, where DuckDB's reader refuses the file as it was sent for the sake of some records.

A line that is no JSON stands for each of those; the others are as they were, and every record keeps its number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from quarterlake.processing.json_pieces import pieces
from quarterlake.processing.json_scan import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quarterlake.processing.json_marks import Marks

LONGEST = 1 << 25
"""A record of more bytes is rejected: each buffer that DuckDB reads JSON into has twice as many as one record may have."""

SPOILED = b"!\n"
OVERLONG = b"!!\n"
_CHUNK = 1 << 20
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


def one_a_line(path: Path, marks: Marks) -> Iterator[bytes]:
    """The records of an array, or of values one after another, as NDJSON."""
    with json_text(path) as text:
        for start, end, spoiled in pieces(text, marks):
            if end - start > LONGEST:
                yield OVERLONG
            else:
                yield SPOILED if spoiled else text.data[start:end].translate(_ONE_LINE) + b"\n"


def without_overlong(lines: BinaryIO) -> Iterator[bytes]:
    """NDJSON line by line, in constant memory."""
    while line := lines.readline(LONGEST + 1):
        if len(line) <= LONGEST or line.endswith(b"\n"):
            yield line
            continue
        filled = bool(line.strip())
        while not line.endswith(b"\n") and (line := lines.readline(_CHUNK)):
            filled = filled or bool(line.strip())
        yield OVERLONG if filled else b"\n"
