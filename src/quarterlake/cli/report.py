"""What a run did, for people and for programs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quarterlake.cli.context import print_json
from quarterlake.domain.ledger import totals
from quarterlake.domain.printable import printable
from quarterlake.domain.wording import count_of
from quarterlake.run_document import is_clean, run_document

if TYPE_CHECKING:
    from quarterlake.domain.releases import Release
    from quarterlake.ingestion.land import IngestReport
    from quarterlake.outcomes import DatasetOutcome
    from quarterlake.settings import Settings

_LISTED = 20


def report_run(
    ingested: IngestReport | None,
    outcomes: Sequence[DatasetOutcome],
    settings: Settings,
    notes: Sequence[str] = (),
    *,
    as_json: bool,
) -> int:
    """Print what a run did, and notes; return its exit code: 1 where a file was refused, a gate said no, or a period was not there; what a data set failed with."""
    if as_json:
        print_json(run_document(ingested, outcomes, settings, notes))
    else:
        _print_run(ingested, outcomes, settings, notes)
    failed = [outcome.failed.exit_code for outcome in outcomes if outcome.failed]
    return max([0 if is_clean(ingested, outcomes) else 1, *failed])


def _print_run(
    ingested: IngestReport | None,
    outcomes: Sequence[DatasetOutcome],
    settings: Settings,
    notes: Sequence[str],
) -> None:
    if ingested is not None:
        _print_ingest(ingested)
    _list("note", notes, indent="")
    for outcome in outcomes:
        _print_outcome(outcome, settings)
    published = [release for outcome in outcomes for release in outcome.published]
    if published:
        _print_releases(published, settings)
    elif outcomes and any(outcome.current for outcome in outcomes):
        print("Nothing new to publish: every release is current.")


def _print_ingest(ingested: IngestReport) -> None:
    size = sum(manifest.size for manifest in ingested.landed)
    if not (ingested.landed or ingested.unchanged or ingested.refused or ingested.unfinished):
        print("ingest: the source folder holds no data file")
        return
    print(
        f"ingest: {count_of(len(ingested.landed), 'file')} landed ({size:,} bytes), {ingested.unchanged} unchanged"
    )
    _list(
        "corrected",
        [f"{source}: other bytes than before, which count from now on" for source in ingested.corrections],
    )
    _list(
        "duplicate",
        [
            f"{source}: the bytes of {first}; they count once, unless the files' names put them into different periods"
            for source, first in ingested.duplicates.items()
        ],
    )
    _list(
        "unfinished",
        [
            f"{source}: it changed while it was read, or just before; the next run takes it"
            for source in ingested.unfinished
        ],
    )
    _list("joined", list(ingested.joined.values()))
    _list("skipped", [f"{source}: {why}" for source, why in ingested.skipped.items()])
    _list("REFUSED", [f"{source}: {why}" for source, why in ingested.refused.items()])


def _print_outcome(outcome: DatasetOutcome, settings: Settings) -> None:
    if outcome.failed is not None:
        _list(f"{outcome.dataset}: FAILED", [str(outcome.failed)], indent="")
        return
    sums = totals(outcome.entries)
    print(
        f"{outcome.dataset}: {count_of(sums['records'], 'record')} = {sums['accepted']:,} accepted + {sums['rejected']:,} rejected + {sums['superseded']:,} superseded"
    )
    if outcome.contract is not None and outcome.contract.inferred:
        _list(f"contract {outcome.contract.version}, inferred", list(outcome.contract.notes))
    _list("REFUSED", list(outcome.refused.values()))
    _list("drift", [drift.text for drift in outcome.drift])
    for report in outcome.reports:
        for gate in report.gates:
            if not gate.passed:
                allowed = "" if gate.threshold is None else f" (threshold {gate.threshold:g})"
                title = f"{report.period} {'GATE' if gate.stops else str(gate.severity)}"
                _list(title, [f"{gate.gate}{allowed}: {gate.message}"])
        if report.passed and not any(release.period == report.period for release in outcome.published):
            print(f"  {report.period}: every gate passed")
    if outcome.stopped:
        written = not outcome.contract or not outcome.contract.inferred
        first = (
            "" if written else f" once `quarterlake contract infer {outcome.dataset} --write` has written it"
        )
        print(
            f"  not published: {', '.join(outcome.stopped)}. Mend the data, or set the gate's severity or threshold in "
            f"{settings.contracts}/{outcome.dataset}.odcs.yaml{first}."
        )
    _list(
        "held back",
        [
            f"{period}: a rollback holds this build back until its inputs change"
            for period in outcome.held_back
        ],
    )
    _list("STALE", list(outcome.stale.values()))
    _list("ABSENT", [f"{period}: no record of it has landed" for period in outcome.absent])
    built = {made.period for made in outcome.builds}
    _list(
        "waiting",
        [
            f"{c.period.name}: {c.waits_for}"
            for c in outcome.completeness
            if not c.is_complete and c.period.name not in built
        ],
    )
    _print_next(outcome.dataset, sums["rejected"], drift=bool(outcome.drift))


def _print_next(dataset: str, rejected: int, *, drift: bool) -> None:
    """What to do about rejects and drift, where there are some."""
    steps = [
        *(
            [f"`quarterlake rejects {dataset}` lists what was rejected and why (docs/rejects.md)"]
            * (rejected > 0)
        ),
        *(["docs/drift.md says what a contract can do about drift"] * drift),
    ]
    if steps:
        print(f"  next: {'; '.join(steps)}")


def _list(title: str, lines: Sequence[str], indent: str = "  ") -> None:
    for line in lines[:_LISTED]:
        print(f"{indent}{title}: {printable(line)}")
    if len(lines) > _LISTED:
        print(f"{indent}{title}: and {len(lines) - _LISTED} more (--json lists all)")


def _print_releases(published: Sequence[Release], settings: Settings) -> None:
    print("published:")
    for release in published:
        for aggregate in release.build.aggregates:
            for file in aggregate.files:
                print(
                    f"  {release.name}  {aggregate.name}: {count_of(file.rows, 'row')}, {file.size:,} bytes, sha256 {file.sha256[:12]}…"
                )
    example = published[-1]
    where = (
        settings.lake.replace("{zone}", "aggregated")
        if "{zone}" in settings.lake
        else f"{settings.lake.rstrip('/')}/aggregated"
    )
    print(f"\nThe files lie in {where}. Next:")
    option = "" if settings.lake == "./lake" else f" --lake '{settings.lake}'"
    folder = _program_folder()
    for verb in (f"verify {example.name}", "status"):
        print(f"  {folder}quarterlake {verb}{option}")
    if "://" not in where:
        table = f"{where}/{example.dataset}/{example.build.aggregates[0].name}"
        code = f"from deltalake import DeltaTable; print(DeltaTable('{table}').file_uris())"
        print(f'  {folder}python -c "{code}"')


def _program_folder() -> str:
    """What to put before a command so that the shell finds it: nothing when it is on the path."""
    program = Path(sys.argv[0])
    if program.name != "quarterlake" or shutil.which("quarterlake"):
        return ""
    return f"{program.parent}/"


def print_status(document: dict[str, Any]) -> None:
    """The status for people."""
    _list("note", document["notes"], indent="")
    if not document["datasets"]:
        print(
            f"{document['lake']} holds no data set yet. `quarterlake run data_source` lands and publishes files."
        )
    for held in document["datasets"]:
        files, records = held["files"], held["records"]
        contract = held["contract"]
        kind = (
            "no contract yet"
            if contract is None
            else f"contract {contract['version']}{', inferred' if contract['inferred'] else ''}"
        )
        print(f"{held['dataset']} ({kind})")
        print(
            f"  files: {files['landed']} landed, {files['live']} live, {files['corrected']} corrected, {files['duplicates']} duplicates, "
            f"{files['unprocessed']} unprocessed, {len(files['refused'])} refused",
        )
        print(
            f"  records: {records['records']:,} = {records['accepted']:,} accepted + {records['rejected']:,} rejected + {records['superseded']:,} superseded"
        )
        if files["replays"]:
            print(
                f"  replays: {count_of(held['repaired'], 'reject')} repaired and {held['discarded']:,} discarded, in {count_of(files['replays'], 'file')}; they count as superseded"
            )
        _list("REFUSED", [refused["error"] for refused in files["refused"]])
        _list("drift", held["drift"])
        for period in held["periods"]:
            state = period["release"] or (
                "complete, not published" if period["complete"] else f"waiting: {period['waits_for']}"
            )
            if period["outdated"]:
                state += ", OUTDATED: the records are others now"
                state += "" if period["complete"] else f"; waiting: {period['waits_for']}"
            print(f"  {period['period']}: {count_of(period['records'], 'record')}, {state}")
        _list(
            "build waiting",
            [f"{b['period']} {b['build'][:12]} {'; '.join(b['stopped_by'])}" for b in held["builds_waiting"]],
        )
        _print_next(held["dataset"], records["rejected"], drift=bool(held["drift"]))


def print_doctor(findings: dict[str, Any]) -> None:
    """The doctor's findings for people."""
    print(f"python {findings['python']}")
    print(", ".join(f"{name} {number}" for name, number in findings["packages"].items()))
    for zone in findings["zones"]:
        print(f"{zone['zone']}: {zone['url']} {'can be used' if zone['reachable'] else zone['problem']}")
    print(f"engine: {findings['engine']}")
    for part in findings["spark"]:
        print(
            f"spark {part['part']}: {part['found'] or 'missing'}{'; ' if part['problem'] else ''}{part['problem'] or ''}"
        )
    for setting in findings["settings"]:
        print(
            f"{setting['name']} = {setting['value'] or '(empty)'}  [{setting['from']}]  {setting['meaning']}"
        )
