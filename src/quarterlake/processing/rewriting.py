"""The careful path: a delimited file that DuckDB's reader would refuse or misread, written anew so that it does not.

The table's records go into a plain file (UTF-8, LF, `"` doubled, every record with all fields), in their order; every other
record is a reject with its place in the file. A record of the plain file is found again in the original by cutting on from the nearest
of some remembered places: memory is constant.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import msgspec

from quarterlake.processing.careful_count import count_carefully
from quarterlake.processing.cutting import LONGEST, Run
from quarterlake.processing.footers import find_footer
from quarterlake.processing.record_search import RAW_CHARACTERS, Location
from quarterlake.processing.structure import Seen, table_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterlake.domain.reading import Reading
    from quarterlake.processing.dialect import Dialect

_EVERY = 1_024
_MOST_MARKS = 8_192
_FLUSH = 1 << 20


class Rejected(msgspec.Struct, frozen=True, array_like=True):
    """A record that is none of the table's: its place in the UTF-8 text, why, and how it reads."""

    line: int
    byte_offset: int
    reason: str
    raw: str


class _Mark(NamedTuple):
    """Where the record of the plain file with this ordinal is in the original."""

    ordinal: int
    start: int
    line: int


@dataclass(slots=True)
class Rewriting:
    """A file's records, written anew.

    `plain` holds the table's, without a header, delimited by `delimiter`; `rejected` the others, one JSON array a line, with their
    number by reason in `counts`; `spans_lines` says whether a field goes over a line end. `why` says what made the careful path necessary.
    """

    source: Path
    dialect: Dialect
    reading: Reading
    footer: int | None
    plain: Path
    rejected: Path
    why: str
    counts: dict[str, int] = field(default_factory=dict)
    written: int = 0
    spans_lines: bool = False
    _marks: list[_Mark] = field(default_factory=list)
    _every: int = _EVERY

    @property
    def delimiter(self) -> str:
        """What delimits the plain file: the original's delimiter, but for a space."""
        return "," if self.dialect.delimiter == " " else self.dialect.delimiter

    def rejects(self) -> Iterator[Rejected]:
        """The records that are none of the table's, in the file's order."""
        decoder = msgspec.json.Decoder(Rejected)
        with self.rejected.open("rb") as lines:
            for line in lines:
                yield decoder.decode(line)

    def count(self) -> int:
        """How many records the file has, by other code than what cut it."""
        with self.source.open("rb") as stream:
            dialect = self.dialect
            return count_carefully(
                stream, dialect.cutting, dialect.start, longest=LONGEST, blank=len(dialect.columns) == 1
            )

    def locate(self, ordinals: Sequence[int]) -> dict[int, Location]:
        """Where the records of the plain file with these ascending places, from 0, are in the original."""
        found: dict[int, Location] = {}
        wanted = [ordinal for ordinal in ordinals if ordinal < self.written]
        with self.source.open("rb") as stream:
            at = 0
            while at < len(wanted):
                mark = bisect_right(self._marks, wanted[at], key=lambda one: one.ordinal) - 1
                stop = self._marks[mark + 1].ordinal if mark + 1 < len(self._marks) else self.written
                until = bisect_left(wanted, stop, lo=at)
                found |= self._found(stream, self._marks[mark], wanted[at:until])
                at = until
        return found

    def _found(self, stream: BinaryIO, mark: _Mark, wanted: Sequence[int]) -> dict[int, Location]:
        """Where some records after a mark, and before the next, are."""
        found: dict[int, Location] = {}
        ordinal, left = mark.ordinal, set(wanted)
        seen_from = table_records(
            stream, self.dialect, self.reading, self.footer, start=mark.start, line=mark.line
        )
        for seen in seen_from:
            if isinstance(seen, Run):
                if not left.isdisjoint(range(ordinal, ordinal + seen.records)):
                    for at, one in enumerate(seen.cuts(), start=ordinal):
                        if at in left:
                            found[at] = Location(one.line, one.start, shown(one.raw))
                ordinal += seen.records
            elif seen.reason is None:
                if ordinal in left:
                    found[ordinal] = Location(seen.cut.line, seen.cut.start, shown(seen.cut.raw))
                ordinal += 1
            if len(found) == len(left):
                break
        return found

    def write(self, at_most: int | None) -> None:
        """Write the plain file and the rejects, of the first `at_most` of the table's records if so asked."""
        encoder = msgspec.json.Encoder()
        pending = bytearray()
        with (
            self.source.open("rb") as stream,
            self.plain.open("wb") as plain,
            self.rejected.open("wb") as rejected,
        ):
            for seen in table_records(stream, self.dialect, self.reading, self.footer):
                if isinstance(seen, Run):
                    self._mark(seen.start, seen.line)
                    self.spans_lines |= seen.lines > seen.records
                    pending += self._records(seen)
                    self.written += seen.records
                elif seen.reason is not None:
                    self.counts[seen.reason] = self.counts.get(seen.reason, 0) + 1
                    one = Rejected(seen.cut.line, seen.cut.start, seen.reason, shown(seen.cut.raw))
                    rejected.write(encoder.encode(one) + b"\n")
                else:
                    self._mark(seen.cut.start, seen.cut.line)
                    self.spans_lines |= b"\n" in seen.cut.raw or b"\r" in seen.cut.raw
                    pending += self._record(seen)
                    pending += b"\n"
                    self.written += 1
                if len(pending) > _FLUSH:
                    plain.write(pending)
                    pending.clear()
                if at_most is not None and self.written >= at_most:
                    break
            plain.write(pending)

    def _record(self, seen: Seen) -> bytes:
        delimiter = self.delimiter.encode()
        if seen.cells is None:
            if self.dialect.delimiter == " ":
                return b",".join(map(_written, seen.cut.raw.split(b" ")))
            if b'"' not in seen.cut.raw and b"\r" not in seen.cut.raw:
                return seen.cut.raw
            return delimiter.join(map(_written, seen.cut.raw.split(delimiter)))
        return delimiter.join(
            _quoted(text) if quoted or delimiter in text else _written(text) for text, quoted in seen.cells
        )

    def _records(self, run: Run) -> bytes:
        data = run.data
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        delimiter, given = self.delimiter.encode(), self.dialect.delimiter.encode()
        if run.quoted:
            return data
        if b'"' not in data and (delimiter == given or delimiter not in data):
            return data if delimiter == given else data.replace(given, delimiter)
        return b"".join(self._record(Seen(one, None, None)) + b"\n" for one in run.cuts())

    def _mark(self, start: int, line: int) -> None:
        """Remember the place of the next record, if enough were written since the last."""
        if self._marks and self.written - self._marks[-1].ordinal < self._every:
            return
        self._marks.append(_Mark(self.written, start, line))
        if len(self._marks) > _MOST_MARKS:
            self._marks = self._marks[::2]
            self._every *= 2


@contextmanager
def rewritten(
    source: Path, dialect: Dialect, reading: Reading, scratch: Path, *, why: str, at_most: int | None = None
) -> Iterator[Rewriting]:
    """The file at `source` written anew, while the context lasts; only its first records where `at_most` says so."""
    with TemporaryDirectory(dir=scratch, prefix="careful-") as folder:
        with source.open("rb") as stream:
            footer = find_footer(stream, dialect, reading)
        made = Rewriting(
            source,
            dialect,
            reading,
            footer,
            Path(folder, "records.csv"),
            Path(folder, "rejected.ndjson"),
            why,
        )
        made.write(at_most)
        yield made


def shown(raw: bytes) -> str:
    """How a record reads in a list of rejects."""
    return raw[: 4 * RAW_CHARACTERS].decode("utf-8", errors="replace")[:RAW_CHARACTERS]


def _written(text: bytes) -> bytes:
    """A field that was not quoted: only what a reader would take for a quote or a line end needs quotes."""
    return _quoted(text) if b'"' in text or b"\r" in text or b"," in text else text


def _quoted(text: bytes) -> bytes:
    return b'"' + text.replace(b'"', b'""') + b'"'
