"""Charts as SVG shapes: bars over months, histograms, shares. Templates draw them; nothing here knows HTML."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.domain.profiles import Histogram

_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with what it stands for; `shown` says whether there is room for its label."""

    label: str
    value: int
    x: float
    y: float
    width: float
    height: float
    shown: bool

    @property
    def middle(self) -> float:
        """Where its label is centred."""
        return round(self.x + self.width / 2, 2)


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across a chart, and the value that it stands at."""

    value: int
    y: float


@dataclass(frozen=True, slots=True)
class BarChart:
    """Bars of numbers over a common base, in the units of an SVG's view box."""

    width: int
    height: int
    left: int
    base: float
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]

    @property
    def tallest(self) -> Bar:
        """The bar of the greatest value."""
        return max(self.bars, key=lambda bar: bar.value)

    @property
    def lowest(self) -> Bar:
        """The bar of the least value."""
        return min(self.bars, key=lambda bar: bar.value)

    @property
    def total(self) -> int:
        """The sum of all values."""
        return sum(bar.value for bar in self.bars)


def bar_chart(values: Sequence[tuple[str, int]], *, width: int = 560, height: int = 220) -> BarChart | None:
    """A bar for each label, in their order; None without any."""
    if not values:
        return None
    left, top, foot = 80, 14, 32
    base = height - foot
    highest, step = _scale(max(value for _, value in values))
    slot = (width - left) / len(values)
    thickness = min(slot * 0.72, 72)
    every = math.ceil(len(values) / max(1, int((width - left) / 84)))
    bars = []
    for number, (label, value) in enumerate(values):
        tall = (base - top) * value / highest
        x = left + slot * number + (slot - thickness) / 2
        bars.append(
            Bar(
                label,
                value,
                round(x, 2),
                round(base - tall, 2),
                round(thickness, 2),
                round(tall, 2),
                shown=number % every == 0,
            )
        )
    ticks = tuple(
        Tick(at, round(base - (base - top) * at / highest, 2)) for at in range(0, highest + 1, step)
    )
    return BarChart(width, height, left, base, tuple(bars), ticks)


def _scale(largest: int) -> tuple[int, int]:
    """A round number that is not less, and the step between the lines below it."""
    if largest <= 4:  # noqa: PLR2004 - whole numbers need no rounder steps
        return max(largest, 1), 1
    rough = largest / 4
    size = 10 ** math.floor(math.log10(rough))
    step = next(int(size * factor) or 1 for factor in _STEPS if size * factor >= rough)
    return step * math.ceil(largest / step), step


@dataclass(frozen=True, slots=True)
class Histo:
    """A histogram as one path, in a view box of `width` by `height`."""

    path: str
    width: int
    height: int
    bars: int
    tallest: int
    low: str
    high: str


def histogram(found: Histogram, *, width: int = 240, height: int = 56) -> Histo:
    """The shape of a histogram. A bar with any value at all is seen."""
    highest = max(found.counts)
    slot = width / len(found.counts)
    gap = min(1.0, slot * 0.15)
    parts = []
    for number, count in enumerate(found.counts):
        if count:
            tall = max(1.5, (height - 2) * count / highest)
            x = slot * number + gap / 2
            parts.append(f"M{x:.1f} {height - tall:.1f}h{slot - gap:.1f}v{tall:.1f}h-{slot - gap:.1f}z")
    place = found.counts.index(highest)
    return Histo(
        "".join(parts),
        width,
        height,
        len(found.counts),
        highest,
        str(found.edges[place]),
        str(found.edges[place + 1]),
    )


def spark_path(values: Sequence[int], *, width: int = 560, height: int = 64) -> str:
    """A line through values, above its base, as a closed path."""
    if len(values) < 2:  # noqa: PLR2004 - a line has two ends
        return ""
    highest = max(values) or 1
    slot = width / (len(values) - 1)
    points = [
        f"{slot * number:.1f} {height - (height - 4) * value / highest:.1f}"
        for number, value in enumerate(values)
    ]
    return f"M0 {height}L{'L'.join(points)}L{width} {height}z"
