"""What a user asks of a run, and what it came to for each data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quarterlake.domain.completeness import Completeness
    from quarterlake.domain.contract import Contract
    from quarterlake.domain.drift import FileDrift
    from quarterlake.domain.errors import QuarterlakeError
    from quarterlake.domain.ledger import FileEntry
    from quarterlake.domain.periods import Period
    from quarterlake.domain.profiles import RejectCount
    from quarterlake.domain.quality import QualityReport
    from quarterlake.domain.releases import Build, Release


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked for: only some data sets, only some periods, incomplete ones too."""

    datasets: tuple[str, ...] = ()
    periods: tuple[Period, ...] = ()
    allow_incomplete: bool = False


@dataclass(slots=True)
class DatasetOutcome:
    """What processing, validation and publishing gave for one data set.

    `refused` names the files that could not be read, `drift` where files left the contract; `published` are releases that this
    run made, `current` those that stood already; `stopped` are periods whose gates said no, `stale` those whose release no build replaces though its records changed;
    `outdated` are periods whose release was made from other records than those of now, `due` complete ones without any, `released` those that have one; `records_by_month` counts the accepted, `rejects` the others by file and reason;
    `landing` numbers the newest landing that was looked at. `failed` is why it came to nothing.
    """

    dataset: str
    contract: Contract | None = None
    entries: list[FileEntry] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    drift: list[FileDrift] = field(default_factory=list)
    completeness: list[Completeness] = field(default_factory=list)
    builds: list[Build] = field(default_factory=list)
    reports: list[QualityReport] = field(default_factory=list)
    published: list[Release] = field(default_factory=list)
    current: list[Release] = field(default_factory=list)
    held_back: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    stale: dict[str, str] = field(default_factory=dict)
    outdated: list[str] = field(default_factory=list)
    due: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    records_by_month: dict[str, int] = field(default_factory=dict)
    rejects: tuple[RejectCount, ...] = ()
    landing: int = 0
    failed: QuarterlakeError | None = None

    @property
    def is_clean(self) -> bool:
        """Whether it did not fail, and nothing was refused, stopped, stale or absent."""
        return not (self.failed or self.refused or self.stopped or self.absent or self.stale)
