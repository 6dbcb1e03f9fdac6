"""The lineage of a release as a picture: raw files, the months they went into, the aggregates made from these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.domain.releases import Release

_ROW = 44
_TOP = 34
_HEIGHT = 34
_MOST_FILES = 14
_MOST_MONTHS = 12
_MOST_AGGREGATES = 12
_COLUMNS = ((1, 299), (410, 130), (650, 189))
"""Where each column begins, and how wide its boxes are; half of a box's stroke lies outside of it."""
WIDTH = 840


@dataclass(frozen=True, slots=True)
class Node:
    """A box: what it says, the rest of it below, and the whole for who points at it."""

    x: float
    y: float
    width: float
    kind: str
    title: str
    text: str
    whole: str

    @property
    def height(self) -> int:
        """Of every box."""
        return _HEIGHT

    @property
    def middle(self) -> float:
        """Where its links begin and end."""
        return self.y + _HEIGHT / 2


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes, and the links between them as paths, in a view box of `WIDTH` by `height`."""

    nodes: tuple[Node, ...]
    links: tuple[str, ...]
    height: int
    files: int
    months: int
    aggregates: int

    @property
    def width(self) -> int:
        """Of the view box."""
        return WIDTH


@dataclass(frozen=True, slots=True)
class RawPart:
    """A raw file's part in a release: the records that each of its months accepted."""

    source: str
    sha256: str
    accepted: int
    months: tuple[str, ...]


def raw_parts(release: Release) -> list[RawPart]:
    """The raw files of a release, by name."""
    accepted: dict[tuple[str, str], dict[str, int]] = {}
    for month in release.build.months:
        for given in month.inputs:
            part = accepted.setdefault((given.source, given.sha256), {})
            part[month.month] = part.get(month.month, 0) + given.accepted
    return [
        RawPart(source, sha256, sum(months.values()), tuple(sorted(months)))
        for (source, sha256), months in sorted(accepted.items())
    ]


def lineage(release: Release) -> Picture:
    """The picture of a release; what there is no room for is one box."""
    files, build = raw_parts(release), release.build
    shown = files if len(files) <= _MOST_FILES else files[: _MOST_FILES - 1]
    rest = files[len(shown) :]
    months = [(m.month, m.rows) for m in build.months][:_MOST_MONTHS]
    aggregates = build.aggregates[:_MOST_AGGREGATES]
    rows = max(len(shown) + bool(rest), len(months), len(aggregates), 1)

    def column(count: int) -> list[float]:
        offset = _TOP + (rows - count) * _ROW / 2
        return [offset + _ROW * place for place in range(count)]

    left = [
        Node(
            _COLUMNS[0][0],
            y,
            _COLUMNS[0][1],
            "raw",
            _cut(part.source),
            f"{part.accepted:,} records · {part.sha256[:12]}",
            f"{part.source}, sha256 {part.sha256}",
        )
        for part, y in zip(shown, column(len(shown) + bool(rest)), strict=False)
    ]
    if rest:
        y = column(len(shown) + 1)[-1]
        text = f"{sum(part.accepted for part in rest):,} records"
        left.append(
            Node(_COLUMNS[0][0], y, _COLUMNS[0][1], "more", f"and {len(rest)} more files", text, text)
        )
    middle = [
        Node(_COLUMNS[1][0], y, _COLUMNS[1][1], "month", name, f"{count:,} records", f"curated month {name}")
        for (name, count), y in zip(months, column(len(months)), strict=True)
    ]
    right = [
        Node(
            _COLUMNS[2][0],
            y,
            _COLUMNS[2][1],
            "aggregate",
            _cut(made.name, 22),
            f"{made.rows:,} rows",
            f"aggregate {made.name}",
        )
        for made, y in zip(aggregates, column(len(aggregates)), strict=True)
    ]
    of_month = {node.title: node for node in middle}
    used = [*((part.months, node) for part, node in zip(shown, left, strict=False))]
    if rest:
        used.append((tuple({month for part in rest for month in part.months}), left[-1]))
    links = [_link(node, of_month[month]) for held, node in used for month in held if month in of_month]
    links += [_link(month, made) for month in middle for made in right]
    height = round(_TOP + rows * _ROW)
    return Picture(
        (*left, *middle, *right), tuple(links), height, len(files), len(build.months), len(build.aggregates)
    )


def _link(left: Node, right: Node) -> str:
    begin, end = left.x + left.width, right.x
    bend = (begin + end) / 2
    return f"M{begin:g} {left.middle:g}C{bend:g} {left.middle:g} {bend:g} {right.middle:g} {end:g} {right.middle:g}"


def _cut(text: str, longest: int = 38) -> str:
    """A text with its middle left out where it is long: the ends tell files apart."""
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def column_heads() -> Sequence[tuple[float, str]]:
    """What stands above each column."""
    return [(x, name) for (x, _), name in zip(_COLUMNS, ("Raw files", "Months", "Aggregates"), strict=True)]
