"""What the text of a setting means; a ValueError says that it means nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MAX_THREADS = 256
# https://duckdb.org/docs/stable/configuration/pragmas.html#memory-limit: powers of 1000 (MB) or 1024 (MiB)
_MEMORY = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?) *([KMGT])(I?B)?")
_LEAST_MEMORY, _MOST_MEMORY = 64e6, 1e15
_ENGINES = ("duckdb", "spark")


def between(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number within bounds."""

    def read(text: str) -> int:
        if not least <= (number := int(text)) <= most:
            raise ValueError(text)
        return number

    return read


def is_gateway(text: str) -> bool:
    """Whether downloads go through the delivery API."""
    if text not in {"presigned", "gateway"}:
        raise ValueError(text)
    return text == "gateway"


def address(text: str) -> str | None:
    """An HTTP server's address without the slash at its end; None for none."""
    parts = urlsplit(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.query):
        raise ValueError(text)
    return text.rstrip("/") or None


def database(lake: str, environment: Mapping[str, str]) -> str:
    """Where API keys lie unless that is set: beside a folder's zones, in none of them."""
    if (beside := beside_zones(lake)) is not None:
        return beside
    state = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '.')}/.local/state"
    return str(Path(state) / "quarterlake" / "delivery.sqlite")


def beside_zones(lake: str) -> str | None:
    """The place of API keys beside a folder's zones; None for a lake on S3."""
    return None if "://" in lake else str(Path(lake.partition("{zone}")[0]).expanduser() / "delivery.sqlite")


def path(text: str) -> Path | None:
    """A path; None for none."""
    return Path(text) if text else None


def engine(text: str) -> str:
    """The name of an engine."""
    if text not in _ENGINES:
        raise ValueError(text)
    return text


def java_memory(text: str) -> str:
    """An amount of memory as Java takes it, such as 2g."""
    if not re.fullmatch(r"[1-9][0-9]{0,6}[mMgG]", text):
        raise ValueError(text)
    return text


def memory(text: str) -> str:
    """An amount of memory as DuckDB takes it, such as 1.5GB."""
    match = _MEMORY.fullmatch(text.strip().upper())
    if match is None:
        raise ValueError(text)
    base = 1024 if match[3] == "IB" else 1000
    if not _LEAST_MEMORY <= float(match[1]) * base ** (" KMGT".index(match[2])) <= _MOST_MEMORY:
        raise ValueError(text)
    return text


def folder(text: str) -> Path:
    """A folder that may not be there yet; any other thing of its name would be taken for an empty one."""
    place = Path(text)
    try:
        usable = place.is_dir() or not place.exists()
    except OSError:
        usable = False
    if not usable:
        raise ValueError(text)
    return place


def threads(text: str) -> int | None:
    """A number of threads; None for one a core."""
    return between(1, _MAX_THREADS)(text) if text else None


def cache(text: str, environment: Mapping[str, str]) -> Path | None:
    """The folder of what may be forgotten, by default below the user's own; None where there is none."""
    if text:
        return Path(text)
    base = environment.get("XDG_CACHE_HOME") or (
        f"{environment['HOME']}/.cache" if environment.get("HOME") else None
    )
    return Path(base) / "quarterlake" if base else None
