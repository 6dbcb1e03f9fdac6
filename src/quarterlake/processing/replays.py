"""Reading replays: the lines that stand for records which are rejects of their original now, and no others."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.contract import fingerprint
from quarterlake.domain.parsed import ParsedFile, origin_of, parsed_id
from quarterlake.domain.repairs import blanked, masked, place_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.landings import Landing, Manifest
    from quarterlake.processing.engines.port import Engine


class Standing(msgspec.Struct, frozen=True):
    """What of a replay counts: `withheld` are the lines of records whose originals are no rejects under the contract in force.

    `discarded` is the number of rejects that it takes away, `reasons` counts these and the repaired ones. `id` and `origin` identify its parsed file as a parsed file's do.
    """

    id: str
    origin: str
    withheld: tuple[int, ...]
    repaired: int
    discarded: int
    reasons: Mapping[str, int]

    def of(self, parsed: ParsedFile) -> ParsedFile:
        """The parsed file with what it stands for."""
        return msgspec.structs.replace(
            parsed,
            withheld=len(self.withheld),
            repaired=self.repaired,
            discarded=self.discarded,
            stands_for=self.reasons,
        )


def standing(
    engine: Engine,
    landing: Landing,
    original: ParsedFile | None,
    contract: Contract,
    name_time: str | None,
) -> Standing:
    """Which lines of a replay count beside its parsed original. Of one that is no longer live all do, for the ledger of what was."""
    manifest = landing.manifest
    replay = manifest.replay
    if replay is None:
        raise ValueError("no replay")
    rejects = _rejects(engine, original) if landing.is_live and original is not None else None
    withheld = () if rejects is None else _withheld(replay.repairs, rejects)
    discarded = 0 if rejects is None else sum(place in rejects for place in replay.discards)
    reasons = Counter(
        (rejects or {})[place] for place in (*replay.repairs, *replay.discards) if place in (rejects or {})
    )
    identity = parsed_id(manifest.sha256, contract.parse_id, name_time)
    origin = origin_of(manifest.sha256, name_time)
    if withheld:
        identity, origin = fingerprint([identity, withheld]), fingerprint([origin, withheld])
    return Standing(identity, origin, withheld, len(replay.repairs) - len(withheld), discarded, reasons)


def nothing_of(manifest: Manifest, found: Standing, contract: Contract) -> ParsedFile:
    """The parsed file of a replay none of whose lines counts."""
    return ParsedFile(found.id, found.origin, manifest.sha256, contract.parse_id)


def _rejects(engine: Engine, parsed: ParsedFile) -> dict[str, str]:
    """The reasons of a file's rejects, by their places."""
    found = (
        (place_of(reject.byte_offset, reject.record), reject.reason) for _, reject in engine.rejects([parsed])
    )
    return {place: reason for place, reason in found if place is not None}


def _withheld(repairs: Collection[str], rejects: Collection[str]) -> tuple[int, ...]:
    return tuple(line for line, place in enumerate(repairs) if place not in rejects)


@contextmanager
def readable(manifest: Manifest, raw: Path, withheld: Collection[int], scratch: Path) -> Iterator[Path]:
    """The local copy of a landed file as the parser reads it: itself, or of a replay its lines that count, in their places."""
    if manifest.replay is None:
        yield raw
        return
    left_out, last = set(withheld), len(manifest.replay.repairs)
    with raw.open("rb") as lines, tempfile.NamedTemporaryFile(dir=scratch, suffix=".replay") as plain:
        for number, line in enumerate(lines):
            plain.write(blanked(line) if number in left_out or number >= last else masked(line))
        plain.flush()
        yield Path(plain.name)


def originals(landings: Collection[Landing], parsed: Mapping[int, ParsedFile]) -> dict[int, ParsedFile]:
    """For each live replay, by its landing, the parsed file that it repairs."""
    return {
        landing.manifest.sequence: parsed[landing.repairs]
        for landing in landings
        if landing.repairs is not None and landing.repairs in parsed
    }
