"""The API keys as the server holds them: in memory, following the key store twice a second."""

from __future__ import annotations

import hmac
import logging
import secrets
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from quarterlake.domain.api_keys import (
    ADMIN_ALL,
    ID_BYTES,
    MOST_LIVE,
    SECRET_BYTES,
    ApiKey,
    Scope,
    checked_name,
    digest_of,
    id_in,
    key_text,
)
from quarterlake.domain.errors import KeysUnavailableError, QuarterlakeError, UnknownKeyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quarterlake.delivery.keystore import KeyStore

REFRESH_SECONDS = 0.5
_STALE_SECONDS = 5
_FRESH_SECONDS = 0.05
FIRST_NAME = "environment"
_log = logging.getLogger("quarterlake.delivery")


class Keyring:
    """Says whose a key is. A revoked key opens nothing within half a second, a new one opens at once.

    While the key store cannot be asked, keys are trusted for five more seconds, then none is.
    `clock` counts seconds.
    """

    def __init__(self, store: KeyStore, clock: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self._clock = clock
        self._keys: Mapping[str, ApiKey] = {}
        self._state: tuple[int, int] | None = None
        self._seen_at = float("-inf")
        self._trouble: str | None = None
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="keys", daemon=True)

    def start(self) -> Self:
        """Begin to follow the key store. Raises KeysUnavailableError where it cannot be used at the start."""
        self.refresh()
        self._thread.start()
        return self

    @property
    def is_useless(self) -> bool:
        """Whether no key opens anything."""
        now = datetime.now(UTC)
        return not any(key.is_live(now) for key in self._keys.values())

    def close(self) -> None:
        """Stop following."""
        self._stop.set()

    def known(self, text: str) -> ApiKey | None:
        """The live key of this text, as far as is known; None for any other text. Raises KeysUnavailableError."""
        key_id = id_in(text)
        return None if key_id is None else self._matching(text, key_id)

    def asked(self, text: str) -> ApiKey | None:
        """As `known`, but the key store is asked where nothing is known; it may have been made a moment ago.

        One caller looks, the others wait for what comes of it; while the key store is away nobody does. Raises KeysUnavailableError.
        """
        key_id = id_in(text)
        if key_id is None:
            return None
        self.catch_up()
        seen_at = self._seen_at
        if key_id not in self._keys and self._clock() - seen_at > _FRESH_SECONDS:
            self._look_after(seen_at)
        return self._matching(text, key_id)

    def by_id(self, key_id: str) -> ApiKey | None:
        """The live key of an id. Raises KeysUnavailableError."""
        self._check_fresh()
        key = self._keys.get(key_id)
        return key if key is not None and key.is_live(datetime.now(UTC)) else None

    def problem(self) -> str | None:
        """What keeps the keys from being up to date; None when nothing does."""
        if self._is_stale:
            return self._trouble or "The database of API keys has not answered for 5 s."
        return self._trouble

    def refresh(self) -> None:
        """Look at the key store now. Raises KeysUnavailableError."""
        with self._turn:
            self._look_or_note()

    @property
    def is_behind(self) -> bool:
        """Whether nobody has looked at the key store for long, though it answered the last time.

        So it is where the process did not run for a while: nothing says that the key store is away.
        """
        return self._is_stale and self._trouble is None

    def catch_up(self) -> None:
        """Look at the key store where the keyring `is_behind`: one caller does, the others wait for what comes of it.

        Raises nothing: where the key store does not answer, nobody looks again but the thread that follows it, and keys open nothing.
        """
        if not self.is_behind:
            return
        with self._turn:
            if self.is_behind:
                try:
                    self._look()
                except QuarterlakeError as away:
                    self._note(away)

    @property
    def _is_stale(self) -> bool:
        return self._clock() - self._seen_at > _STALE_SECONDS

    def _look(self) -> None:
        state = self.store.state()
        if state != self._state:
            self._keys = {key.id: key for key in self.store.all()}
            self._state = state
        self._seen_at, self._trouble = self._clock(), None

    def _look_after(self, seen_at: float) -> None:
        """Look unless somebody did since an instant. Nobody without a key may make requests wait one after another."""
        self._check_answering()
        with self._turn:
            self._check_answering()
            if self._seen_at == seen_at:
                self._look_or_note()

    def _look_or_note(self) -> None:
        try:
            self._look()
        except QuarterlakeError as away:
            self._note(away)
            raise

    def _note(self, away: QuarterlakeError) -> None:
        if self._trouble is None:
            _log.warning(str(away))
        self._trouble = str(away)

    def _matching(self, text: str, key_id: str) -> ApiKey | None:
        key = self.by_id(key_id)
        expected = key.digest if key is not None else bytes(SECRET_BYTES)
        return key if hmac.compare_digest(digest_of(text), expected) else None

    def _check_fresh(self) -> None:
        if self._is_stale:
            raise _unavailable()

    def _check_answering(self) -> None:
        if self._trouble is not None:
            raise _unavailable()

    def _follow(self) -> None:
        while not self._stop.wait(REFRESH_SECONDS):
            try:
                self.refresh()
            except QuarterlakeError:
                continue  # noted
            except Exception:  # noqa: BLE001 - the thread must outlive whatever a database does
                self._trouble = "The API keys could not be read; the log says why."
                _log.exception("reading API keys failed")


def _unavailable() -> KeysUnavailableError:
    return KeysUnavailableError(
        "The database of API keys does not answer, so no key can be checked. Ask again later."
    )


def create_key(
    store: KeyStore, name: str, scopes: Sequence[Scope], now: datetime, expires_at: datetime | None = None
) -> tuple[str, ApiKey]:
    """Make a key; its text is known now and never again.

    Raises UsageError for an unfit name, for an expiry that is past, and where the name has two live keys.
    """
    if checked_name(name) == FIRST_NAME:
        raise UsageError(f"{name} is the name of the key in QUARTERLAKE_DELIVERY_KEY. Choose another.")
    live = [key for key in store.all() if key.name == name and key.is_live(now)]
    if len(live) >= MOST_LIVE:
        raise UsageError(
            f"{name} has {len(live)} live keys, {' and '.join(key.id for key in live)}. Revoke one with `quarterlake keys revoke ID`."
        )
    if expires_at is not None and expires_at <= now:
        raise UsageError(f"A key that expired on {expires_at:%Y-%m-%d} opens nothing. Give a later day.")
    key_id = secrets.token_hex(ID_BYTES)
    text = key_text(key_id, secrets.token_hex(SECRET_BYTES))
    key = ApiKey(key_id, name, digest_of(text), tuple(scopes), now, expires_at)
    store.add(key)
    return text, key


def revoke_key(store: KeyStore, key_id: str, now: datetime) -> ApiKey:
    """Revoke a key; again is no error. Raises UnknownKeyError, naming the keys that there are."""
    known = {key.id: key for key in store.all()}
    if key_id not in known:
        live = ", ".join(f"{key.id} ({key.name})" for key in known.values() if key.is_live(now)) or "none"
        raise UnknownKeyError(f"There is no key {key_id!r}. Live are: {live}.")
    store.revoke(key_id, now)
    return known[key_id]


def install_first_key(store: KeyStore, text: str, now: datetime) -> None:
    """Let the key of the settings open everything, and one that it replaced nothing; one that was revoked stays so.

    Raises UsageError, naming the setting, for what is no key.
    """
    key_id = id_in(text)
    if key_id is None:
        raise UsageError(
            "QUARTERLAKE_DELIVERY_KEY is no key; they look like ql_<12 hexadecimal digits>_<64 hexadecimal digits>. "
            'Make one with `echo "ql_$(openssl rand -hex 6)_$(openssl rand -hex 32)"`.'
        )
    known = {key.id: key for key in store.all()}
    if key_id not in known:
        store.add(ApiKey(key_id, FIRST_NAME, digest_of(text), (ADMIN_ALL,), now))
    elif not hmac.compare_digest(known[key_id].digest, digest_of(text)):
        raise UsageError(
            f"QUARTERLAKE_DELIVERY_KEY has the id of another key, {key_id} ({known[key_id].name}). Make a new one."
        )
    for key in known.values():
        if key.name == FIRST_NAME and key.id != key_id:
            store.revoke(key.id, now)
