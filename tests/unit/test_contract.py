from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterlake.domain.column_types import DATE, INT64, STRING, TIMESTAMP, ColumnType, Kind
from quarterlake.domain.contract import RESERVED_COLUMNS, Column, Contract, GateRule, Severity, fingerprint
from quarterlake.domain.drift import DriftPolicies, DriftPolicy
from quarterlake.domain.errors import ContractError

NAMES = ("id", "at", "changed", "country", "email")


def column(name: str, kind: ColumnType = STRING, **more: Any) -> Column:
    return Column(name=name, type=kind, source=more.pop("source", name), **more)


ORDERS = Contract(
    dataset="orders",
    columns=(
        column("id", INT64),
        column("at", TIMESTAMP),
        column("changed", DATE),
        column("country"),
        column("email", pii=True),
    ),
    record_time="at",
    key=("id",),
    key_declared=True,
    sequence="changed",
    dimensions=("country",),
)


def with_column(name: str, **change: Any) -> Contract:
    columns = tuple(msgspec.structs.replace(c, **change) if c.name == name else c for c in ORDERS.columns)
    return msgspec.structs.replace(ORDERS, columns=columns)


def changed(**change: Any) -> Contract:
    return msgspec.structs.replace(ORDERS, **change)


NEITHER = {
    "version": changed(version="2.0.0"),
    "gates": changed(gates={"rows": GateRule(severity=Severity.OFF)}),
    "threshold": changed(gates={"rows": GateRule(threshold=0.5)}),
    "notes": changed(notes=("because",)),
    "inferred": changed(inferred=True),
    "nullable": with_column("id", nullable=False),
    "description": with_column("id", description="the order's number"),
}
CONTENT_ONLY = {
    "key scope": changed(key_scope="month"),
    "sequence": changed(sequence=None),
    "dimensions": changed(dimensions=("country", "id")),
    "no dimensions": changed(dimensions=()),
    "dimensions chosen later": changed(dimensions=None),
    "pii": with_column("country", pii=True),
    "no pii": with_column("email", pii=False),
}
BOTH = {
    "type": with_column("id", type=STRING),
    "scale": with_column("id", type=ColumnType(Kind.DECIMAL, 18, 2)),
    "source": with_column("country", source="land"),
    "more columns": changed(columns=(*ORDERS.columns, column("more"))),
    "order of columns": changed(columns=tuple(reversed(ORDERS.columns))),
    "record time": changed(record_time="changed"),
    "time in the name": changed(record_time=None),
    "key": changed(key=("id", "country")),
    "no key": changed(key=()),
    "key inferred": changed(key_declared=False),
    "timezone": changed(timezone="Europe/Berlin"),
}


@pytest.mark.parametrize("other", NEITHER.values(), ids=NEITHER.keys())
def test_what_changes_no_data_changes_no_id(other: Contract) -> None:
    assert other != ORDERS
    assert other.parse_id == ORDERS.parse_id
    assert other.content_id == ORDERS.content_id


@pytest.mark.parametrize("other", CONTENT_ONLY.values(), ids=CONTENT_ONLY.keys())
def test_what_changes_curated_data_alone_lets_parsed_files_be_reused(other: Contract) -> None:
    assert other.parse_id == ORDERS.parse_id
    assert other.content_id != ORDERS.content_id


@pytest.mark.parametrize("other", BOTH.values(), ids=BOTH.keys())
def test_what_changes_how_files_are_read_changes_both_ids(other: Contract) -> None:
    assert other.parse_id != ORDERS.parse_id
    assert other.content_id != ORDERS.content_id


def test_under_null_fill_the_sequence_decides_what_is_rejected() -> None:
    filling = changed(drift=DriftPolicies(type=DriftPolicy.NULL_FILL))
    other = msgspec.structs.replace(filling, sequence=None)
    assert filling.sequence is not None
    assert filling.parse_id != other.parse_id


def test_no_two_different_contracts_share_a_content_id() -> None:
    others = [ORDERS, *CONTENT_ONLY.values(), *BOTH.values()]
    assert len({other.content_id for other in others}) == len(others)


def test_ids_outlive_the_process() -> None:
    read_back = msgspec.json.decode(msgspec.json.encode(ORDERS), type=Contract)
    assert read_back == ORDERS
    assert read_back.content_id == ORDERS.content_id
    assert re.fullmatch(r"[0-9a-f]{32}", ORDERS.parse_id)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": ()}, "names no column"),
        ({"columns": (*ORDERS.columns, column("ID"))}, "named twice"),
        ({"columns": (*ORDERS.columns, column("Straße"), column("STRASSE"))}, "named twice"),
        ({"key": ("id", "nothing")}, "nothing is used"),
        ({"key": ("ID",)}, "ID is used"),
        ({"record_time": "nothing"}, "nothing is used"),
        ({"sequence": "nothing"}, "nothing is used"),
        ({"dimensions": ("country", "nothing")}, "nothing is used"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=f"Contract of orders: .*{message}"):
        changed(**change)


@pytest.mark.parametrize("name", sorted(RESERVED_COLUMNS))
def test_columns_of_our_own_are_refused_in_any_case(name: str) -> None:
    for spelled in (name, name.upper()):
        with pytest.raises(ContractError, match=f"{name} is a column of quarterlake's own"):
            changed(columns=(*ORDERS.columns, column(spelled)))


def test_other_names_may_begin_with_an_underscore() -> None:
    assert changed(columns=(*ORDERS.columns, column("_note"))).column("_note").type == STRING


def test_a_column_is_found_by_its_name() -> None:
    assert ORDERS.column("at").type == TIMESTAMP
    with pytest.raises(KeyError):
        ORDERS.column("AT")


def test_restricting_leaves_out_what_names_a_missing_column() -> None:
    less = ORDERS.restricted({"email", "changed"})
    assert [c.name for c in less.columns] == ["changed", "email"]
    assert (less.key, less.sequence, less.record_time, less.dimensions) == ((), "changed", None, ())


def test_a_key_is_dropped_as_a_whole() -> None:
    both = changed(key=("id", "country"))
    assert both.restricted({"id", "country", "at"}).key == ("id", "country")
    assert both.restricted({"id", "at"}).key == ()


def test_dimensions_not_yet_chosen_stay_so() -> None:
    assert changed(dimensions=None).restricted({"id"}).dimensions is None


SUBSETS = st.sets(st.sampled_from(NAMES))


@given(SUBSETS, SUBSETS)
def test_restricting_twice_is_restricting_to_what_is_in_both(first: set[str], second: set[str]) -> None:
    if first & second:
        assert ORDERS.restricted(first).restricted(second) == ORDERS.restricted(first & second)


@given(SUBSETS)
def test_a_column_that_no_file_has_changes_nothing(present: set[str]) -> None:
    """A column which appears in May makes no new revision of January."""
    if present:
        before = ORDERS.restricted(present)
        after = changed(columns=(*ORDERS.columns, column("new_in_may"))).restricted(present)
        assert after.content_id == before.content_id


def test_restricting_to_all_columns_changes_nothing() -> None:
    assert ORDERS.restricted(NAMES) == ORDERS
    assert ORDERS.restricted([*NAMES, "unknown"]) == ORDERS


def test_fingerprints_do_not_depend_on_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint([1, 2]) != fingerprint([2, 1])
    assert fingerprint(["ab", "c"]) != fingerprint(["a", "bc"])
    assert fingerprint(None) != fingerprint("")
