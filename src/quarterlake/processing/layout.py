"""Where the table lies in a delimited file: what stands before it, whether it has a header, how many columns it has."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from quarterlake.processing.dialect_evidence import is_value

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from quarterlake.domain.reading import Reading
    from quarterlake.processing.cutting import Cut

Cells = list[tuple[str, bool]]
"""A record's fields, each with whether it was quoted; none for a record that has no fields."""

_COMMENT = re.compile(rb"\s*(#|//|--|%|\*|sep=)")
_YEAR = re.compile(r"(19|20)\d\d")
_FEW = 3
"""A record with a single filled cell of at least so many is a title, not a header."""
_PAIR = 2
_TYPED = 40
_MOST_PREAMBLE = 200


@dataclass(frozen=True, slots=True)
class Head:
    """What the first records show.

    `first` is the place of the table's first record among them, and `preamble` are those of the lines before it that say something. `names` are the
    header's cells, or empty. `padded` means that a space follows each delimiter, `trailing` that one more delimiter
    ends each record; `typed` are the places of columns whose cells look like values, not words. `why` explains each decision.
    """

    first: int
    preamble: tuple[int, ...]
    header: bool
    width: int
    names: list[str]
    padded: bool
    trailing: bool
    typed: frozenset[int]
    why: dict[str, str]


def lay_out(
    cuts: Sequence[Cut], rows: Sequence[Cells], expected: Collection[str], reading: Reading
) -> Head | None:
    """Where the table begins among the first records of a file, given with their cells; None where there is no record.

    It begins at the first record that has as many fields as most, and as a title has not, more than one of them filled. What
    stands before it is a preamble if it is a comment, free text, set off by a blank line, or followed by a header; else it
    belongs to the table.
    """
    filled = [at for at, one in enumerate(cuts) if one.raw]
    if not filled:
        return None
    known = {name.casefold() for name in expected}
    width, trailing = _width(cuts, rows, filled)
    width -= trailing
    why: dict[str, str] = {}
    first = filled[0]
    if reading.preamble is not None:
        first = next((at for at in filled if cuts[at].line > reading.preamble), filled[-1])
        why["preamble"] = "the contract says so"
    else:
        first = _first(cuts, rows, filled, {width, width + trailing}, known)
        if first != filled[0]:
            why["preamble"] = (
                f"the table begins on line {cuts[first].line}, with as many fields as most records"
            )
    preamble = tuple(at for at in filled if at < first)
    row = [text for text, _ in rows[first]] or [""] * width
    rest = [[text for text, _ in rows[at]] for at in filled if at > first and len(rows[at]) >= width]
    header, why["header"] = _header(row, rest, known, reading)
    if not (header and trailing):
        trailing = trailing and not header and len(row) == width + 1
    if header and not trailing:
        width = len(row)
    names = row[:width] if header else [""] * width
    if trailing:
        why["trailing delimiter"] = "each record has one field more than there are columns, and it is empty"
    padded = _padded([rows[at] for at in filled if at >= first])
    if padded:
        why["padding"] = "every field but the first begins with a space"
    typed = frozenset(at for at in range(width) if _is_typed(at, rest))
    return Head(first, preamble, header, width, names, padded, trailing, typed, why)


def is_header(first: Sequence[str], rest: Sequence[Sequence[str]], known: Collection[str]) -> str | None:
    """Why a record is a header, by its cells and those of the records after it; None if it is none."""
    cells = [cell.strip() for cell in first]
    if any(cell.casefold() in known for cell in cells):
        return "it names columns that are expected"
    values = [cell for cell in cells if is_value(cell)]
    years = [int(cell) for cell in values if _YEAR.fullmatch(cell)]
    if values:
        rising = (
            len(years) == len(values) >= _PAIR and years == sorted(set(years)) and len(values) < len(cells)
        )
        return "its values are years that rise, beside names" if rising else None
    typed = [at for at in range(len(cells)) if _is_typed(at, rest)]
    if typed:
        return "its cells are unlike the values below them"
    seen = [
        at
        for at, cell in enumerate(cells)
        if cell and sum(row[at : at + 1] == [first[at]] for row in rest) > 0
    ]
    if seen and len(rest) > 1 and len(cells) > 1:
        return None
    if rest or len(set(first)) == len(first):
        return "its cells are unlike values"
    return None


def _is_typed(at: int, rest: Sequence[Sequence[str]]) -> bool:
    cells = [row[at].strip() for row in rest[:_TYPED] if at < len(row) and row[at].strip()]
    # Most columns are decided by half of their cells.
    return bool(cells) and next(islice(filter(is_value, cells), len(cells) // 2, None), None) is not None


def _header(
    row: Sequence[str], rest: Sequence[Sequence[str]], known: Collection[str], reading: Reading
) -> tuple[bool, str]:
    if reading.header is not None:
        return reading.header, "the contract says so"
    said = is_header(row, rest, known)
    return said is not None, said or "the first record looks like the others"


def _width(cuts: Sequence[Cut], rows: Sequence[Cells], filled: Sequence[int]) -> tuple[int, bool]:
    """How many columns the table has, and whether a further delimiter ends each record.

    It is the width of most records of the first block, between blank lines, that is a table: of pairs alone only if no wider block follows.
    """
    blocks: list[list[int]] = [[]]
    for at, one in enumerate(cuts):
        if one.raw:
            blocks[-1].append(at)
        elif blocks[-1]:
            blocks.append([])
    found = []
    for block in blocks:
        widths = Counter(len(rows[at]) for at in block if len(rows[at]) > 1)
        if widths:
            width, times = max(widths.items(), key=lambda item: (item[1], item[0]))
            found.append((width, times))
    tables = [width for width, times in found if times > 1]
    wider = [width for width in tables if width > _PAIR]
    if wider and found[0][0] == tables[0] == _PAIR:
        width = wider[0]
    else:
        width = tables[0] if tables else max([1, *(width for width, _ in found)])
    return width, _is_trailing(rows, filled, width)


def _is_trailing(rows: Sequence[Cells], filled: Sequence[int], width: int) -> bool:
    """Whether all records of a width end with an empty field, and the first with one field less stands before them: the header."""
    full = [at for at in filled if len(rows[at]) == width]
    ends = len(full) > 1 and all(rows[at][-1] == ("", False) for at in full)
    less = [at for at in filled if len(rows[at]) == width - 1]
    return ends and width > _PAIR and bool(less) and less[0] < full[0]


def _first(
    cuts: Sequence[Cut],
    rows: Sequence[Cells],
    filled: Sequence[int],
    widths: Collection[int],
    known: Collection[str],
) -> int:
    begins = filled[0]
    for at in filled[:_MOST_PREAMBLE]:
        if _is_note(cuts[at], rows[at], widths):
            continue
        if at == begins:
            return at
        before = [one for one in filled if one < at]
        texts = [text for text, _ in rows[at]]
        rest = [
            [text for text, _ in rows[one]] for one in filled if one > at and len(rows[one]) >= min(widths)
        ]
        set_off = at - before[-1] > 1 or any(_COMMENT.match(cuts[one].raw) for one in before)
        free = all(len(_filled(rows[one])) <= 1 for one in before) and min(widths) >= _FEW
        if set_off or free or is_header(texts, rest, known):
            return at
        return begins
    return begins


def _is_note(one: Cut, row: Cells, widths: Collection[int]) -> bool:
    """Whether a line is a comment, a title or a line of other width: nothing that begins a table."""
    if len(row) not in widths:
        return True
    if len(row) >= _FEW and len(_filled(row)) <= 1:
        return True
    return one.raw.startswith(b"sep=")


def _filled(row: Cells) -> list[str]:
    return [text for text, _ in row if text.strip()]


def _padded(rows: Sequence[Cells]) -> bool:
    """Whether every field but the first begins with a space; empty ones do not count, quoted ones have lost it."""
    cells = [text for row in rows for text, quoted in row[1:] if text and not quoted]
    return len(cells) > 1 and all(text.startswith(" ") for text in cells)
