"""Numbers, sizes, instants and values as people read them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterlake.domain.profiles import Spread, Value

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
_THOUSAND = 1000
_PLAIN_DIGITS = 6
_YEARS = range(1500, 2201)
"""Integers that may be years: a column that has no others is taken for one of years."""


def number(value: float) -> str:
    """A number with its thousands apart."""
    return f"{value:,}"


def share(part: int, whole: int) -> str:
    """A part of a whole in per cent; a small part that is none is seen to be one."""
    if not whole:
        return "0%"
    percent = 100 * part / whole
    if 0 < percent < 0.01:  # noqa: PLR2004 - what two digits show as nothing
        return "<0.01%"
    return f"{percent:.2f}".rstrip("0").rstrip(".") + "%"


def size(count: float) -> str:
    """A number of bytes."""
    unit = 0
    while count >= _THOUSAND and unit < len(_UNITS) - 1:
        count, unit = count / _THOUSAND, unit + 1
    return f"{count:.0f} {_UNITS[unit]}" if unit == 0 or count >= 100 else f"{count:.1f} {_UNITS[unit]}"  # noqa: PLR2004 - three digits


def instant(text: str) -> str:
    """An instant to the minute, in UTC."""
    try:
        return datetime.fromisoformat(text).strftime("%d %b %Y, %H:%M UTC").lstrip("0")
    except ValueError:
        return text


def value(found: Value | None) -> str:
    """A value of a column, with its thousands apart: integers and decimals whole, doubles with some digits, everything else as it is."""
    if found is None:
        return "none"
    if isinstance(found, int):
        return number(found)
    if isinstance(found, float):
        return _real(found)
    decimal = re.fullmatch(r"(-?)([0-9]+)(\.[0-9]+)?", found)
    if decimal is not None:
        return f"{decimal[1]}{int(decimal[2]):,}{decimal[3] or ''}"
    return found.replace("T00:00:00Z", "").replace("T", " ").replace("Z", "")[:19]


def saying(spread: Spread) -> Callable[[Value | None], str]:
    """How values of a column that is spread so are said: as `value` does, but years, which read best whole, without thousands apart."""
    ends = (spread.min, spread.max)
    if all(isinstance(end, int) and end in _YEARS for end in ends):
        return lambda found: value(found).replace(",", "")
    return value


def _real(found: float) -> str:
    if found == 0 or 1e-4 <= abs(found) < 1e15:  # noqa: PLR2004 - beyond these, digits say little
        digits = max(0, _PLAIN_DIGITS - len(f"{abs(int(found))}"))
        text = f"{found:,.{digits}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{found:.4g}"


def ticked(text: str) -> Markup:
    """A message, what stands between backticks as code; everything else is escaped."""
    # The text was escaped before a tag is put into it.
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704
