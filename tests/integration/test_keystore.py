"""Where keys are kept, in SQLite and in PostgreSQL alike."""

from __future__ import annotations

import secrets
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Self

import pytest

from quarterlake.delivery.keyring import Keyring, create_key, install_first_key, revoke_key
from quarterlake.delivery.keystore import Access, SqlKeyStore, open_keystore
from quarterlake.delivery.retention import BATCH, Retention
from quarterlake.domain.api_keys import ADMIN_ALL, READ_ALL, ApiKey, Scope
from quarterlake.domain.errors import KeysUnavailableError, UnknownKeyError, UsageError
from tests.integration.postgres_server import hanging, restart, running_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 5, 3, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("postgres")
    with running_postgres(folder) as url:
        yield url, folder


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that holds nothing yet."""
    if request.param == "sqlite":
        return str(tmp_path / "new" / "keys.sqlite")
    import psycopg

    url: str = request.getfixturevalue("postgres")[0]
    name = f"keys_{abs(hash(request.node.name))}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return url.replace("/postgres", f"/{name}")


@pytest.fixture
def store(place: str) -> Iterator[SqlKeyStore]:
    opened = open_keystore(place)
    yield opened
    opened.close()


def test_keys_are_kept_with_all_they_say(store: SqlKeyStore, place: str) -> None:
    text, key = create_key(store, "app", (Scope.parse("sales_*"), ADMIN_ALL), NOW, NOW + timedelta(days=1))
    other = open_keystore(place)
    assert other.all() == [key]
    assert text not in repr(key)
    revoke_key(other, key.id, NOW)
    revoke_key(other, key.id, NOW + timedelta(days=1))
    [revoked] = store.all()
    assert (revoked.revoked_at, revoked.is_live(NOW)) == (NOW, False)
    with pytest.raises(UnknownKeyError):
        revoke_key(store, "0" * 12, NOW)
    other.close()


def test_a_name_has_two_live_keys_at_most(store: SqlKeyStore) -> None:
    _, first = create_key(store, "app", (READ_ALL,), NOW)
    create_key(store, "app", (READ_ALL,), NOW)
    with pytest.raises(UsageError, match="2 live keys"):
        create_key(store, "app", (READ_ALL,), NOW)
    revoke_key(store, first.id, NOW)
    create_key(store, "app", (READ_ALL,), NOW)
    with pytest.raises(UsageError, match="QUARTERLAKE_DELIVERY_KEY"):
        create_key(store, "environment", (READ_ALL,), NOW)


def test_a_first_key_that_was_revoked_stays_so(store: SqlKeyStore) -> None:
    text = f"ql_{'a' * 12}_{'b' * 64}"
    install_first_key(store, text, NOW)
    install_first_key(store, text, NOW)
    revoke_key(store, "a" * 12, NOW)
    install_first_key(store, text, NOW)
    assert [key.is_live(NOW) for key in store.all()] == [False]
    with pytest.raises(UsageError, match="the id of another key"):
        install_first_key(store, f"ql_{'a' * 12}_{'c' * 64}", NOW)


def test_the_secret_is_made_once(place: str) -> None:
    """Of many servers that start at the same time on a new database."""
    found = []

    def start() -> None:
        opened = open_keystore(place)
        found.append(opened.secret())
        opened.close()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert len(found[0]) == 32


def test_no_server_fails_that_starts_while_others_do(tmp_path: Path) -> None:
    """SQLite refuses at once where several begin a write-ahead log: of forty new files at least three met it."""
    for number in range(40):
        test_the_secret_is_made_once(str(tmp_path / f"{number}.sqlite"))


def test_the_ledger_keeps_what_was_given(store: SqlKeyStore) -> None:
    for number in range(5):
        store.record(Access(NOW, "k", "app", "links", f"sales@2026-Q1.{number}", ("a", "b")))
    newest = store.accesses(None, 2)
    assert [access.release[-1] for access in newest] == ["4", "3"]
    older = store.accesses(newest[-1].number, 10)
    assert [access.release[-1] for access in older] == ["2", "1", "0"]
    assert (older[0].at, older[0].files, older[0].name) == (NOW, ("a", "b"), "app")


def test_the_ledger_forgets_what_is_older_than_it_has_to_be(store: SqlKeyStore, place: str) -> None:
    ages = sorted((number % 40 for number in range(2 * BATCH + 200)), reverse=True)
    other = open_keystore(place)
    for number, age in enumerate(ages):
        # Instants of other zones are told apart by what they mean.
        at = (NOW - timedelta(days=age)).astimezone(timezone(timedelta(hours=number % 24 - 12)))
        other.record(Access(at, "k", "app", "links", f"sales@2026-Q1.{number}", ("a",)))
    assert store.forget(NOW - timedelta(days=100), BATCH) == 0
    again = store.again()
    retention = Retention(again, days=4)
    assert retention.prune(NOW) == sum(age > 4 for age in ages) > 2 * BATCH
    left = other.accesses(None, len(ages))
    assert len(left) == sum(age <= 4 for age in ages)
    assert min(access.at for access in left) == NOW - timedelta(days=4)
    assert retention.prune(NOW) == 0
    again.close()
    other.close()


def test_lines_that_a_wrong_clock_dated_ahead_do_not_keep_others(store: SqlKeyStore) -> None:
    for at in (*[NOW + timedelta(days=400)] * BATCH, NOW - timedelta(days=9), NOW):
        store.record(Access(at, "k", "app", "links", "sales@2026-Q1.1", ()))
    assert Retention(store, days=4).prune(NOW) == 1
    assert [access.at for access in store.accesses(None, 1)] == [NOW]


def test_a_second_connection_of_a_process_does_not_blind_the_first(store: SqlKeyStore, place: str) -> None:
    """What another process writes, and closes, is seen by both."""
    store.all()
    again = store.again()
    again.all()
    code = (
        "import sys; from datetime import UTC, datetime; from quarterlake.delivery.keystore import *; from quarterlake.delivery.keyring import *;"
        "store = open_keystore(sys.argv[1]); create_key(store, 'app', (), datetime.now(UTC)); store.close()"
    )
    for count in (1, 2):
        subprocess.run([sys.executable, "-c", code, place], check=True)
        assert (len(store.all()), len(again.all())) == (count, count)
    again.close()


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    place = tmp_path / "keys.sqlite"
    opened = open_keystore(str(place))
    opened.all()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    opened.close()


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeysUnavailableError, match="QUARTERLAKE_DELIVERY_DATABASE"):
        open_keystore(str(tmp_path / "file" / "keys.sqlite")).all()


def test_it_comes_back_with_its_server(postgres: tuple[str, Path]) -> None:
    url, folder = postgres
    store = open_keystore(url)
    text, _ = create_key(store, "app", (READ_ALL,), datetime.now(UTC))
    ring = Keyring(store)
    ring.refresh()
    restart(folder, stop=True)
    with pytest.raises(KeysUnavailableError):
        ring.refresh()
    assert ring.known(text) is not None  # for five more seconds
    restart(folder, stop=False)
    ring.refresh()
    assert ring.known(text) is not None
    store.close()


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_process_that_stood_still_looks_before_it_refuses(store: SqlKeyStore) -> None:
    """A machine that was paused: the last look is old, and nothing says that the key store is away."""
    clock = Clock()
    text, key = create_key(store, "app", (READ_ALL,), NOW)
    revoked, other = create_key(store, "other", (READ_ALL,), NOW)
    ring = Keyring(store, clock)
    ring.refresh()
    revoke_key(store, other.id, NOW)
    clock.now += 60
    assert [ring.is_behind, ring.asked(text) == key, ring.is_behind] == [True, True, False]
    assert ring.known(revoked) is None  # what happened meanwhile is known
    clock.now += 60
    with pytest.raises(KeysUnavailableError):
        ring.known(text)  # never asks anybody
    ring.catch_up()
    assert (ring.known(text), ring.problem()) == (key, None)


def test_one_look_is_all_that_a_key_store_that_is_away_is_asked_for(tmp_path: Path) -> None:
    clock = Clock()
    place = tmp_path / "keys.sqlite"
    store = open_keystore(str(place))
    text, _ = create_key(store, "app", (READ_ALL,), NOW)
    ring = Keyring(store, clock)
    ring.refresh()
    store.close()
    place.rename(tmp_path / "aside")
    place.mkdir()
    clock.now += 60
    with ThreadPoolExecutor(8) as pool:
        refused = [pool.submit(ring.asked, text).exception() for _ in range(8)]
    assert {type(each) for each in refused} == {KeysUnavailableError}
    assert not ring.is_behind
    assert "cannot be used" in str(ring.problem())
    place.rmdir()
    (tmp_path / "aside").rename(place)
    ring.catch_up()
    with pytest.raises(KeysUnavailableError):
        ring.known(text)  # the thread that follows finds it again
    ring.refresh()
    assert ring.known(text) is not None
    store.close()


class SlowStore(SqlKeyStore):
    """A real one whose answer takes a second of the clock, and until all callers have come."""

    looks = 0
    away = False

    def slowed(self, clock: CrowdClock) -> Self:
        self._clock = clock
        return self

    def state(self) -> tuple[int, int]:
        self.looks += 1
        assert self._clock.all_came.wait(20)
        self._clock.now += 1
        if self.away:
            raise KeysUnavailableError("away")
        return super().state()


class CrowdClock(Clock):
    """One that knows when eight threads of a crowd have looked at it."""

    def __init__(self) -> None:
        super().__init__()
        self.callers: set[int] = set()
        self.all_came = threading.Event()
        self.all_came.set()

    def __call__(self) -> float:
        now = self.now
        self.callers.add(threading.get_ident())
        if len(self.callers) >= 8:
            self.all_came.set()
        return now


@pytest.mark.parametrize("away", [False, True])
def test_a_crowd_of_unknown_keys_costs_one_look(tmp_path: Path, *, away: bool) -> None:
    """Whether the key store answers late or not at all: nobody without a key makes the others wait."""
    clock = CrowdClock()
    path = tmp_path / "keys.sqlite"
    store = SlowStore(
        lambda: sqlite3.connect(path, isolation_level=None, check_same_thread=False),
        sqlite3.Error,
        str(path),
        sqlite=True,
    ).slowed(clock)
    ring = Keyring(store, clock)
    ring.refresh()
    clock.now += 1
    clock.callers.clear()
    clock.all_came.clear()
    store.looks, store.away = 0, away
    together = threading.Barrier(8)

    def ask() -> ApiKey | None:
        together.wait(20)
        return ring.asked(f"ql_{secrets.token_hex(6)}_{'0' * 64}")

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask) for _ in range(8)]
    said = {type(each.exception()) for each in asked}
    assert (said, store.looks) == ({KeysUnavailableError} if away else {type(None)}, 1)
    assert ring.problem() == ("away" if away else None)
    store.close()


def test_a_statement_that_waits_for_a_lock_is_given_up(postgres: tuple[str, Path]) -> None:
    import psycopg

    store = open_keystore(postgres[0])
    store.all()
    with psycopg.connect(postgres[0]) as other:
        other.execute("LOCK TABLE accesses IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(KeysUnavailableError, match="timeout"):
            store.record(Access(NOW, "k", "app", "links", "sales@2026-Q1.1", ()))
    store.record(Access(NOW, "k", "app", "links", "sales@2026-Q1.1", ()))
    store.close()


def test_a_database_that_hangs_is_a_database_that_is_away(postgres: tuple[str, Path]) -> None:
    """Its processes are stopped: connections stay, and nothing answers. Nobody waits for those who came before."""
    url, folder = postgres
    store = open_keystore(url)
    store.all()
    said: list[str] = []

    def ask() -> None:
        try:
            store.all()
        except KeysUnavailableError as away:
            said.append(str(away))

    with hanging(folder):
        threads = [threading.Thread(target=ask) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(said) == 5
        assert any("has not answered" in each for each in said)
    assert store.all() is not None
    store.close()


def test_a_password_is_in_no_message() -> None:
    with pytest.raises(KeysUnavailableError) as refused:
        open_keystore("postgresql://x:p4ssword@127.0.0.1:1/x").all()
    assert "p4ssword" not in str(refused.value)
