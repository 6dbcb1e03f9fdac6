"""The ledger of a data set's files, from what landing, parsing and curating left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.ledger import FileEntry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterlake.domain.curation import Curation
    from quarterlake.domain.landings import Landing
    from quarterlake.domain.parsed import ParsedFile


def accepted_by_file(curation: Curation | None) -> dict[int, dict[str, int]]:
    """For each landing's sequence, its accepted records by month."""
    accepted: dict[int, dict[str, int]] = {}
    for month in curation.months.values() if curation else ():
        for given in month.inputs:
            accepted.setdefault(given.landing, {})[month.month] = given.accepted
    return accepted


def file_entries(
    landings: Sequence[Landing], parsed: Mapping[int, ParsedFile], curation: Curation | None
) -> list[FileEntry]:
    """Where the records of every landed file went, in landing order.

    The records of a landing that was corrected are superseded, all but its rejects; bytes that had landed before count
    nothing. A file that is not parsed yet has no records yet.
    """
    accepted = accepted_by_file(curation)
    return [
        _entry(landing, parsed.get(landing.manifest.sequence), accepted.get(landing.manifest.sequence, {}))
        for landing in landings
    ]


def _entry(landing: Landing, parsed: ParsedFile | None, accepted: Mapping[str, int]) -> FileEntry:
    manifest = landing.manifest
    entry = FileEntry(manifest.dataset, manifest.source, manifest.sha256, manifest.size)
    if landing.duplicate_of is not None:
        return msgspec.structs.replace(entry, duplicate_of=landing.duplicate_of)
    if parsed is None or parsed.error is not None:
        return msgspec.structs.replace(entry, error=parsed.error if parsed else None)
    here = sum(accepted.values())
    return msgspec.structs.replace(
        entry,
        records=parsed.records,
        accepted=here,
        rejected=parsed.rejected,
        superseded=parsed.accepted - here,
    )
