"""How the stages tell somebody what they do."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Hears of work as it happens: a terminal, a log, a stream of events."""

    def start(self, stage: str, total: int) -> None:
        """A stage begins that has `total` steps (files, months, aggregates)."""

    def step(self, what: str) -> None:
        """One step of the stage is done; `what` names it."""


class Silence:
    """Nobody listens."""

    def start(self, stage: str, total: int) -> None:
        """See Progress."""

    def step(self, what: str) -> None:
        """See Progress."""
