"""What a run did, as one document: what `--json` prints and what a service answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quarterlake.domain.ledger import totals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.domain.releases import Release
    from quarterlake.ingestion.land import IngestReport
    from quarterlake.outcomes import DatasetOutcome
    from quarterlake.settings import Settings


def release_documents(releases: Sequence[Release]) -> list[dict[str, Any]]:
    """Releases as the CLI's JSON has them: one entry an aggregate."""
    return [
        {
            "dataset": release.dataset,
            "aggregate": aggregate.name,
            "period": release.period,
            "revision": release.revision,
            "name": release.name,
            "version": release.table_version(aggregate.name),
            "published_at": release.published_at,
            "rows": aggregate.rows,
            "files": [
                {"path": f.path, "size": f.size, "sha256": f.sha256, "rows": f.rows} for f in aggregate.files
            ],
        }
        for release in releases
        for aggregate in release.build.aggregates
    ]


def run_document(
    ingested: IngestReport | None,
    outcomes: Sequence[DatasetOutcome],
    settings: Settings,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """All that a run did, and what else is to be noted; lists are whole."""
    return {
        "lake": settings.lake,
        "notes": list(notes),
        "ingest": None
        if ingested is None
        else {
            "landed": [
                {"dataset": m.dataset, "source": m.source, "sha256": m.sha256, "size": m.size}
                for m in ingested.landed
            ],
            "unchanged": ingested.unchanged,
            "corrections": sorted(ingested.corrections),
            "duplicates": ingested.duplicates,
            "unfinished": ingested.unfinished,
            "skipped": ingested.skipped,
            "joined": ingested.joined,
            "refused": ingested.refused,
        },
        "datasets": [
            {
                "dataset": outcome.dataset,
                "totals": totals(outcome.entries),
                "failed": None if outcome.failed is None else str(outcome.failed),
                "refused": outcome.refused,
                "drift": [drift.text for drift in outcome.drift],
                "drift_details": outcome.drift,
                "records_by_month": outcome.records_by_month,
                "waiting": {c.period.name: c.waits_for for c in outcome.completeness if not c.is_complete},
                "outdated": outcome.outdated,
                "due": outcome.due,
                "released": outcome.released,
                "builds": [{"period": b.period, "build": b.id} for b in outcome.builds],
                "gates": [
                    {"period": r.period, "passed": r.passed, "gates": r.gates} for r in outcome.reports
                ],
                "stopped": outcome.stopped,
                "held_back": outcome.held_back,
                "absent": outcome.absent,
                "stale": outcome.stale,
                "published": [release.name for release in outcome.published],
                "current": [release.name for release in outcome.current],
            }
            for outcome in outcomes
        ],
        "releases": release_documents([release for outcome in outcomes for release in outcome.published]),
    }


def is_clean(ingested: IngestReport | None, outcomes: Sequence[DatasetOutcome]) -> bool:
    """Whether no data set failed, no file was refused, no gate said no, and no period was stale or absent."""
    return (ingested is None or not ingested.refused) and all(outcome.is_clean for outcome in outcomes)


def complaints(ingested: IngestReport | None, outcomes: Sequence[DatasetOutcome]) -> list[str]:
    """Why a run is not clean, a line each."""
    lines = [f"{source}: {why}" for source, why in (ingested.refused if ingested else {}).items()]
    for outcome in outcomes:
        lines += [f"{outcome.dataset}: {outcome.failed}"] if outcome.failed else []
        lines += outcome.refused.values()
        for report in outcome.reports:
            lines += [
                f"{outcome.dataset} {report.period}: {gate.gate}: {gate.message}"
                for gate in report.gates
                if gate.stops
            ]
        lines += outcome.stale.values()
        lines += [f"{outcome.dataset} {period}: no record of it has landed" for period in outcome.absent]
    return lines
