from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quarterlake.domain.column_types import (
    BOOLEAN,
    DATE,
    FLOAT64,
    INT64,
    MAX_DECIMAL_DIGITS,
    NULL,
    STRING,
    TIMESTAMP,
    ColumnType,
    Kind,
    casts_exactly,
    decimal_for,
    join,
)

PLAIN = (NULL, BOOLEAN, INT64, FLOAT64, DATE, TIMESTAMP, STRING)
DECIMALS = st.integers(1, MAX_DECIMAL_DIGITS).flatmap(
    lambda precision: st.builds(
        ColumnType, st.just(Kind.DECIMAL), st.just(precision), st.integers(0, precision)
    )
)
TYPES = st.sampled_from(PLAIN) | DECIMALS


def decimal(precision: int, scale: int) -> ColumnType:
    return ColumnType(Kind.DECIMAL, precision, scale)


@given(TYPES, TYPES)
def test_join_is_commutative(left: ColumnType, right: ColumnType) -> None:
    assert join(left, right) == join(right, left)


@given(TYPES, TYPES, TYPES)
@example(decimal(18, 2), decimal(18, 4), decimal(38, 10))
def test_join_is_associative(first: ColumnType, second: ColumnType, third: ColumnType) -> None:
    assert join(join(first, second), third) == join(first, join(second, third))


@given(TYPES)
def test_join_is_idempotent_between_null_and_string(column_type: ColumnType) -> None:
    assert join(column_type, column_type) == column_type
    assert join(NULL, column_type) == column_type
    assert join(STRING, column_type) == STRING


@given(TYPES, TYPES)
def test_a_join_is_above_both(left: ColumnType, right: ColumnType) -> None:
    joined = join(left, right)
    assert join(left, joined) == joined
    assert join(right, joined) == joined


@given(DECIMALS, DECIMALS)
def test_a_joined_decimal_has_room_for_both(left: ColumnType, right: ColumnType) -> None:
    joined = join(left, right)
    integer_digits = max(left.precision - left.scale, right.precision - right.scale)
    scale = max(left.scale, right.scale)
    if integer_digits + scale > MAX_DECIMAL_DIGITS:
        assert joined == FLOAT64
    else:
        assert joined.scale == scale
        assert integer_digits + scale <= joined.precision <= MAX_DECIMAL_DIGITS


@pytest.mark.parametrize(
    ("left", "right", "joined"),
    [
        (INT64, FLOAT64, FLOAT64),
        (decimal(18, 2), FLOAT64, FLOAT64),
        (decimal(38, 38), INT64, FLOAT64),
        (DATE, TIMESTAMP, TIMESTAMP),
        (DATE, INT64, STRING),
        (BOOLEAN, INT64, STRING),
        (BOOLEAN, TIMESTAMP, STRING),
    ],
)
def test_joins(left: ColumnType, right: ColumnType, joined: ColumnType) -> None:
    assert join(left, right) == joined


def test_integers_and_decimals_join_to_a_decimal_for_19_digits_before_the_point() -> None:
    joined = join(INT64, decimal(18, 2))
    assert joined.kind is Kind.DECIMAL
    assert joined.scale == 2
    assert joined.precision - joined.scale >= 19


@given(TYPES, TYPES)
@example(decimal(5, 2), decimal(10, 3))
@example(INT64, decimal(21, 2))
def test_an_exact_cast_goes_up(old: ColumnType, new: ColumnType) -> None:
    if casts_exactly(old, new):
        assert join(old, new) == new


@given(TYPES, TYPES, TYPES)
def test_exact_casts_chain(first: ColumnType, second: ColumnType, third: ColumnType) -> None:
    if casts_exactly(first, second) and casts_exactly(second, third):
        assert casts_exactly(first, third)


@given(TYPES)
def test_a_type_casts_exactly_to_itself(column_type: ColumnType) -> None:
    assert casts_exactly(column_type, column_type)


@pytest.mark.parametrize(
    ("old", "new", "exact"),
    [
        (INT64, decimal(38, 2), True),
        (INT64, decimal(19, 0), True),
        (INT64, decimal(18, 0), False),
        (INT64, FLOAT64, False),
        (INT64, STRING, False),
        (decimal(18, 2), decimal(38, 4), True),
        (decimal(18, 2), decimal(18, 4), False),
        (decimal(18, 4), decimal(38, 2), False),
        (decimal(18, 2), FLOAT64, False),
        (DATE, TIMESTAMP, True),
        (TIMESTAMP, DATE, False),
        (BOOLEAN, INT64, False),
        (NULL, INT64, True),
        (INT64, NULL, False),
    ],
)
def test_exact_casts(old: ColumnType, new: ColumnType, exact: bool) -> None:  # noqa: FBT001 - a table's column
    assert casts_exactly(old, new) is exact


@given(st.integers(0, 60), st.integers(0, 60).filter(bool))
def test_a_decimal_has_room_for_its_digits(integer_digits: int, scale: int) -> None:
    found = decimal_for(integer_digits, scale)
    if integer_digits + scale > MAX_DECIMAL_DIGITS:
        assert found is None
    else:
        assert found is not None
        assert (found.kind, found.scale) == (Kind.DECIMAL, scale)
        assert found.precision - found.scale >= integer_digits
        assert found.precision in {18, 38}


@given(TYPES)
def test_a_name_reads_back(column_type: ColumnType) -> None:
    assert ColumnType.parse(str(column_type)) == column_type


@given(
    st.from_regex(r"decimal\(\d{0,3},\s*\d{0,3}\)", fullmatch=True)
    | st.text(max_size=12)
    | st.sampled_from([*Kind]).map(str)
)
def test_what_reads_is_a_name(text: str) -> None:
    try:
        found = ColumnType.parse(text)
    except ValueError:
        return
    digits = [int(number) for number in re.findall(r"[0-9]+", text)] if found.kind is Kind.DECIMAL else []
    assert digits == ([found.precision, found.scale] if found.kind is Kind.DECIMAL else [])
    assert found.kind is Kind.DECIMAL or str(found) == text


@pytest.mark.parametrize(
    "text",
    [
        "decimal",
        "int",
        "INT64",
        "decimal(0,0)",
        "decimal(39,2)",
        "decimal(2,3)",
        "decimal(18)",
        "decimal(-1,0)",
        "date ",
    ],
)
def test_other_texts_are_no_types(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        ColumnType.parse(text)


@given(TYPES)
def test_numbers_are_integers_decimals_and_floats(column_type: ColumnType) -> None:
    assert column_type.is_number is (column_type.kind in {Kind.INT64, Kind.DECIMAL, Kind.FLOAT64})
