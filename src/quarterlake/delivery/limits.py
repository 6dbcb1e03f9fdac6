"""How many requests a caller may send: a bucket of tokens for each key."""

from __future__ import annotations

import math
import time

from quarterlake.delivery.problems import Problem

_MOST_BUCKETS = 10_000


class Limiter:
    """So many requests a minute for each key, which may come at once; 0 is no limit."""

    def __init__(self, per_minute: int) -> None:
        self._most = per_minute
        self._rate = per_minute / 60
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key_id: str) -> None:
        """Count a request. Raises Problem 429, saying when to come back, where the key has none left."""
        if not self._most:
            return
        now = time.monotonic()
        left, at = self._buckets.get(key_id, (float(self._most), now))
        left = min(float(self._most), left + (now - at) * self._rate)
        if left < 1:
            seconds = math.ceil((1 - left) / self._rate)
            raise Problem(
                429,
                f"This key may send {self._most} requests a minute. Go on in {seconds} s.",
                {"Retry-After": str(seconds)},
            )
        if len(self._buckets) >= _MOST_BUCKETS:
            self._buckets.clear()
        self._buckets[key_id] = (left - 1, now)
