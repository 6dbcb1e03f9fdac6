"""What a service counts, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
"""Seconds."""
_RECORDS = ("accepted", "rejected", "superseded")


class Metrics:
    """The counters of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._runs = Counter(
            "quarterlake_runs", "Runs by how they ended.", ("stage", "outcome"), registry=self.registry
        )
        self._seconds = Histogram(
            "quarterlake_run_seconds",
            "How long runs took.",
            ("stage",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._running = Gauge(
            "quarterlake_runs_in_progress", "Runs at work.", ("stage",), registry=self.registry
        )
        self._records = Gauge(
            "quarterlake_records",
            "Records of a data set's live files, as the newest run that looked found them.",
            ("dataset", "fate"),
            registry=self.registry,
        )
        self._releases = Counter(
            "quarterlake_releases", "Releases published.", ("dataset",), registry=self.registry
        )

    def running(self, stage: str) -> AbstractContextManager[object]:
        """Count a run as being at work for as long as the context lasts."""
        return self._running.labels(stage).track_inprogress()

    def ended(self, stage: str, outcome: Mapping[str, Any], seconds: float) -> None:
        """Count a run that ended."""
        self._runs.labels(stage, outcome["event"]).inc()
        self._seconds.labels(stage).observe(seconds)
        for held in outcome.get("result", {}).get("datasets", ()):
            for fate in _RECORDS:
                self._records.labels(held["dataset"], fate).set(held["totals"][fate])
            self._releases.labels(held["dataset"]).inc(len(held["published"]))
