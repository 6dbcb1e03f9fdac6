"""What a file's name says (its time, its data set), and how names become keys."""

from __future__ import annotations

import re
import string
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from quarterlake.domain.errors import UsageError
from quarterlake.domain.periods import Period, PeriodKind

if TYPE_CHECKING:
    from pathlib import PurePosixPath

MAX_SLUG = 100
MAX_FILE_NAME = 150

_PLAIN_BYTES = frozenset((string.ascii_letters + string.digits + "._-").encode())

_UNFINISHED_ENDINGS = (
    ".part",
    ".tmp",
    ".partial",
    ".crdownload",
    ".download",
    ".filepart",
    ".opdownload",
    ".aria2",
    ".inprogress",
    "~",
)
_COPY_ENDINGS = (".bak", ".swp", ".orig", ".lock")
_NOT_DATA = re.compile(
    r"_SUCCESS|_(started|committed|temporary|delta_log).*|thumbs\.db|desktop\.ini", re.IGNORECASE
)

_EXTENSION = re.compile(
    r"\.(?:csv|tsv|json|ndjson|jsonl|parquet|txt)(?:\.(?:gz|zst))?$",
    re.IGNORECASE,
)
_UNKNOWN_EXTENSION = re.compile(r"\.\w*$")

# Identifiers hold digits that look like years and months: `part-00000-7a3b2026-07f1-...`.
_RANDOM = re.compile(
    r"(?<![0-9a-z])(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,})(?![0-9a-z])",
    re.IGNORECASE,
)


def _forms() -> tuple[re.Pattern[str], ...]:
    """Every way to write a timestamp; which digits make a valid time is decided by `datetime`.

    An hour or a minute alone needs a `T` before it: `2026-07-15_10` may as well be part 10.
    """
    year, month, day = r"(?P<year>19[0-9]{2}|2[01][0-9]{2})", "(?P<month>[0-9]{2})", "(?P<day>[0-9]{2})"
    hour, minute, second = "(?P<hour>[0-9]{2})", "(?P<minute>[0-9]{2})", "(?P<second>[0-9]{2})"
    dashed = f"{year}(?P<dash>[-_.]){month}(?P=dash){day}"
    compact = f"{year}{month}{day}"
    dates_and_times = [
        date + time
        for date in (dashed, compact)
        for time in (
            "",
            f"[Tt]{hour}",
            f"[Tt]{hour}[-_.:]?{minute}",
            f"[Tt_ -]{hour}(?P<colon>[-_.:]?){minute}(?P=colon){second}",
        )
    ]
    forms = [
        year,
        f"{year}[-_.]?[Qq](?P<quarter>[1-4])",
        f"{year}[-_.]?{month}",
        *dates_and_times,
        compact + hour,
        compact + hour + minute,
        compact + hour + minute + second,
    ]
    zulu = "(?:[Zz](?![A-Za-z]))?"
    return tuple(re.compile(rf"(?<!\d){form}{zulu if 'hour' in form else ''}(?!\d)") for form in forms)


_FORMS = _forms()
_FIELDS = ("year", "month", "day", "hour", "minute", "second")
_FIRST = (1, 1, 1, 0, 0, 0)
_SHORT = {3: timedelta(days=1), 4: timedelta(hours=1), 5: timedelta(minutes=1), 6: timedelta(seconds=1)}
# A second, minute, hour, day, month, quarter: June, although shorter than July, is as precise.
_LONGEST = (*reversed(_SHORT.values()), timedelta(days=31), timedelta(days=92))


@dataclass(frozen=True, slots=True)
class NameTimestamp:
    """A timestamp found in a file's name: half-open in UTC, as long as the precision it was written with."""

    start: datetime
    end: datetime
    text: str
    span: tuple[int, int]


@lru_cache(maxsize=1 << 16)
def timestamp_in(file_name: str) -> NameTimestamp | None:
    """The timestamp in a file's name (given without folders), read as UTC; None when it holds none.

    The most precise valid one wins, and among equally precise ones the last. Years are 1900 to 2199, and
    a timestamp's digits are never part of a longer run of digits, a UUID or a hexadecimal hash.
    """
    readable = _RANDOM.sub(lambda found: "x" * len(found[0]), file_name)
    stamps = [stamp for form in _FORMS for found in form.finditer(readable) if (stamp := _stamp(found))]
    return max(stamps, key=lambda stamp: (-_coarseness(stamp), stamp.span), default=None)


def _coarseness(stamp: NameTimestamp) -> int:
    return bisect_left(_LONGEST, stamp.end - stamp.start)


def _stamp(found: re.Match[str]) -> NameTimestamp | None:
    groups = found.groupdict()
    if groups.get("quarter"):
        period = Period.parse(f"{groups['year']}-Q{groups['quarter']}")
        return NameTimestamp(period.start, period.end, found[0], found.span())
    values = [int(groups[field]) for field in _FIELDS if field in groups]
    year, month, day, hour, minute, second = (*values, *_FIRST[len(values) :])
    try:
        start = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return NameTimestamp(start, _end(start, len(values)), found[0], found.span())


def _end(start: datetime, fields: int) -> datetime:
    if fields in _SHORT:
        return start + _SHORT[fields]
    return Period.of(start, PeriodKind.YEAR if fields == 1 else PeriodKind.MONTH).end


def dataset_of(relative: PurePosixPath, source_name: str) -> str:
    """The data set that a source file belongs to, as a slug.

    It is the first folder of the file's path below the source folder, or for a file at the top its name less
    extension and timestamp (`orders_2026-07.csv` gives `orders`); where nothing is left of that,
    `source_name`, the name of the source folder.

    Raises:
        UsageError: the folder's name holds no letter or digit.
    """
    if len(relative.parts) > 1:
        return slug(relative.parts[0])
    stem = _without_extension(_without_timestamp(relative.name))
    return _slug_or_empty(stem) or slug(source_name)


def _without_timestamp(file_name: str) -> str:
    stamp = timestamp_in(file_name)
    if stamp is None:
        return file_name
    before = re.sub(r"[\W_]+$", "", file_name[: stamp.span[0]])
    after = file_name[stamp.span[1] :]
    rest = re.sub(r"^[\W_]+", "", after)
    if not rest:
        return before
    # A dot may begin the extension.
    return before + ("." if "." in after[: -len(rest)] else "_") + rest


def _without_extension(file_name: str) -> str:
    known = _EXTENSION.sub("", file_name)
    return known if known != file_name else _UNKNOWN_EXTENSION.sub("", file_name)


def slug(text: str) -> str:
    """`text` as a name for keys and SQL views: NFC, lower case, word characters, at most 100 of them.

    Every run of other characters becomes one `_`; none begins or ends the slug. `slug(slug(x)) == slug(x)`.

    Raises:
        UsageError: nothing is left.
    """
    name = _slug_or_empty(text)
    if not name:
        raise UsageError(
            f"no data set can be named after {text!r}: rename it so that it has a letter or digit"
        )
    return name


def _slug_or_empty(text: str) -> str:
    lower = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    return re.sub(r"\W+", "_", lower).strip("_")[:MAX_SLUG].rstrip("_")


def safe_file_name(name: str) -> str:
    """`name` for use inside an object key: `[A-Za-z0-9._-]` stay, any other UTF-8 byte becomes `%XX`.

    Of a name longer than 150 characters the end is kept, for its extension, and no `%XX` is cut in two. Bytes
    that Python could not decode in a path count as they are. Never empty, `.` or `..`.
    """
    if name in {"", ".", ".."}:
        return "%2E" * len(name) or "_"
    escaped = "".join(_escaped(byte) for byte in name.encode("utf-8", "surrogateescape"))
    cut = max(0, len(escaped) - MAX_FILE_NAME)
    halved = escaped.rfind("%", max(0, cut - 2), cut)
    return escaped[cut if halved < 0 else halved + 3 :]


def _escaped(byte: int) -> str:
    return chr(byte) if byte in _PLAIN_BYTES else f"%{byte:02X}"


def skip_reason(name: str) -> str | None:
    """Why a file or folder of this name is not taken: hidden, still being written, a copy or a lock, or other programs' own; None if it is."""
    low = name.lower()
    if name.startswith(".") or low.endswith(_UNFINISHED_ENDINGS):
        return "hidden or unfinished by its name"
    if name.startswith("~$") or low.endswith(_COPY_ENDINGS) or (name.startswith("#") and name.endswith("#")):
        return "a backup or a lock by its name"
    if _NOT_DATA.fullmatch(name):
        return "another program's own file by its name"
    return None
