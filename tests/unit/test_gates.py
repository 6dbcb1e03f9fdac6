from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterlake.domain.column_types import INT64
from quarterlake.domain.completeness import Completeness
from quarterlake.domain.contract import Column, Contract, GateRule, Severity
from quarterlake.domain.errors import ContractError
from quarterlake.domain.ledger import ReleaseEntry
from quarterlake.domain.periods import Period
from quarterlake.domain.quality import GateResult, QualityReport
from quarterlake.domain.releases import Aggregate, AggregateColumn, Build, DataFile, Observations, Release
from quarterlake.publishing.gates import GATES, Evaluation, check_gate_names, evaluate

NAMES = [gate.name for gate in GATES]
CONTRACT = Contract("sales", (Column("id", INT64, "id", nullable=False), Column("amount", INT64, "amount")))
SEEN = Observations(
    rows=100,
    rows_by_month={"2026-01": 100},
    nulls={"amount": 10},
    conflicts=0,
    equal_rows=0,
    drift=(),
)
SUMMARY = Aggregate(
    "summary",
    None,
    (AggregateColumn("quarter", "string"), AggregateColumn("count", "long")),
    (DataFile("sales/summary/a.parquet", 10, "0" * 64, 4),),
)
ENTRY = ReleaseEntry("sales/a.csv", "1" * 64, 100, 100, 0, 0, 0)
BUILD = Build("b1", "sales", "2026-Q1", CONTRACT, (), 0, (SUMMARY,), (ENTRY,), SEEN, "duckdb", "1")
COMPLETE = Completeness(Period.parse("2026-Q1"), ("2026-01", "2026-02", "2026-03"), (), closed=True)
GOOD = Evaluation(BUILD, CONTRACT, None, COMPLETE, {}, staged_rows=4, strays=0)


def seen(**changes: Any) -> Evaluation:
    """A good build, but for what was observed."""
    observations = msgspec.structs.replace(SEEN, **changes)
    return built(observations=observations)


def built(**changes: Any) -> Evaluation:
    """A good build, but for these of its parts."""
    return dataclasses.replace(GOOD, build=msgspec.structs.replace(BUILD, **changes))


def released(build: Build = BUILD, name: str = "sales@2025-Q4.1") -> Release:
    quality = QualityReport("b0", "sales", "2025-Q4", None, ())
    return Release(name, "sales", "2025-Q4", 1, "2026-01-01T00:00:00+00:00", build, quality, ())


def after(previous: Build, now: Evaluation = GOOD) -> Evaluation:
    return dataclasses.replace(now, previous=released(previous))


def ruled(given: Evaluation, **gates: GateRule) -> Evaluation:
    return dataclasses.replace(given, contract=msgspec.structs.replace(given.contract, gates=gates))


def result(evaluation: Evaluation, gate: str) -> GateResult:
    return next(found for found in evaluate(evaluation).gates if found.gate == gate)


def failing(evaluation: Evaluation) -> list[str]:
    return [found.gate for found in evaluate(evaluation).gates if not found.passed]


def test_a_good_build_passes_every_gate_in_their_order() -> None:
    report = evaluate(GOOD)
    assert [found.gate for found in report.gates] == NAMES
    assert (report.passed, failing(GOOD), report.compared_with) == (True, [], None)
    assert (report.build, report.dataset, report.period) == ("b1", "sales", "2026-Q1")


REJECTED = msgspec.structs.replace(ENTRY, records=102, rejected=2)
KEYED = msgspec.structs.replace(CONTRACT, key=("id",), key_declared=True)
OPEN = Completeness(Period.parse("2026-Q1"), ("2026-01",), ("2026-02", "2026-03"), closed=False)
FOUND: dict[str, Evaluation] = {
    "rows_present": dataclasses.replace(built(aggregates=(msgspec.structs.replace(SUMMARY, files=()),)), staged_rows=0),
    "months_present": dataclasses.replace(GOOD, completeness=OPEN),
    "period_only": dataclasses.replace(GOOD, strays=1),
    "ledger_balanced": built(ledger=(msgspec.structs.replace(ENTRY, records=101),)),
    "reject_ratio": built(ledger=(REJECTED,)),
    "key_unique": dataclasses.replace(seen(conflicts=2), build=msgspec.structs.replace(
        BUILD, contract=KEYED, observations=msgspec.structs.replace(SEEN, conflicts=2)), contract=KEYED),
    "required_not_null": seen(nulls={"id": 1, "amount": 10}),
    "schema_compatible": after(
        msgspec.structs.replace(BUILD, aggregates=(SUMMARY, msgspec.structs.replace(SUMMARY, name="mine")))
    ),
    "volume_change": after(msgspec.structs.replace(BUILD, observations=msgspec.structs.replace(SEEN, rows=1000, nulls={"id": 0, "amount": 100}))),
    "null_rate_change": after(msgspec.structs.replace(BUILD, observations=msgspec.structs.replace(SEEN, nulls={"id": 0, "amount": 80}))),
    "files_readable": dataclasses.replace(GOOD, refused={"sales/b.csv": "sales/b.csv is empty."}),
    "contract_kept": dataclasses.replace(
        GOOD,
        contract=msgspec.structs.replace(CONTRACT, inferred=True),
        previous=released(msgspec.structs.replace(BUILD, contract=msgspec.structs.replace(CONTRACT, inferred=False))),
    ),
    "corrections_readable": dataclasses.replace(
        GOOD,
        refused={ENTRY.source: f"{ENTRY.source} is empty."},
        previous=msgspec.structs.replace(released(BUILD), period="2026-Q1"),
    ),
    "within_contract": seen(drift=("sales/a.csv: column extra is new",)),
}  # fmt: skip


def test_there_is_a_fault_for_every_gate() -> None:
    assert list(FOUND) == NAMES


@pytest.mark.parametrize("gate", NAMES)
def test_each_fault_is_found_by_its_gate_alone_and_said(gate: str) -> None:
    report = evaluate(FOUND[gate])
    assert failing(FOUND[gate]) == [gate]
    found = result(FOUND[gate], gate)
    default = next(each for each in GATES if each.name == gate)
    assert found.message
    assert (found.severity, found.threshold) == (default.severity, default.threshold)
    assert found.stops == (default.severity is Severity.ERROR) == (not report.passed)


@pytest.mark.parametrize("gate", NAMES)
@pytest.mark.parametrize("severity", Severity)
def test_the_contract_decides_what_a_gate_does(gate: str, severity: Severity) -> None:
    report = evaluate(ruled(FOUND[gate], **{gate: GateRule(severity)}))
    looked_at = {found.gate for found in report.gates}
    assert (gate in looked_at) == (severity is not Severity.OFF)
    assert report.passed == (severity is not Severity.ERROR)


@pytest.mark.parametrize("gate", NAMES)
def test_a_report_reads_back_equal(gate: str) -> None:
    report = evaluate(FOUND[gate])
    read = msgspec.json.decode(msgspec.json.encode(report), type=QualityReport)
    assert msgspec.to_builtins(read) == msgspec.to_builtins(report)


@pytest.mark.parametrize(
    ("gate", "threshold"),
    [
        ("rows_present", 101),
        ("reject_ratio", 0.0),
        ("volume_change", 0.0),
        ("null_rate_change", 0.0),
    ],
)
def test_a_tighter_threshold_finds_what_the_default_lets_pass(gate: str, threshold: float) -> None:
    almost = {
        "reject_ratio": built(ledger=(msgspec.structs.replace(ENTRY, records=101, rejected=1),)),
        "volume_change": after(msgspec.structs.replace(BUILD, observations=msgspec.structs.replace(SEEN, rows=99))),
        "null_rate_change": after(
            msgspec.structs.replace(BUILD, observations=msgspec.structs.replace(SEEN, nulls={"amount": 9}))
        ),
    }.get(gate, GOOD)  # fmt: skip
    assert result(almost, gate).passed
    found = result(ruled(almost, **{gate: GateRule(threshold=threshold)}), gate)
    assert (found.passed, found.threshold) == (False, threshold)


@pytest.mark.parametrize("gate", ["key_unique", "required_not_null", "files_readable", "within_contract"])
def test_a_looser_threshold_lets_some_pass(gate: str) -> None:
    assert result(ruled(FOUND[gate], **{gate: GateRule(threshold=5)}), gate).passed


def test_a_gate_that_does_not_exist_is_named_with_those_that_do() -> None:
    contract = msgspec.structs.replace(CONTRACT, gates={"row_present": GateRule()})
    for refuse in (
        lambda: check_gate_names(contract),
        lambda: evaluate(dataclasses.replace(GOOD, contract=contract)),
    ):
        with pytest.raises(ContractError, match="no gate row_present; there are rows_present"):
            refuse()


def test_an_inferred_key_only_warns() -> None:
    contract = msgspec.structs.replace(KEYED, key_declared=False)
    build = msgspec.structs.replace(
        BUILD, contract=contract, observations=msgspec.structs.replace(SEEN, conflicts=2)
    )
    given = dataclasses.replace(GOOD, build=build, contract=contract)
    found = result(given, "key_unique")
    assert (found.passed, found.severity, evaluate(given).passed) == (False, Severity.WARNING, True)


def test_a_key_may_not_be_null_even_where_its_column_may() -> None:
    contract = msgspec.structs.replace(CONTRACT, key=("amount",))
    given = dataclasses.replace(GOOD, build=msgspec.structs.replace(BUILD, contract=contract))
    found = result(given, "required_not_null")
    assert (found.passed, found.observed) == (False, {"amount": 10})


def test_an_aggregate_without_rows_is_named_beside_one_with_rows() -> None:
    given = built(aggregates=(SUMMARY, msgspec.structs.replace(SUMMARY, name="mine", files=())))
    assert not result(given, "rows_present").passed


def test_staged_rows_that_do_not_read_back_are_found() -> None:
    assert not result(dataclasses.replace(GOOD, staged_rows=3), "period_only").passed


def test_records_that_the_curated_months_lack_are_found_though_each_file_balances() -> None:
    short = msgspec.structs.replace(ENTRY, records=99, accepted=99)
    assert not result(built(ledger=(short,)), "ledger_balanced").passed


def test_columns_may_come_but_not_go_or_change() -> None:
    wider = msgspec.structs.replace(SUMMARY, columns=(*SUMMARY.columns, AggregateColumn("more", "long")))
    more = msgspec.structs.replace(BUILD, aggregates=(wider,))
    changed = msgspec.structs.replace(
        BUILD, aggregates=(msgspec.structs.replace(SUMMARY, columns=(AggregateColumn("count", "double"),)),)
    )
    assert result(after(BUILD, built(aggregates=(wider,))), "schema_compatible").passed
    assert result(after(more), "schema_compatible").observed == ["summary.more is gone"]
    assert result(after(changed), "schema_compatible").observed == ["summary.count was double, is long"]
    assert result(after(more), "schema_compatible").message


@given(before=st.integers(0, 10**9), now=st.integers(0, 10**9))
def test_volume_is_held_against_the_last_release(before: int, now: int) -> None:
    earlier = msgspec.structs.replace(BUILD, observations=msgspec.structs.replace(SEEN, rows=before))
    given_ = after(earlier, seen(rows=now))
    assert result(given_, "volume_change").passed == (before == 0 or abs(now - before) * 2 <= before)


@given(accepted=st.integers(0, 10**6), rejected=st.integers(0, 10**6))
def test_the_reject_ratio_is_over_all_records(accepted: int, rejected: int) -> None:
    entry = msgspec.structs.replace(ENTRY, records=accepted + rejected, accepted=accepted, rejected=rejected)
    found = result(built(ledger=(entry,)), "reject_ratio")
    assert found.passed == (rejected * 100 <= accepted + rejected)
    assert ("lists them" in found.message) == (rejected > 0)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=30))
def test_many_findings_are_counted_and_few_are_shown(lines: list[str]) -> None:
    found = result(seen(drift=tuple(lines)), "within_contract")
    assert found.observed == lines
    assert (f"and {len(lines) - 5} more" in found.message) == (len(lines) > 5)
