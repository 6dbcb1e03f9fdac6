"""How a column writes its times and numbers where that is not ISO 8601 and a plain decimal point.

A column's format is one text, kept in its contract:

- a time in the letters of Java's `DateTimeFormatter`, as the Open Data Contract Standard has it: `d/M/yyyy H:mm[:ss]`.
  `d`, `M`, `H` and `h` take one or two digits, the doubled letters two; `MMM` and `MMMM` are English month names, in any
  case; a run of `S` takes one to six digits; `X`, `Z` or `z` takes `Z`, `UTC`, `GMT` or an offset; brackets enclose what may be absent;
- an epoch, `epoch_s`, `epoch_ms`, `epoch_us` or `epoch_ns`, with the years in which its instants must lie where those
  are known: `epoch_ms 1990-2099`;
- a number, as the number 1234.56 is written: `1.234,56`, `1 234,56`, `1,234.56`, `1234,56`, `1 234`. A blank there takes any
  blank (also no-break ones), an apostrophe either form of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from quarterlake.domain.column_types import ColumnType, Kind

EPOCH_DIGITS = {"epoch_s": 0, "epoch_ms": 3, "epoch_us": 6, "epoch_ns": 9}
"""Each epoch's unit, as the decimal places of a second that it counts."""

ISO_FORMATS = frozenset(
    {
        "yyyy-MM-dd",
        "yyyy-MM-dd HH:mm:ss",
        "yyyy-MM-dd'T'HH:mm:ss",
        "yyyy-MM-dd'T'HH:mm:ssX",
        "yyyy-MM-dd'T'HH:mm:ssXXX",
        "yyyy-MM-dd'T'HH:mm:ss'Z'",
        "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
        "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    }
)
"""Formats that say no more than ISO 8601, which needs none."""

BLANKS = " \u00a0\u2009\u202f"
APOSTROPHES = "'\u2019"

_OFFSET = r"(?:Z|UTC|GMT|[+-](?:0[0-9]|1[0-8])(?::?[0-5][0-9])?)"
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_LONG_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DAYS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_LETTERS = {
    "yyyy": ("[0-9]{4}", "%Y"), "uuuu": ("[0-9]{4}", "%Y"), "yy": ("[0-9]{2}", "%y"),
    "MM": ("[0-9]{2}", "%m"), "M": ("[0-9]{1,2}", "%m"),
    "MMM": (f"(?i:{_MONTHS})", "%b"), "MMMM": (f"(?i:{_LONG_MONTHS})", "%B"),
    "dd": ("[0-9]{2}", "%d"), "d": ("[0-9]{1,2}", "%d"),
    "HH": ("[0-9]{2}", "%H"), "H": ("[0-9]{1,2}", "%H"),
    "hh": ("[0-9]{2}", "%I"), "h": ("[0-9]{1,2}", "%I"),
    "mm": ("[0-9]{2}", "%M"), "ss": ("[0-9]{2}", "%S"), "a": ("[AaPp][Mm]", "%p"),
    **{letter * times: (_OFFSET, "%z") for letter in "XxZz" for times in (1, 2, 3)},
    **dict.fromkeys(("E", "EE", "EEE"), (f"(?i:{_DAYS})", "%a")),
    **{"S" * times: ("[0-9]{1,6}", "%f") for times in range(1, 10)},
}  # fmt: skip
_TOKEN = re.compile(r"'((?:[^']|'')*)'|(([A-Za-z])\3*)|([^A-Za-z'])")
_NUMBER = re.compile(r"1([., '])?234(?:([.,])56)?")
_EPOCH = re.compile(r"(epoch_(?:s|ms|us|ns))(?: ([0-9]{4})-([0-9]{4}))?")
_MOST_VARIANTS = 64


@dataclass(frozen=True, slots=True)
class TimeVariant:
    """A time format with each optional part either there or not.

    `form` is a regular expression (RE2) for its texts, `strptime` the format in the letters of C; `has_offset` says
    whether it ends in an offset, `has_time` whether it has a time of day.
    """

    form: str
    strptime: str
    has_offset: bool
    has_time: bool


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """A time format in all its variants."""

    variants: tuple[TimeVariant, ...]

    @property
    def has_time(self) -> bool:
        """Whether any variant has a time of day."""
        return any(variant.has_time for variant in self.variants)


@dataclass(frozen=True, slots=True)
class EpochFormat:
    """Counts since 1970-01-01T00:00:00Z in units of 10 to the power of `-digits` seconds, within years or any."""

    digits: int
    years: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """`group` separates thousands, empty for nothing; `decimal` the fraction, empty where there are only integers."""

    group: str
    decimal: str

    def __str__(self) -> str:
        return f"1{self.group}234" + (f"{self.decimal}56" if self.decimal else "")

    @property
    def group_characters(self) -> str:
        """All characters that are taken for the group separator."""
        return {" ": BLANKS, "'": APOSTROPHES}.get(self.group, self.group)


ValueFormat = TimeFormat | EpochFormat | NumberFormat


@lru_cache(maxsize=1_024)
def read_format(text: str) -> ValueFormat:
    """The format that a text stands for. Raises ValueError for one that is none, saying why."""
    if text.startswith("epoch"):
        return _epoch(text)
    if text.startswith("1"):
        return _number(text)
    return _time(text)


def format_for(text: str, column_type: ColumnType) -> ValueFormat:
    """The format for a column of this type. Raises ValueError where the two do not go together."""
    found = read_format(text)
    if isinstance(found, NumberFormat):
        if column_type.kind not in {Kind.INT64, Kind.DECIMAL, Kind.FLOAT64}:
            raise ValueError(f"{text} is a format of numbers; a {column_type} has none of that kind")
    elif column_type.kind is Kind.DATE:
        if isinstance(found, EpochFormat) or found.has_time:
            raise ValueError(f"{text} has a time of day; make the property a timestamp")
    elif column_type.kind is not Kind.TIMESTAMP:
        raise ValueError(f"{text} is a format of times; a {column_type} has none of that kind")
    return found


def _epoch(text: str) -> EpochFormat:
    found = _EPOCH.fullmatch(text)
    if found is None or (found[2] and found[2] > found[3]):
        raise ValueError(
            f"{text} is no epoch; write {', '.join(EPOCH_DIGITS)}, and years after it as in epoch_ms 1990-2099"
        )
    return EpochFormat(EPOCH_DIGITS[found[1]], (int(found[2]), int(found[3])) if found[2] else None)


def _number(text: str) -> NumberFormat:
    plain = text.translate(dict.fromkeys(map(ord, BLANKS), " ") | {ord("\u2019"): "'"})
    found = _NUMBER.fullmatch(plain)
    if found is None or found[1] == found[2]:
        raise ValueError(f"{text} is no format of numbers; write 1234.56 as the column does: 1.234,56")
    return NumberFormat(found[1] or "", found[2] or "")


def _time(text: str) -> TimeFormat:
    parts = _optional_parts(text)
    if len(parts) > _MOST_VARIANTS:
        raise ValueError(f"{text} has too many optional parts")
    variants = tuple(dict.fromkeys(filter(None, (_variant(text, part) for part in parts))))
    if not variants:
        raise ValueError(f"{text} lacks a year, month or day (yyyy, MM, dd)")
    return TimeFormat(variants)


def _optional_parts(text: str) -> list[str]:
    """The format with each bracketed part in turn kept and left out; those with the most parts first."""
    depth, start = 0, -1
    quoted = False
    for at, character in enumerate(text):
        quoted ^= character == "'"
        if quoted:
            continue
        if character == "[":
            start, depth = (at, 1) if not depth else (start, depth + 1)
        elif character == "]":
            depth -= 1
            if depth < 0:
                break
            if not depth:
                rest = _optional_parts(text[at + 1 :])
                inner = _optional_parts(text[start + 1 : at])
                return [text[:start] + middle + end for middle in (*inner, "") for end in rest]
    if depth:
        raise ValueError(f"{text} has a bracket without its partner")
    return [text]


def _variant(whole: str, text: str) -> TimeVariant | None:
    form, strptime = [], []
    seen: set[str] = set()
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"{whole} has a quote without its partner")
        position = token.end()
        if token[2] is None:
            literal = token[4] if token[1] is None else token[1].replace("''", "'") or "'"
            if literal == "Z" and token[1] is not None:  # as 'Z' is often written for UTC
                seen.add("%z")
                form.append("Z")
                strptime.append("%z")
                continue
            form.append(re.escape(literal))
            strptime.append(literal.replace("%", "%%"))
            continue
        if token[2] not in _LETTERS:
            raise ValueError(
                f"{whole} has {token[2]}, which is not known; use {', '.join(list(_LETTERS)[:15])}, S, X, E, or put text in '…'"
            )
        meant, written = _LETTERS[token[2]]
        kind = {"%b": "%m", "%B": "%m", "%y": "%Y"}.get(written, written)
        if kind in seen:
            return None
        seen.add(kind)
        form.append(meant)
        strptime.append(written)
    if not {"%Y", "%m", "%d"} <= seen:
        return None
    if ("%I" in seen) != ("%p" in seen):
        return None
    has_time = not seen.isdisjoint({"%H", "%I"})
    return TimeVariant("".join(form), "".join(strptime), "%z" in seen, has_time)
