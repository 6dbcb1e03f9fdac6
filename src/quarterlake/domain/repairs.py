"""Repaired records: how their places in the original are written, and what a replay of them is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TRACE = "_repairs"
"""The last field of each line of a replay: which record of which bytes it stands for."""
_PLACE = re.compile(r"[br](0|[1-9][0-9]{0,17})")
_MARK = f',"{TRACE}":'.encode()

Cells = Mapping[str, str | None]
"""A repaired record: the text of each column, by the column's name in files; None for no value."""


def place_of(byte_offset: int | None, record: int | None) -> str | None:
    """A rejected record's place in its file: its byte offset, else its number; None where neither is known."""
    if byte_offset is not None:
        return f"b{byte_offset}"
    return None if record is None else f"r{record}"


def trace_of(sha256: str, place: str) -> str:
    """A record of certain bytes, as people's files name it."""
    return f"{sha256}@{place}"


def parse_trace(text: str) -> tuple[str, str] | None:
    """The hash and the place in a trace; None for anything else."""
    sha256, separator, place = text.strip().partition("@")
    if not separator or not re.fullmatch(r"[0-9a-f]{64}", sha256) or not _PLACE.fullmatch(place):
        return None
    return sha256, place


def in_order(places: Iterable[str]) -> list[str]:
    """Places in the order of the file."""
    return sorted(places, key=lambda place: (place[0], int(place[1:])))


def lines_of(sha256: str, repairs: Mapping[str, Cells], discards: Iterable[str]) -> Iterator[bytes]:
    """The lines of a replay: a JSON object for each record with its trace at the end, those that are discarded last.

    Each line is one of a kind, so that equal repairs of two files are two replays.
    """
    for place in in_order(repairs):
        yield _line(dict(repairs[place]), sha256, place)
    for place in in_order(discards):
        yield _line({}, sha256, place)


def _line(cells: dict[str, str | None], sha256: str, place: str) -> bytes:
    body = msgspec.json.encode(cells)[:-1]
    trace = msgspec.json.encode(trace_of(sha256, place))
    return body + (_MARK if cells else _MARK[1:]) + trace + b"}\n"


def cells_of(line: bytes) -> dict[str, str | None]:
    """The cells of one line of a replay, also of a column that is called as the trace is."""
    body = line[: line.rfind(_MARK[1:])].removesuffix(b",")
    return msgspec.json.decode(body + b"}", type=dict[str, str | None])


def masked(line: bytes) -> bytes:
    """A line as the parser reads it: blanks for the trace, so that every byte keeps its place."""
    text = line.rstrip(b"\n")
    cut = text.rfind(_MARK)
    return text[:cut] + b"}" + b" " * (len(text) - cut - 1) + b"\n"


def blanked(line: bytes) -> bytes:
    """Blanks for a line that is not read."""
    return b" " * (len(line) - 1) + b"\n"
