"""Named pollutions of one clean table, after the idea of the Pollock benchmark.

Vitagliano, Hameed, Jiang, Reisener, Wu and Naumann, *Pollock: A Data Loading Benchmark*, PVLDB 16 (2023), pollute a file in one way at a
time, as often as they found each way in 3,712 public files, and compare what a system loads with the clean table. The table and the
code here are our own. `weight` is the frequency of their survey where they have the same pollution, divided among its
variants; pollutions that they do not have weigh 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HEADER = ["date", "time", "qty", "product_id", "price", "product", "description", "url", "comment"]
_THINGS = [
    "Boots",
    "Jacket",
    "Trail Shoes",
    "Fly Rod",
    "Suspenders",
    "Towel",
    "Jersey",
    "Dining Table",
    "Socks",
    "Vest",
]
_SAID = [
    "rugged enough for peak performance, light enough for the way home",
    "keeps its shape wash after wash",
    'fits up to 48" and not an inch more',
    "warm, dry and comfortable whatever the weather",
    "made of soft cotton that resists wrinkles, stains and shrinking",
    "it won't let you down",
    "an ideal first layer; breathable and quick-drying",
]
COUNT = 84
_LESS, _MORE, _QUOTES = 260.0, 260.0, 7.0


def clean_rows() -> list[list[str]]:
    """The records of the clean table."""
    return [
        [
            f"{1 + n % 28:02d}/{1 + n // 28:02d}/2018",
            f"{n % 24:02d}:{15 * (n % 4):02d}",
            str(n % 7),
            f"{'ABCDEFG'[n % 7]}{'RSTUV'[n % 5]}-{1000 + 37 * n}",
            f"${n * 1.37 + 4:.2f}",
            f"{['Men', 'Women', 'Kids'][n % 3]}'s {_THINGS[n % 10]}",
            _SAID[n % len(_SAID)].capitalize() + ".",
            f"https://www.example.com/product/{1000 + 37 * n}.html",
            "" if n % 9 else "discontinued",
        ]
        for n in range(COUNT)
    ]


@dataclass(frozen=True)
class Polluted:
    """A polluted file: what kind of pollution, its bytes, and the header (None: it has none) and records that a reader should find."""

    name: str
    kind: str
    data: bytes
    header: list[str] | None
    rows: list[list[str]]
    weight: float = 1.0


@dataclass(frozen=True)
class Style:
    """How a table is written."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    end: str = "\r\n"
    quote_all: bool = False

    def line(self, cells: Sequence[str], end: str | None = None) -> str:
        """A record, with its line end."""
        return self.delimiter.join(map(self.cell, cells)) + (self.end if end is None else end)

    def cell(self, cell: str) -> str:
        """A cell as it is written."""
        special = any(char in cell for char in (self.delimiter.strip(" ") or " ", self.quote, "\n", "\r"))
        if not (special or self.quote_all):
            return cell
        return self.quote + cell.replace(self.quote, self.escape + self.quote) + self.quote

    def table(self, header: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> str:
        """A header, if any, and records."""
        return "".join(map(self.line, [*([header] if header else []), *rows]))


STYLE = Style()


def pollutions() -> Iterator[Polluted]:
    """Every pollution, the clean file first."""
    rows = clean_rows()
    text = STYLE.table(HEADER, rows)
    clean = Polluted("clean", "clean", text.encode(), HEADER, rows)
    yield clean
    for part in (_files, _written, _around, _tables):
        yield from part(clean, text)
    yield from _encoded(clean)
    yield from _records(clean)


def _files(clean: Polluted, text: str) -> Iterator[Polluted]:
    rows, end = clean.rows, STYLE.end
    make = _maker(clean, "file")
    yield replace(make("no payload", "", 15), header=None, rows=[])
    yield make("no trailing newline", text.removesuffix(end), 184)
    yield make("double trailing newline", text + end, 5)
    yield replace(make("header only", STYLE.line(HEADER), 3), rows=[])
    yield replace(make("one data row", STYLE.table(HEADER, rows[:1]), 4), rows=rows[:1])
    yield replace(make("no header", STYLE.table(None, rows), 470), header=None)
    yield make("header twice", STYLE.line(HEADER) + text, 47)
    yield make("header three times", STYLE.line(HEADER) * 2 + text, 47)


def _written(clean: Polluted, text: str) -> Iterator[Polluted]:
    def styled(name: str, style: Style, weight: float = 1) -> Polluted:
        return make(name, style.table(HEADER, clean.rows), weight)

    make = _maker(clean, "delimiter")
    yield styled("semicolon", Style(";"), 834)
    yield styled("tab", Style("\t"), 4)
    yield styled("pipe", Style("|"))
    yield styled("space", Style(" "), 4)
    yield styled("comma and space", Style(", "), 101)
    yield make("trailing", STYLE.line(HEADER) + "".join(STYLE.line([*row, ""]) for row in clean.rows))
    yield make("sep line", "sep=;\r\n" + Style(";").table(HEADER, clean.rows))
    make = _maker(clean, "quotes")
    yield styled("apostrophe", Style(quote="'", escape="'"), 11)
    yield styled("all quoted", Style(quote_all=True))
    yield styled("backslash escape", Style(escape="\\"), 1)
    yield styled("no escape", Style(escape=""), 7)
    make = _maker(clean, "line ends")
    yield styled("LF", Style(end="\n"), 1691)
    yield styled("CR", Style(end="\r"), 7)
    lines = text.splitlines(keepends=True)
    yield make("mixed", "".join(_ended(line, "\n" if n % 3 else "\r\n") for n, line in enumerate(lines)))
    yield make(
        "all three", "".join(_ended(line, ("\n", "\r\n", "\r")[n % 3]) for n, line in enumerate(lines))
    )
    yield make("one LF", "".join(_ended(line, "\n" if n == 50 else "\r\n") for n, line in enumerate(lines)))
    broken = [
        [*row[:6], "First line.\nSecond, line.", *row[7:]] if n > 70 else row
        for n, row in enumerate(clean.rows)
    ]
    yield replace(make("quoted newlines, late", STYLE.table(HEADER, broken)), rows=broken)


def _encoded(clean: Polluted) -> Iterator[Polluted]:
    def encoded(name: str, encoding: str, thing: str) -> Polluted:
        rows = [
            [*row[:5], f"{row[5]} {thing}", *row[6:]] if n % 5 == 0 else row
            for n, row in enumerate(clean.rows)
        ]
        data = STYLE.table(HEADER, rows).encode(encoding)
        return Polluted(name, "encoding", data, HEADER, rows)

    yield encoded("UTF-8", "utf-8", "für müde Füße — 日本")
    yield encoded("UTF-8 with mark", "utf-8-sig", "für müde Füße")
    yield encoded("UTF-16", "utf-16", "für müde Füße — 日本")
    yield encoded("UTF-16 without mark", "utf-16-le", "für müde Füße")
    yield encoded("UTF-32", "utf-32", "für müde Füße")
    yield encoded("Latin-1", "latin-1", "für müde Füße")
    yield encoded("Windows-1252", "cp1252", "für müde „Füße“ — 9,99 €")


def _around(clean: Polluted, text: str) -> Iterator[Polluted]:
    width = len(HEADER)
    make = _maker(clean, "preamble")
    yield make(
        "title, padded", "PREAMBLE" + "," * (width - 1) + "\r\n" + "," * (width - 1) + "\r\n" + text, 282 / 3
    )
    yield make("title and blank line", "Sales report, first quarter\r\n\r\n" + text, 282 / 3)
    yield make("titles", "Sales report\r\nAll shops\r\n2018\r\n" + text, 282 / 3)
    yield make("comments", "# exported by shop 2.1\r\n# all prices in USD, gross\r\n" + text)
    yield make("pairs", "Station,Berlin\r\nPeriod,2018\r\nUnit,USD\r\n\r\n" + text)
    yield make("blank lines", "\r\n\r\n" + text)
    make = _maker(clean, "footer")
    yield make("total", text + STYLE.line(["TOTAL", "", "252", "", "$5,113.02", "", "", "", ""]))
    yield make("note", text + "\r\n" + "Source: the shops of the world\r\n")
    yield make("notes, no blank line", text + "FOOTNOTE\r\nFOOTNOTE\r\nFOOTNOTE\r\n")
    yield make("note, padded", text + STYLE.line(["FOOTNOTE", *[""] * (width - 1)]))
    yield make("comment", text + "# 84 rows\r\n")
    yield make("number of rows", text + "(84 rows)\r\n")


def _tables(clean: Polluted, text: str) -> Iterator[Polluted]:
    make = _maker(clean, "tables")
    few = [["Berlin", "14", "open"], ["Oslo", "9", "open"], ["Rome", "11", "closed"], ["Lima", "3", "open"]]
    fewer = STYLE.table(["shop", "staff", "state"], few)
    same = STYLE.table([f"other {name}" for name in HEADER], clean.rows[:20])
    more = STYLE.table([*HEADER, "a", "b", "c"], [[*row, "1", "2", "3"] for row in clean.rows[:20]])
    yield make("fewer columns", text + "\r\n" + fewer, 62.67)
    yield make("more columns", text + "\r\n" + more, 62.67)
    yield make("as many columns", text + "\r\n" + same, 62.67)
    yield make("with a title", text + "\r\nShops\r\n" + fewer)
    make = _maker(clean, "records")
    lines = text.splitlines(keepends=True)
    yield make("header repeated", "".join([*lines[:40], lines[0], *lines[40:70], lines[0], *lines[70:]]))
    yield make("blank lines within", "".join([*lines[:20], "\r\n", *lines[20:60], "\r\n\r\n", *lines[60:]]))


def _records(clean: Polluted) -> Iterator[Polluted]:
    """One record is polluted, in one of several places; it should be missing, and nothing else."""
    cells = [STYLE.cell(cell) for row in clean.rows for cell in row]
    written = [cells[start : start + len(HEADER)] for start in range(0, len(cells), len(HEADER))]

    def spoilt(name: str, row: int, line: str, weight: float) -> Polluted:
        lines = [",".join(one) + STYLE.end for one in written]
        lines[row] = line + STYLE.end
        return _maker(clean, "one record")(
            f"{name}, record {row + 1}", STYLE.line(HEADER) + "".join(lines), weight
        )

    places = [(row, at) for row in (0, 1, 41, COUNT - 1) for at in (0, 2, 5, 7)]
    for row, at in places:
        one = written[row]
        less = [*one[:at], one[at] + one[at + 1], *one[at + 2 :]]
        more = [*one[:at], "", *one[at:]]
        quote = [*one[:at], '"' + one[at], *one[at + 1 :]]
        share = 1 / len(places)
        yield spoilt(f"delimiter missing, field {at + 1}", row, ",".join(less), _LESS * share)
        yield spoilt(f"delimiter too many, field {at + 1}", row, ",".join(more), _MORE * share)
        yield spoilt(f"stray quote, field {at + 1}", row, ",".join(quote), _QUOTES * share)
    for row in (0, 41, COUNT - 1):
        yield spoilt("delimited by spaces", row, " ".join(written[row]), 1 / 3)
        yield spoilt("quote never closed", row, ",".join([*written[row][:-1], '"gone']), 1 / 3)
        yield spoilt("cut off", row, ",".join(written[row][:4]), 1 / 3)


def _maker(clean: Polluted, kind: str) -> Callable[..., Polluted]:
    def make(name: str, text: str, weight: float = 1.0) -> Polluted:
        return replace(clean, name=name, kind=kind, data=text.encode(), weight=weight)

    return make


def _ended(line: str, end: str) -> str:
    return line.rstrip("\r\n") + end
