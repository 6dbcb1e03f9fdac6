"""API keys: their text, their scopes, and when they open something."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterlake.domain.api_keys import (
    ADMIN_ALL,
    READ_ALL,
    ApiKey,
    Right,
    Scope,
    checked_name,
    digest_of,
    id_in,
    key_text,
)
from quarterlake.domain.errors import UsageError

NOW = datetime(2026, 5, 3, 9, tzinfo=UTC)


def key(*scopes: Scope, expires_at: datetime | None = None, revoked_at: datetime | None = None) -> ApiKey:
    return ApiKey("0" * 12, "app", b"", scopes, NOW, expires_at, revoked_at)


@given(st.binary(min_size=6, max_size=6), st.binary(min_size=32, max_size=32))
def test_a_keys_id_is_read_from_its_text(key_id: bytes, secret: bytes) -> None:
    text = key_text(key_id.hex(), secret.hex())
    assert id_in(text) == key_id.hex()
    assert len(digest_of(text)) == 32


@given(st.text(max_size=100))
def test_anything_can_be_sent_in_a_keys_place(text: str) -> None:
    assert id_in(text) is None
    assert len(digest_of(text)) == 32


@pytest.mark.parametrize(
    ("text", "pattern", "right"),
    [
        ("sales", "sales", "read"),
        ("sales_*:read", "sales_*", "read"),
        ("*:admin", "*", "admin"),
        ("größe", "größe", "read"),
    ],
)
def test_a_scope_is_a_pattern_and_a_right(text: str, pattern: str, right: str) -> None:
    assert Scope.parse(text) == Scope(pattern, Right(right))
    assert Scope.parse(str(Scope.parse(text))) == Scope.parse(text)


@pytest.mark.parametrize(
    "text", ["", ":read", "sales:write", "a b", "a/b", "[ab]", "a:read:admin", "a" * 101, "../x"]
)
def test_what_is_no_scope_is_said_to_be_none(text: str) -> None:
    with pytest.raises(UsageError, match="no scope"):
        Scope.parse(text)


def test_a_scope_opens_the_data_sets_of_its_pattern_alone() -> None:
    some = key(Scope.parse("sales_*"), Scope.parse("w?ather:admin"))
    assert [some.may_read(name) for name in ("sales_eu", "sales", "weather", "wether", "SALES_EU")] == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert (some.is_admin, key(READ_ALL).is_admin, key(ADMIN_ALL).is_admin) == (False, False, True)
    assert not key().may_read("sales")


def test_a_key_is_live_until_it_expires_or_is_revoked() -> None:
    assert key().is_live(NOW)
    assert key(expires_at=NOW + timedelta(seconds=1)).is_live(NOW)
    assert not key(expires_at=NOW).is_live(NOW)
    assert not key(revoked_at=NOW).is_live(NOW)


@pytest.mark.parametrize("name", ["", " a", "a b", "-a", "a" * 65, "a\n", "a/b"])
def test_a_name_fits_a_line_of_a_log(name: str) -> None:
    with pytest.raises(UsageError):
        checked_name(name)
    assert checked_name("ml-team@example.org") == "ml-team@example.org"
