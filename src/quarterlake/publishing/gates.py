"""The gates: what a build must be like before anybody may see it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quarterlake.domain.column_types import INT64_DIGITS, MAX_DECIMAL_DIGITS
from quarterlake.domain.contract import Contract, GateRule, Severity
from quarterlake.domain.errors import ContractError
from quarterlake.domain.quality import GateResult, QualityReport
from quarterlake.domain.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quarterlake.domain.completeness import Completeness
    from quarterlake.domain.releases import Build, Release

_MISSING_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the gates look at.

    `contract` is the one in force, whose thresholds count; `previous` is the release that the build would follow;
    `refused` the data set's unreadable files with the reasons; `staged_rows` the rows that the staged files
    themselves hold, and `strays` those of them that belong to another period.
    """

    build: Build
    contract: Contract
    previous: Release | None
    completeness: Completeness
    refused: Mapping[str, str]
    staged_rows: int
    strays: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What one gate saw."""

    passed: bool
    observed: Any
    message: str


@dataclass(frozen=True, slots=True)
class Gate:
    """A check with its default severity and threshold; `look` gets the threshold in force."""

    name: str
    severity: Severity
    threshold: float | None
    look: Callable[[Evaluation, float], Finding]


def evaluate(evaluation: Evaluation) -> QualityReport:
    """Look at every gate that the contract does not switch off. Raises ContractError for a gate that does not exist."""
    build = evaluation.build
    check_gate_names(evaluation.contract)
    results = [result for gate in GATES if (result := _run(gate, evaluation)) is not None]
    previous = evaluation.previous
    return QualityReport(
        build.id, build.dataset, build.period, previous.name if previous else None, tuple(results)
    )


def check_gate_names(contract: Contract) -> None:
    """Raise ContractError when a contract sets a gate that does not exist."""
    names = [gate.name for gate in GATES]
    if unknown := sorted(set(contract.gates) - set(names)):
        raise ContractError(
            f"Contract of {contract.dataset}: there is no gate {unknown[0]}; there are {', '.join(names)}."
        )


def _run(gate: Gate, evaluation: Evaluation) -> GateResult | None:
    rule = evaluation.contract.gates.get(gate.name, GateRule())
    severity = rule.severity or _default_severity(gate, evaluation.contract)
    if severity is Severity.OFF:
        return None
    chosen = gate.threshold if rule.threshold is None else rule.threshold
    threshold = None if chosen is None else float(chosen)
    found = gate.look(evaluation, 0.0 if threshold is None else threshold)
    return GateResult(gate.name, found.passed, severity, found.observed, threshold, found.message)


def _default_severity(gate: Gate, contract: Contract) -> Severity:
    if gate.name == "key_unique" and not contract.key_declared:
        return Severity.WARNING
    return gate.severity


def _rows_present(given: Evaluation, threshold: float) -> Finding:
    records, rows = given.build.observations.rows, min((a.rows for a in given.build.aggregates), default=0)
    return Finding(
        records >= threshold and rows > 0,
        records,
        f"{records:,} records, every aggregate has rows" if rows else "an aggregate has no rows",
    )


def _months_present(given: Evaluation, _: float) -> Finding:
    waits = given.completeness.waits_for
    return Finding(
        given.completeness.is_complete, list(given.completeness.lacking), waits or "every month has landed"
    )


def _period_only(given: Evaluation, _: float) -> Finding:
    expected = sum(a.rows for a in given.build.aggregates)
    passed = given.strays == 0 and given.staged_rows == expected
    return Finding(
        passed,
        given.strays,
        f"{given.staged_rows:,} of {expected:,} staged rows read back, {given.strays:,} of another period",
    )


def _ledger_balanced(given: Evaluation, _: float) -> Finding:
    off = [entry.source for entry in given.build.ledger if not entry.balances]
    accepted = sum(entry.accepted for entry in given.build.ledger)
    passed = not off and accepted == given.build.observations.rows
    return Finding(
        passed,
        len(off),
        "every record is accounted for"
        if passed
        else f"{accepted:,} accepted but {given.build.observations.rows:,} curated; {_some(off)}",
    )


def _reject_ratio(given: Evaluation, threshold: float) -> Finding:
    aside = sum(entry.no_data for entry in given.build.ledger)
    records = sum(entry.records for entry in given.build.ledger) - aside
    rejected = sum(entry.rejected for entry in given.build.ledger) - aside
    ratio = rejected / records if records else 0.0
    return Finding(
        ratio <= threshold,
        ratio,
        f"{rejected:,} of {count_of(records, 'record')} rejected ({ratio:.3%})"
        + (
            f", {count_of(aside, 'footer or repeated header', 'footers and repeated headers')} aside"
            if aside
            else ""
        )
        + ("; `quarterlake rejects` lists them" if rejected else ""),
    )


def _key_unique(given: Evaluation, threshold: float) -> Finding:
    build = given.build
    if not build.contract.key:
        equal = build.observations.equal_rows
        return Finding(
            passed=True, observed=0, message=f"no key; {equal:,} records equal another one and are kept"
        )
    kind = "declared" if build.contract.key_declared else "inferred"
    count = build.observations.conflicts
    what = (
        f"{count_of(count, 'key')} {'has' if count == 1 else 'have'} versions that differ, all kept: declare the key in a contract to let the newest win"
        if count
        else f"the {kind} key is unique"
    )
    return Finding(count <= threshold, count, what)


def _required_not_null(given: Evaluation, threshold: float) -> Finding:
    build = given.build
    required = {c.name for c in given.contract.columns if not c.nullable} | set(build.contract.key)
    found = {name: count for name, count in build.observations.nulls.items() if name in required}
    return Finding(
        sum(found.values()) <= threshold,
        found,
        f"nulls in required columns: {found}" if found else "no nulls in required columns",
    )


def _schema_compatible(given: Evaluation, _: float) -> Finding:
    """Columns may be added, and numbers may widen without loss; nothing may go or change otherwise."""
    if given.previous is None:
        return Finding(passed=True, observed=[], message="the first release")
    before = {a.name: {c.name: c.type for c in a.columns} for a in given.previous.build.aggregates}
    after = {a.name: {c.name: c.type for c in a.columns} for a in given.build.aggregates}
    broken = [f"aggregate {name} is gone" for name in before if name not in after]
    for name in before.keys() & after.keys():
        for column, kind in before[name].items():
            now = after[name].get(column)
            if now is None:
                broken.append(f"{name}.{column} is gone")
            elif not widens(kind, now):
                broken.append(f"{name}.{column} was {kind}, is {now}")
    broken.sort()
    message = _some(broken) if broken else f"compatible with {given.previous.name}"
    return Finding(not broken, broken, message)


def widens(old: str, new: str) -> bool:
    """Whether a column of one type of Delta Lake's may go on as another: numbers with no fewer digits on either side.

    Between the widest decimals only the scale counts: a sum that does not fit is an error where it is made.
    """
    if old == new:
        return True
    before, after = _digits(old), _digits(new)
    if before is None or after is None or before[1] > after[1]:
        return False
    return before[0] <= after[0] or sum(before) == sum(after) == MAX_DECIMAL_DIGITS


def _digits(kind: str) -> tuple[int, int] | None:
    """The digits before and after the point of a number type."""
    if kind == "long":
        return INT64_DIGITS, 0
    match = re.fullmatch(r"decimal\((\d+),(\d+)\)", kind)
    return (int(match[1]) - int(match[2]), int(match[2])) if match else None


def _volume_change(given: Evaluation, threshold: float) -> Finding:
    if given.previous is None or given.previous.build.observations.rows == 0:
        return Finding(passed=True, observed=0.0, message="nothing to compare with")
    before, now = given.previous.build.observations.rows, given.build.observations.rows
    change = abs(now - before) / before
    return Finding(change <= threshold, change, f"{now:,} records after {before:,} in {given.previous.name}")


def _null_rate_change(given: Evaluation, threshold: float) -> Finding:
    if given.previous is None:
        return Finding(passed=True, observed={}, message="nothing to compare with")
    before, now = given.previous.build.observations, given.build.observations
    names = {*before.nulls, *now.nulls}
    changes = {
        n: now.nulls.get(n, 0) / max(now.rows, 1) - before.nulls.get(n, 0) / max(before.rows, 1)
        for n in sorted(names)
    }
    moved = {name: round(change, 6) for name, change in changes.items() if abs(change) > threshold}
    return Finding(
        not moved, moved, f"shares of nulls moved: {moved}" if moved else f"as in {given.previous.name}"
    )


def _files_readable(given: Evaluation, threshold: float) -> Finding:
    unread = sorted(given.refused.keys() - _published_files(given))
    reasons = [given.refused[source] for source in unread]
    return Finding(len(unread) <= threshold, unread, _some(reasons) or "every landed file was read")


def _corrections_readable(given: Evaluation, threshold: float) -> Finding:
    """A published file that was corrected to one that cannot be read would silently take its records away."""
    lost = sorted(given.refused.keys() & _published_files(given))
    reasons = [given.refused[source] for source in lost]
    return Finding(len(lost) <= threshold, lost, _some(reasons) or "every correction was read")


def _published_files(given: Evaluation) -> set[str]:
    """The files whose records the period's current release holds."""
    before = given.previous
    if before is None or before.period != given.build.period:
        return set()
    return {entry.source for entry in before.build.ledger if entry.accepted + entry.accepted_elsewhere}


def _contract_kept(given: Evaluation, _: float) -> Finding:
    """A run from another folder would not see the user's contract and publish what inference makes of the data."""
    before = given.previous
    lost = before is not None and not before.build.contract.inferred and given.contract.inferred
    name = before.name if before else "the first release"
    message = (
        f"{name} was made under a contract of yours, which was not found now: run where your contracts lie, or name them with --contracts"
        if lost
        else "the contract is of the same origin"
    )
    return Finding(not lost, "inferred" if given.contract.inferred else "declared", message)


def _within_contract(given: Evaluation, threshold: float) -> Finding:
    drift = given.build.observations.drift
    return Finding(
        len(drift) <= threshold,
        list(drift),
        _some(list(drift)) if drift else "every file keeps to the contract",
    )


def _some(lines: list[str]) -> str:
    more = f"; and {len(lines) - _MISSING_SHOWN} more" if len(lines) > _MISSING_SHOWN else ""
    return "; ".join(lines[:_MISSING_SHOWN]) + more


GATES = (
    Gate("rows_present", Severity.ERROR, 1, _rows_present),
    Gate("months_present", Severity.ERROR, None, _months_present),
    Gate("period_only", Severity.ERROR, None, _period_only),
    Gate("ledger_balanced", Severity.ERROR, None, _ledger_balanced),
    Gate("reject_ratio", Severity.ERROR, 0.01, _reject_ratio),
    Gate("key_unique", Severity.ERROR, 0, _key_unique),
    Gate("required_not_null", Severity.ERROR, 0, _required_not_null),
    Gate("schema_compatible", Severity.ERROR, None, _schema_compatible),
    Gate("volume_change", Severity.WARNING, 0.5, _volume_change),
    Gate("null_rate_change", Severity.WARNING, 0.1, _null_rate_change),
    Gate("files_readable", Severity.WARNING, 0, _files_readable),
    Gate("contract_kept", Severity.ERROR, None, _contract_kept),
    Gate("corrections_readable", Severity.ERROR, 0, _corrections_readable),
    Gate("within_contract", Severity.WARNING, 0, _within_contract),
)
"""All gates, in the order in which they are reported."""
