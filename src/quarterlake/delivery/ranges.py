"""Byte ranges of a download (RFC 9110, section 14)."""

from __future__ import annotations

import re
from itertools import pairwise

_RANGE = re.compile(r"([0-9]{1,18})?-([0-9]{1,18})?")
_MOST = 16


class UnsatisfiableError(Exception):
    """None of the ranges lies in the file."""


def wanted_ranges(header: str | None, size: int) -> list[tuple[int, int]] | None:
    """The ranges that a `Range` header asks of so many bytes, as half-open pairs in the order asked; None to send everything.

    A header that does not read, that asks for more than a few ranges or for ranges that overlap is left aside, as the standard allows.
    Raises UnsatisfiableError.
    """
    unit, _, text = (header or "").partition("=")
    if unit.strip().lower() != "bytes":
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    matches = [_RANGE.fullmatch(part) for part in parts]
    if not parts or len(parts) > _MOST:
        return None
    ranges = []
    for match in matches:
        if match is None or match[0] == "-":
            return None
        first, last = match[1], match[2]
        if first and last and int(last) < int(first):
            return None
        start, end = _bounds(first, last, size)
        if start < end:
            ranges.append((start, end))
    if not ranges:
        raise UnsatisfiableError
    in_order = sorted(ranges)
    overlap = any(one[1] > other[0] for one, other in pairwise(in_order))
    return None if overlap else ranges


def _bounds(first: str | None, last: str | None, size: int) -> tuple[int, int]:
    if first is None:
        return max(0, size - int(last or 0)), size
    return int(first), min(size, int(last) + 1) if last is not None else size
