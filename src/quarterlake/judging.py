"""Judging a build: whether it needs a release, and whether the gates let it pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.completeness import Completeness
from quarterlake.domain.contract import fingerprint
from quarterlake.domain.quality import QualityReport
from quarterlake.domain.releases import account_of, needs_release
from quarterlake.lake import documents, keys
from quarterlake.publishing.gates import Evaluation, evaluate
from quarterlake.publishing.releases import current_release, previous_release

if TYPE_CHECKING:
    from quarterlake.domain.releases import Build
    from quarterlake.lake.stores import Store
    from quarterlake.outcomes import DatasetOutcome, Wishes
    from quarterlake.processing.engines.port import Engine


def judge(
    store: Store, engine: Engine, made: Build, outcome: DatasetOutcome, wishes: Wishes
) -> QualityReport | None:
    """The gates of a build, noted in the outcome; None where there is nothing to publish."""
    current = current_release(store, made.dataset, made.period)
    if not needs_release(current, made.id):
        if current is not None and current.build.id == made.id:
            outcome.current.append(current)
        else:
            outcome.held_back.append(made.period)
        return None
    report = _report(store, engine, made, outcome, allow_incomplete=wishes.allow_incomplete)
    outcome.reports.append(report)
    if not report.passed:
        outcome.stopped.append(made.period)
    return report


def _report(
    store: Store, engine: Engine, made: Build, outcome: DatasetOutcome, *, allow_incomplete: bool
) -> QualityReport:
    found = next(c for c in outcome.completeness if c.period.name == made.period)
    if allow_incomplete:
        found = Completeness(found.period, found.landed, (), closed=True)
    contract = outcome.contract or made.contract
    previous = previous_release(store, made.dataset, made.period)
    circumstances = fingerprint(
        [
            previous.name if previous else None,
            list(found.lacking),
            found.closed,
            outcome.refused,
            contract.gates,
            sorted(column.name for column in contract.columns if not column.nullable),
            account_of(made),
        ]
    )
    key = keys.quality(made.dataset, made.id, circumstances)
    report = documents.read(store, key, QualityReport)
    if report is None:
        staged, strays = engine.recount(made)
        report = evaluate(Evaluation(made, contract, previous, found, outcome.refused, staged, strays))
        documents.write_once(store, key, report)
    return report
