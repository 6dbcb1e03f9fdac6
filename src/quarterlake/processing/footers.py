"""Where the footer of a delimited file begins: totals, notes and comments after the table's last record."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, BinaryIO

from quarterlake.processing.cutting import Cut, Run, cut_in_runs, one_by_one
from quarterlake.processing.dialect_evidence import cells_of, is_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.domain.reading import Reading
    from quarterlake.processing.dialect import Dialect

_TAIL = 1 << 16
_MOST_FOOTERS = 20
_MOST_EMPTY = 1 << 26
_SUMS = (
    "total|totale|totaal|totals|sum|summe|summa|suma|soma|somme|gesamt|gesamtsumme|gesamtbetrag|gesamtergebnis|insgesamt|"
    "endsumme|ergebnis|celkem|razem|итого|всего|合计|总计|合計|総計"
)
"""What sums are called where tables come from: the words of spreadsheets and of reports."""
_TOTAL = re.compile(
    rf"(grand[ -]|sub[ -]?|zwischen)?({_SUMS}|average|mean|count)s?( ?:|\b).*",
    flags=re.IGNORECASE,
)
_ALL = re.compile(
    rf"(grand[ -]|sub[ -]?|zwischen)?({_SUMS})s?( (général|general|geral|generale|generaal))?:?",
    flags=re.IGNORECASE,
)
_DATE = re.compile(r"[0-9]{4}[-/.][0-9]{1,2}\b|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}\b")
_NOTE = re.compile(
    r"\s*(#|//|--|==|\*|\(|source\b|note|quelle\b|generated\b|created\b|exported\b|end\b|[0-9,.]+ (rows|records|lines)\b|(rows|records|lines)\b)",
    flags=re.IGNORECASE,
)


def find_footer(stream: BinaryIO, dialect: Dialect, reading: Reading) -> int | None:
    """Where the footer of a file begins, None where it has none: totals, notes and comments after the last record.

    It is looked for in the last 64 KiB, and is at most 20 records long and shorter than the table; records of nothing but delimiters, as
    spreadsheets leave them below a table, belong to it however many they are. One that `reading` gives the length of has that, whatever its size.
    """
    if reading.footer == 0 or len(dialect.columns) == 1:
        return None
    if reading.footer is not None:
        return _footer_of(stream, dialect, reading.footer)
    start, last = _last_records(stream, dialect, _TAIL)
    if last and isinstance(last[-1], Run) and _ends_plainly(last[-1], dialect):
        return None
    start, cuts = _with_content(stream, dialect, start, last)
    filled = [at for at, one in enumerate(cuts) if one.raw]
    found = None
    while filled and _is_empty(cuts[filled[-1]], dialect):
        found = start + cuts[filled.pop()].start
    for at in reversed(filled[max(1, len(filled) // 2) :][-_MOST_FOOTERS:]):
        if _is_empty(cuts[at], dialect):
            continue
        body = [cuts[one] for one in filled if one < at]
        is_set_off = at > 0 and not cuts[at - 1].raw
        if not _is_footer(cuts[at], _cells(cuts[at], dialect), dialect, body, set_off=is_set_off):
            break
        found = start + cuts[at].start
    return found


def _footer_of(stream: BinaryIO, dialect: Dialect, length: int) -> int | None:
    """Where the last records of a file begin that are its footer, as many as it is said to have."""
    size = _TAIL
    while True:
        start, last = _last_records(stream, dialect, size)
        filled = [one for one in one_by_one(last) if one.raw]
        if len(filled) > length or start <= dialect.start:
            return start + filled[-min(length, len(filled))].start if filled else None
        size *= 4


def _with_content(
    stream: BinaryIO, dialect: Dialect, start: int, last: list[Cut | Run]
) -> tuple[int, list[Cut]]:
    """The `last` records of a file, which begin at `start`, or so many more that one of them has something in it."""
    size = _TAIL
    while True:
        cuts = list(one_by_one(last))
        if any(one.raw and not _is_empty(one, dialect) for one in cuts):
            return start, cuts
        if size > _MOST_EMPTY or start <= dialect.start:
            return start, []
        size *= 4
        start, last = _last_records(stream, dialect, size)


def _last_records(stream: BinaryIO, dialect: Dialect, size: int) -> tuple[int, list[Cut | Run]]:
    """The records in the last bytes of a file, less one that is cut in two, and where in it they begin."""
    start = max(dialect.start, stream.seek(0, io.SEEK_END) - size)
    stream.seek(start)
    tail = stream.read()
    if start > dialect.start:
        whole = tail.find(b"\n") + 1 or tail.find(b"\r") + 1
        start, tail = start + whole, tail[whole:]
    return start, list(cut_in_runs(io.BytesIO(tail), dialect.cutting, len(dialect.columns)))


def _ends_plainly(run: Run, dialect: Dialect) -> bool:
    """Whether the last record is like any other, so that nothing before it can be a footer: nearly every file."""
    last = run.last()
    cells = [text for text, _ in cells_of(last, dialect.cutting)]
    return any(map(str.strip, cells)) and not _is_footer(last, cells, dialect, (), set_off=False)


def _is_footer(
    one: Cut, cells: Sequence[str], dialect: Dialect, body: Sequence[Cut], *, set_off: bool
) -> bool:
    width = len(dialect.columns)
    filled = [cell.strip() for cell in cells if cell.strip()]
    if not filled:
        return False
    first = filled[0]
    typed = next(at for at, cell in enumerate(cells) if cell.strip()) in dialect.typed
    if len(cells) != width and not (dialect.trailing and len(cells) == width + 1):
        if len(cells) > width:
            return False
        note = _NOTE.match(one.raw.decode(errors="replace")) or _TOTAL.fullmatch(first)
        return bool(note) or set_off or (len(cells) == 1 and typed and not is_value(first))
    if len(filled) == 1 and width > 2:  # noqa: PLR2004
        return typed and not is_value(first) and bool(cells[0].strip())
    if not _TOTAL.fullmatch(first) or any(_first_cell(other, dialect) == first for other in body):
        return False
    if any(_DATE.match(cell) for cell in filled[1:]):
        return False  # the record of a day, whatever it is called
    if typed or _ALL.fullmatch(first):
        return True
    return len(filled) < width and all(not cell.strip() or is_value(cell) for cell in cells[1:])


def _cells(one: Cut, dialect: Dialect) -> list[str]:
    return [text for text, _ in cells_of(one, dialect.cutting)] if one.problem is None else []


def _is_empty(one: Cut, dialect: Dialect) -> bool:
    """Whether a record has cells and nothing in them, not even quotes."""
    cells = cells_of(one, dialect.cutting) if one.problem is None else []
    return len(cells) > 1 and not any(text.strip() or quoted for text, quoted in cells)


def _first_cell(one: Cut, dialect: Dialect) -> str:
    cells = _cells(one, dialect)
    return cells[0].strip() if cells else ""
