"""A connection to PostgreSQL on which no statement waits for long, whatever happens to the server or the way there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.waiting import Ready

if TYPE_CHECKING:
    from collections.abc import Generator

T = TypeVar("T")


def connected(url: str, seconds: int) -> psycopg.Connection[Any]:
    """A connection on which each statement is a transaction of its own, and fails with psycopg.Error when connecting or a statement takes longer.

    The server ends such a statement itself, so that it does not wait for a lock that nobody gives back.
    """
    given = str(conninfo_to_dict(url).get("options") or "")
    options = f"{given} -c statement_timeout={seconds * 1000}".strip()

    class Timely(psycopg.Connection[Any]):
        """Waits a second longer for the server's answer: it may have gone without a word."""

        def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
            """See psycopg.Connection."""
            return super().wait(_ending(gen, seconds + 1), *args, **kwargs)

    return Timely.connect(url, autocommit=True, connect_timeout=seconds, options=options)


def _ending(steps: Generator[Any, Any, T], seconds: float) -> Generator[Any, Any, T]:
    """The same steps of a conversation with a server, given up when it is silent beyond so many seconds. Raises psycopg.OperationalError."""
    end = time.monotonic() + seconds
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if ready == Ready.NONE and time.monotonic() > end:
                raise psycopg.OperationalError(f"the server has not answered for {seconds:.0f} s")
            wanted = steps.send(ready)
    except StopIteration as done:
        answer: T = done.value
        return answer
