"""Landing a replay: what a person handed in, and the records made of it, go into the raw zone; the manifest last."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from quarterlake.domain.landings import Manifest, Replay
from quarterlake.domain.naming import safe_file_name
from quarterlake.domain.repairs import Cells, cells_of, in_order, lines_of
from quarterlake.lake import documents, keys
from quarterlake.lake.stores import disk_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from quarterlake.lake.stores import Store

SUFFIX = "/repaired"
"""Behind the original's path it makes that of its replay, which no file below a folder can have."""


def repairs_in(raw: Store, manifest: Manifest) -> tuple[dict[str, Cells], set[str]]:
    """The repaired records of a landed replay by their places, and the places of those that it takes away."""
    replay = manifest.replay
    if replay is None:
        raise ValueError(f"{manifest.source} is no replay")
    with raw.local([manifest.key]) as [path], path.open("rb") as lines:
        return {place: cells_of(line) for place, line in zip(replay.repairs, lines, strict=False)}, set(
            replay.discards
        )


def land_edited(raw: Store, dataset: str, edited: Path, now: datetime) -> tuple[str, str]:
    """Put the bytes that a person handed in into the raw zone; return their hash and key."""
    data = edited.read_bytes()
    return _put(raw, dataset, [data], safe_file_name(edited.name), now)


def land_replay(
    raw: Store,
    original: Manifest,
    repairs: Mapping[str, Cells],
    discards: Iterable[str],
    lines_of_places: Mapping[str, int | None],
    edited: tuple[str, str],
    sequence: int,
    now: datetime,
) -> Manifest | None:
    """Put a replay of an original's records under a number; None where another process took that number.

    `lines_of_places` has the lines of the original's rejects where it has lines, `edited` are the hash and key of what a person handed in. Safe to repeat.
    """
    gone = tuple(in_order(discards))
    lines = list(lines_of(original.sha256, repairs, gone))
    name = safe_file_name(f"{Path(original.source).name}.repaired.ndjson")
    sha256, key = _put(raw, original.dataset, lines, name, now)
    manifest = Manifest(
        dataset=original.dataset,
        sequence=sequence,
        source=original.source + SUFFIX,
        key=key,
        sha256=sha256,
        size=sum(map(len, lines)),
        landed_at=now.isoformat(timespec="seconds"),
        replay=Replay(
            source=original.source,
            sha256=original.sha256,
            key=original.key,
            edited_sha256=edited[0],
            edited_key=edited[1],
            repairs=tuple(in_order(repairs)),
            lines=tuple(lines_of_places.get(place) for place in in_order(repairs)),
            discards=gone,
        ),
    )
    made = documents.write_once(raw, keys.manifest(original.dataset, sequence), manifest)
    return manifest if made else None


def _put(raw: Store, dataset: str, chunks: Iterable[bytes], name: str, now: datetime) -> tuple[str, str]:
    digest = hashlib.sha256()
    with disk_errors(str(raw.scratch)):
        handle, copy = tempfile.mkstemp(dir=raw.scratch, suffix=".landing")
        with os.fdopen(handle, "wb") as target:
            for chunk in chunks:
                digest.update(chunk)
                target.write(chunk)
    key = keys.raw_key(dataset, f"{now:%Y-%m}", digest.hexdigest(), name)
    raw.adopt(Path(copy), key)
    return digest.hexdigest(), key
