"""What a data set's next releases lack, left beside the releases for those who may read nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.outlooks import Outlook, PeriodOutlook, StoppingGate
from quarterlake.lake import documents, keys
from quarterlake.publishing.releases import current_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterlake.domain.completeness import Completeness
    from quarterlake.domain.profiles import RejectCount
    from quarterlake.domain.quality import QualityReport
    from quarterlake.lake.stores import Store

_ATTEMPTS = 5


def newest_outlook(store: Store, dataset: str) -> tuple[int, Outlook | None]:
    """The number of the newest outlook, 0 where there is none, and the outlook."""
    listed = [item.key for item in store.list(keys.ours(dataset, "outlooks")) if item.key.endswith(".json")]
    if not listed:
        return 0, None
    number = int(listed[-1].rsplit("/", 1)[1].removesuffix(".json"))
    return number, documents.read(store, listed[-1], Outlook)


def leave_outlook(
    store: Store,
    dataset: str,
    *,
    landing: int,
    completeness: Sequence[Completeness],
    records_by_month: Mapping[str, int],
    reports: Sequence[QualityReport],
    settled: Mapping[str, str],
    refused: Mapping[str, str],
    drift: Sequence[str],
    rejects: Sequence[RejectCount],
) -> bool:
    """Put the outlook under the next number, unless the newest says the same or was made from newer landings; whether it was put.

    `reports` are those of the builds that were judged now; of periods that were not, what the newest outlook says of gates goes on.
    `settled` are periods that need no release, or cannot have one, with the reason or an empty text.
    """
    for _ in range(_ATTEMPTS):
        number, before = newest_outlook(store, dataset)
        if before is not None and before.landing > landing:
            return False
        releases = current_names(store, dataset)
        stopped = _stopped(before, reports, settled)
        outlook = Outlook(
            dataset=dataset,
            landing=landing,
            periods=tuple(
                PeriodOutlook(
                    period=found.period.name,
                    records=sum(records_by_month.get(month, 0) for month in found.landed),
                    landed=found.landed,
                    lacking=found.lacking,
                    complete=found.is_complete,
                    waits_for=found.waits_for,
                    release=releases.get(found.period.name),
                    stopped_by=stopped.get(found.period.name, ()),
                    note=settled.get(found.period.name, ""),
                )
                for found in completeness
            ),
            refused=dict(sorted(refused.items())),
            drift=tuple(drift),
            rejects=tuple(rejects),
        )
        if outlook == before:
            return False
        if documents.write_once(store, keys.outlook(dataset, number + 1), outlook):
            return True
    return False


def _stopped(
    before: Outlook | None, reports: Sequence[QualityReport], settled: Mapping[str, str]
) -> dict[str, tuple[StoppingGate, ...]]:
    """The gates that stop the build of each period."""
    known = {period.period: period.stopped_by for period in before.periods} if before else {}
    known |= dict.fromkeys(settled, ())
    return known | {
        report.period: tuple(StoppingGate(gate.gate, gate.message) for gate in report.gates if gate.stops)
        for report in reports
    }
