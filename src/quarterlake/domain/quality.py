"""Gates: checks that a build must pass before it may be published."""

from typing import Any

import msgspec

from quarterlake.domain.contract import Severity


class GateResult(msgspec.Struct, frozen=True):
    """What a gate observed. `passed` is about the observation; whether that stops the build is `severity`."""

    gate: str
    passed: bool
    severity: Severity
    observed: Any
    threshold: float | None
    message: str

    @property
    def stops(self) -> bool:
        """Whether the build may not be published because of this."""
        return not self.passed and self.severity is Severity.ERROR


class QualityReport(msgspec.Struct, frozen=True):
    """The gates of one build, looked at against one earlier release (None where there was none)."""

    build: str
    dataset: str
    period: str
    compared_with: str | None
    gates: tuple[GateResult, ...]

    @property
    def passed(self) -> bool:
        """Whether the build may be published."""
        return not any(gate.stops for gate in self.gates)
