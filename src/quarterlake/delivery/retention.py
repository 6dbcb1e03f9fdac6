"""Forgetting lines of the ledger of accesses that are older than they have to be."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from quarterlake.domain.errors import QuarterlakeError

if TYPE_CHECKING:
    from quarterlake.delivery.keystore import KeyStore

BATCH = 500
"""Lines that are removed in one statement: milliseconds, in which SQLite lets nobody else write."""
_PAUSE_SECONDS = 0.1
_EVERY_SECONDS = 3600
_log = logging.getLogger("quarterlake.delivery")


class Retention:
    """A thread that removes old lines once an hour, a batch at a time, on a connection of its own, so that no request waits for it.

    Several servers may do so at once. Where the database cannot be used, it tries again an hour later.
    """

    def __init__(self, store: KeyStore, days: int) -> None:
        self._store = store
        self._days = days
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="retention", daemon=True)

    def start(self) -> Self:
        """Begin, unless everything is kept for ever (0 days)."""
        if self._days:
            self._thread.start()
        return self

    def close(self) -> None:
        """Stop after the batch that is at work."""
        self._stop.set()

    def prune(self, now: datetime) -> int:
        """Remove what is too old now, and give the number of lines. Raises KeysUnavailableError."""
        removed = 0
        while (gone := self._store.forget(now - timedelta(days=self._days), BATCH)) > 0:
            removed += gone
            if self._stop.wait(_PAUSE_SECONDS):
                break
        return removed

    def _keep(self) -> None:
        while True:
            try:
                removed = self.prune(datetime.now(UTC))
                if removed:
                    _log.info(
                        "%d lines of the ledger of accesses were older than %d days", removed, self._days
                    )
            except QuarterlakeError as away:
                _log.warning(str(away))
            except Exception:  # noqa: BLE001 - the thread must outlive whatever a database does
                _log.exception("removing old lines of the ledger of accesses failed")
            if self._stop.wait(_EVERY_SECONDS):
                break
        self._store.close()
