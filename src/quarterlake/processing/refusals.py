"""Files of which nothing counts, and the rejects of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.profiles import RejectCount
from quarterlake.domain.wording import count_of
from quarterlake.processing.ledgers import live_replays
from quarterlake.processing.structure import FOOTER, REPEATED_HEADER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from quarterlake.domain.landings import Landing
    from quarterlake.domain.parsed import ParsedFile

_NO_DATA = (FOOTER, REPEATED_HEADER)
"""Why lines are rejected that are no data."""


def refusal_of(source: str, parsed: ParsedFile, replayed: int = 0) -> str | None:
    """Why nothing of a file counts; None for one of which something does, or which holds no record. For `replayed` of its rejects a replay stands."""
    if parsed.error is not None:
        return parsed.error
    if not is_all_rejected(parsed, replayed):
        return None
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(parsed.reject_counts.items()))
    if parsed.rejected == 1:
        return f"{source}: its one record is rejected ({reasons}); `quarterlake rejects` lists it."
    return f"{source}: all of its {parsed.rejected} records are rejected ({reasons}); `quarterlake rejects` lists them."


def is_all_rejected(parsed: ParsedFile, replayed: int = 0) -> bool:
    """Whether a file holds records, all of them rejects for which no replay stands."""
    return not parsed.accepted and parsed.rejected > max(replayed, no_data_of(parsed, None))


def no_data_of(file: ParsedFile, replay: ParsedFile | None) -> int:
    """How many of a file's rejects are lines that are no data, less those that a replay took away."""
    gone = replay.stands_for if replay else {}
    return sum(file.reject_counts.get(reason, 0) - gone.get(reason, 0) for reason in _NO_DATA)


def reject_counts(
    landings: Sequence[Landing], parsed: Mapping[int, ParsedFile], chosen: Collection[int]
) -> tuple[RejectCount, ...]:
    """The rejects of the parsed files of chosen landings, by file, then reason, less those that a replay stands for."""
    replays = live_replays(landings, parsed)
    of_files = sorted(
        (landing.manifest.source, landing.manifest.sequence)
        for landing in landings
        if landing.manifest.sequence in chosen
    )
    return tuple(
        RejectCount(source, reason, left)
        for source, number in of_files
        for reason, count in sorted(parsed[number].reject_counts.items())
        if (left := count - (replays[number].stands_for.get(reason, 0) if number in replays else 0)) > 0
    )


def rejected_data_of(
    landings: Sequence[Landing], parsed: Mapping[int, ParsedFile], number: int
) -> str | None:
    """What is said of a landed file's rejects; None where it has none but lines that are no data."""
    found = [one for one in reject_counts(landings, parsed, {number}) if one.reason not in _NO_DATA]
    if not found:
        return None
    reasons = ", ".join(f"{one.count} {one.reason}" for one in found)
    records = count_of(parsed[number].records, "record")
    rejected = sum(one.count for one in found)
    return f"{found[0].source}: rejected are {rejected} of its {records} ({reasons}); `quarterlake rejects` lists them."
