"""The embedded engine's connections: one DuckDB for whatever is large, and some of a single thread for small files."""

from __future__ import annotations

import secrets
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import duckdb

from quarterlake.domain.errors import EngineMemoryError
from quarterlake.processing.engines.turns import Turns
from quarterlake.processing.faults import environment_faults
from quarterlake.processing.sql import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from duckdb import DuckDBPyConnection

T = TypeVar("T")

DEFAULT_MEMORY = "400MB"

_SESSION = "SET TimeZone = 'UTC'; SET enable_progress_bar = false"
_SMALL_MEMORY = "100MB"
"""Enough for what small files hold at a time, many times over."""


class Connections:
    """Opened when first asked for. `memory` and `threads` bound the large one; each spills to a folder of its own in the scratch folder."""

    def __init__(self, scratch: Callable[[], Path], *, memory: str, threads: int | None) -> None:
        self._scratch = scratch
        self._memory = memory
        self._threads = threads
        self._connection: DuckDBPyConnection | None = None
        self._small: list[DuckDBPyConnection] = []
        self._own = threading.local()
        self._lock = threading.Lock()
        self._turns = Turns()

    def shared(self) -> DuckDBPyConnection:
        """The connection of the calling pipeline."""
        if self._connection is None:
            self._connection = self._connect(self._memory, self._threads)
        return self._connection

    def in_thread(self) -> DuckDBPyConnection:
        """A connection of this thread to the same engine, with temporary tables of its own."""
        with self._lock:
            found: DuckDBPyConnection | None = getattr(self._own, "connection", None)
            if found is None:
                found = self._own.connection = self.shared().cursor()
                found.execute(_SESSION)
        return found

    def sparing(self, work: Callable[[DuckDBPyConnection], T]) -> T:
        """The result of `work` on a connection of this thread; where memory does not suffice, of the same work alone and with one thread.

        Each thread of DuckDB's holds its own share of what it works on, such as the text of many wide records. Raises EngineMemoryError where one is too many, too,
        and DiskFullError.
        """
        try:
            with self._turns.beside_others(), environment_faults(self._scratch()):
                return work(self.in_thread())
        except EngineMemoryError:
            self._let_go()
        # Not within `except`, where the failed work's results would be held on to.
        with self._turns.alone(), one_thread(self.shared()), environment_faults(self._scratch()):
            return work(self.in_thread())

    def _let_go(self) -> None:
        """Close this thread's connection, and with it the temporary tables and results that were left."""
        connection: DuckDBPyConnection | None = getattr(self._own, "connection", None)
        if connection is not None:
            del self._own.connection
            connection.close()

    @contextmanager
    def of_one_thread(self) -> Iterator[DuckDBPyConnection]:
        """An engine of one thread, lent to the caller alone: it writes records in their order. There are as many as are lent at once."""
        with self._lock:
            connection = self._small.pop() if self._small else None
        lent = connection or self._connect(_SMALL_MEMORY, 1)
        try:
            yield lent
        finally:
            with self._lock:
                self._small.append(lent)

    def close(self) -> None:
        """Let go of DuckDB's memory."""
        opened = [*self._small, *([self._connection] if self._connection is not None else [])]
        self._connection, self._small, self._own = None, [], threading.local()
        for connection in opened:
            connection.close()

    def _connect(self, memory: str, threads: int | None) -> DuckDBPyConnection:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "temp_directory": str(self._scratch() / f"spill-{secrets.token_hex(4)}"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        }
        if threads:
            config["threads"] = threads
        connection = duckdb.connect(config=config)
        connection.execute(_SESSION)
        return connection
