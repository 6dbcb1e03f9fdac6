"""What a data set's next releases still lack, as processing saw it last."""

from collections.abc import Mapping

import msgspec

from quarterlake.domain.profiles import RejectCount


class StoppingGate(msgspec.Struct, frozen=True):
    """A gate that stopped a build, and what it said."""

    gate: str
    message: str


class PeriodOutlook(msgspec.Struct, frozen=True):
    """One period with records: which months landed and which it lacks, its current release, the gates that stopped its build.

    `waits_for` says for people what is missing, empty for a complete period. `note` says why a release stays though its records changed.
    """

    period: str
    records: int
    landed: tuple[str, ...]
    lacking: tuple[str, ...]
    complete: bool
    waits_for: str
    release: str | None
    stopped_by: tuple[StoppingGate, ...] = ()
    note: str = ""


class Outlook(msgspec.Struct, frozen=True):
    """What a data set's next releases lack: by period, the files that could not be read, drift and rejects.

    Documents of this kind are numbered; the newest is what counts. `landing` numbers the newest landing that was looked at.
    """

    dataset: str
    landing: int
    periods: tuple[PeriodOutlook, ...]
    refused: Mapping[str, str]
    drift: tuple[str, ...]
    rejects: tuple[RejectCount, ...]
