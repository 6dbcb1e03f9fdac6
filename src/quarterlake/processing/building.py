"""Making builds: the aggregates of a period, staged and complete, visible to nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from quarterlake import __version__
from quarterlake.domain.drift import DriftKind, DriftPolicy, FileDrift
from quarterlake.domain.ledger import ReleaseEntry, release_entry
from quarterlake.domain.periods import Period, PeriodKind
from quarterlake.domain.profiles import PROFILE_VERSION, Profile
from quarterlake.domain.releases import Build, Observations, account_of, build_id, hidden_columns
from quarterlake.lake import documents, keys
from quarterlake.processing.engines.port import PeriodView
from quarterlake.processing.ledgers import file_entries, live_replays, parts_by_file, stood_for
from quarterlake.processing.parsing import stamp_of
from quarterlake.processing.refusals import no_data_of, reject_counts
from quarterlake.processing.user_sql import UserAggregate, load_aggregates
from quarterlake.processing.user_sql_lineage import showing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.curation import CuratedMonth
    from quarterlake.domain.drift import Drift
    from quarterlake.domain.landings import Landing, Manifest
    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.domain.progress import Progress
    from quarterlake.domain.releases import Aggregate
    from quarterlake.lake.location import Lake
    from quarterlake.processing.curating import CuratedTable
    from quarterlake.processing.engines.port import Engine


@dataclass(frozen=True, slots=True)
class Curated:
    """A data set as far as curation: all that a build is made from."""

    contract: Contract
    landings: Sequence[Landing]
    parsed: Mapping[int, ParsedFile]
    table: CuratedTable

    @property
    def records_by_month(self) -> dict[str, int]:
        """Accepted records by month."""
        return {month: curated.rows for month, curated in self.table.curation.months.items()}


def wanted_aggregates(directory: Path, dataset: str) -> tuple[UserAggregate | None, ...]:
    """The aggregates of a data set: the zero-config summary (None), unless a file of that name replaces it, and the user's."""
    own = load_aggregates(directory, dataset)
    return own if any(aggregate.name == "summary" for aggregate in own) else (None, *own)


def build(
    lake: Lake,
    engine: Engine,
    progress: Progress,
    curated: Curated,
    period: Period,
    aggregates: Sequence[UserAggregate | None],
    run: str | None = None,
) -> Build:
    """The build of one period, made unless it exists already; `run` is then noted as its maker. Raises AggregateError for SQL that the engine refuses."""
    dataset = curated.contract.dataset
    names = {month.name for month in period.split(PeriodKind.MONTH)}
    months = [m for name, m in sorted(curated.table.curation.months.items()) if name in names]
    contract = curated.contract.restricted({column for month in months for column in month.columns})
    sql = {aggregate.name: aggregate.sql for aggregate in aggregates if aggregate is not None}
    identity = build_id(
        dataset,
        period.name,
        months,
        contract.content_id,
        sql | ({"": "summary"} if None in aggregates else {}),
    )
    view = PeriodView(dataset, period.name, str(period.kind), contract, months)
    used = _used(curated, period, months)
    done = documents.read(lake.aggregated, keys.build(dataset, identity), Build)
    if done is not None:
        if lake.aggregated.head(keys.profile(dataset, identity, PROFILE_VERSION)) is None:
            _profile(lake, engine, curated, used, view, identity, done.aggregates)
        return _accounted(lake, done, curated, used)
    progress.start(f"aggregate {dataset} {period.name}", len(aggregates))
    made = []
    for aggregate in aggregates:
        made.append(_marked(engine.aggregate(view, identity, aggregate), aggregate, contract))
        progress.step(made[-1].name)
    profile = _profile(lake, engine, curated, used, view, identity, made)
    document = Build(
        id=identity,
        dataset=dataset,
        period=period.name,
        contract=contract,
        months=tuple(months),
        curated_version=curated.table.version,
        aggregates=tuple(made),
        ledger=_ledger(curated, used, months),
        observations=_observations(curated, used, months, profile),
        engine=engine.name,
        code_version=__version__,
        run=run,
    )
    documents.write_once(lake.aggregated, keys.build(dataset, identity), document)
    return documents.read(lake.aggregated, keys.build(dataset, identity), Build) or document


def _accounted(lake: Lake, done: Build, curated: Curated, used: Mapping[int, ParsedFile]) -> Build:
    """A build that exists with the account of now: rejects may have been discarded since, and files renamed, of which its records say nothing."""
    now = msgspec.structs.replace(
        done,
        ledger=_ledger(curated, used, done.months),
        observations=msgspec.structs.replace(done.observations, drift=_drift(curated, used)),
    )
    account = account_of(now)
    if account == account_of(done):
        return done
    profile = documents.read(lake.aggregated, keys.profile(done.dataset, done.id, PROFILE_VERSION), Profile)
    if profile is not None:
        rejects = reject_counts(curated.landings, curated.parsed, used)
        key = keys.profile(done.dataset, done.id, PROFILE_VERSION, account)
        documents.write_once(lake.aggregated, key, msgspec.structs.replace(profile, rejects=rejects))
    documents.write_once(lake.aggregated, keys.build(done.dataset, done.id, account), now)
    return now


def _marked(made: Aggregate, aggregate: UserAggregate | None, contract: Contract) -> Aggregate:
    """An aggregate that says of each column whether it may show values of a column that is marked PII; the summary shows none, and the period's is ours."""
    if aggregate is None:
        return made
    _, *result = (column.name for column in made.columns)
    columns = [column.name for column in contract.columns]
    marked = [column.name for column in contract.columns if column.pii]
    found = showing(aggregate.sql, contract.dataset, columns, marked, result)
    marks = (msgspec.structs.replace(c, pii=c.name in found) for c in made.columns)
    return msgspec.structs.replace(made, columns=tuple(marks))


def _ledger(
    curated: Curated, used: Mapping[int, ParsedFile], months: Sequence[CuratedMonth]
) -> tuple[ReleaseEntry, ...]:
    parts = parts_by_file(curated.table.curation)
    entries = file_entries(curated.landings, curated.parsed, curated.table.curation)
    replays = live_replays(curated.landings, curated.parsed)
    return tuple(
        release_entry(
            entry,
            {
                month: part.accepted
                for month, part in parts.get(used[landing.manifest.sequence].origin, {}).items()
            },
            [month.month for month in months],
            no_data_of(curated.parsed[landing.manifest.sequence], replays.get(landing.manifest.sequence)),
        )
        for landing, entry in zip(curated.landings, entries, strict=True)
        if landing.manifest.sequence in used
    )


def _used(curated: Curated, period: Period, months: Sequence[CuratedMonth]) -> dict[int, ParsedFile]:
    """The live parsed files that a release accounts for, by landing: those whose records are in its months, their replays, and those named for it that are all rejected."""
    origins = {given.origin for month in months for given in month.inputs}
    live = {
        landing.manifest.sequence: landing
        for landing in curated.landings
        if landing.is_live and landing.manifest.sequence in curated.parsed
    }
    used = {number for number in live if curated.parsed[number].origin in origins}
    for number, landing in live.items():
        file = curated.parsed[number]
        if file.error is None and not file.accepted and file.rejected:
            stamp = None if landing.manifest.replay else stamp_of(landing.manifest)
            is_named = stamp is not None and period.start <= stamp.start and stamp.end <= period.end
            if is_named or landing.repairs in used:
                used.add(number)
    return {number: curated.parsed[number] for number in live if number in used}


def _profile(
    lake: Lake,
    engine: Engine,
    curated: Curated,
    used: Mapping[int, ParsedFile],
    view: PeriodView,
    build: str,
    aggregates: Sequence[Aggregate],
) -> Profile:
    """The profile of a build, made unless it exists already: a build of an earlier version has none."""
    key = keys.profile(view.dataset, build, PROFILE_VERSION)
    found = documents.read(lake.aggregated, key, Profile)
    if found is not None:
        return found
    records, by_day = engine.profile(view)
    document = Profile(
        build=build,
        dataset=view.dataset,
        period=view.period,
        version=PROFILE_VERSION,
        records=records,
        aggregates=tuple(
            engine.profile_aggregate(aggregate).without_values_of(hidden_columns(view.contract, aggregate))
            for aggregate in aggregates
        ),
        rows_by_month={month.month: month.rows for month in view.months},
        rows_by_day=by_day,
        rejects=reject_counts(curated.landings, curated.parsed, used),
    )
    documents.write_once(lake.aggregated, key, document)
    return document


def _observations(
    curated: Curated, used: Mapping[int, ParsedFile], months: Sequence[CuratedMonth], profile: Profile
) -> Observations:
    return Observations(
        rows=profile.records.rows,
        rows_by_month={month.month: month.rows for month in months},
        nulls={column.name: column.nulls for column in profile.records.columns if column.nulls},
        conflicts=sum(month.conflicts for month in months),
        equal_rows=sum(month.equal_rows for month in months),
        drift=_drift(curated, used),
    )


def _drift(curated: Curated, used: Mapping[int, ParsedFile]) -> tuple[str, ...]:
    manifests = {landing.manifest.sequence: landing.manifest for landing in curated.landings}
    replayed = stood_for(curated.landings, curated.parsed)
    return tuple(
        drift.text
        for number, file in used.items()
        for drift in drift_of(curated.contract, manifests[number], file, replayed.get(number, 0))
    )


def drift_of(
    contract: Contract, manifest: Manifest, parsed: ParsedFile, replayed: int = 0
) -> list[FileDrift]:
    """Where a file left its contract and what was done: what parsing found, and the changes that it made to the contract.

    For `replayed` of its rejects a replay stands: where it does for all, what they were rejected for is no drift any more.
    """
    mended = 0 < parsed.rejected <= replayed
    since = f" ({replayed} of its {parsed.rejected} rejects are repaired or discarded)" if replayed else ""
    found = [
        (drift.kind, drift.policy, drift.column, drift.records, drift.text + (since if drift.rejects else ""))
        for drift in parsed.drift
        if _counts(drift, contract, manifest) and not (mended and drift.rejects)
    ]
    found += [
        (change.kind, DriftPolicy.EVOLVE, change.column, 0, change.text)
        for change in contract.evolution
        if change.landing == manifest.sequence
    ]
    return [
        FileDrift(manifest.source, kind, policy, column, records, f"{manifest.source}: {text}")
        for kind, policy, column, records, text in found
    ]


def _counts(drift: Drift, contract: Contract, manifest: Manifest) -> bool:
    """A file that landed before a column came does not lack it."""
    if drift.kind is not DriftKind.DROPPED:
        return True
    return manifest.sequence >= contract.evolved.get(drift.column or "", 0)
