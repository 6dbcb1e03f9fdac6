"""Parsing files again under a changed contract, and what that did to their rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.parsed import ParsedFile
from quarterlake.lake import documents, keys
from quarterlake.overview import Known, known

if TYPE_CHECKING:
    from quarterlake.domain.contract import Contract
    from quarterlake.pipeline import Pipeline


class Reread(msgspec.Struct, frozen=True):
    """A file that was parsed again, with its rejects before (None where it was not parsed before) and now."""

    source: str
    before: int | None
    now: int
    error: str | None


def reread(pipeline: Pipeline, dataset: str) -> tuple[Contract, list[Reread]]:
    """Parse a data set's files again where the contract in force asks for it; say what that did to their rejects.

    Raises UsageError where nothing of it has landed.
    """
    before = _last_parsed(pipeline, known(pipeline, dataset))
    fresh = known(pipeline, dataset)
    there = set(fresh.parsed)
    pipeline.curate(dataset)
    held = known(pipeline, dataset)
    contract = held.contract_in_force()
    again = [
        (landing.manifest, held.parsed[landing.manifest.sequence])
        for landing in held.landings
        if landing.is_live
        and landing.manifest.sequence in held.parsed
        and landing.manifest.sequence not in there
    ]
    return contract, [
        Reread(
            manifest.source,
            before[manifest.sha256].rejected if manifest.sha256 in before else None,
            parsed.rejected,
            parsed.error,
        )
        for manifest, parsed in again
    ]


def _last_parsed(pipeline: Pipeline, held: Known) -> dict[str, ParsedFile]:
    """What the bytes of live files gave when they were parsed last, under whatever contract."""
    store = pipeline.lake.curated
    listed = [item for item in store.list(keys.ours(held.dataset, "parsed")) if item.key.endswith(".json")]
    ordered = sorted(listed, key=lambda item: (item.modified, item.key))
    live = {landing.manifest.sha256 for landing in held.landings if landing.is_live}
    found = documents.read_many(store, [item.key for item in ordered], ParsedFile)
    return {file.sha256: file for file in found if file.sha256 in live and file.error is None}
