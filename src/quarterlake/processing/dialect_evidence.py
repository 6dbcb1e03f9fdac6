"""Which delimiter, quote and escape a text is written with: each is tried, and what cuts best is taken.

The idea is that of van den Burg, Nazábal and Sutton, *Wrangling Messy CSV Files by Detecting Row and Type Patterns*
(2019): the right dialect cuts most records into equally many fields, and its fields look like values.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from quarterlake.processing.cut_patterns import Cutting
from quarterlake.processing.cutting import Cut, cut, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.domain.reading import Reading

DELIMITERS = (b",", b";", b"\t", b"|", b" ")
"""In the order in which a tie is decided."""
_RECORDS = 200
_CLOSE = 0.05
_LOOKED_AT = 1 << 15
_QUOTED_APOSTROPHE = re.compile(rb"(?:^|[,;\t| ])'[^'\r\n]+'(?=[,;\t| ]|\r?$)", flags=re.MULTILINE)
_VALUE = re.compile(
    r"[+-]?[\d.,:' ]*\d[\d.,:]*([eE][+-]?\d+)?"  # numbers, times
    r"|[+-]?([$€£¥]|[A-Z]{3}) ?[\d.,]+|[\d.,]+ ?([$€£¥%]|[A-Z]{3})"
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ][-\d:.,+ ]*(Z|UTC|[AaPp][Mm])?)?|\d{1,2}[- ][A-Za-z]{3}[- ]\d{2,4}"
    r"|\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?"
    r"|(?i:true|false|nan|na|n/a|null|none|-)"
    r"|[^\s@]+@[^\s@]+\.[a-z]+|https?://\S+"
)
_QUOTED = re.compile(rb"(?:^|[,;\t|])\"[^\"\r\n]*\"(?=[,;\t|]|\r?$)", flags=re.MULTILINE)
_DELIMITER_INSIDE = re.compile(rb"'.*[,;\t|]")
_LINE_END = re.compile(rb"\r\n?|\n")
_FEW_QUOTED = 0.1
"""Up to this share of records, cells between apostrophes say nothing by themselves."""
_OTHER_DELIMITER = re.compile(r"[,;\t|]")


class Choice(NamedTuple):
    """A dialect's cutting, and why it is taken."""

    cutting: Cutting
    why: str


def is_value(text: str) -> bool:
    """Whether a cell looks like a number, a time, a truth value, a missing one or an address, rather than like words."""
    return _VALUE.fullmatch(text.strip()) is not None


def choose_cutting(sample: bytes, reading: Reading) -> Choice:
    """What cuts a sample of UTF-8 text best; what `reading` says is not tried otherwise."""
    text = sample.decode(errors="replace")
    if _nothing_is_said(reading) and (usual := _usual(sample, text)):
        return usual
    head = sample if len(sample) <= _LOOKED_AT else sample[: sample.rfind(b"\n", 0, _LOOKED_AT) + 1] or sample
    delimiters = (reading.delimiter.encode(),) if reading.delimiter else DELIMITERS
    lone_cr, quotings = _ends_with_cr(sample), _quotings(sample, reading)
    tried = [
        (_score(head, cutting), -rank, cutting)
        for rank, cutting in enumerate(
            Cutting(delimiter, quote, escape, lone_cr=lone_cr)
            for delimiter in delimiters
            for quote, escape in quotings
        )
    ]
    best = max(tried, key=lambda one: one[:2])
    if not best[0]:
        unused = next((one for one in tried if one[2].delimiter not in sample), tried[0])
        return Choice(unused[2], "no delimiter cuts the records into more than one column")
    others = [one for one in tried if one[2].delimiter != best[2].delimiter]
    if not others:
        return Choice(best[2], "the contract says so")
    next_best = max(others, key=lambda one: one[:2])
    why = (
        f"it cuts the sample best: {best[0]:.2f} of 1, and {shown(next_best[2].delimiter)} {next_best[0]:.2f}"
    )
    if best[0] - next_best[0] < _CLOSE and best[0] > 0:
        why += "; ambiguous: of close ones the first of , ; tab | space is taken, and a contract can say it"
    return Choice(best[2], why)


def with_line_ends(cutting: Cutting, sample: bytes) -> Cutting:
    """The cutting with a CR alone as a line end, where that makes the records more regular, or as text."""
    if sample.count(b"\r") == sample.count(b"\r\n"):
        return replace(cutting, lone_cr=False)
    if b"\n" not in sample:
        return replace(cutting, lone_cr=True)
    text, ends = (replace(cutting, lone_cr=lone_cr) for lone_cr in (False, True))
    return ends if _regularity(sample, ends) >= _regularity(sample, text) else text


def _nothing_is_said(reading: Reading) -> bool:
    return reading.delimiter is None and reading.quote is None and reading.escape is None


def _usual(sample: bytes, text: str) -> Choice | None:
    """The one delimiter that cuts every record into equally many fields, where quotes are the usual ones: most files."""
    if b'\\"' in sample or (b"'" in sample and _may_quote_with_apostrophes(sample)):
        return None
    regular = []
    for delimiter in DELIMITERS[:4]:
        if delimiter in sample:
            try:
                widths = {
                    len(row)
                    for row in csv.reader(
                        io.StringIO(text, newline=""), delimiter=delimiter.decode(), strict=True
                    )
                    if row
                }
            except csv.Error:
                return None
            if len(widths) == 1 and widths != {1}:
                regular.append(delimiter)
    if len(regular) != 1:
        return None
    cutting = Cutting(regular[0], lone_cr=_ends_with_cr(sample))
    return Choice(cutting, "it alone cuts every record of the sample into equally many fields")


def _ends_with_cr(sample: bytes) -> bool:
    """Whether lines end with a CR alone, as far as no cutting is known: the first does, and more than LFs there are, which quoted text may hold."""
    first = _LINE_END.search(sample)
    alone = sample.count(b"\r") - sample.count(b"\r\n")
    return first is not None and first[0] == b"\r" and alone > sample.count(b"\n")


def _quotings(sample: bytes, reading: Reading) -> list[tuple[bytes, bytes]]:
    """Quotes with their escapes, in the order in which a tie is decided."""
    quotes = [b'"']
    if _may_quote_with_apostrophes(sample):
        quotes.append(b"'")
    if reading.quote is not None:
        quotes = [reading.quote.encode()]
    found = []
    for quote in quotes:
        escapes = [quote]
        if quote and b"\\" + quote in sample:
            escapes.append(b"\\")
        if reading.escape is not None and quote:
            escapes = [reading.escape.encode()]
        found += [(quote, escape) for escape in escapes]
    return found


def _may_quote_with_apostrophes(sample: bytes) -> bool:
    """Whether cells between apostrophes are no mere words (`'90s'`): fewer are between quotes, and a delimiter is in one of them, or many records have one."""
    found = _QUOTED_APOSTROPHE.findall(sample)
    if len(_QUOTED.findall(sample)) >= len(found):
        return False
    lines = max(1, sample.count(b"\n"), sample.count(b"\r"))
    return len(found) > _FEW_QUOTED * lines or any(map(_DELIMITER_INSIDE.search, found))


def _score(sample: bytes, cutting: Cutting) -> float:
    """How well a cutting cuts, from 0 to 1: how regular its records are, how much their fields look like values, how few break."""
    cuts = [one for one in islice(cut(io.BytesIO(sample), cutting), _RECORDS) if one.raw]
    if not cuts:
        return 0.0
    rows = [cells_of(one, cutting) for one in cuts if one.problem is None]
    widths = Counter(map(len, rows))
    width, times = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]), default=(1, 0))
    if width == 1:
        return 0.0
    if _is_single(cuts, rows, cutting):
        return 0.0
    typed = _typed([row for row in rows if len(row) == width])
    return float(times / len(cuts) * typed * ((width - 1) / width) ** 0.5)


def _regularity(sample: bytes, cutting: Cutting) -> float:
    """The share of records that have as many fields as most."""
    widths = [
        len(cells_of(one, cutting)) for one in cut(io.BytesIO(sample), cutting) if one.raw and not one.problem
    ]
    return max(Counter(widths).values(), default=0) / max(1, len(widths))


def _is_single(cuts: Sequence[Cut], rows: Sequence[Sequence[tuple[str, bool]]], cutting: Cutting) -> bool:
    """Whether the delimiter rather belongs to the values of a single column: decimal commas, `10:00 am`, names of two words."""
    lines = [one.raw.decode(errors="replace") for one in cuts]
    values = sum(map(is_value, lines))
    if (len(rows[0]) == 1 or cutting.delimiter == b" ") and 2 * values > len(lines):
        return True
    if cutting.delimiter != b" " or any(quoted for row in rows for _, quoted in row):
        return False
    return 2 * sum(any(is_value(text) for text, _ in row) for row in rows) <= len(rows)


def cells_of(one: Cut, cutting: Cutting) -> list[tuple[str, bool]]:
    """The fields of a record as text, each with whether it was quoted."""
    if one.quoted:
        return [(text.decode(errors="replace"), quoted) for text, quoted in fields(one.raw, cutting)]
    return [(text, False) for text in one.raw.decode(errors="replace").split(cutting.delimiter.decode())]


def _typed(rows: Sequence[Sequence[tuple[str, bool]]]) -> float:
    """The share of cells that are what a cell should be: quoted, a value, empty, or words without another delimiter in them."""
    total = good = 0.0
    for row in rows:
        for text, quoted in row:
            total += 1
            bare = text.strip()
            if quoted or not bare or is_value(bare):
                good += 1
            elif not _OTHER_DELIMITER.search(bare) and bare[0].isalnum() and '"' not in bare:
                good += 0.9
    return good / total if total else 0.0


def shown(delimiter: bytes) -> str:
    """A delimiter as people call it."""
    return {b"\t": "tab", b" ": "space"}.get(delimiter, delimiter.decode())
