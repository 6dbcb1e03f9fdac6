"""How counts are said, and what a misspelt name may have meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def count_of(count: int, one: str, many: str | None = None) -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one, in any case; None where none is much like it."""
    spelt = {each.casefold(): each for each in known}
    found = difflib.get_close_matches(name.casefold(), spelt, n=1)
    return spelt[found[0]] if found else None
