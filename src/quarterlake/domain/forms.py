"""Which format a column's values agree on, where they are no ISO times and no plain numbers.

The values are counted by *form*: a short text that says how one is written. A form tells which formats read it:

- `number 9.9,9 +-`: separators in their order; then whether thousands could be grouped so (`+`: one to three digits before the
  first separator, no leading zero, three between separators) and whether exactly three digits come last;
- `time d/M/yyyy|M/d/yyyy + H:mm[:ss] + [ ][X]`: the formats of the date that read it, those of the time of day and of the offset;
- `digits yyyyMMdd`, `digits epoch_ms`: integers that could be times;
- `zeros`: integers such as `007`, which make a column text.

A format is taken only when the whole column agrees on it and no other reading is left; a column that could be read in two
ways stays text, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterlake.domain.column_types import ColumnType

NUMBER, TIME, DIGITS = "number", "time", "digits"
ZEROS = "zeros"
"""The form of integers such as `007`, which are none."""
ISO = "iso"
"""The form of dates and timestamps that need no format."""
CHOOSE = "name one as the property's quarterlake.format to choose"


class Form(NamedTuple):
    """Values of one form: how many, and their most digits before and after the last separator."""

    values: int
    whole: int = 0
    scale: int = 0

    def plus(self, other: Form) -> Form:
        """Both together."""
        return Form(self.values + other.values, max(self.whole, other.whole), max(self.scale, other.scale))


def merged(left: Mapping[str, Form], right: Mapping[str, Form]) -> dict[str, Form]:
    """The forms of two parts of a column."""
    both = dict(left)
    for name, form in right.items():
        both[name] = both[name].plus(form) if name in both else form
    return both


@dataclass(frozen=True, slots=True)
class Decision:
    """What a column's forms say: its type and format, or with `STRING` why it is text, and how it might be read."""

    type: ColumnType
    format: str = ""
    note: str = ""
    alternatives: tuple[str, ...] = ()


def plain_forms(
    integer: int, fraction: int, date: int, timestamp: int, *, whole: int, scale: int
) -> dict[str, Form]:
    """The forms of values that were only counted, all of them plain: as many of each as given."""
    found = {
        f"{NUMBER} 9 --": Form(integer, whole),
        f"{NUMBER} 9.9 --": Form(fraction, whole, scale),
        f"{TIME} {ISO}|yyyy-M-d +  + ": Form(date),
        f"{TIME} {ISO}": Form(timestamp),
    }
    return {name: form for name, form in found.items() if form.values}
