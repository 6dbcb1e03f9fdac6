"""What the delivery API counts, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from quarterlake.delivery.catalog import Catalog

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""Seconds."""


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self, catalog: Catalog) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "quarterlake_delivery_requests",
            "Requests by operation and by how they were answered.",
            ("operation", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "quarterlake_delivery_request_seconds",
            "How long it took to begin an answer.",
            ("operation",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._bytes = Counter(
            "quarterlake_delivery_sent_bytes", "Bytes of answers.", ("operation",), registry=self.registry
        )
        releases = Gauge("quarterlake_delivery_releases", "Releases that are known.", registry=self.registry)
        releases.set_function(lambda: float(catalog.size))
        behind = Gauge(
            "quarterlake_delivery_behind",
            "1 while the releases cannot be kept up to date.",
            registry=self.registry,
        )
        behind.set_function(lambda: float(catalog.problem() is not None))
        self._of: dict[tuple[str, int], tuple[Counter, Histogram, Counter]] = {}

    def answered(self, operation: str, status: int, seconds: float, sent: int) -> None:
        """Count an answer."""
        place = (operation, status)
        if (counters := self._of.get(place)) is None:
            counters = self._of[place] = (
                self._requests.labels(operation, status),
                self._seconds.labels(operation),
                self._bytes.labels(operation),
            )
        requests, duration, sizes = counters
        requests.inc()
        duration.observe(seconds)
        sizes.inc(sent)
