"""Where API keys and the ledger of accesses are kept: in SQLite, or in PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from quarterlake.domain.api_keys import ApiKey, Scope
from quarterlake.domain.errors import KeysUnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS api_keys (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL, scopes TEXT NOT NULL,
        created_at TEXT NOT NULL, expires_at TEXT, revoked_at TEXT)""",
    """CREATE TABLE IF NOT EXISTS accesses (
        id {serial}, at TEXT NOT NULL, key_id TEXT NOT NULL, name TEXT NOT NULL,
        what TEXT NOT NULL, release TEXT NOT NULL, files TEXT NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)
_COLUMNS = "id, name, digest, scopes, created_at, expires_at, revoked_at"
_WAIT_SECONDS = 5
_PAUSE_SECONDS = 0.01
_SECRET_BYTES = 32
_POSTGRES = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True)
class Access:
    """One line of the ledger: who (a key's id and name) was given what of which release. Never a URL, never a key."""

    at: datetime
    key_id: str
    name: str
    what: str
    release: str
    files: tuple[str, ...]
    number: int = 0


class KeyStore(Protocol):
    """Keeps API keys, the ledger of accesses and the server's own secret. Every method raises KeysUnavailableError where it cannot be used."""

    def add(self, key: ApiKey) -> None:
        """Keep a key. Raises UsageError where its id is taken."""

    def all(self) -> list[ApiKey]:
        """All keys, oldest first."""

    def state(self) -> tuple[int, int]:
        """A value that is another one whenever `all` has another answer."""

    def revoke(self, key_id: str, at: datetime) -> bool:
        """Let a key open nothing from now on; False where there is no such key or it was revoked before."""

    def record(self, access: Access) -> None:
        """Write a line of the ledger of accesses."""

    def accesses(self, before: int | None, limit: int) -> list[Access]:
        """Lines of the ledger, newest first, from before a line's number."""

    def forget(self, before: datetime, most: int) -> int:
        """Remove lines of the ledger from before an instant, so many at most; how many were removed, 0 when none are left."""

    def secret(self) -> bytes:
        """The server's secret, which is made once."""

    def again(self) -> KeyStore:
        """The same store on a connection of its own."""

    def close(self) -> None:
        """End the connection."""


class SqlKeyStore:
    """A `KeyStore` on one connection, which is made when first needed and made again when it was lost."""

    def __init__(
        self, connect: Callable[[], Any], errors: type[Exception], place: str, *, sqlite: bool
    ) -> None:
        self._connect = connect
        self._errors = errors
        self._place = place
        self._sqlite = sqlite
        self._connection: Any = None
        self._turn = threading.Lock()

    def add(self, key: ApiKey) -> None:
        """See KeyStore."""
        values = (
            key.id,
            key.name,
            key.digest.hex(),
            " ".join(map(str, key.scopes)),
            _text(key.created_at),
            _text(key.expires_at),
            _text(key.revoked_at),
        )
        statement = f"INSERT INTO api_keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        if self._changed(statement, values) == 0:
            raise UsageError(f"There is a key {key.id} already. Make another.")

    def all(self) -> list[ApiKey]:
        """See KeyStore."""
        rows = self._rows(f"SELECT {_COLUMNS} FROM api_keys ORDER BY created_at, id")
        return [
            ApiKey(
                key_id,
                name,
                bytes.fromhex(digest),
                tuple(map(Scope.parse, scopes.split())),
                datetime.fromisoformat(created),
                _instant(expires),
                _instant(revoked),
            )
            for key_id, name, digest, scopes, created, expires, revoked in rows
        ]

    def state(self) -> tuple[int, int]:
        """See KeyStore. Keys are added and revoked, and nothing else happens to them."""
        [[known, revoked]] = self._rows("SELECT count(*), count(revoked_at) FROM api_keys")
        return known, revoked

    def revoke(self, key_id: str, at: datetime) -> bool:
        """See KeyStore."""
        statement = "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"
        return self._changed(statement, (_text(at), key_id)) > 0

    def record(self, access: Access) -> None:
        """See KeyStore."""
        self._changed(
            "INSERT INTO accesses (at, key_id, name, what, release, files) VALUES (?, ?, ?, ?, ?, ?)",
            (
                _text(access.at),
                access.key_id,
                access.name,
                access.what,
                access.release,
                "\n".join(access.files),
            ),
        )

    def accesses(self, before: int | None, limit: int) -> list[Access]:
        """See KeyStore."""
        rows = self._rows(
            "SELECT id, at, key_id, name, what, release, files FROM accesses WHERE id < ? ORDER BY id DESC LIMIT ?",
            (before if before is not None else 2**62, limit),
        )
        return [
            Access(datetime.fromisoformat(at), key_id, name, what, release, tuple(files.splitlines()), number)
            for number, at, key_id, name, what, release, files in rows
        ]

    def forget(self, before: datetime, most: int) -> int:
        """See KeyStore. They are chosen by their instants: a wrong clock may have dated lines ahead, which stay without stopping others."""
        return self._changed(
            "DELETE FROM accesses WHERE id IN (SELECT id FROM accesses WHERE at < ? ORDER BY id LIMIT ?)",
            (_text(before), most),
        )

    def secret(self) -> bytes:
        """See KeyStore. Of servers that start at the same time the first makes it."""
        self._changed(
            "INSERT INTO secrets (name, value) VALUES ('signing', ?) ON CONFLICT DO NOTHING",
            (secrets.token_hex(_SECRET_BYTES),),
        )
        [[value]] = self._rows("SELECT value FROM secrets WHERE name = 'signing'")
        return bytes.fromhex(value)

    def again(self) -> SqlKeyStore:
        """See KeyStore."""
        return SqlKeyStore(self._connect, self._errors, self._place, sqlite=self._sqlite)

    def close(self) -> None:
        """See KeyStore."""
        with self._turn:
            self._drop()

    def _rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._executed(statement, values) as cursor:
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def _changed(self, statement: str, values: Sequence[object]) -> int:
        with self._executed(statement, values) as cursor:
            changed: int = cursor.rowcount
        return changed

    @contextlib.contextmanager
    def _executed(self, statement: str, values: Sequence[object]) -> Iterator[Any]:
        written = statement if self._sqlite else statement.replace("?", "%s")
        with self._taken():
            try:
                if self._connection is not None and not self._sqlite and self._connection.closed:
                    self._connection = None
                if self._connection is None:
                    self._connection = self._prepared(self._connect())
                cursor = self._connection.cursor()
                cursor.execute(written, values)
                yield cursor
                cursor.close()
            except (self._errors, OSError) as lost:
                self._drop()
                raise KeysUnavailableError(
                    f"The database of API keys, {self._place}, cannot be used: {lost}. Check QUARTERLAKE_DELIVERY_DATABASE and that it is there."
                ) from lost

    @contextlib.contextmanager
    def _taken(self) -> Iterator[None]:
        """The connection for this caller alone; who waits for one that hangs does not wait for everybody before."""
        if not self._turn.acquire(timeout=_WAIT_SECONDS):
            raise KeysUnavailableError(
                f"The database of API keys, {self._place}, does not answer. Check that it is there and not locked."
            )
        try:
            yield
        finally:
            self._turn.release()

    def _prepared(self, connection: Any) -> Any:
        serial = "INTEGER PRIMARY KEY" if self._sqlite else "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
        # Servers that start at the same time would make the same table twice, or wait for each other at every statement.
        begin, end = (
            ("BEGIN IMMEDIATE", "COMMIT")
            if self._sqlite
            else ("SELECT pg_advisory_lock(7305)", "SELECT pg_advisory_unlock(7305)")
        )
        cursor = connection.cursor()
        cursor.execute(begin)
        for statement in _SCHEMA:
            cursor.execute(statement.format(serial=serial))
        cursor.execute(end)
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(self._errors):
                connection.close()


def open_keystore(place: str) -> SqlKeyStore:
    """The key store in a file of SQLite, or at `postgresql://user:password@host/database`; nothing is touched yet."""
    if place.startswith(_POSTGRES):
        return _postgres(place)
    path = Path(place).expanduser().absolute()
    return SqlKeyStore(lambda: _sqlite(path), sqlite3.Error, str(path), sqlite=True)


def _sqlite(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Never opened where it is there: closing a file lets go of the locks that another connection of this process holds on it.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    # Without an isolation level each statement is a transaction of its own.
    connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Have a database keep a write-ahead log; SQLite does not wait by itself for others that begin to at the same time."""
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _postgres(url: str) -> SqlKeyStore:
    try:
        import psycopg

        from quarterlake.delivery.postgres import connected
    except ImportError as missing:
        raise UsageError(
            f"Keys in PostgreSQL need more than is installed ({missing}). Install it with `pip install 'quarterlake[delivery]'`."
        ) from missing

    return SqlKeyStore(lambda: connected(url, _WAIT_SECONDS), psycopg.Error, "in PostgreSQL", sqlite=False)


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat(timespec="milliseconds")


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
