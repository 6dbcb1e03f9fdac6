"""Looking at a lake without changing it: status, ledger, rejects, releases, and whether all that is needed is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from quarterlake.domain.completeness import assess
from quarterlake.domain.contract import Contract
from quarterlake.domain.curation import Curation
from quarterlake.domain.errors import UsageError
from quarterlake.domain.landings import Landing
from quarterlake.domain.ledger import FileEntry, totals
from quarterlake.domain.parsed import ParsedFile, origin_of
from quarterlake.domain.periods import Period
from quarterlake.domain.releases import Build, Release, checked_dataset_name, is_outdated
from quarterlake.domain.repairs import place_of
from quarterlake.lake import documents, keys
from quarterlake.lake.manifests import read_manifests
from quarterlake.processing.building import drift_of
from quarterlake.processing.contract_files import declared_contract
from quarterlake.processing.contracts import in_force
from quarterlake.processing.curating import current_curation
from quarterlake.processing.ledgers import file_entries, parts_by_file, stood_for
from quarterlake.processing.refusals import refusal_of
from quarterlake.publishing.outlooks import newest_outlook
from quarterlake.publishing.releases import datasets_with_releases, releases_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterlake.pipeline import Pipeline


class RejectEntry(msgspec.Struct, frozen=True):
    """A record that was not accepted, as `quarterlake rejects` shows it."""

    dataset: str
    source: str
    line: int | None
    byte_offset: int | None
    column: str | None
    reason: str
    raw: str


class Known(msgspec.Struct, frozen=True):
    """What the lake holds of a data set now, nothing worked out anew."""

    dataset: str
    landings: tuple[Landing, ...]
    contract: Contract | None
    parsed: dict[int, ParsedFile]
    curation: Curation | None

    def contract_in_force(self) -> Contract:
        """Its contract. Raises UsageError where there is none yet."""
        if self.contract is None:
            raise UsageError(
                f"{self.dataset} has no contract yet, so nothing of it has been rejected. `quarterlake process` works one out from the files that it can read."
            )
        return self.contract

    @property
    def entries(self) -> list[FileEntry]:
        """The ledger of its files."""
        return file_entries(self.landings, self.processed, self.curation)

    @property
    def processed(self) -> dict[int, ParsedFile]:
        """The parsed files less live ones whose records wait to be curated: of bytes that had landed, and were parsed, before others in their place."""
        curated = parts_by_file(self.curation)
        live = {landing.manifest.sequence for landing in self.landings if landing.is_live}
        return {
            number: file
            for number, file in self.parsed.items()
            if number not in live or file.error or not file.accepted or file.origin in curated
        }

    @property
    def stood_for(self) -> dict[int, set[str]]:
        """For each live file, by its landing, the places of the rejects that a replay repairs or discards."""
        found: dict[int, set[str]] = {}
        for landing in self.landings:
            replay = landing.manifest.replay
            parsed = self.parsed.get(landing.manifest.sequence)
            if replay is not None and landing.repairs is not None and parsed is not None and not parsed.error:
                found[landing.repairs] = {*replay.repairs, *replay.discards}
        return found


def known(pipeline: Pipeline, dataset: str) -> Known:
    """What the lake holds of a data set. Raises UsageError where nothing of it has landed."""
    manifests = read_manifests(pipeline.lake.raw, checked_dataset_name(dataset))
    if not manifests:
        raise UsageError(
            f"No data set {dataset} has landed in {pipeline.settings.lake}. There are: {', '.join(pipeline.datasets()) or 'none'}."
        )
    contract = in_force(pipeline.parsing, dataset, declared_contract(pipeline.settings.contracts, dataset))
    landings = pipeline.resolved(manifests, contract)
    parsed = (
        pipeline.parsing.known_of(dataset, contract, landings)
        if contract
        else _unreadable(pipeline, dataset, landings)
    )
    table = current_curation(pipeline.lake, dataset)
    return Known(dataset, landings, contract, parsed, table.curation if table else None)


def _unreadable(pipeline: Pipeline, dataset: str, landings: Sequence[Landing]) -> dict[int, ParsedFile]:
    """Of a data set without a contract the files that the last run could not read: they are parsed under none, but its outlook names them."""
    _, outlook = newest_outlook(pipeline.lake.aggregated, dataset)
    if outlook is None:
        return {}
    looked_at = [
        landing.manifest
        for landing in landings
        if landing.is_live and landing.manifest.sequence <= outlook.landing
    ]
    return {
        found.sequence: ParsedFile(
            id="", origin=origin_of(found.sha256, None), sha256=found.sha256, parse_id="", error=error
        )
        for found in looked_at
        if (error := outlook.refused.get(found.source)) is not None
    }


def chosen(pipeline: Pipeline, dataset: str | None) -> list[Known]:
    """One data set, or all."""
    return [known(pipeline, name) for name in (pipeline.datasets() if dataset is None else [dataset])]


def ledger_entries(pipeline: Pipeline, dataset: str | None) -> list[FileEntry]:
    """Where the records of every landed file went."""
    return [entry for held in chosen(pipeline, dataset) for entry in held.entries]


def reject_entries(pipeline: Pipeline, dataset: str | None) -> Iterator[RejectEntry]:
    """The rejects of every live file, less those that a replay stands for; a replay's own among them."""
    for held in chosen(pipeline, dataset):
        live = {landing.manifest.sequence: landing.manifest for landing in held.landings if landing.is_live}
        numbers = {held.parsed[n].id: n for n in live if n in held.parsed}
        files = [held.parsed[n] for n in live if n in held.parsed]
        stood_for = held.stood_for
        for file, reject in pipeline.engine.rejects(files):
            number = numbers[file.id]
            if place_of(reject.byte_offset, reject.record) in stood_for.get(number, ()):
                continue
            manifest = live[number]
            yield RejectEntry(
                held.dataset,
                manifest.source,
                reject.line,
                reject.byte_offset,
                reject.column,
                reject.reason,
                # Where a replay names what it stands for, the parser has read blanks.
                reject.raw if manifest.replay is None else reject.raw.rstrip(),
            )


def all_releases(pipeline: Pipeline, dataset: str | None) -> list[Release]:
    """Releases in the order in which they were published, newest last. Raises UsageError for a data set that there is not."""
    store = pipeline.lake.aggregated
    names = datasets_with_releases(store)
    if dataset is not None:
        known = {*names, *pipeline.datasets()}
        if checked_dataset_name(dataset) not in known:
            raise UsageError(
                f"No data set {dataset} has landed in {pipeline.settings.lake}. There are: {', '.join(sorted(known)) or 'none'}."
            )
        names = [dataset]
    found = [release for name in names for release in releases_of(store, name)]
    return sorted(found, key=lambda r: (r.published_at, r.dataset, Period.parse(r.period), r.revision))


def lake_status(pipeline: Pipeline, dataset: str | None = None) -> dict[str, Any]:
    """The lake at a glance: one data set, or each, with its files, periods, waiting builds and releases."""
    return {
        "lake": pipeline.settings.lake,
        "notes": pipeline.notes(),
        "datasets": [_dataset_status(pipeline, held) for held in chosen(pipeline, dataset)],
    }


def _dataset_status(pipeline: Pipeline, held: Known) -> dict[str, Any]:
    releases = releases_of(pipeline.lake.aggregated, held.dataset)
    current = {release.period: release for release in releases}
    entries = held.entries
    processed = held.processed
    live = [landing.manifest.sequence for landing in held.landings if landing.is_live]
    files = [landing for landing in held.landings if landing.manifest.replay is None]
    replayed = stood_for(held.landings, held.parsed)
    parsed = [
        (
            landing.manifest.source,
            held.parsed[landing.manifest.sequence],
            replayed.get(landing.manifest.sequence, 0),
        )
        for landing in held.landings
        if landing.is_live and landing.manifest.sequence in held.parsed
    ]
    drift = [
        found
        for landing in held.landings
        if landing.is_live and held.contract and landing.manifest.sequence in held.parsed
        for found in drift_of(
            held.contract,
            landing.manifest,
            held.parsed[landing.manifest.sequence],
            replayed.get(landing.manifest.sequence, 0),
        )
    ]
    return {
        "dataset": held.dataset,
        "contract": None
        if held.contract is None
        else {
            "version": held.contract.version,
            "inferred": held.contract.inferred,
            "notes": held.contract.notes,
        },
        "files": {
            "landed": len(files),
            "live": sum(1 for landing in files if landing.is_live),
            "corrected": sum(1 for landing in files if landing.replaced_by is not None),
            "duplicates": sum(1 for landing in held.landings if landing.duplicate_of is not None),
            "replays": sum(1 for landing in held.landings if landing.manifest.replay and landing.is_live),
            "unprocessed": sum(1 for sequence in live if sequence not in processed),
            "refused": [
                {"source": source, "error": error}
                for source, file, gone in parsed
                if (error := refusal_of(source, file, gone)) is not None
            ],
        },
        "records": totals(entries),
        "repaired": sum(entry.repaired or 0 for entry in entries),
        "discarded": sum(entry.discarded or 0 for entry in entries),
        "drift": [found.text for found in drift],
        "drift_details": drift,
        "periods": _periods(pipeline, held, current),
        "builds_waiting": _waiting(pipeline, held, releases),
        "releases": [release.name for release in releases],
    }


def _periods(pipeline: Pipeline, held: Known, current: dict[str, Release]) -> list[dict[str, Any]]:
    curated = held.curation.months if held.curation else {}
    months = {month: found.rows for month, found in curated.items()}
    outdated = {period for period, release in current.items() if is_outdated(release, curated)}
    found = assess(
        months,
        publish=pipeline.settings.publish,
        ingest=pipeline.settings.ingest,
        now=pipeline.now,
        named=pipeline.parsing.named_periods(held.landings, held.parsed),
    )
    return [
        {
            "period": c.period.name,
            "complete": c.is_complete,
            "landed": c.landed,
            "lacking": c.lacking,
            "waits_for": c.waits_for,
            "records": sum(months[month] for month in c.landed),
            "release": current[c.period.name].name if c.period.name in current else None,
            "outdated": c.period.name in outdated,
        }
        for c in found
    ]


def _waiting(pipeline: Pipeline, held: Known, releases: list[Release]) -> list[dict[str, Any]]:
    """Builds of the records as they are now that were never published, with the gates that stopped them when they were last looked at."""
    store = pipeline.lake.aggregated
    published = {release.build.id for release in releases}
    listed = [item.key for item in store.list(keys.ours(held.dataset, "builds"))]
    unpublished = [key for key in listed if key.rsplit("/", 1)[1].split(".")[0] not in published]
    months = held.curation.months if held.curation else {}
    waiting = {
        made.id: made
        for made in documents.read_many(store, unpublished, Build)
        if all(m.month in months and months[m.month].content == m.content for m in made.months)
    }
    _, outlook = newest_outlook(store, held.dataset) if waiting else (0, None)
    stopped = {
        period.period: [f"{gate.gate}: {gate.message}" for gate in period.stopped_by]
        for period in (outlook.periods if outlook else ())
    }
    return [
        {"build": b.id, "period": b.period, "stopped_by": stopped.get(b.period, [])} for b in waiting.values()
    ]
