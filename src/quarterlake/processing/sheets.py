"""Sheets: rejects as a CSV file that a person repairs in a spreadsheet or an editor and hands back.

A cell that a spreadsheet would take for a formula has an apostrophe before it (and one more where it began with some), which reading takes away again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from quarterlake.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TextIO

OURS = (
    "_action",
    "_trace",
    "_dataset",
    "_source",
    "_line",
    "_byte_offset",
    "_column",
    "_reason",
    "_raw",
    "_exported",
)
"""The columns before those of the contract. `_exported` tells whether the others, and `_raw`, are as they were written."""
ACTIONS = ("", "repair", "discard", "keep")
"""`repair` and `discard` say so; nothing means `repair` where a cell was changed; `keep` leaves the reject as it is."""
_NEEDED = ("_trace", "_dataset", "_exported")
_UNREAD = "-unread"
_BLANK = "-blank."
"""What `_exported` ends with where the cells could not be read; and what it names the columns after that hold an empty text."""
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9][0-9.,eE+-]*")
_LONGEST_CELL = 1 << 22
"""More characters than any cell of an export has, which shows records of up to 1 MiB."""
_DELIMITERS = ",;\t"


class SheetRow(NamedTuple):
    """One reject: what is known of it, and the cells by the contract's column names; `is_shifted` where there are more cells than columns.

    It `is_unread` where the cells are empty since they could not be read, so that a repair would lose them. Those of the columns
    in `blank` are empty since the record has an empty text there, which is no null.
    """

    known: Mapping[str, str]
    cells: Mapping[str, str]
    is_shifted: bool = False
    is_unread: bool = False
    blank: frozenset[str] = frozenset()

    @property
    def is_changed(self) -> bool:
        """Whether a cell is not what was exported."""
        return self.known["_exported"].partition("-")[0] != checksum(self.cells)

    @property
    def is_raw_changed(self) -> bool:
        """Whether `_raw` is not what was exported, line ends and blanks aside; it is not read. Of older exports it is not known."""
        _, known, written = self.known["_exported"].partition("-")
        written = written.partition("-")[0]
        return bool(known) and "_raw" in self.known and written != _raw_checksum(self.known["_raw"])


def checksum(cells: Mapping[str, str]) -> str:
    """Identifies a row's cells; empty ones have no say, so that a column that goes or comes empty changes nothing."""
    text = "\0".join(f"{name}\1{cells[name]}" for name in sorted(cells) if cells[name])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _mark(name: str) -> str:
    """Stands for a column's name in `_exported`."""
    return checksum({"name": name})[:8]


def _raw_checksum(raw: str) -> str:
    return checksum({"_raw": " ".join(raw.split())})


def write_sheet(stream: TextIO, columns: Sequence[str], rows: Iterable[SheetRow]) -> int:
    """Write rows as CSV with a byte order mark and CRLF, as spreadsheets expect it; return how many."""
    count = 0
    stream.write("\ufeff")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow([*OURS, *map(_tame, columns)])
    for count, row in enumerate(rows, start=1):  # noqa: B007 - the last number is the count
        own = [row.known.get(name, "") for name in OURS[:-1]]
        cells = [_tame(row.cells.get(name, "")) for name in columns]
        exported = f"{checksum(row.cells)}-{_raw_checksum(row.known.get('_raw', ''))}"
        if row.is_unread:
            exported += _UNREAD
        elif blank := [name for name in columns if row.cells.get(name) == ""]:
            exported += _BLANK + ".".join(map(_mark, blank))
        writer.writerow([*map(_tame, own), exported, *cells])
    return count


def read_sheet(data: bytes, where: str) -> Iterator[tuple[int, SheetRow]]:
    """The rows with their numbers in the file, counted as a spreadsheet does: the header is 1.

    UTF-8 with or without a mark, UTF-16 with one, else Windows-1252; commas, semicolons or tabs, and a `sep=` line before the header are taken.

    Raises UsageError for what is no sheet.
    """
    text = _decoded(data)
    delimiter, skipped = _delimiter(text)
    with _long_cells():
        number = 1 + skipped
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            for _ in range(skipped):
                next(reader, None)
            header = [_untamed(name.strip()) for name in next(reader, [])]
            for number, row in _rows(reader, header, where, 1 + skipped):
                yield number, row
        except csv.Error as broken:
            raise UsageError(
                f"{where}, after row {number}: {broken}. Save it as CSV again, with no cell of more than {_LONGEST_CELL:,} characters."
            ) from broken


def _rows(
    reader: Iterable[list[str]], header: Sequence[str], where: str, before: int
) -> Iterator[tuple[int, SheetRow]]:
    """The rows below a header, which is the row numbered `before`."""
    if lacking := [name for name in _NEEDED if name not in header]:
        raise UsageError(
            f"{where} has no column {lacking[0]}. Repair a file that `quarterlake rejects export` wrote, and leave its columns that begin with _ as they are."
        )
    own = {name: header.index(name) for name in OURS if name in header}
    others = [(at, name) for at, name in enumerate(header) if at not in set(own.values()) and name]
    for number, cells in enumerate(reader, start=before + 1):
        if any(cells):
            padded = [*cells, *[""] * (len(header) - len(cells))]
            known = {name: _untamed(padded[at]) for name, at in own.items()}
            values = {name: _untamed(padded[at]) for at, name in others}
            exported = known["_exported"].strip()
            marks = set(exported.partition(_BLANK)[2].split("."))
            blank = frozenset(name for name, text in values.items() if not text and _mark(name) in marks)
            yield number, SheetRow(known, values, len(cells) > len(header), exported.endswith(_UNREAD), blank)


@contextmanager
def _long_cells() -> Iterator[None]:
    """While it lasts, a cell may be as long as an export writes it: the limit that Python sets is the whole process's."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _tame(text: str) -> str:
    """The text so that no spreadsheet computes it; plain numbers are none's formula."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _untamed(text: str) -> str:
    bare = text.removeprefix("'")
    return bare if bare != text and _FORMULA.match(bare) else text


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("windows-1252", "replace")


def _delimiter(text: str) -> tuple[str, int]:
    """The delimiter, and how many lines lie before the header."""
    first, _, rest = text.partition("\n")
    if found := re.fullmatch(r'"?sep=(.)"?\r?', first):
        return found[1], 1
    header = first or rest
    return max(_DELIMITERS, key=header.count), 0
