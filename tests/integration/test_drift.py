"""Files that leave their contract: each kind of drift under each policy, in each format; what is said of it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quarterlake.domain.drift import DriftKind, DriftPolicies, DriftPolicy
from quarterlake.domain.errors import ContractError
from quarterlake.domain.odcs import from_yaml
from quarterlake.overview import lake_status, reject_entries
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import NOW, Scene, contract_yaml, curated_rows, names

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterlake.domain.contract import Contract
    from quarterlake.outcomes import DatasetOutcome

COLUMNS = (("sale_id", "int64"), ("sold_at", "timestamp"), ("store", "string"), ("amount", "decimal(18,2)"))
USUAL = ("sale_id", "sold_at", "store", "amount")

Table = list[dict[str, str]]


def table(columns: tuple[str, ...], first: int = 1, month: str = "2026-02") -> Table:
    """Ten records with these columns, all texts."""
    values: dict[str, Callable[[int], str]] = {
        "sale_id": str,
        "sold_at": lambda n: f"{month}-{n % 27 + 1:02d}T10:00:00Z",
        "store": lambda n: ("north", "south")[n % 2],
        "amount": lambda n: f"{n}.25",
        "discount": lambda n: "0.5" if n % 2 else "",
    }
    return [{c: values[c.lower()](n) for c in columns} for n in range(first, first + 10)]


def as_csv(rows: Table) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_ndjson(rows: Table) -> bytes:
    return b"".join(json.dumps({k: v or None for k, v in row.items()}).encode() + b"\n" for row in rows)


def as_parquet(rows: Table) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table({k: [row[k] or None for row in rows] for k in rows[0]}), target)
    return target.getvalue()


FORMATS: dict[str, Callable[[Table], bytes]] = {"csv": as_csv, "ndjson": as_ndjson, "parquet": as_parquet}


def drifted(kind: DriftKind) -> Table:
    """A February that leaves the contract in one way."""
    match kind:
        case DriftKind.REORDERED:
            return table(("amount", "store", "sale_id", "sold_at"))
        case DriftKind.ADDED:
            return table((*USUAL, "discount"))
        case DriftKind.DROPPED:
            return table(("sale_id", "sold_at", "amount"))
        case DriftKind.CASE:
            return table(("sale_id", "sold_at", "STORE", "amount"))
        case DriftKind.TYPE:
            rows = table(USUAL)
            rows[2]["amount"], rows[5]["amount"] = "1.2345", "3.0001"
            return rows


def scene_of(root: Path) -> Scene:
    return Scene(root, LakeTarget(str(root / "lake")))


def run_drift(
    scene: Scene, kind: DriftKind, policy: str | None, form: str
) -> tuple[DatasetOutcome, list[dict[str, Any]], list[Any], dict[str, Any]]:
    """One usual January, one drifted February; the outcome, February's curated rows, the rejects, the status."""
    extra: dict[str, object] = {} if policy is None else {"drift": f"{{{kind.value}: {policy}}}"}
    scene.declare(contract_yaml(COLUMNS, extra={**extra, "recordTime": "sold_at"}))
    scene.put(f"sales_2026-01.{form}", FORMATS[form](table(USUAL, 101, "2026-01")))
    scene.put(f"sales_2026-02.{form}", FORMATS[form](drifted(kind)))
    outcome = scene.run(periods=["2026-Q1"], allow_incomplete=True)
    with scene.pipeline() as pipeline:
        rows = [row for row in curated_rows(pipeline) if row["_month"] == "2026-02"]
        rejects = list(reject_entries(pipeline, "sales"))
        status = lake_status(pipeline)["datasets"][0]
    for entry in outcome.entries:
        entry.check()
    return outcome, rows, rejects, status


APPLIES = {
    (kind, form)
    for kind in DriftKind
    for form in FORMATS
    if (kind, form) != (DriftKind.REORDERED, "ndjson")  # JSON's fields have no order
}


def cases(policy: str) -> list[Any]:
    return [
        pytest.param(kind, form, id=f"{kind}-{form}")
        for kind, form in sorted(APPLIES)
        if (kind, policy) != (DriftKind.REORDERED, "null_fill")
    ]


@pytest.mark.parametrize(("kind", "form"), cases("reject_file"))
def test_reject_file_refuses_the_file_by_name_and_takes_the_others(
    tmp_path: Path, kind: DriftKind, form: str
) -> None:
    outcome, rows, rejects, status = run_drift(scene_of(tmp_path), kind, "reject_file", form)
    source = f"sales/sales_2026-02.{form}"
    assert not rows
    assert not rejects
    assert list(outcome.refused) == [source]
    assert f"quarterlake.drift: {kind.value}: reject_file" in outcome.refused[source]
    assert [e.error is not None for e in outcome.entries] == [False, True]
    assert [(d.source, d.kind, d.policy) for d in outcome.drift] == [(source, kind, DriftPolicy.REJECT_FILE)]
    assert status["drift"] == [d.text for d in outcome.drift]


@pytest.mark.parametrize(("kind", "form"), cases("reject_row"))
def test_reject_row_rejects_the_records_that_it_touches(tmp_path: Path, kind: DriftKind, form: str) -> None:
    outcome, rows, rejects, _ = run_drift(scene_of(tmp_path), kind, "reject_row", form)
    touched = {DriftKind.ADDED: 5, DriftKind.TYPE: 2}.get(kind, 10)
    assert (len(rows), len(rejects)) == (10 - touched, touched)
    assert [d.records for d in outcome.drift if d.policy is DriftPolicy.REJECT_ROW] == [touched]
    assert "are rejected" in outcome.drift[0].text
    if form != "parquet":
        assert all(reject.line is not None and reject.raw for reject in rejects)


@pytest.mark.parametrize(("kind", "form"), cases("null_fill"))
def test_null_fill_holds_the_contracts_shape(tmp_path: Path, kind: DriftKind, form: str) -> None:
    outcome, rows, rejects, _ = run_drift(scene_of(tmp_path), kind, "null_fill", form)
    assert len(rows) == 10
    assert not rejects
    assert {c for row in rows for c in row} == {*USUAL, "_month", "_source"}
    nulls = {name: sum(row[name] is None for row in rows) for name in USUAL}
    expected = {
        DriftKind.DROPPED: {"store": 10},
        DriftKind.CASE: {"store": 10},
        DriftKind.TYPE: {"amount": 2},
    }
    assert {name: count for name, count in nulls.items() if count} == expected.get(kind, {})
    assert [d.policy for d in outcome.drift] == [DriftPolicy.NULL_FILL]


@pytest.mark.parametrize(("kind", "form"), cases("evolve"))
def test_evolve_takes_the_data_as_it_comes_and_the_contract_follows(
    tmp_path: Path, kind: DriftKind, form: str
) -> None:
    scene = scene_of(tmp_path)
    outcome, rows, rejects, status = run_drift(scene, kind, "evolve", form)
    assert len(rows) == 10
    assert not rejects
    assert [(d.kind, d.policy) for d in outcome.drift] == [(kind, DriftPolicy.EVOLVE)]
    assert outcome.contract is not None
    if kind is DriftKind.ADDED:
        assert [row["discount"] for row in rows].count(None) == 5
        assert "discount" in outcome.contract.evolved
    if kind is DriftKind.TYPE:
        assert str(outcome.contract.column("amount").type) == "decimal(38,4)"
    assert status["drift"] == [d.text for d in outcome.drift]
    again = scene.run(periods=["2026-Q1"], allow_incomplete=True)
    assert names(again.published) == []
    assert again.contract == outcome.contract
    assert again.drift == outcome.drift


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", DriftKind)
def test_without_a_policy_a_declared_contract_holds(tmp_path: Path, kind: DriftKind, form: str) -> None:
    outcome, rows, rejects, _ = run_drift(scene_of(tmp_path), kind, None, form)
    assert (len(rows), len(rejects)) == ((8, 2) if kind is DriftKind.TYPE else (10, 0))
    assert set(rows[0]) == {*USUAL, "_month", "_source"}
    if (kind, form) in APPLIES:
        assert [d.kind for d in outcome.drift] == [kind]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", DriftKind)
def test_an_inferred_contract_evolves(tmp_path: Path, kind: DriftKind, form: str) -> None:
    scene = scene_of(tmp_path)
    scene.put(f"sales_2026-01.{form}", FORMATS[form](table(USUAL, 101, "2026-01")))
    scene.run()
    scene.put(f"sales_2026-02.{form}", FORMATS[form](drifted(kind)))
    outcome = scene.run(periods=["2026-Q1"], allow_incomplete=True)
    with scene.pipeline() as pipeline:
        rows = [row for row in curated_rows(pipeline) if row["_month"] == "2026-02"]
    assert len(rows) == 10
    if kind is DriftKind.TYPE and form != "csv":
        return  # its columns are text from the first file on
    if (kind, form) in APPLIES:
        assert [(d.source, d.kind, d.policy) for d in outcome.drift] == [
            (f"sales/sales_2026-02.{form}", kind, DriftPolicy.EVOLVE)
        ]


def test_every_drift_is_in_the_next_releases_quality_report(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    scene.put("sales_2026-01.csv", as_csv(table(USUAL, 101, "2026-01")))
    scene.put("sales_2026-03.csv", as_csv(table(USUAL, 201, "2026-03")))
    scene.run()
    scene.put("sales_2026-02.csv", as_csv(table(("AMOUNT", "sale_id", "sold_at", "discount"))))
    outcome = scene.run(NOW)
    assert names(outcome.published) == ["sales@2026-Q1.1"]
    [gate] = [g for g in outcome.published[0].quality.gates if g.gate == "within_contract"]
    assert not gate.passed
    assert not gate.stops
    assert sorted(d.kind.value for d in outcome.drift) == ["added", "case", "dropped", "reordered"]
    assert gate.observed == [d.text for d in outcome.drift]
    assert all(line.startswith("sales/sales_2026-02.csv: ") for line in gate.observed)
    # January and March do not lack what only came with February.
    assert {d.source for d in outcome.drift} == {"sales/sales_2026-02.csv"}


def test_two_columns_of_a_file_that_differ_in_case_only_are_two_and_said(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    scene.declare(contract_yaml(COLUMNS, extra={"recordTime": "sold_at"}))
    rows = [{"STORE": "shouted", **row} for row in table(USUAL, 1, "2026-01")]
    scene.put("sales_2026-01.csv", as_csv(rows))
    outcome = scene.run()
    with scene.pipeline() as pipeline:
        assert {row["store"] for row in curated_rows(pipeline)} == {"north", "south"}
    assert "column STORE is not in the contract and differs from store in case only; it is left out" in (
        " ".join(d.text for d in outcome.drift)
    )


def test_null_fill_never_empties_a_key_or_a_record_time(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    scene.declare(
        contract_yaml(COLUMNS, key=["sale_id"], extra={"recordTime": "sold_at", "drift": "{type: null_fill}"})
    )
    rows = table(USUAL, 1, "2026-01")
    rows[0]["sale_id"], rows[1]["sold_at"], rows[2]["amount"] = "x", "soon", "much"
    scene.put("sales_2026-01.csv", as_csv(rows))
    scene.run()
    with scene.pipeline() as pipeline:
        rejects = list(reject_entries(pipeline, "sales"))
        assert [reject.column for reject in rejects] == ["sale_id", "sold_at"]
        assert sum(row["amount"] is None for row in curated_rows(pipeline)) == 1


def test_a_column_that_came_later_is_no_duty(tmp_path: Path) -> None:
    """Under `dropped: reject_file` a file that landed before a column evolved would else be refused afterwards."""
    scene = scene_of(tmp_path)
    scene.declare(
        contract_yaml(
            COLUMNS, extra={"recordTime": "sold_at", "drift": "{added: evolve, dropped: reject_file}"}
        )
    )
    scene.put("sales_2026-01.csv", as_csv(table(USUAL, 101, "2026-01")))
    scene.put("sales_2026-02.csv", as_csv(table((*USUAL, "discount"))))
    outcome = scene.run()
    assert not outcome.refused
    scene.put("sales_2026-03.csv", as_csv(table(("sale_id", "sold_at", "store"), 201, "2026-03")))
    assert list(scene.run().refused) == ["sales/sales_2026-03.csv"]


def test_policies_that_change_no_record_keep_what_is_parsed() -> None:
    plain = from_yaml(contract_yaml(COLUMNS, extra={"recordTime": "sold_at"}), "here")
    same = "{reordered: evolve, added: null_fill, dropped: evolve, case: evolve, type: reject_row}"
    other = "{added: reject_row}"

    def read(text: str) -> Contract:
        return from_yaml(contract_yaml(COLUMNS, extra={"recordTime": "sold_at", "drift": text}), "here")

    assert read(same).parse_id == plain.parse_id
    assert read(other).parse_id != plain.parse_id


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{added: drop}", "drift.added"),
        ("{renamed: evolve}", "renamed"),
        ("{reordered: null_fill}", "nothing is missing"),
        ("evolve", "drift"),
    ],
)
def test_a_policy_that_does_not_exist_is_refused_with_its_place(value: str, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        from_yaml(contract_yaml(COLUMNS, extra={"recordTime": "sold_at", "drift": value}), "here")


def test_the_page_on_drift_names_every_kind_and_policy_and_its_example_reads() -> None:
    page = (Path(__file__).parents[2] / "docs/drift.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    contract = from_yaml(
        "apiVersion: v3.1.0\nkind: DataContract\n"
        + example
        + "  properties:\n  - {name: ordered_at, physicalType: TIMESTAMP}\n",
        "docs/drift.md",
    )
    assert contract.policy(DriftKind.TYPE) is DriftPolicy.NULL_FILL
    none = DriftPolicies()
    for kind in DriftKind:
        inferred, declared = (none.of(kind, inferred=inferred) for inferred in (True, False))
        assert f"| `{kind}` |" in page
        [row] = [
            line for line in page.splitlines() if line.startswith(f"| `{kind}` |") and line.count("|") == 5
        ]
        assert row.endswith(f"| `{inferred}` | `{declared}` |")
    assert all(f"`{policy}`" in page for policy in DriftPolicy)


def test_a_new_column_is_found_in_files_written_as_the_contract_says(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    said: dict[str, object] = {
        "recordTime": "sold_at",
        "drift": "{added: evolve}",
        "reading": "{delimiter: '~'}",
    }
    scene.declare(contract_yaml(COLUMNS, extra=said))
    rows = table((*USUAL, "discount"), 1, "2026-01")
    scene.put("sales_2026-01.csv", as_csv(rows).replace(b",", b"~"))
    outcome = scene.run()
    assert outcome.contract is not None
    assert [column.name for column in outcome.contract.columns] == [*USUAL, "discount"]


def test_a_new_column_is_read_in_each_file_that_has_it_whatever_its_case(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    scene.put("sales_2026-01.csv", as_csv(table(USUAL, 101, "2026-01")))
    scene.run()
    scene.put("sales_2026-02.csv", as_csv(table((*USUAL, "discount"), 1, "2026-02")))
    scene.put("sales_2026-03.csv", as_csv(table((*USUAL, "DISCOUNT"), 201, "2026-03")))
    scene.run()
    with scene.pipeline() as pipeline:
        rows = [row for row in curated_rows(pipeline) if row["discount"] is not None]
    assert {row["_month"] for row in rows} == {"2026-02", "2026-03"}


def typed_parquet(ids: pa.Array, amounts: pa.Array, month: str) -> bytes:
    rows = table(USUAL, month=month)
    target = io.BytesIO()
    made = {
        "sale_id": ids,
        "sold_at": [r["sold_at"] for r in rows],
        "store": [r["store"] for r in rows],
        "amount": amounts,
    }
    pq.write_table(pa.table(made), target)
    return target.getvalue()


@pytest.mark.parametrize("inferred", [True, False])
def test_a_column_of_another_type_is_said_though_all_its_values_fit(
    tmp_path: Path, *, inferred: bool
) -> None:
    scene = scene_of(tmp_path)
    numbers = [*range(10)]
    if not inferred:
        scene.declare(contract_yaml((*COLUMNS[:3], ("amount", "int64")), extra={"recordTime": "sold_at"}))
    usual = typed_parquet(pa.array(numbers, pa.int32()), pa.array(numbers, pa.int64()), "2026-01")
    scene.put("sales_2026-01.parquet", usual)
    assert not scene.run(periods=["2026-Q1"], allow_incomplete=True).drift
    doubles = pa.array([float(n) for n in numbers], pa.float64())
    scene.put(
        "sales_2026-02.parquet",
        typed_parquet(pa.array(range(10, 20), pa.int16()), doubles, "2026-02"),
    )
    outcome = scene.run(periods=["2026-Q1"], allow_incomplete=True)
    [drift] = outcome.drift
    assert drift.text == (
        "sales/sales_2026-02.parquet: column amount is float64 in the file, which is not its type in the contract; all its values fit"
    )
    assert (drift.kind, drift.records) == (DriftKind.TYPE, 0)
    [gate] = [g for g in outcome.published[0].quality.gates if g.gate == "within_contract"]
    assert gate.observed == [drift.text]
    with scene.pipeline() as pipeline:
        assert lake_status(pipeline)["datasets"][0]["drift"] == [drift.text]
        assert len(curated_rows(pipeline)) == 20
    if inferred:
        return
    # What does not fit is said as such, and not twice.
    scene.put(
        "sales_2026-03.parquet",
        typed_parquet(pa.array(range(20, 30), pa.int64()), pa.array([0.5] * 10, pa.float64()), "2026-03"),
    )
    late = scene.run(periods=["2026-Q1"], allow_incomplete=True).drift
    assert [d.text for d in late if "2026-03" in d.source] == [
        "sales/sales_2026-03.parquet: 10 values of amount do not fit its type; their records are rejected"
    ]


def renamed_in_march() -> dict[str, bytes]:
    """Three months: the last has another name for the buyer, a column more, and both among the others."""
    usual = b"Auftrag;Datum;Kunde;Betrag;Menge\n"
    return {
        "sales_2026-01.csv": usual + b"1;2026-01-05;Alt;10,50;1\n2;2026-01-06;Neu;11,50;2\n",
        "sales_2026-02.csv": usual + b"3;2026-02-05;Alt;12,50;1\n4;2026-02-06;Neu;13,50;2\n",
        "sales_2026-03.csv": (
            b"Auftrag;Datum;Kaeufer;Betrag;Menge;Rabatt\n"
            b"5;2026-03-05;Alt;14,50;1;3\n6;2026-03-06;Neu;15,50;2;4\n"
        ),
    }


def test_one_first_run_says_the_drift_that_a_run_a_file_says(tmp_path: Path) -> None:
    said = []
    for together in (True, False):
        scene = scene_of(tmp_path / str(together))
        for name, content in renamed_in_march().items():
            scene.put(name, content)
            if not together:
                scene.run(periods=["2026-Q1"], allow_incomplete=True)
        outcome = scene.run(periods=["2026-Q1"], allow_incomplete=True)
        assert outcome.contract is not None
        said.append(([d.text for d in outcome.drift], dict(outcome.contract.evolved)))
        assert scene.run(periods=["2026-Q1"], allow_incomplete=True).drift == outcome.drift
    assert said[0] == said[1]
    march = "sales/sales_2026-03.csv: column"
    assert said[0][0] == [
        f"{march} Kunde is missing; null in its records",
        f"{march} Kaeufer is new (string); the contract took it in",
        f"{march} Rabatt is new (int64); the contract took it in",
    ]


def test_columns_that_the_sample_did_not_show_have_come_later_too(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    for n in range(12):
        columns = (*USUAL[:2], "discount", *USUAL[2:]) if n == 1 else USUAL
        scene.put(f"sales_2026-01-{n + 1:02d}.csv", as_csv(table(columns, 10 * n + 1, "2026-01")))
    outcome = scene.run(periods=["2026-Q1"], allow_incomplete=True)
    assert [d.text for d in outcome.drift] == [
        "sales/sales_2026-01-02.csv: column discount is new (decimal(18,1)); the contract took it in",
        *(
            f"sales/sales_2026-01-{n:02d}.csv: column discount is missing; null in its records"
            for n in range(3, 13)
        ),
    ]


def test_columns_in_another_order_are_named_as_the_files(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    scene.declare(contract_yaml(COLUMNS, extra={"recordTime": "sold_at"}))
    scene.put("sales_2026-01.csv", as_csv(table(("amount", "sale_id", "sold_at", "store"), 1, "2026-01")))
    [drift] = scene.run().drift
    assert drift.text == (
        "sales/sales_2026-01.csv: its columns come as amount, sale_id, sold_at, store, which is another order than the contract's; "
        "they are read by their names"
    )
