"""Rows of a published aggregate, read from its Parquet files by ranges: only what is shown is fetched."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow.parquet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quarterlake.domain.releases import Aggregate, DataFile
    from quarterlake.lake.stores import Store

LONGEST_TEXT = 2000
"""Characters of a cell; what is longer is cut, and said to be."""
_BATCH = 1024
_READ_AHEAD = 64 * 1024
_DTYPES = {"double": "float64", "float": "float32", "halffloat": "float16", "date32[day]": "date32"}


@dataclass(frozen=True, slots=True)
class Preview:
    """Some rows: the columns with their types, the rows as values that JSON has, which of their cells were cut, and the files that were read."""

    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    cut: Sequence[Sequence[str]]
    files: Sequence[DataFile]


def preview(store: Store, aggregate: Aggregate, hidden: frozenset[str], offset: int, length: int) -> Preview:
    """Rows of an aggregate from `offset` on, in the order of its files, less the `hidden` columns (in lower case).

    Raises StoreUnavailableError, and IntegrityError where a file is missing.
    """
    shown = [column.name for column in aggregate.columns if column.name.casefold() not in hidden]
    columns: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    read = []
    passed = 0
    for file in aggregate.files:
        first, last = max(0, offset - passed), min(file.rows, offset + length - passed)
        passed += file.rows
        if first >= last and columns:
            continue
        with pyarrow.parquet.ParquetFile(RangeFile(store, file)) as parquet:
            schema = parquet.schema_arrow
            columns = columns or {
                field.name: _DTYPES.get(str(field.type), str(field.type))
                for field in schema
                if field.name in shown
            }
            if first < last:
                read.append(file)
                rows += _rows(parquet, list(columns), first, last)
    values = [{name: _value(value) for name, value in row.items()} for row in rows]
    cut = [[name for name, value in row.items() if _is_long(value)] for row in values]
    return Preview(columns, [_shortened(row) for row in values], cut, read)


class RangeFile(io.RawIOBase):
    """A published file as Python's readers want one, fetched by ranges."""

    def __init__(self, store: Store, file: DataFile) -> None:
        self._store = store
        self._file = file
        self._at = 0
        self._held: tuple[int, bytes] = (0, b"")

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """So many bytes, less at the end. Small reads are served from what was fetched around them."""
        left = max(0, self._file.size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        start, held = self._held
        if not start <= self._at <= self._at + wanted <= start + len(held):
            # A reader begins with the end of the file: a little before it is worth having too.
            start = max(0, min(self._at, self._file.size - _READ_AHEAD))
            end = max(self._at + wanted, min(self._file.size, start + _READ_AHEAD))
            held = b"".join(self._store.stream(self._file.path, start, end))
            self._held = (start, held)
        found = held[self._at - start : self._at - start + wanted]
        self._at += len(found)
        return found

    def readinto(self, buffer: Any) -> int:
        """See io.RawIOBase."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def _rows(parquet: Any, columns: list[str], first: int, last: int) -> Iterator[dict[str, Any]]:
    """The rows from `first` to before `last` of a file, from the row groups that hold them."""
    groups, begin, skipped = [], 0, 0
    for number in range(parquet.num_row_groups):
        end = begin + parquet.metadata.row_group(number).num_rows
        if begin < last and end > first:
            groups.append(number)
        elif end <= first:
            skipped = end
        begin = end
    at = skipped
    for batch in parquet.iter_batches(_BATCH, row_groups=groups, columns=columns):
        inside = batch.slice(max(0, first - at), max(0, min(last - at, batch.num_rows) - max(0, first - at)))
        yield from inside.to_pylist()
        at += batch.num_rows
        if at >= last:
            return


def _value(value: Any) -> Any:
    """A value that JSON has: decimals as digits, instants and dates in ISO 8601, bytes in Base64, no number that is none as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [_value(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _value(each) for name, each in value.items()}
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and len(value) > LONGEST_TEXT


def _shortened(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[:LONGEST_TEXT] if _is_long(value) else value for name, value in row.items()}
