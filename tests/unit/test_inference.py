from __future__ import annotations

from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterlake.domain.column_roles import (
    TimeCandidate,
    choose_dimensions,
    choose_record_time,
    looks_like_key,
)
from quarterlake.domain.column_types import (
    BOOLEAN,
    DATE,
    FLOAT64,
    INT64,
    NULL,
    STRING,
    TIMESTAMP,
    ColumnType,
    Kind,
    casts_exactly,
    join,
)
from quarterlake.domain.inference import (
    DOUBLE_DIGITS,
    Evidence,
    evidence_of,
    infer_type,
    keeps_parsed,
    widened,
)

ONE_VALUE = st.one_of(
    st.just(Evidence(nulls=1)),
    st.just(Evidence(present=1)),
    st.just(Evidence(present=1, boolean=1)),
    st.just(Evidence(present=1, date=1)),
    st.just(Evidence(present=1, timestamp=1)),
    st.just(Evidence(present=1, exponent=1)),
    st.just(Evidence(present=1, leading_zero=1)),
    st.integers(1, 45).map(lambda digits: Evidence(present=1, integer=1, integer_digits=digits)),
    st.builds(
        lambda digits, scale: Evidence(present=1, fraction=1, integer_digits=digits, scale=scale),
        st.integers(0, 8),
        st.integers(0, 7),
    ),
    st.builds(
        lambda digits, scale, exact: Evidence(
            present=1,
            fraction=1,
            integer_digits=digits,
            scale=scale,
            long=1,
            long_exact=exact,
            beyond=int(scale > DOUBLE_DIGITS and not exact),
        ),
        st.integers(0, 30),
        st.integers(16, 30),
        st.integers(0, 1),
    ),
)
"""What one value of a column gives."""
EVIDENCE = st.lists(ONE_VALUE, max_size=12).map(lambda parts: sum(parts, Evidence()))
INFERRED = st.sampled_from([BOOLEAN, INT64, FLOAT64, DATE, TIMESTAMP, STRING]) | st.builds(
    ColumnType, st.just(Kind.DECIMAL), st.sampled_from([18, 38]), st.integers(0, 18)
)


def integers(count: int, digits: int = 3) -> Evidence:
    return Evidence(present=count, integer=count, integer_digits=digits)


def fractions(count: int, digits: int = 3, scale: int = 2) -> Evidence:
    return Evidence(present=count, fraction=count, integer_digits=digits, scale=scale)


def long_fractions(count: int, exact: int, digits: int = 1, scale: int = 16) -> Evidence:
    return fractions(count, digits, scale) + Evidence(long=count, long_exact=exact)


def very_long_fractions(count: int) -> Evidence:
    return long_fractions(count, 0, 1, 20) + Evidence(beyond=count)


def texts(count: int) -> Evidence:
    return Evidence(present=count)


def decimal(precision: int, scale: int) -> ColumnType:
    return ColumnType(Kind.DECIMAL, precision, scale)


@given(EVIDENCE, EVIDENCE, EVIDENCE)
def test_evidence_adds_up_in_any_order(first: Evidence, second: Evidence, third: Evidence) -> None:
    assert first + second == second + first
    assert (first + second) + third == first + (second + third)
    assert first + Evidence() == first


@pytest.mark.parametrize(
    ("evidence", "found"),
    [
        (Evidence(), NULL),
        (Evidence(nulls=5), NULL),
        (integers(10), INT64),
        (integers(10, 19), INT64),
        (integers(9) + integers(1, 20), decimal(38, 0)),
        (integers(9) + integers(1, 38), decimal(38, 0)),
        (integers(9) + integers(1, 39), STRING),
        (Evidence(present=10, leading_zero=10), STRING),
        (integers(999) + Evidence(present=1, leading_zero=1), STRING),
        (fractions(1) + integers(9), decimal(18, 2)),
        (fractions(10, 17, 2), decimal(38, 2)),
        (integers(5, 19) + fractions(5, 1, 4), decimal(38, 4)),
        (long_fractions(10, 10), FLOAT64),
        (long_fractions(10, 9), decimal(18, 16)),
        (long_fractions(10, 0, 20, 30), STRING),
        (fractions(10, 1, 45), FLOAT64),
        (Evidence(present=10, exponent=10), FLOAT64),
        (integers(9) + Evidence(present=1, exponent=1), FLOAT64),
        (very_long_fractions(19) + Evidence(present=1, exponent=1), decimal(38, 20)),
        (very_long_fractions(1) + Evidence(present=19, exponent=19), FLOAT64),
        (very_long_fractions(10) + Evidence(present=10, exponent=10), STRING),
        (Evidence(present=10, boolean=10), BOOLEAN),
        (Evidence(present=10, date=10), DATE),
        (Evidence(present=10, date=5, timestamp=5), TIMESTAMP),
        (Evidence(present=10, date=9, timestamp=1), DATE),
        (Evidence(present=10, boolean=5, date=5), STRING),
        (texts(10), STRING),
    ],
)
def test_types_of_evidence(evidence: Evidence, found: ColumnType) -> None:
    assert infer_type(evidence) == found


def counted(present: int, form: str, found: int) -> dict[str, Any]:
    return {"present": present, form: found}


@pytest.mark.parametrize("present", [10, 20, 30, 70, 110, 1_000, 1_000_000, 123_456_780])
@pytest.mark.parametrize(
    ("form", "found"), [("integer", INT64), ("boolean", BOOLEAN), ("date", DATE), ("timestamp", TIMESTAMP)]
)
def test_nine_values_in_ten_make_a_type(present: int, form: str, found: ColumnType) -> None:
    enough = present // 10 * 9
    assert infer_type(Evidence(**counted(present, form, enough))) == found
    assert infer_type(Evidence(**counted(present, form, enough - 1))) == STRING


@given(EVIDENCE, st.integers(0, 1000))
def test_nulls_decide_nothing(evidence: Evidence, nulls: int) -> None:
    assert infer_type(evidence + Evidence(nulls=nulls)) == infer_type(evidence)


@given(EVIDENCE.filter(lambda evidence: evidence.present > 0))
def test_a_type_has_nine_values_in_ten_and_room_for_their_digits(evidence: Evidence) -> None:
    found = infer_type(evidence)
    numbers = evidence.integer + evidence.fraction + evidence.exponent
    fitting = {
        Kind.INT64: evidence.integer,
        Kind.DECIMAL: evidence.integer + evidence.fraction,
        Kind.FLOAT64: numbers,
        Kind.BOOLEAN: evidence.boolean,
        Kind.DATE: evidence.date,
        Kind.TIMESTAMP: evidence.date + evidence.timestamp,
        Kind.STRING: evidence.present,
    }
    assert fitting[found.kind] * 10 >= evidence.present * 9
    if found.kind is Kind.INT64:
        assert evidence.integer_digits <= 19
        assert evidence.fraction == evidence.exponent == evidence.leading_zero == 0
    if found.kind is Kind.DECIMAL:
        assert found.precision - found.scale >= evidence.integer_digits
        assert found.scale >= evidence.scale
        assert evidence.leading_zero == 0
        assert evidence.exponent <= evidence.beyond


@given(EVIDENCE)
def test_no_float_where_a_fraction_does_not_survive_it(evidence: Evidence) -> None:
    if evidence.long > evidence.long_exact and not evidence.exponent:
        assert infer_type(evidence) != FLOAT64


@given(st.integers(16, 38), st.integers(1, 30))
def test_no_float_where_an_integer_does_not_survive_it(digits: int, scale: int) -> None:
    """Integers of more than 15 digits, and short fractions: a decimal while there is one, then text."""
    assert infer_type(integers(5, digits) + fractions(5, 0, min(scale, 15))) != FLOAT64


@given(EVIDENCE, EVIDENCE)
def test_more_values_never_narrow_a_number(first: Evidence, second: Evidence) -> None:
    alone, both = infer_type(first), infer_type(first + second)
    if alone.is_number and both.is_number:
        assert both == FLOAT64 or Kind.DECIMAL in {alone.kind, both.kind} or alone == both
        assert not (alone == FLOAT64 and both == INT64)
        if alone.kind is both.kind is Kind.DECIMAL:
            assert both.scale >= alone.scale


@pytest.mark.parametrize(
    "column_type", [BOOLEAN, INT64, FLOAT64, DATE, TIMESTAMP, STRING, decimal(18, 2), decimal(38, 4)]
)
def test_the_evidence_of_a_type_gives_it_back(column_type: ColumnType) -> None:
    assert infer_type(evidence_of(column_type, 10)) in {column_type, decimal(18, column_type.scale)}


@pytest.mark.parametrize(
    ("current", "good", "misfits", "found"),
    [
        (INT64, 100, Evidence(), INT64),
        (NULL, 0, integers(3), INT64),
        (NULL, 0, texts(3), STRING),
        (STRING, 5, integers(3), STRING),
        (INT64, 100, fractions(1), decimal(38, 2)),
        (INT64, 100, integers(1, 25), decimal(38, 0)),
        (INT64, 100, Evidence(present=1, exponent=1), FLOAT64),
        (decimal(38, 20), 100, Evidence(present=1, exponent=1), decimal(38, 20)),
        (decimal(18, 2), 100, Evidence(present=1, exponent=1), FLOAT64),
        (INT64, 100, Evidence(present=1, leading_zero=1), STRING),
        (decimal(18, 2), 100, Evidence(present=1, leading_zero=1), STRING),
        (decimal(18, 2), 100, long_fractions(20, 20), FLOAT64),
        (INT64, 100, texts(1), INT64),
        (INT64, 1, texts(100), INT64),
        (DATE, 1, Evidence(present=100, timestamp=100), TIMESTAMP),
        (TIMESTAMP, 1, Evidence(present=100, date=100), TIMESTAMP),
        (DATE, 100, texts(50), DATE),
        (BOOLEAN, 5, texts(50), BOOLEAN),
        (BOOLEAN, 1, integers(100), BOOLEAN),
        (DATE, 1, integers(100), DATE),
        (INT64, 1, Evidence(present=100, date=100), INT64),
        (FLOAT64, 1, Evidence(present=100, boolean=100), FLOAT64),
    ],
)
def test_what_misfits_widen(current: ColumnType, good: int, misfits: Evidence, found: ColumnType) -> None:
    assert widened(current, good, misfits) == found


@given(INFERRED, st.integers(0, 50), EVIDENCE)
def test_widening_goes_up_and_only_leading_zeros_make_text(
    current: ColumnType, good: int, misfits: Evidence
) -> None:
    found = widened(current, good, misfits)
    assert join(current, found) == found
    if found == STRING != current:
        assert current.is_number
        assert misfits.leading_zero


def test_wide_integers_do_not_become_floats() -> None:
    """A column of 38-digit integers meets `0.5`: no type holds both, so it stays and `0.5` is a reject."""
    assert widened(decimal(38, 0), 100, fractions(1, 1, 1)) in {decimal(38, 0), STRING}
    assert widened(decimal(38, 10), 100, fractions(1, 1, 14)) in {decimal(38, 10), STRING}


@given(INFERRED, INFERRED, st.integers(0, 3))
def test_a_file_is_kept_only_without_rejects_and_by_an_exact_cast(
    old: ColumnType, new: ColumnType, rejects: int
) -> None:
    assert keeps_parsed(old, new, rejects) is (rejects == 0 and casts_exactly(old, new))


def candidate(
    name: str,
    *,
    kind: ColumnType = TIMESTAMP,
    nulls: int = 0,
    in_name: float | None = None,
    near_name: float | None = None,
) -> TimeCandidate:
    return TimeCandidate(name, kind, nulls, in_name, near_name)


def test_without_time_columns_the_name_is_the_record_time() -> None:
    name, why = choose_record_time([])
    assert name is None
    assert "no column" in why


def test_a_column_far_from_the_files_name_is_not_the_record_time() -> None:
    born = candidate("created_at", in_name=0.0, near_name=0.02)
    name, why = choose_record_time([born])
    assert name is None
    assert "no time column's values lie near" in why
    assert choose_record_time([born, candidate("x", in_name=0.9, near_name=1.0)])[0] == "x"


def test_nine_values_in_ten_near_the_name_are_enough() -> None:
    assert choose_record_time([candidate("x", in_name=0.5, near_name=0.9)])[0] == "x"
    assert choose_record_time([candidate("x", in_name=0.5, near_name=0.89)])[0] is None


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (candidate("due", in_name=0.98, near_name=1.0), candidate("event_time", in_name=0.6, near_name=1.0)),
        (candidate("x"), candidate("event_time", nulls=1)),
        (candidate("event_time"), candidate("timestamp")),
        (candidate("timestamp"), candidate("order_date")),
        (candidate("ordered_at"), candidate("created_at")),
        (candidate("created_at"), candidate("date")),
        (candidate("Date"), candidate("updated_at")),
        (candidate("updated_at"), candidate("due_date")),
        (candidate("due_date"), candidate("x")),
        (candidate("a"), candidate("b", kind=DATE)),
    ],
)
def test_the_better_of_two_time_columns_wins_in_either_order(
    better: TimeCandidate, worse: TimeCandidate
) -> None:
    for pair in ([better, worse], [worse, better]):
        name, why = choose_record_time(pair)
        assert name == better.name
        assert f"other candidates: {worse.name}" in why


def test_the_choice_says_how_well_the_name_agrees() -> None:
    assert "97%" in choose_record_time([candidate("x", in_name=0.97, near_name=1.0)])[1]


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("id", "orders"),
        ("ID", "orders"),
        ("uuid", "orders"),
        ("order_id", "orders"),
        ("OrderId", "orders"),
        ("orders_id", "orders"),
        ("order_number", "orders"),
        ("o_orderkey", "orders"),
        ("event_id", "clicks"),
        ("O_ORDERKEY", "orders"),
        ("Order ID", "orders"),
        ("OrderID", "orders"),
        ("Order-Id", "orders_2"),
        ("orderId", "orders3"),
        ("category_id", "categories"),
    ],
)
def test_names_of_keys(name: str, dataset: str) -> None:
    assert looks_like_key(name, dataset)


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("customer_id", "orders"),
        ("o_custkey", "orders"),
        ("amount", "orders"),
        ("paid", "orders"),
        ("l_orderkey", "orders"),
        ("border_id", "orders"),
    ],
)
def test_names_of_other_columns(name: str, dataset: str) -> None:
    assert not looks_like_key(name, dataset)


def test_dimensions_are_the_columns_with_few_repeated_values() -> None:
    distinct = {"country": 20, "status": 3, "customer": 51, "empty": 0, "flag": 2}
    assert choose_dimensions(distinct, 1_000) == ("flag", "status", "country")


def test_dimensions_repeat_their_values() -> None:
    assert choose_dimensions({"status": 3}, 6) == ("status",)
    assert choose_dimensions({"status": 3}, 5) == ()


def test_the_product_of_the_dimensions_counts_a_null_as_a_value() -> None:
    assert choose_dimensions({"a": 9, "b": 9, "c": 9, "d": 9, "e": 9}, 1_000_000) == ("a", "b", "c", "d")
    assert choose_dimensions({"a": 9, "b": 9, "c": 9, "d": 10}, 1_000_000) == ("a", "b", "c")


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 60), max_size=8), st.integers(0, 200))
def test_dimensions_are_few_and_do_not_depend_on_the_order(distinct: dict[str, int], rows: int) -> None:
    chosen = choose_dimensions(distinct, rows)
    assert prod(distinct[name] + 1 for name in chosen) <= 10_000
    assert all(1 <= distinct[name] <= 50 and 2 * distinct[name] <= rows for name in chosen)
    assert choose_dimensions(dict(reversed(distinct.items())), rows) == chosen
