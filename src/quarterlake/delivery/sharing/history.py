"""A shared table's versions, worked out from release records: neither the table's log nor a listing is read.

Every commit to an aggregate's table is one release's (`publishing.publish`): it shows the release's files in the place of those
of the period's earlier revision, and hides periods whose columns have other types. A release that lacks an aggregate which
the revision before it had makes a commit too, which hides the period.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from quarterlake.domain.errors import UsageError
from quarterlake.domain.periods import Period

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from quarterlake.domain.releases import Aggregate, DataFile, Release

Columns = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A period's files in a table, and the release that they belong to."""

    release: Release
    files: tuple[DataFile, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a table: what its commit added and removed, and what the table shows since.

    `timestamp` is in milliseconds since 1970 and later than that of every version before. `columns` are names with Delta
    Lake's types; `has_new_columns` says that they are others than before.
    """

    number: int
    timestamp: int
    columns: Columns
    has_new_columns: bool
    added: tuple[Shown, ...]
    removed: tuple[Shown, ...]
    shown: tuple[Shown, ...]


class UnknownVersionError(UsageError):
    """The table has no such version, or none at such a time; the message says which it has."""


class TableHistory:
    """The versions of one table that are known, oldest first; never empty.

    `is_whole` says that these are all: otherwise releases were dropped, and what the first version changed is not known.
    """

    def __init__(self, versions: Sequence[Version], *, is_whole: bool = True) -> None:
        self.versions = tuple(versions)
        self.is_whole = is_whole
        self._numbers = [version.number for version in versions]
        self._times = [version.timestamp for version in versions]

    @property
    def latest(self) -> Version:
        """The newest version."""
        return self.versions[-1]

    def at(self, number: int) -> Version:
        """The version of this number. Raises UnknownVersionError."""
        place = bisect_left(self._numbers, number)
        if place == len(self._numbers) or self._numbers[place] != number:
            raise UnknownVersionError(f"The table has no version {number}. {self._range()}")
        return self.versions[place]

    def as_of(self, milliseconds: int) -> Version:
        """The version that was current at an instant. Raises UnknownVersionError for one before the first."""
        place = bisect_right(self._times, milliseconds)
        if place == 0:
            raise UnknownVersionError(f"The table did not exist yet at that time. {self._range()}")
        return self.versions[place - 1]

    def since(self, milliseconds: int) -> Version:
        """The first version at or after an instant. Raises UnknownVersionError for one after the last."""
        place = bisect_left(self._times, milliseconds)
        if place == len(self._times):
            raise UnknownVersionError(f"Nothing has changed since that time. {self._range()}")
        return self.versions[place]

    def between(self, first: int, last: int) -> Sequence[Version]:
        """The versions from one number to another, both included."""
        return self.versions[bisect_left(self._numbers, first) : bisect_right(self._numbers, last)]

    def _range(self) -> str:
        first, last = self.versions[0], self.latest
        return f"It has the versions {first.number} of {_text(first.timestamp)} to {last.number} of {_text(last.timestamp)}."


def table_history(releases: Iterable[Release], aggregate: str) -> TableHistory | None:
    """The history of an aggregate's table, from all releases of its data set; None where none has the aggregate."""
    releases = list(releases)
    commits = _commits(releases, aggregate)
    if not commits:
        return None
    versions: list[Version] = []
    shown: dict[str, Shown] = {}
    columns: Columns = ()
    for number, release in commits:
        made = _made(release, aggregate)
        hidden = [shown.pop(release.period)] if release.period in shown else []
        before = columns
        added: tuple[Shown, ...] = ()
        if made is not None:
            wanted = tuple((column.name, column.type) for column in made.columns)
            hidden += [shown.pop(period) for period in _clashing(shown, aggregate, dict(wanted))]
            columns = _merged(columns, wanted)
            shown[release.period] = Shown(release, made.files)
            added = (shown[release.period],)
        if not versions and number == 1:
            versions.append(_created(release, columns))
            before = columns
        versions.append(
            Version(
                number=number,
                timestamp=_timestamp(release, versions),
                columns=columns,
                has_new_columns=columns != before and bool(before),
                added=added,
                removed=tuple(hidden),
                shown=tuple(shown[period] for period in sorted(shown, key=Period.parse)),
            )
        )
    return _known(versions, commits, releases)


def _known(
    versions: Sequence[Version], commits: Sequence[tuple[int, Release]], releases: Sequence[Release]
) -> TableHistory:
    """The versions since the last release whose earlier revision was dropped: before it, something that was shown is missing."""
    names = {(r.period, r.revision) for r in releases}
    orphans = [_instant(r) for r in releases if r.revision > 1 and (r.period, r.revision - 1) not in names]
    if not orphans:
        return TableHistory(versions, is_whole=versions[0].number == 0)
    since = {number for number, r in commits if _instant(r) >= max(orphans)}
    kept = [version for version in versions if version.number in since]
    return TableHistory(kept or versions[-1:], is_whole=False)


def _commits(releases: Sequence[Release], aggregate: str) -> list[tuple[int, Release]]:
    """The releases that committed to the table, by version.

    Records pin the version of what they show. A commit that only hides is in none of them, but each commit takes the next
    number: it is the first that is free after the period's earlier revision and after what was published before.
    """
    pinned = {
        table.version: release
        for release in releases
        for table in release.tables
        if table.aggregate == aggregate
    }
    placed = {(r.period, r.revision): number for number, r in pinned.items()}
    hiding = []
    for release in releases:
        if _made(release, aggregate) is None:
            before = _before(release, releases)
            if before is not None and (before.period, before.revision) in placed:
                hiding.append((release, placed[before.period, before.revision]))
    for release, shown_at in sorted(
        hiding, key=lambda each: (_instant(each[0]), Period.parse(each[0].period))
    ):
        earlier = (number for number, r in pinned.items() if _instant(r) < _instant(release))
        number = max([shown_at, *earlier]) + 1
        while number in pinned:
            number += 1
        pinned[number] = release
    return sorted(pinned.items())


def _before(release: Release, releases: Sequence[Release]) -> Release | None:
    """The last revision of the period before this one that is known."""
    earlier = [r for r in releases if r.period == release.period and r.revision < release.revision]
    return max(earlier, key=lambda r: r.revision, default=None)


def _made(release: Release, aggregate: str) -> Aggregate | None:
    return next((made for made in release.build.aggregates if made.name == aggregate), None)


def _created(release: Release, columns: Columns) -> Version:
    """Version 0, the empty table, a millisecond before it got its first files."""
    return Version(
        number=0,
        timestamp=_milliseconds(release) - 1,
        columns=columns,
        has_new_columns=True,
        added=(),
        removed=(),
        shown=(),
    )


def _clashing(shown: Mapping[str, Shown], aggregate: str, columns: Mapping[str, str]) -> list[str]:
    """The periods that show a column in another type, which a commit of these columns hides."""
    return [
        period
        for period, there in shown.items()
        if (made := _made(there.release, aggregate)) is not None
        and any(columns.get(column.name, column.type) != column.type for column in made.columns)
    ]


def _merged(held: Columns, wanted: Columns) -> Columns:
    """The table's columns with the wanted types, then the wanted ones that it lacks: none is ever dropped."""
    types, names = dict(wanted), {name for name, _ in held}
    return (
        *((name, types.get(name, kind)) for name, kind in held),
        *((name, kind) for name, kind in wanted if name not in names),
    )


def _timestamp(release: Release, before: Sequence[Version]) -> int:
    published = _milliseconds(release)
    return max(published, before[-1].timestamp + 1) if before else published


def _milliseconds(release: Release) -> int:
    return round(_instant(release).timestamp() * 1000)


def _instant(release: Release) -> datetime:
    return datetime.fromisoformat(release.published_at)


def _text(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
