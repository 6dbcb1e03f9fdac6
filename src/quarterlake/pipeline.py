"""The four stages composed in one process: ingest, process, validate, publish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from quarterlake.domain.completeness import assess
from quarterlake.domain.errors import EngineMemoryError, TerminalError, UsageError
from quarterlake.domain.landings import Landing, resolve
from quarterlake.domain.periods import Period
from quarterlake.domain.progress import Progress, Silence
from quarterlake.domain.releases import Release, is_dataset_name, is_outdated, needs_release
from quarterlake.ingestion.land import IngestReport
from quarterlake.ingestion.land import Landing as LandingStage
from quarterlake.ingestion.seen import Seen
from quarterlake.judging import judge
from quarterlake.lake import keys
from quarterlake.lake.location import Lake, open_lake
from quarterlake.lake.manifests import read_manifests
from quarterlake.outcomes import DatasetOutcome, Wishes
from quarterlake.processing.building import (
    Curated,
    build,
    drift_of,
    wanted_aggregates,
)
from quarterlake.processing.contract_files import declared_contract, idle_contracts
from quarterlake.processing.contracts import Settled, settle
from quarterlake.processing.curating import curate
from quarterlake.processing.engines.duckdb import DuckDBEngine
from quarterlake.processing.ledgers import file_entries, stood_for
from quarterlake.processing.parsing import Parsing, stamp_of
from quarterlake.processing.refusals import refusal_of, reject_counts
from quarterlake.publishing.gates import check_gate_names
from quarterlake.publishing.outlooks import leave_outlook
from quarterlake.publishing.publish import finish_claims, publish
from quarterlake.publishing.releases import current_releases

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.landings import Manifest
    from quarterlake.processing.engines.port import Engine
    from quarterlake.settings import Settings


def _engine(settings: Settings, lake: Lake) -> Engine:
    embedded = DuckDBEngine(lake, memory=settings.memory, threads=settings.threads)
    if settings.engine == "duckdb":
        return embedded
    from quarterlake.processing.engines.spark import SparkEngine
    from quarterlake.processing.engines.spark_session import open_spark
    from quarterlake.spark_worker import perform

    return SparkEngine(
        lake,
        embedded,
        connect=lambda: open_spark(settings.spark, lake, settings.s3, lake.curated.scratch),
        perform=perform,
    )


class Pipeline:
    """The stages over one lake. `now` is the run's one reading of the clock; `progress` hears what happens."""

    def __init__(
        self, settings: Settings, *, now: datetime, progress: Progress | None = None, run: str | None = None
    ) -> None:
        self.settings = settings
        self.now = now
        self.run_id = run
        self.progress: Progress = progress or Silence()
        self.lake: Lake = open_lake(settings.lake, settings.s3, settings.scratch)
        self.engine: Engine = _engine(settings, self.lake)
        self.parsing = Parsing(self.lake, self.engine, self.progress, settings.ingest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.close()
        self.lake.close()

    def ingest(self, source: Path, archive: Path | None = None) -> IngestReport:
        """Land what is new below a folder."""
        return self._landing(source, archive).ingest(source)

    def _landing(self, source: Path, archive: Path | None = None) -> LandingStage:
        seen = Seen(source, self.settings.cache)
        others = (self.lake.curated, self.lake.aggregated)
        quiet = self.settings.quiet_seconds
        return LandingStage(self.lake.raw, seen, self.progress, self.now, archive, others, quiet)

    def datasets(self) -> list[str]:
        """The data sets that have a manifest; bytes without one are a landing that was cut short."""
        raw = self.lake.raw
        names = [name for name in raw.list_folders("") if is_dataset_name(name)]
        return [
            name
            for name in names
            if keys.manifests(name) in {f"{name}/{folder}/" for folder in raw.list_folders(f"{name}/")}
        ]

    def notes(self) -> list[str]:
        """What the user should know and no data set's outcome tells: the files among the contracts that are in force for none."""
        return idle_contracts(self.settings.contracts, self.datasets)

    def landings(self, dataset: str, contract: Contract | None = None) -> tuple[Landing, ...]:
        """All landings of a data set, resolved as its contract asks for."""
        return self.resolved(read_manifests(self.lake.raw, dataset), contract)

    def resolved(self, manifests: Sequence[Manifest], contract: Contract | None) -> tuple[Landing, ...]:
        """The landings of these manifests, which are all of a data set."""
        named = contract is not None and contract.record_time is None
        return resolve(manifests, self.parsing.name_time if named else None)

    def check_wishes(self, wishes: Wishes, source: Path) -> None:
        """See before a folder is landed that what is asked for may come of it.

        Raises UsageError for a data set that is neither in the lake nor in the folder, and for a period of the wrong kind.
        """
        self._check_periods(wishes)
        unknown = sorted(set(wishes.datasets).difference(self.datasets() if wishes.datasets else ()))
        coming = self._landing(source).coming(source) if unknown else set()
        if unknown := [name for name in unknown if name not in coming]:
            known = sorted({*self.datasets(), *coming})
            raise UsageError(
                f"No data set {unknown[0]} is in {self.settings.lake} or comes from {source}; nothing was landed. "
                f"There are: {', '.join(known) or 'none'}."
            )

    def chosen(self, wishes: Wishes) -> list[str]:
        """The data sets that are asked for. Raises UsageError for one that has not landed, and for a period of the wrong kind."""
        known = self.datasets()
        if unknown := [name for name in wishes.datasets if name not in known]:
            raise UsageError(
                f"No data set {unknown[0]} has landed in {self.settings.lake}. There are: {', '.join(known) or 'none'}."
            )
        self._check_periods(wishes)
        return list(wishes.datasets) or known

    def _check_periods(self, wishes: Wishes) -> None:
        for period in wishes.periods:
            if period.kind is not self.settings.publish:
                raise UsageError(
                    f"{period.name} is a {period.kind}, but a release holds a {self.settings.publish} (QUARTERLAKE_PUBLISH_PERIOD)."
                )

    def each(self, wishes: Wishes, stage: Callable[[str], DatasetOutcome]) -> list[DatasetOutcome]:
        """What a stage comes to for every data set that is asked for: what is wrong with one keeps no other from it.

        Raises the error of the only one, and at once where the environment failed, which would fail the others too.
        """
        names, outcomes = self.chosen(wishes), list[DatasetOutcome]()
        for name in names:
            try:
                outcomes.append(stage(name))
            except (TerminalError, EngineMemoryError) as failed:
                if len(names) == 1:
                    raise
                outcomes.append(DatasetOutcome(name, failed=failed))
        return outcomes

    # After each stage the data set's outlook is left beside the releases.

    def curate(self, dataset: str) -> DatasetOutcome:
        """Parse and curate what has landed; say which periods are released, outdated by it, and due. No build is made."""
        outcome, curated = self._curated(dataset)
        if curated is not None:
            outcome.outdated = [release.period for release in self._outdated(curated)]
            outcome.released = [release.period for release in current_releases(self.lake.aggregated, dataset)]
            complete = [found.period.name for found in outcome.completeness if found.is_complete]
            outcome.due = [name for name in complete if name not in outcome.released]
        return self._looked_ahead(outcome)

    def process(self, dataset: str, wishes: Wishes) -> DatasetOutcome:
        """Parse, curate and aggregate: builds for every complete period, or for those asked for."""
        return self._looked_ahead(self._built(dataset, wishes))

    def _built(self, dataset: str, wishes: Wishes) -> DatasetOutcome:
        outcome, curated = self._curated(dataset)
        if curated is None:
            outcome.absent = [period.name for period in wishes.periods]
            return outcome
        aggregates = wanted_aggregates(self.settings.aggregates, dataset)
        held = {found.period: found for found in outcome.completeness}
        outcome.absent = [period.name for period in wishes.periods if period not in held]
        wanted = (
            [p for p in wishes.periods if p in held]
            if wishes.periods
            else [p for p, found in held.items() if found.is_complete or wishes.allow_incomplete]
        )
        for period in sorted(wanted):
            outcome.builds.append(
                build(self.lake, self.engine, self.progress, curated, period, aggregates, self.run_id)
            )
        self._find_stale(outcome, curated, wishes)
        return outcome

    def validate(self, dataset: str, wishes: Wishes) -> DatasetOutcome:
        """Process, then look at the gates of each build that is not published already."""
        outcome = self._built(dataset, wishes)
        for made in outcome.builds:
            judge(self.lake.aggregated, self.engine, made, outcome, wishes)
        return self._looked_ahead(outcome)

    def publish(self, dataset: str, wishes: Wishes) -> DatasetOutcome:
        """Process, then validate and publish build by build, so that each is held against the one before it."""
        outcome = self._built(dataset, wishes)
        store = self.lake.aggregated
        waiting = [
            made
            for made in outcome.builds
            if needs_release(finish_claims(store, dataset, made.period), made.id)
        ]
        if waiting:
            self.progress.start(f"publish {dataset}", len(waiting))
        for made in outcome.builds:
            report = judge(self.lake.aggregated, self.engine, made, outcome, wishes)
            if report is None or not report.passed:
                continue
            release = publish(store, made, report, self.now, landing=outcome.landing, run=self.run_id)
            if release is not None:
                outcome.published.append(release)
                self.progress.step(release.name)
        return self._looked_ahead(outcome)

    def _looked_ahead(self, outcome: DatasetOutcome) -> DatasetOutcome:
        """The outcome, once what it says of the next releases is left for the readers of releases."""
        leave_outlook(
            self.lake.aggregated,
            outcome.dataset,
            landing=outcome.landing,
            completeness=outcome.completeness,
            records_by_month=outcome.records_by_month,
            reports=outcome.reports,
            settled={release.period: "" for release in outcome.current}
            | dict.fromkeys(outcome.held_back, "a rollback holds this build back until its files change")
            | outcome.stale,
            refused=outcome.refused,
            drift=[drift.text for drift in outcome.drift],
            rejects=outcome.rejects,
        )
        return outcome

    def _find_stale(self, outcome: DatasetOutcome, curated: Curated, wishes: Wishes) -> None:
        """Note current releases whose records changed though no build can take their place, as when a month was emptied."""
        built = {made.period for made in outcome.builds}
        for release in self._outdated(curated):
            asked = not wishes.periods or Period.parse(release.period) in wishes.periods
            if asked and release.period not in built:
                outcome.stale[release.period] = (
                    f"{release.name} is still current, but its records were corrected and the period is incomplete now. "
                    f"Bring the missing months, or publish it with --period {release.period} --allow-incomplete."
                )

    def _outdated(self, curated: Curated) -> list[Release]:
        """The current releases whose months hold other records now. Raises UsageError for releases of another kind of period."""
        dataset, months = curated.contract.dataset, curated.table.curation.months
        current = current_releases(self.lake.aggregated, dataset)
        kinds = {Period.parse(release.period).kind for release in current}
        if kinds - {self.settings.publish}:
            raise UsageError(
                f"{dataset} has releases by {', '.join(sorted(kinds))}; they cannot share a table with releases by "
                f"{self.settings.publish}. Set QUARTERLAKE_PUBLISH_PERIOD back, or use another lake."
            )
        return [release for release in current if is_outdated(release, months)]

    def settled(self, dataset: str) -> tuple[tuple[Landing, ...], Settled | None]:
        """The landings of a data set, and its contract with every live file parsed under it."""
        declared = declared_contract(self.settings.contracts, dataset)
        if declared is not None:
            check_gate_names(declared)
        landings = self.landings(dataset, declared)
        settled = settle(self.parsing, dataset, landings, declared)
        if settled is not None and declared is None and settled.contract.record_time is None:
            landings = self.landings(dataset, settled.contract)
            settled = settle(self.parsing, dataset, landings, declared)
        return landings, settled

    def _curated(self, dataset: str) -> tuple[DatasetOutcome, Curated | None]:
        outcome = DatasetOutcome(dataset)
        landings, settled = self.settled(dataset)
        outcome.landing = max((landing.manifest.sequence for landing in landings), default=0)
        if settled is None:
            outcome.refused = self._unreadable(landings)
            return outcome, None
        outcome.contract = settled.contract
        table = curate(self.lake, self.engine, self.progress, settled.contract, landings, settled.parsed)
        outcome.entries = file_entries(landings, settled.parsed, table.curation if table else None)
        for entry in outcome.entries:
            entry.check()
        replayed = stood_for(landings, settled.parsed)
        for landing in landings:
            parsed = settled.parsed.get(landing.manifest.sequence)
            if parsed is None or not landing.is_live:
                continue
            source, gone = landing.manifest.source, replayed.get(landing.manifest.sequence, 0)
            if (refusal := refusal_of(source, parsed, gone)) is not None:
                outcome.refused[source] = refusal
            outcome.drift += drift_of(settled.contract, landing.manifest, parsed, gone)
        live = {landing.manifest.sequence for landing in landings if landing.is_live}
        outcome.rejects = reject_counts(landings, settled.parsed, live.intersection(settled.parsed))
        if table is None:
            return outcome, None
        curated = Curated(settled.contract, landings, settled.parsed, table)
        outcome.records_by_month = curated.records_by_month
        outcome.completeness = assess(
            curated.records_by_month,
            publish=self.settings.publish,
            ingest=self.settings.ingest,
            now=self.now,
            named=self.parsing.named_periods(landings, settled.parsed),
        )
        return outcome, curated

    def _unreadable(self, landings: Sequence[Landing]) -> dict[str, str]:
        live = [
            landing.manifest for landing in landings if landing.is_live and landing.manifest.replay is None
        ]
        samples = self.engine.sample([(manifest, stamp_of(manifest)) for manifest in live], 1)
        return {
            m.source: sample.error
            for m, sample in zip(live, samples, strict=True)
            if sample.error is not None
        }
