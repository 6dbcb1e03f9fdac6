"""How a delimited file is written, found from its first records."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quarterlake.domain.errors import UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

_SAMPLE = 1 << 16
_DELIMITERS = (",", ";", "\t", "|")
_VALUE = re.compile(r"[+-]?[\d.,:]+([eE][+-]?\d+)?|\d{4}-\d{2}-\d{2}.*|(?i:true|false|nan|na|null)")
MAX_COLUMNS = 4_096


@dataclass(frozen=True, slots=True)
class Dialect:
    """A delimited file's delimiter, quote, whether its first record is a header, and its columns' names in order.

    `spelled` are the names as the header has them, before they were made unique; `blank` is the number of blank
    lines before the header.
    """

    delimiter: str
    quote: str
    header: bool
    columns: tuple[str, ...]
    spelled: tuple[str, ...] = field(default=(), compare=False)
    blank: int = 0

    def described(self) -> dict[str, str]:
        """For documents and people."""
        return {
            "delimiter": self.delimiter,
            "quote": self.quote,
            "header": "yes" if self.header else "none: columns are numbered",
        }


def find_dialect(name: str, path: Path, expected: Collection[str] = ()) -> Dialect:
    """The dialect of a UTF-8 file from its first 64 KiB.

    The delimiter is the one that cuts most records into equally many fields, of those the most fields. The first record
    is a header when its cells are unlike values, or when they name `expected` columns; without one the columns are
    `column_1` and so on. The quote is always `"`: a file whose first quoted field comes late reads right too.
    """
    sample = _sample(path)
    delimiter = max(_DELIMITERS, key=lambda d: _regularity(_records(sample, d)))
    records = _records(sample, delimiter)
    if not records:
        raise UnreadableFileError(
            f"{name} holds no record. Send it again, or correct it with a file under the same name."
        )
    first = records[0]
    if len(first) > MAX_COLUMNS:
        raise UnreadableFileError(
            f"{name} has {len(first)} columns, more than {MAX_COLUMNS}: is it delimited text at all?"
        )
    header = _is_header(first, records[1:], expected)
    names = first if header else [""] * len(first)
    blank = _blank_lines(sample) if header else 0
    return Dialect(delimiter, '"', header, unique_names(names), tuple(n.strip() for n in names), blank)


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Column names, trimmed; an empty one becomes `column_N`, one that is there already (case aside) gets a number."""
    taken: set[str] = set()
    made: list[str] = []
    for position, raw in enumerate(names, start=1):
        base = raw.strip() or f"column_{position}"
        name, copy = base, 1
        while name.casefold() in taken:
            copy += 1
            name = f"{base}_{copy}"
        taken.add(name.casefold())
        made.append(name)
    return tuple(made)


def _sample(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_SAMPLE)
        if file.read(1):  # a record that the sample cuts is none of its records
            data = data[: max(data.rfind(b"\n"), data.rfind(b"\r")) + 1] or data
    return data.removeprefix(codecs.BOM_UTF8).decode(errors="replace")


def _blank_lines(sample: str) -> int:
    """The number of line ends (LF, CRLF or CR) before the first record."""
    ends = sample[: len(sample) - len(sample.lstrip("\r\n"))]
    return len(ends.replace("\r\n", "\n"))


def _records(sample: str, delimiter: str) -> list[list[str]]:
    csv.field_size_limit(_SAMPLE * 2)
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    return [record for record in reader if record]


def _regularity(records: list[list[str]]) -> tuple[float, int]:
    widths = Counter(len(record) for record in records)
    width, times = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
    if width == 1:
        return 0.0, 1
    return times / len(records), width


def _is_header(first: Sequence[str], rest: Sequence[Sequence[str]], expected: Collection[str]) -> bool:
    known = {name.casefold() for name in expected}
    if any(cell.strip().casefold() in known for cell in first):
        return True
    if any(_VALUE.fullmatch(cell.strip()) for cell in first):
        return False
    return bool(rest) or len(set(first)) == len(first)
