"""Rejects as a sheet that a person can repair."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.repairs import place_of, trace_of
from quarterlake.overview import Known, known
from quarterlake.processing.new_file import new_file
from quarterlake.processing.reject_cells import cutter
from quarterlake.processing.sheets import SheetRow, write_sheet

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.landings import Manifest
    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.pipeline import Pipeline
    from quarterlake.processing.rejects import Reject

_AT_ONCE = 100
"""So many rejects are read again together."""
_UNREAD = "its cells could not be read again: repair it in a corrected file, or discard it"


class Exported(msgspec.Struct, frozen=True):
    """How many rejects were written, how many of them without their cells, and how many could not be since their place is not known."""

    dataset: str
    rejects: int
    without_place: int
    without_cells: int = 0


def export(pipeline: Pipeline, dataset: str, target: Path) -> Exported:
    """Write the rejects of a data set as a sheet. Raises UsageError where the file exists or cannot be made, or nothing has landed."""
    held = known(pipeline, dataset)
    contract = held.contract_in_force()
    columns = [column.name for column in contract.columns]
    lacking: Counter[str] = Counter()
    with new_file(target) as sheet:
        written = write_sheet(sheet, columns, _rows(pipeline, held, contract, lacking))
    return Exported(dataset, written, lacking["place"], lacking["cells"])


def _rows(pipeline: Pipeline, held: Known, contract: Contract, lacking: Counter[str]) -> Iterator[SheetRow]:
    """The rows of a data set's rejects; `lacking` counts those without a place, which have none, and those without cells."""
    stood_for = held.stood_for
    scratch = pipeline.lake.curated.scratch
    for landing in held.landings:
        manifest = landing.manifest
        parsed = held.parsed.get(manifest.sequence)
        if parsed is None or not landing.is_live or parsed.rejects is None:
            continue
        with ExitStack() as stack:
            [raw] = stack.enter_context(pipeline.lake.raw.local([manifest.key]))
            show = stack.enter_context(
                cutter(manifest, raw, scratch, contract, parsed, pipeline.settings.memory)
            )
            placed = _placed(pipeline, manifest, parsed, stood_for.get(manifest.sequence, ()), lacking)
            while batch := list(islice(placed, _AT_ONCE)):
                shown = show([reject for reject, _ in batch])
                for (reject, trace), (text, cells) in zip(batch, shown, strict=True):
                    lacking["cells"] += cells is None
                    known_of = {
                        "_trace": trace,
                        "_dataset": held.dataset,
                        "_source": manifest.named_after,
                        "_line": "" if manifest.replay or reject.line is None else str(reject.line),
                        "_byte_offset": _byte_offset(trace),
                        "_column": reject.column or "",
                        "_reason": reject.reason if cells is not None else f"{reject.reason}; {_UNREAD}",
                        "_raw": text.rstrip(),
                    }
                    yield SheetRow(known_of, cells or {}, is_unread=cells is None)


def _placed(
    pipeline: Pipeline,
    manifest: Manifest,
    parsed: ParsedFile,
    stood_for: Collection[str | None],
    lacking: Counter[str],
) -> Iterator[tuple[Reject, str]]:
    """A file's rejects that no repair stands for, with their traces; of those of a replay the original's."""
    for _, reject in pipeline.engine.rejects([parsed]):
        place = place_of(reject.byte_offset, reject.record)
        if place in stood_for:
            continue
        sha256 = manifest.sha256
        if manifest.replay is not None and reject.line is not None:
            sha256, place = manifest.replay.sha256, manifest.replay.repairs[reject.line - 1]
        if place is None:
            lacking["place"] += 1
            continue
        yield reject, trace_of(sha256, place)


def _byte_offset(trace: str) -> str:
    _, _, place = trace.partition("@")
    return place[1:] if place[0] == "b" else ""
