"""The way back for rejects: landing what a person made of the sheet that they were exported to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.errors import ConflictError, UsageError
from quarterlake.domain.releases import checked_dataset_name
from quarterlake.domain.repairs import Cells, parse_trace, place_of
from quarterlake.ingestion.replays import land_edited, land_replay, repairs_in
from quarterlake.overview import Known, known
from quarterlake.processing.sheets import ACTIONS, SheetRow, read_sheet

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from quarterlake.domain.landings import Manifest
    from quarterlake.pipeline import Pipeline

_ATTEMPTS = 20


class Replayed(msgspec.Struct):
    """What a sheet came to.

    `repaired` and `discarded` count rows that are new, `unchanged` those that say what was said before, `left` those without a repair;
    `raw_changed` those of all whose `_raw` was changed, which is not read. `refused` gives reasons by the row's number in the sheet. `landed` are the replays made.
    """

    dataset: str
    repaired: int = 0
    discarded: int = 0
    unchanged: int = 0
    left: int = 0
    raw_changed: int = 0
    refused: dict[str, str] = {}
    landed: list[str] = []


def replay(pipeline: Pipeline, sheet: Path) -> list[Replayed]:
    """Land what a sheet repairs and discards; the next run parses it. A sheet that was replayed already changes nothing.

    Raises UsageError for what is no sheet, StoreUnavailableError and DiskFullError as landing does.
    """
    try:
        data = sheet.read_bytes()
    except OSError as refused:
        raise UsageError(f"{sheet} cannot be read: {refused.strerror}.") from refused
    rows = list(read_sheet(data, str(sheet)))
    datasets = sorted({row.known["_dataset"] for _, row in rows})
    if not rows:
        raise UsageError(f"{sheet} has no row. `quarterlake rejects export` writes one for each reject.")
    return [_replay_of(pipeline, sheet, checked_dataset_name(name), rows) for name in datasets]


def _replay_of(pipeline: Pipeline, sheet: Path, dataset: str, rows: list[tuple[int, SheetRow]]) -> Replayed:
    held = known(pipeline, dataset)
    contract = held.contract_in_force()
    names = {column.name: column.source for column in contract.columns}
    done = Replayed(dataset)
    wanted: dict[int, dict[str, Cells | None]] = {}
    own = [(number, row) for number, row in rows if row.known["_dataset"] == dataset]
    columns = {name for _, row in own for name in row.cells}
    if unknown := sorted(columns - names.keys()):
        raise UsageError(
            f"{sheet}: {unknown[0]} is no column of {dataset}. Its columns are {', '.join(names)}; export again after the contract has changed."
        )
    found = _Places(pipeline, held)
    for number, row in own:
        action = row.known.get("_action", "").strip().casefold()
        if row.is_shifted:
            done.refused[str(number)] = (
                "it has more cells than the header, so that they are not where they belong; put quotes around a text that holds the delimiter"
            )
            continue
        done.raw_changed += action not in {"discard", "keep"} and row.is_raw_changed
        if action in ACTIONS and (action == "keep" or (action == "" and not row.is_changed)):
            done.left += 1
            continue
        trace = parse_trace(row.known["_trace"])
        source = row.known.get("_source", "")
        why = found.refusal(action, trace, source or "its file")
        original = found.original(trace[0], source) if trace else None
        if trace is None or original is None or why is not None:
            done.refused[str(number)] = why or ""
        elif action != "discard" and (
            lost := _loss(row, found.lacking(original.sequence, names.keys() - columns))
        ):
            done.refused[str(number)] = lost
        elif trace[1] in wanted.get(original.sequence, {}):
            done.refused[str(number)] = "the record is repaired twice in this file; keep one row"
        else:
            cells = {
                names[name]: text or ("" if name in row.blank else None) for name, text in row.cells.items()
            }
            wanted.setdefault(original.sequence, {})[trace[1]] = None if action == "discard" else cells
    edited: tuple[str, str] | None = None
    for sequence, records in wanted.items():
        if edited is None:
            edited = land_edited(pipeline.lake.raw, dataset, sheet, pipeline.now)
        lines = {place: line for place, line in found.lines(sequence).items() if place is not None}
        _land(pipeline, dataset, sequence, records, lines, edited, done)
    return done


def _loss(row: SheetRow, gone: Collection[str]) -> str | None:
    """Why a repair would lose values that nobody changed; `gone` are columns of the file that the sheet has no more."""
    if row.is_unread:
        return (
            "its cells could not be read when it was exported, so that a repair would empty those that are not filled in; "
            "mend it in a corrected file, or write discard into _action"
        )
    if gone:
        return f"the sheet lost its column {min(gone)}, whose value would be lost too; export again, and leave it in"
    return None


class _Places:
    """The places that may be repaired: rejects of live files, those repaired before among them; read when they are asked for."""

    def __init__(self, pipeline: Pipeline, held: Known) -> None:
        self._pipeline, self._held = pipeline, held
        self._live = [m.manifest for m in held.landings if m.is_live and m.manifest.replay is None]
        self._read: dict[int, dict[str | None, int | None]] = {}

    def original(self, sha256: str, source: str) -> Manifest | None:
        """The live file with these bytes; of several, for different times, the one of this path."""
        same = [manifest for manifest in self._live if manifest.sha256 == sha256]
        return next((manifest for manifest in same if manifest.source == source), same[0] if same else None)

    def refusal(self, action: str, trace: tuple[str, str] | None, source: str) -> str | None:
        """Why a row cannot be taken; None where it can."""
        if action not in ACTIONS:
            return f"{action!r} is no action; write repair, discard, keep or nothing"
        if trace is None:
            return "its _trace was changed, so that the record cannot be found; export again"
        original = self.original(trace[0], source)
        if original is None:
            return (
                f"{source} was corrected since it was exported, so that this record is no more; export again"
            )
        if original.sequence not in self._held.parsed:
            return f"{source} has not been read under the contract in force; `quarterlake rejects replay {self._held.dataset}` does that"
        if trace[1] not in self.lines(original.sequence):
            return "the record is no reject any more under the contract in force"
        return None

    def lacking(self, sequence: int, columns: Collection[str]) -> list[str]:
        """Those of the columns that a file has."""
        return sorted(set(columns).difference(self._held.parsed[sequence].missing))

    def lines(self, sequence: int) -> dict[str | None, int | None]:
        """The line of each place of a file that may be repaired, None where the file has no lines."""
        if sequence not in self._read:
            rejects = self._pipeline.engine.rejects([self._held.parsed[sequence]])
            self._read[sequence] = {
                place_of(reject.byte_offset, reject.record): reject.line for _, reject in rejects
            }
        return self._read[sequence]


def _land(
    pipeline: Pipeline,
    dataset: str,
    number: int,
    records: Mapping[str, Cells | None],
    lines: Mapping[str, int | None],
    edited: tuple[str, str],
    done: Replayed,
) -> None:
    """Land the repairs of one file's records together with those that were made before and still stand."""
    raw = pipeline.lake.raw
    for _ in range(_ATTEMPTS):
        held = known(pipeline, dataset)
        original = next(m for m in held.landings if m.manifest.sequence == number)
        if not original.is_live:
            raise ConflictError(
                f"{original.manifest.source} was corrected meanwhile. Run the same command again."
            )
        last = next((m for m in held.landings if m.repairs == number), None)
        repairs, discards = ({}, set()) if last is None else repairs_in(raw, last.manifest)
        before = {**repairs, **dict.fromkeys(discards)}
        now = {**before, **records}
        new = {
            place: cells for place, cells in records.items() if place not in before or before[place] != cells
        }
        if not new:
            done.unchanged += len(records)
            return
        sequence = max(landing.manifest.sequence for landing in held.landings) + 1
        kept = {place: cells for place, cells in now.items() if cells is not None}
        gone = [place for place, cells in now.items() if cells is None]
        made = land_replay(raw, original.manifest, kept, gone, lines, edited, sequence, pipeline.now)
        if made is not None:
            done.unchanged += len(records) - len(new)
            done.repaired += sum(cells is not None for cells in new.values())
            done.discarded += sum(cells is None for cells in new.values())
            done.landed.append(made.source)
            return
    raise ConflictError(f"Other processes kept landing files of {dataset}. Run the same command again.")
