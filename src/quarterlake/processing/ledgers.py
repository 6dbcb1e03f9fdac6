"""The ledger of a data set's files, from what landing, parsing and curating left behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.ledger import FileEntry, Repairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterlake.domain.curation import Curation
    from quarterlake.domain.landings import Landing
    from quarterlake.domain.parsed import ParsedFile


@dataclass(frozen=True, slots=True)
class Part:
    """What a file brought to one month, and how much of it was accepted."""

    records: int
    accepted: int


def parts_by_file(curation: Curation | None) -> dict[str, dict[str, Part]]:
    """For the origin of each curated file, its part in each month."""
    parts: dict[str, dict[str, Part]] = {}
    for month in curation.months.values() if curation else ():
        for given in month.inputs:
            parts.setdefault(given.origin, {})[month.month] = Part(given.records, given.accepted)
    return parts


def file_entries(
    landings: Sequence[Landing], parsed: Mapping[int, ParsedFile], curation: Curation | None
) -> list[FileEntry]:
    """Where the records of every landed file went, in landing order.

    All records of a landing that was corrected are superseded, its rejects too: nothing of it is to be mended. Bytes that had landed before count
    nothing. Rejects that a live replay stands for are superseded by it. A file that is not parsed yet has no records yet; one that is not curated yet does not balance until it is.
    """
    parts = parts_by_file(curation)
    replays = live_replays(landings, parsed)
    entries = []
    for landing in landings:
        file = parsed.get(landing.manifest.sequence)
        entry = _entry(landing, file, parts.get(file.origin, {}) if file else {})
        replay = replays.get(landing.manifest.sequence)
        entries.append(entry if replay is None else _repaired(entry, replay))
    return entries


def live_replays(landings: Sequence[Landing], parsed: Mapping[int, ParsedFile]) -> dict[int, ParsedFile]:
    """For each file, by its landing, the parsed replay that stands for some of its rejects."""
    found = {
        landing.repairs: parsed[landing.manifest.sequence]
        for landing in landings
        if landing.repairs is not None and landing.manifest.sequence in parsed
    }
    return {number: replay for number, replay in found.items() if replay.error is None}


def stood_for(landings: Sequence[Landing], parsed: Mapping[int, ParsedFile]) -> dict[int, int]:
    """For each file, by its landing, how many of its rejects a replay stands for."""
    return {
        number: replay.repaired + replay.discarded
        for number, replay in live_replays(landings, parsed).items()
    }


def _repaired(entry: FileEntry, replay: ParsedFile) -> FileEntry:
    """The entry of a file some of whose rejects a replay stands for now."""
    gone = replay.repaired + replay.discarded
    return msgspec.structs.replace(
        entry,
        rejected=entry.rejected - gone,
        superseded=entry.superseded + gone,
        repaired=replay.repaired,
        discarded=replay.discarded,
    )


def _entry(landing: Landing, parsed: ParsedFile | None, parts: Mapping[str, Part]) -> FileEntry:
    manifest = landing.manifest
    entry = FileEntry(manifest.dataset, manifest.source, manifest.sha256, manifest.size)
    if manifest.replay is not None:
        replay = manifest.replay
        entry = msgspec.structs.replace(
            entry, repairs=Repairs(replay.source, replay.sha256, replay.repairs, replay.lines)
        )
    if landing.duplicate_of is not None:
        return msgspec.structs.replace(entry, duplicate_of=landing.duplicate_of)
    if parsed is None or parsed.error is not None:
        return msgspec.structs.replace(entry, error=parsed.error if parsed else None)
    records = parsed.records + parsed.withheld
    if landing.replaced_by is not None:
        return msgspec.structs.replace(entry, records=records, superseded=records)
    accepted = sum(part.accepted for part in parts.values())
    superseded = sum(part.records - part.accepted for part in parts.values()) + parsed.withheld
    return msgspec.structs.replace(
        entry, records=records, accepted=accepted, rejected=parsed.rejected, superseded=superseded
    )
