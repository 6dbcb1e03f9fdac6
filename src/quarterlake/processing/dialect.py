"""How a delimited file is written and where its table lies, found from its first records."""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.domain.reading import EVIDENCE, Reading
from quarterlake.processing.cut_patterns import Cutting
from quarterlake.processing.cutting import LONGEST, Cut, cut, cut_in_runs, one_by_one
from quarterlake.processing.dialect_evidence import cells_of, choose_cutting, shown, with_line_ends
from quarterlake.processing.layout import Cells, Head, lay_out

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_SAMPLE = 1 << 16
_FEWEST = 3
_QUOTES = re.compile(rb"\"++")
_BEFORE_QUOTES = frozenset({b"", b",", b";", b"\t", b"|", b"\n", b"\r"})
_FEW_RECORDS, _RECORDS = 48, 256
_DECLARED = re.compile(rb"sep=([\t\x20!#-&(-~])\r?\n")
MAX_COLUMNS = 4_096


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written, and its columns' names in order.

    `spelled` are the names as the header has them, before they were made unique; `blank` is the number of lines before
    the header, or before the first record where there is none, and `preamble` what they say. `padded` means that a space follows each delimiter, and `trailing`
    that one more delimiter ends each record. The first record begins at byte `start` on line `line`; `heading` is the header as it is written,
    ended by `line_end`, and `typed` are the places of the columns that hold values rather than words.
    `why` explains each decision.
    """

    delimiter: str
    quote: str
    header: bool
    columns: tuple[str, ...]
    spelled: tuple[str, ...] = field(default=(), compare=False)
    blank: int = 0
    escape: str = '"'
    lone_cr: bool = False
    padded: bool = False
    trailing: bool = False
    preamble: tuple[str, ...] = field(default=(), compare=False)
    start: int = field(default=0, compare=False)
    line: int = field(default=1, compare=False)
    heading: bytes = field(default=b"", compare=False)
    typed: frozenset[int] = field(default=frozenset(), compare=False)
    line_end: bytes = field(default=b"\n", compare=False)
    why: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def cutting(self) -> Cutting:
        """How its bytes are cut into records."""
        return Cutting(self.delimiter.encode(), self.quote.encode(), self.escape.encode(), self.lone_cr)

    @property
    def special(self) -> str | None:
        """What DuckDB's reader would not read as it is meant; None if there is nothing."""
        special = {
            f"the delimiter is a {shown(self.delimiter.encode())}": self.delimiter not in ",;\t|",
            f"the quote is {self.quote or 'none'}": self.quote != '"',
            f"the escape is {self.escape}": self.quote == '"' and self.escape != '"',
            "a space follows each delimiter": self.padded,
            "each record ends with a delimiter": self.trailing,
            "quotes in the preamble": any('"' in line for line in self.preamble),
        }
        return next((said for said, holds in special.items() if holds), None)

    def described(self) -> dict[str, str]:
        """For documents and people."""
        return {
            "delimiter": self.delimiter,
            "quote": self.quote,
            "header": "yes" if self.header else "none: columns are numbered",
            "escape": "doubled quote" if self.escape == self.quote else self.escape,
            **({"preamble": "\n".join(self.preamble)[:500]} if self.preamble else {}),
            **({"padding": "a space follows each delimiter"} if self.padded else {}),
            **({"trailing delimiter": "each record ends with one"} if self.trailing else {}),
            **{f"why {decision}": why for decision, why in self.why.items()},
        }


def find_dialect(
    name: str, stream: BinaryIO, expected: Collection[str] = (), reading: Reading = EVIDENCE
) -> Dialect:
    """The dialect of a UTF-8 file from its first 64 KiB.

    The delimiter, quote and escape are those that cut best. The table begins after what is a preamble. Its first record
    is a header when its cells are unlike values, or when they name `expected` columns; without one the columns are
    `column_1` and so on. Where nothing else shows, the quote is `"`: a file whose first quoted field comes late reads right too.
    What `reading` says is so.
    """
    sample, offset = _sample(stream)
    declared = _DECLARED.match(sample)
    if declared and declared[1].decode() not in {reading.quote, reading.escape} and reading.delimiter is None:
        reading = msgspec.structs.replace(reading, delimiter=declared[1].decode())
    choice = choose_cutting(sample, reading)
    cutting = with_line_ends(choice.cutting, sample)
    cuts, rows = _first_records(sample, cutting)
    head = lay_out(cuts, rows, expected, reading)
    if head is None:
        raise UnreadableFileError(
            f"{name} holds no record. Send it again, or correct it with a file under the same name."
        )
    if head.width > MAX_COLUMNS:
        raise UnreadableFileError(
            f"{name} has {head.width} columns, more than {MAX_COLUMNS}: is it delimited text at all?"
        )
    return _dialect(
        sample, offset, cutting, cuts, head, choice.why if not declared else "the file's sep= line says so"
    )


def _dialect(
    sample: bytes, offset: int, cutting: Cutting, cuts: Sequence[Cut], head: Head, why: str
) -> Dialect:
    first = cuts[head.first]
    after = head.first + head.header
    begins = (
        cuts[after]
        if after < len(cuts)
        else Cut(len(sample), first.line + 1, b"", quoted=False, problem=None)
    )
    return Dialect(
        delimiter=cutting.delimiter.decode(),
        quote=cutting.quote.decode(),
        header=head.header,
        columns=unique_names(head.names),
        spelled=tuple(n.strip() for n in head.names),
        blank=first.line - 1 if head.header or head.preamble else 0,
        escape=cutting.escape.decode(),
        lone_cr=cutting.lone_cr,
        padded=head.padded,
        trailing=head.trailing,
        preamble=tuple(cuts[at].raw.decode(errors="replace") for at in head.preamble),
        start=offset + begins.start,
        line=begins.line,
        heading=first.raw if head.header else b"",
        typed=head.typed,
        line_end=_line_end(sample, cuts[0]),
        why={"delimiter": why, **head.why},
    )


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


def _sample(stream: BinaryIO) -> tuple[bytes, int]:
    """The first bytes of a file, up to a line end, and where they begin: after a byte order mark."""
    data = stream.read(_SAMPLE)
    while len(data) < LONGEST and b"\n" not in data and b"\r" not in data and (more := stream.read(_SAMPLE)):
        data += more
    more = stream.read(_SAMPLE)
    if more:  # a record that the sample cuts is none of its records
        while (
            len(data) < LONGEST
            and (opened := _left_open(data)) is not None
            and data.count(b"\n", 0, opened) < _FEWEST
            and more
        ):
            data += more
            more = stream.read(_SAMPLE)
        opened = _left_open(data) if more else None
        stop = max(data.rfind(b"\n", 0, opened), data.rfind(b"\r", 0, opened)) + 1
        data = data[:stop] or data
    mark = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    return data[mark:], mark


def _left_open(data: bytes) -> int | None:
    """Where the quote stands that opens a field which the end of some text cuts, if one does."""
    odd = [found.start() for found in _QUOTES.finditer(data) if len(found[0]) % 2]
    if len(odd) % 2 == 0:
        return None
    before = data[max(0, odd[-1] - 2) : odd[-1]].removesuffix(b" ")[-1:]
    return odd[-1] if before in _BEFORE_QUOTES else None


def _line_end(sample: bytes, first: Cut) -> bytes:
    """What ends the first line; LF where nothing does."""
    after = sample[first.start + len(first.raw) :]
    return next((end for end in (b"\r\n", b"\n", b"\r") if after.startswith(end)), b"\n")


def _first_records(sample: bytes, cutting: Cutting) -> tuple[list[Cut], list[Cells]]:
    """Records with their cells: a few where all have equally many fields, else more."""
    cuts = _cuts(sample, cutting)
    few = list(islice(cuts, _FEW_RECORDS))
    rows = [_cells(one, cutting) for one in few]
    if len({len(row) for row in rows}) > 1:
        more = list(islice(cuts, _RECORDS))
        few += more
        rows += [_cells(one, cutting) for one in more]
    return few, rows


def _cuts(sample: bytes, cutting: Cutting) -> Iterator[Cut]:
    first = next(cut(io.BytesIO(sample), cutting), None)
    width = 0 if first is None else len(_cells(first, cutting))
    return one_by_one(cut_in_runs(io.BytesIO(sample), cutting, width))


def _cells(one: Cut, cutting: Cutting) -> Cells:
    return cells_of(one, cutting) if one.problem is None else []
