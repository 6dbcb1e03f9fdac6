"""What pages show, gathered from release records and from the documents beside them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from quarterlake.delivery.rest.releases import ReleaseDiff
from quarterlake.domain.outlooks import Outlook
from quarterlake.domain.periods import Period
from quarterlake.domain.profiles import PROFILE_VERSION, Profile
from quarterlake.domain.quality import GateResult
from quarterlake.domain.releases import account_of
from quarterlake.lake import keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from quarterlake.delivery.catalog import Catalog
    from quarterlake.delivery.pages.snippets import Snippet
    from quarterlake.delivery.shelf import Shelf
    from quarterlake.domain.contract import Contract
    from quarterlake.domain.profiles import RejectCount
    from quarterlake.domain.releases import Release


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where the records of a release's files went."""

    records: int
    accepted: int
    elsewhere: int
    rejected: int
    superseded: int

    @classmethod
    def of(cls, release: Release) -> Ledger:
        """The sums over a release's files."""
        entries = release.build.ledger
        return cls(
            sum(e.records for e in entries),
            sum(e.accepted for e in entries),
            sum(e.accepted_elsewhere for e in entries),
            sum(e.rejected for e in entries),
            sum(e.superseded for e in entries),
        )


@dataclass(frozen=True, slots=True)
class StoppedPeriod:
    """A period whose build was stopped, and the gates that did."""

    period: str
    gates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatasetCard:
    """A data set at a glance: also the periods that wait for records, and those that gates stopped."""

    name: str
    latest: Release
    releases: int
    periods: int
    columns: int
    months: tuple[int, ...]
    waits: tuple[str, ...]
    stopped: tuple[StoppedPeriod, ...]


@dataclass(frozen=True, slots=True)
class ReleaseLine:
    """A release in a list."""

    release: Release
    is_current: bool
    ledger: Ledger
    warnings: int

    @property
    def size(self) -> int:
        """Bytes over all files."""
        return sum(file.size for made in self.release.build.aggregates for file in made.files)


@dataclass(frozen=True, slots=True)
class RejectsOfFile:
    """The rejects of one file by reason."""

    source: str
    reasons: tuple[tuple[str, int], ...]

    @property
    def count(self) -> int:
        """Over all reasons."""
        return sum(count for _, count in self.reasons)


@dataclass(frozen=True, slots=True)
class ContractChange:
    """What differs between the columns of the records that two releases were made from."""

    added: tuple[tuple[str, str], ...]
    removed: tuple[tuple[str, str], ...]
    changed: tuple[tuple[str, str, str], ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a release has other than the one that it followed."""

    before: Release
    diff: ReleaseDiff
    columns: ContractChange
    files_added: tuple[str, ...]
    files_removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """All that the page of a release shows."""

    release: Release
    is_current: bool
    current: Release
    ledger: Ledger
    profile: Profile | None
    changes: Changes | None
    stopping: tuple[GateResult, ...]
    warning: tuple[GateResult, ...]
    passed: tuple[GateResult, ...]
    rejects: tuple[RejectsOfFile, ...]
    snippets: tuple[Snippet, ...]
    months: tuple[tuple[str, int], ...]
    days: tuple[tuple[str, int], ...]


def dataset_cards(shelf: Shelf) -> list[DatasetCard]:
    """The data sets that the caller may read."""
    catalog, names = shelf.catalog, shelf.datasets()
    outlooks = catalog.newest_of([keys.ours(name, "outlooks") for name in names], Outlook)
    return [_card(catalog, name, outlook) for name, outlook in zip(names, outlooks, strict=True)]


def _card(catalog: Catalog, dataset: str, outlook: Outlook | None) -> DatasetCard:
    releases = catalog.releases(dataset)
    latest = releases[-1]
    periods = outlook.periods if outlook else ()
    return DatasetCard(
        name=dataset,
        latest=latest,
        releases=len(releases),
        periods=len({release.period for release in releases}),
        columns=len(latest.build.contract.columns),
        months=tuple(count for _, count in months_of(current_of(releases))),
        waits=tuple(p.period for p in periods if p.waits_for and not p.stopped_by),
        stopped=tuple(
            StoppedPeriod(p.period, tuple(stop.gate for stop in p.stopped_by))
            for p in periods
            if p.stopped_by
        ),
    )


def outlook_of(catalog: Catalog, dataset: str) -> Outlook | None:
    """What the data set's next releases lack."""
    return catalog.newest(keys.ours(dataset, "outlooks"), Outlook)


def current_of(releases: Iterable[Release]) -> list[Release]:
    """The current revision of each period."""
    return list({release.period: release for release in releases}.values())


def months_of(releases: Iterable[Release]) -> list[tuple[str, int]]:
    """The records of releases by month."""
    counts = {
        month: count
        for release in releases
        for month, count in release.build.observations.rows_by_month.items()
    }
    return sorted(counts.items())


def release_lines(releases: Sequence[Release]) -> list[ReleaseLine]:
    """Releases for a list, the newest first."""
    current = {release.name for release in current_of(releases)}
    return [
        ReleaseLine(
            release,
            release.name in current,
            Ledger.of(release),
            sum(not gate.passed for gate in release.quality.gates),
        )
        for release in reversed(releases)
    ]


def rejects_by_file(counts: Iterable[RejectCount]) -> tuple[RejectsOfFile, ...]:
    """Rejects by file, the files in their order."""
    files: dict[str, Counter[str]] = {}
    for each in counts:
        files.setdefault(each.source, Counter())[each.reason] += each.count
    return tuple(RejectsOfFile(source, tuple(sorted(reasons.items()))) for source, reasons in files.items())


def next_period(releases: Sequence[Release], outlook: Outlook | None) -> str | None:
    """The period after all that have records; None where a known one is open still."""
    if outlook is not None and any(not period.complete for period in outlook.periods):
        return None
    known = [release.period for release in releases]
    known += [period.period for period in outlook.periods] if outlook else []
    return max(map(Period.parse, known)).next().name


def release_view(shelf: Shelf, release: Release, code: Iterable[Snippet]) -> ReleaseView:
    """The view of one release, with the code that loads it."""
    catalog = shelf.catalog
    before = catalog.previous(release)
    gates = release.quality.gates
    profile = profile_of(catalog, release)
    return ReleaseView(
        release=release,
        is_current=catalog.is_current(release),
        current=catalog.latest(release.dataset, release.period),
        ledger=Ledger.of(release),
        profile=profile,
        changes=None if before is None else _changes(before, release),
        stopping=tuple(gate for gate in gates if gate.stops),
        warning=tuple(gate for gate in gates if not gate.passed and not gate.stops),
        passed=tuple(gate for gate in gates if gate.passed),
        rejects=rejects_by_file(profile.rejects if profile else ()),
        snippets=tuple(code),
        months=tuple(sorted(release.build.observations.rows_by_month.items())),
        days=tuple(_every_day(profile.rows_by_day)) if profile else (),
    )


def _every_day(rows: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The records of each day from the first to the last that has any."""
    if rows:
        first, last = (date.fromisoformat(day).toordinal() for day in (min(rows), max(rows)))
        for number in range(first, last + 1):
            day = date.fromordinal(number).isoformat()
            yield day, rows.get(day, 0)


def profile_of(catalog: Catalog, release: Release) -> Profile | None:
    """The profile of a release's build; None for one that was built before there were any and not looked at since."""
    build = release.build
    first = keys.profile(release.dataset, build.id, PROFILE_VERSION)
    own = keys.profile(release.dataset, build.id, PROFILE_VERSION, account_of(build))
    return catalog.document(own, Profile) or catalog.document(first, Profile)


def _changes(before: Release, after: Release) -> Changes:
    old, new = (
        {(given.source, given.sha256) for month in release.build.months for given in month.inputs}
        for release in (before, after)
    )
    return Changes(
        before,
        ReleaseDiff.of(before, after),
        _columns(before.build.contract, after.build.contract),
        tuple(sorted(source for source, _ in new - old)),
        tuple(sorted(source for source, _ in old - new)),
    )


def _columns(before: Contract, after: Contract) -> ContractChange:
    old, new = ({c.name: str(c.type) for c in contract.columns} for contract in (before, after))
    return ContractChange(
        tuple((name, kind) for name, kind in new.items() if name not in old),
        tuple((name, kind) for name, kind in old.items() if name not in new),
        tuple((name, old[name], kind) for name, kind in new.items() if name in old and old[name] != kind),
    )
