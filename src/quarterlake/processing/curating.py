"""Curating a data set: the months whose inputs changed are made anew and become visible in one commit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import TYPE_CHECKING

from quarterlake.domain.column_types import Kind
from quarterlake.domain.contract import Contract, fingerprint
from quarterlake.domain.curation import CuratedMonth, Curation, curation_id, month_id
from quarterlake.domain.errors import ConflictError, IntegrityError
from quarterlake.lake import delta, documents, keys
from quarterlake.processing.engines.port import CurateInput, CurateRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterlake.domain.landings import Landing
    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.domain.progress import Progress
    from quarterlake.lake.location import Lake
    from quarterlake.processing.engines.port import Engine

CURATION_MARK = "quarterlake.curation"
LANDING_MARK = "quarterlake.landing"
"""The newest landing that was known when the commit was worked out."""
_DELTA_TYPES = {
    Kind.NULL: "string",
    Kind.BOOLEAN: "boolean",
    Kind.INT64: "long",
    Kind.FLOAT64: "double",
    Kind.DATE: "date",
    Kind.TIMESTAMP: "timestamp",
    Kind.STRING: "string",
}


@dataclass(frozen=True, slots=True)
class CuratedTable:
    """A state of the curated table, and its Delta version."""

    curation: Curation
    version: int
    landing: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """A month as it should be: its inputs, contract, rivals and key range; `id` identifies its bytes."""

    id: str
    contract: Contract
    ranked_by: Contract
    inputs: Sequence[CurateInput]
    rivals: tuple[str, ...]
    key_id: str | None
    key_range: tuple[str, str] | None


def current_curation(lake: Lake, dataset: str) -> CuratedTable | None:
    """The months that the curated table shows now, None when nothing was curated yet."""
    table = delta.open_table(lake.curated, dataset)
    mark = delta.newest_mark(table, CURATION_MARK) if table else None
    if table is None or mark is None:
        return None
    curation = documents.read(lake.curated, keys.curation(dataset, mark), Curation)
    if curation is None:
        raise IntegrityError(
            f"{keys.curation(dataset, mark)} is missing from {lake.curated.url}, though the table of {dataset} names it. Restore it from a backup."
        )
    landing = int(delta.newest_mark(table, LANDING_MARK) or 0)
    return CuratedTable(curation, int(table.version()), landing)


def curate(
    lake: Lake,
    engine: Engine,
    progress: Progress,
    contract: Contract,
    landings: Sequence[Landing],
    parsed: Mapping[int, ParsedFile],
) -> CuratedTable | None:
    """Bring the curated table up to date with the live parsed files; nothing is written when it is already."""
    dataset = contract.dataset
    by_month = _inputs_by_month(landings, parsed)
    before = current_curation(lake, dataset)
    newest = max((landing.manifest.sequence for landing in landings), default=0)
    if before is not None and before.landing > newest:
        raise ConflictError(
            f"Another process has curated newer files of {dataset}. Run the same command again."
        )
    old = dict(before.curation.months) if before else {}
    plans = _plans(engine, contract, by_month, old)
    months = {month: old[month] for month in plans if month in old and old[month].id == plans[month].id}
    missing = [month for month in plans if month not in months]
    if before and not missing and months.keys() == old.keys():
        return before
    if missing:
        progress.start(f"curate {dataset}", len(missing))
    months |= _curate_months(
        lake, engine, progress, {month: plans[month] for month in missing}, by_month, dataset
    )
    return _commit(lake, contract, before, dict(sorted(months.items())), newest)


def _inputs_by_month(
    landings: Sequence[Landing], parsed: Mapping[int, ParsedFile]
) -> dict[str, list[CurateInput]]:
    by_month: dict[str, list[CurateInput]] = {}
    for landing in landings:
        file = parsed.get(landing.manifest.sequence)
        if landing.is_live and file is not None and file.data is not None:
            for month in file.months:
                by_month.setdefault(month, []).append(CurateInput(landing.manifest, file))
    return dict(sorted(by_month.items()))


def _plans(
    engine: Engine,
    contract: Contract,
    by_month: Mapping[str, Sequence[CurateInput]],
    old: Mapping[str, CuratedMonth],
) -> dict[str, _Plan]:
    ranges: dict[str, tuple[str, str] | None] = {}
    rivals: dict[str, set[str]] = {month: set() for month in by_month}
    key_id = _key_id(contract)
    if key_id is not None:
        changed = {month for month, inputs in by_month.items() if _is_changed(inputs, old.get(month), key_id)}
        ranges = {m: old[m].key_range for m in by_month if m not in changed}
        ranges |= engine.key_ranges(contract, {m: by_month[m] for m in by_month if m in changed})
        rivals = _rivals(engine, contract, by_month, old, changed, ranges)
    return {
        month: _plan(contract, month, sorted(rivals[month]), by_month, key_id, ranges.get(month))
        for month in by_month
    }


def _plan(
    contract: Contract,
    month: str,
    rivals: Sequence[str],
    by_month: Mapping[str, Sequence[CurateInput]],
    key_id: str | None,
    key_range: tuple[str, str] | None,
) -> _Plan:
    together = [month, *rivals]
    written = contract.restricted(_columns_of([month], by_month))
    ranked_by = contract.restricted(_columns_of(together, by_month))
    return _Plan(
        id=month_id(month, _inputs_of(together, by_month), written.content_id + ranked_by.content_id),
        contract=written,
        ranked_by=ranked_by,
        inputs=by_month[month],
        rivals=tuple(rivals),
        key_id=key_id,
        key_range=key_range,
    )


def _key_id(contract: Contract) -> str | None:
    """Identifies a declared key that is unique in the whole data set; None where months do not touch each other."""
    if not (contract.key and contract.key_declared and contract.key_scope == "dataset"):
        return None
    return fingerprint([list(contract.key), contract.parse_id])


def _is_changed(inputs: Sequence[CurateInput], old: CuratedMonth | None, key_id: str) -> bool:
    """Whether a month's key range and rivals must be found anew."""
    if old is None or old.key_id != key_id:
        return True
    return sorted(given.parsed.origin for given in inputs) != sorted(given.origin for given in old.inputs)


def _columns_of(months: Sequence[str], by_month: Mapping[str, Sequence[CurateInput]]) -> set[str]:
    """The columns that the files of some months have."""
    return {column.name for month in months for given in by_month[month] for column in given.parsed.columns}


def _inputs_of(months: Sequence[str], by_month: Mapping[str, Sequence[CurateInput]]) -> list[tuple[str, str]]:
    """The origins of months' files with the month each is read for, in landing order."""
    read = [
        (given.manifest.sequence, month, given.parsed.origin) for month in months for given in by_month[month]
    ]
    return [(month, origin) for _, month, origin in sorted(read)]


def _rivals(
    engine: Engine,
    contract: Contract,
    by_month: Mapping[str, Sequence[CurateInput]],
    old: Mapping[str, CuratedMonth],
    changed: set[str],
    ranges: Mapping[str, tuple[str, str] | None],
) -> dict[str, set[str]]:
    """For each month those that share a declared key with it. Pairs of unchanged months are known; key ranges rule out most others."""
    rivals: dict[str, set[str]] = {month: set() for month in by_month}
    kind = contract.column(contract.key[0]).type.kind
    for one, two in combinations(by_month, 2):
        if one not in changed and two not in changed:
            shared = two in old[one].rivals
        else:
            shared = _overlap(kind, ranges[one], ranges[two]) and engine.shares_keys(
                contract, (one, by_month[one]), (two, by_month[two])
            )
        if shared:
            rivals[one].add(two)
            rivals[two].add(one)
    return rivals


def _overlap(kind: Kind, left: tuple[str, str] | None, right: tuple[str, str] | None) -> bool:
    if left is None or right is None:
        return False
    if kind in {Kind.INT64, Kind.DECIMAL}:
        return Decimal(left[0]) <= Decimal(right[1]) and Decimal(right[0]) <= Decimal(left[1])
    if kind is Kind.STRING:
        return left[0] <= right[1] and right[0] <= left[1]
    return True


def _curate_months(
    lake: Lake,
    engine: Engine,
    progress: Progress,
    plans: Mapping[str, _Plan],
    by_month: Mapping[str, Sequence[CurateInput]],
    dataset: str,
) -> dict[str, CuratedMonth]:
    """Make months, but for those that a run which was stopped before its commit has made already."""
    keys_of = {month: f"{keys.ours(dataset, 'months')}{plan.id}.json" for month, plan in plans.items()}
    read = {month: documents.read(lake.curated, key, CuratedMonth) for month, key in keys_of.items()}
    made = {month: document for month, document in read.items() if document is not None}
    requests = [
        _request(dataset, month, plan, by_month) for month, plan in plans.items() if month not in made
    ]
    for done in engine.curate(requests):
        done.check()
        documents.write_once(lake.curated, keys_of[done.month], done)
        made[done.month] = done
        progress.step(done.month)
    return made


def _request(
    dataset: str, month: str, plan: _Plan, by_month: Mapping[str, Sequence[CurateInput]]
) -> CurateRequest:
    return CurateRequest(
        dataset=dataset,
        month=month,
        id=plan.id,
        contract=plan.contract,
        ranked_by=plan.ranked_by,
        inputs=plan.inputs,
        rivals={rival: by_month[rival] for rival in plan.rivals},
        key_id=plan.key_id,
        key_range=plan.key_range,
        path=keys.curated_file(month, plan.id),
    )


def _commit(
    lake: Lake,
    contract: Contract,
    before: CuratedTable | None,
    months: Mapping[str, CuratedMonth],
    landing: int,
) -> CuratedTable:
    dataset = contract.dataset
    curation = Curation(curation_id(dataset, months), dataset, contract.content_id, months)
    documents.write_once(lake.curated, keys.curation(dataset, curation.id), curation)
    old = before.curation.months if before else {}
    shown, gone = _table_files(months), _table_files(old)
    change = delta.Commit(
        base=before.version if before else _empty_version(lake, dataset),
        columns=_table_columns(contract, months),
        add=[file for path, file in shown.items() if path not in gone],
        remove=[file for path, file in gone.items() if path not in shown],
        marks={CURATION_MARK: curation.id, LANDING_MARK: str(landing)},
        partition_by=["_month"],
    )
    return CuratedTable(curation, delta.commit(lake.curated, dataset, change), landing)


def _empty_version(lake: Lake, dataset: str) -> int | None:
    """The version of a table that a killed process made but put nothing into."""
    table = delta.open_table(lake.curated, dataset)
    return None if table is None else int(table.version())


def _table_columns(contract: Contract, months: Mapping[str, CuratedMonth]) -> list[tuple[str, str]]:
    present = {name for month in months.values() for name in month.columns}
    own = [
        (c.name, str(c.type) if c.type.kind is Kind.DECIMAL else _DELTA_TYPES[c.type.kind])
        for c in contract.columns
        if c.name in present
    ]
    return [*own, ("_source", "string"), ("_month", "string")]


def _table_files(months: Mapping[str, CuratedMonth]) -> dict[str, delta.TableFile]:
    return {
        file.path: delta.TableFile(file.path, file.size, file.rows, {"_month": month.month})
        for month in months.values()
        for file in month.files
    }
