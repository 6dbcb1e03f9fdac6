"""How often, and after how long, something that failed is tried again."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from quarterlake.client.errors import UnavailableError

if TYPE_CHECKING:
    import httpx

_TRANSIENT = frozenset({408, 425, 429, 502, 503, 504})
_LONGEST_ASKED = 120.0


def is_transient(status: int) -> bool:
    """Whether an answer of this status may be another one soon. 500 is none: the server says that it failed at just this."""
    return status in _TRANSIENT


def retry_after(response: httpx.Response) -> float | None:
    """The seconds for which a server asks to wait, None where it does not say."""
    said = response.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Patience:
    """So many attempts at one thing, with pauses that double from `first` to `longest` seconds and vary, so that clients do not come back together."""

    tries: int = 6
    first: float = 0.25
    longest: float = 10.0
    stopped: threading.Event = field(default_factory=threading.Event)

    def attempts(self) -> Attempts:
        """Begin to try something."""
        return Attempts(self)


class Attempts:
    """The attempts at one thing."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._failed = 0

    def progressed(self) -> None:
        """Something was gained: failures before it count no more."""
        self._failed = 0

    def wait(self, what: str, why: str, asked: float | None = None) -> None:
        """Count a failure and pause, for as long as the server `asked` if it did. Raises UnavailableError when patience is at an end."""
        self._failed += 1
        if self._failed >= self._patience.tries:
            raise UnavailableError(f"{what} after {self._failed} attempts ({why}). Try again later.")
        if asked is not None and asked > _LONGEST_ASKED:
            raise UnavailableError(f"{what} ({why}) and asks to come back in {asked:.0f} s. Try again then.")
        pause = min(self._patience.longest, self._patience.first * 2.0 ** (self._failed - 1))
        pause = max(asked or 0.0, pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        if self._patience.stopped.wait(pause):
            raise UnavailableError(f"{what} ({why}), and the download was stopped.")
