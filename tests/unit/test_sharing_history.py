"""A shared table's history is that of its log, whatever was published."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterlake.delivery.sharing.history import UnknownVersionError, Version, table_history
from quarterlake.domain.column_types import INT64
from quarterlake.domain.contract import Column, Contract
from quarterlake.domain.quality import QualityReport
from quarterlake.domain.releases import (
    Aggregate,
    AggregateColumn,
    Build,
    DataFile,
    Observations,
    Release,
    TableVersion,
    release_name,
)

PERIODS = ("2025-Q4", "2026-Q1", "2026-Q2")
AGGREGATES = ("summary", "late")
START = datetime(2026, 5, 3, 9, tzinfo=UTC)


@dataclass
class Log:
    """A table's log, kept by hand: the files that each version shows."""

    versions: list[frozenset[str]] = field(default_factory=lambda: [frozenset()])

    def commit(self, add: set[str], remove: set[str]) -> int:
        self.versions.append((self.versions[-1] - remove) | add)
        return len(self.versions) - 1


@dataclass
class Publisher:
    """Publishes as `publishing.publish` does, with logs in memory."""

    logs: dict[str, Log] = field(default_factory=dict)
    releases: list[Release] = field(default_factory=list)

    def publish(self, period: str, types: dict[str, str], seconds: int) -> None:
        before = self.current(period)
        revision = before.revision + 1 if before else 1
        made = tuple(
            Aggregate(
                name,
                None,
                (AggregateColumn("n", kind), *extra_column(name, revision)),
                (DataFile(f"d/{name}/{period}.{revision}", 1, "0" * 64, 1),),
            )
            for name, kind in types.items()
        )
        tables = tuple(TableVersion(each.name, self._commit(each, period, before)) for each in made)
        for name in AGGREGATES:
            if name not in types and (gone := paths(before, name)):
                self.logs[name].commit(set(), gone)
        at = datetime.fromisoformat(self.releases[-1].published_at) if self.releases else START
        self.releases.append(
            release_of(period, revision, made, tables, (at + timedelta(seconds=seconds)).isoformat())
        )

    def current(self, period: str) -> Release | None:
        return next((r for r in reversed(self.releases) if r.period == period), None)

    def _commit(self, made: Aggregate, period: str, before: Release | None) -> int:
        types = {column.name: column.type for column in made.columns}
        remove = paths(before, made.name)
        for other in filter(None, (self.current(p) for p in PERIODS if p != period)):
            held = next((a for a in other.build.aggregates if a.name == made.name), None)
            if held and any(types.get(c.name, c.type) != c.type for c in held.columns):
                remove |= paths(other, made.name)
        log = self.logs.setdefault(made.name, Log())
        return log.commit({file.path for file in made.files}, remove)


def extra_column(name: str, revision: int) -> tuple[AggregateColumn, ...]:
    return (AggregateColumn("more", "string"),) if name == "late" and revision % 2 == 0 else ()


def paths(release: Release | None, aggregate: str) -> set[str]:
    made = release.build.aggregates if release else ()
    return {file.path for each in made if each.name == aggregate for file in each.files}


def release_of(
    period: str,
    revision: int,
    made: tuple[Aggregate, ...],
    tables: tuple[TableVersion, ...],
    published_at: str,
) -> Release:
    build = Build(
        id=f"{period}.{revision}",
        dataset="d",
        period=period,
        contract=Contract("d", (Column("n", INT64, "n"),)),
        months=(),
        curated_version=0,
        aggregates=made,
        ledger=(),
        observations=Observations(0, {}, {}, 0, 0, ()),
        engine="duckdb",
        code_version="0",
    )
    return Release(
        name=release_name("d", period, revision),
        dataset="d",
        period=period,
        revision=revision,
        published_at=published_at,
        build=build,
        quality=QualityReport(build.id, "d", period, None, ()),
        tables=tables,
    )


STEPS = st.lists(
    st.tuples(
        st.sampled_from(PERIODS),
        st.dictionaries(st.sampled_from(AGGREGATES), st.sampled_from(("long", "double"))),
        st.integers(1, 3),
    ),
    max_size=12,
)


@given(STEPS)
def test_every_version_shows_what_the_log_does(steps: list[tuple[str, dict[str, str], int]]) -> None:
    publisher = Publisher()
    for period, types, seconds in steps:
        publisher.publish(period, types, seconds)
    ordered = sorted(publisher.releases, key=lambda release: (release.period, release.revision))
    for name in AGGREGATES:
        history = table_history(ordered, name)
        if name not in publisher.logs:
            assert history is None
            continue
        assert history is not None
        told = [{file.path for each in v.shown for file in each.files} for v in history.versions]
        assert told == publisher.logs[name].versions
        assert [version.number for version in history.versions] == list(range(len(told)))
        times = [version.timestamp for version in history.versions]
        assert times == sorted(set(times))
        for before, after in zip(history.versions, history.versions[1:], strict=False):
            added = {file.path for each in after.added for file in each.files}
            removed = {file.path for each in after.removed for file in each.files}
            old = {file.path for each in before.shown for file in each.files}
            assert (old - removed) | added == {file.path for each in after.shown for file in each.files}
            assert {name for name, _ in before.columns} <= {name for name, _ in after.columns}


@given(
    st.lists(st.tuples(st.sampled_from(PERIODS), st.integers(1, 3)), max_size=12), st.sets(st.integers(0, 11))
)
def test_what_a_dropped_release_showed_is_never_passed_over(
    steps: list[tuple[str, int]], dropped: set[int]
) -> None:
    publisher = Publisher()
    for period, seconds in steps:
        publisher.publish(period, dict.fromkeys(AGGREGATES, "long"), seconds)
    current = [publisher.current(period) for period in PERIODS]
    left = [r for n, r in enumerate(publisher.releases) if n not in dropped or r in current]
    for name in AGGREGATES:
        history = table_history(left, name)
        if history is None:
            continue
        *earlier, latest = history.versions
        for version in earlier:
            assert files(version) == publisher.logs[name].versions[version.number]
        assert files(latest) == {path for release in current for path in paths(release, name)}


def files(version: Version) -> set[str]:
    return {file.path for each in version.shown for file in each.files}


def test_instants_lead_to_versions() -> None:
    publisher = Publisher()
    publisher.publish("2026-Q1", {"summary": "long"}, 0)
    publisher.publish("2026-Q2", {"summary": "long"}, 0)
    publisher.publish("2026-Q1", {"summary": "long"}, 60)
    history = table_history(publisher.releases, "summary")
    assert history is not None
    first = round(START.timestamp() * 1000)
    assert [version.timestamp - first for version in history.versions] == [-1, 0, 1, 60_000]
    assert [history.as_of(first + at).number for at in (0, 1, 59_999, 60_000, 10**9)] == [1, 2, 2, 3, 3]
    assert [history.since(first + at).number for at in (-(10**9), 0, 2, 60_000)] == [0, 1, 3, 3]
    with pytest.raises(UnknownVersionError, match="did not exist yet"):
        history.as_of(first - 2)
    with pytest.raises(UnknownVersionError, match="Nothing has changed since"):
        history.since(first + 60_001)
    with pytest.raises(UnknownVersionError, match="It has the versions 0 of 2026-05-03T08:59:59"):
        history.at(4)
