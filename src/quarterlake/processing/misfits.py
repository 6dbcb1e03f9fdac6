"""The records that could be cut into fields but did not fit: which column is at fault, and what its values look like."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from quarterlake.domain.periods import MAX_YEAR, MIN_YEAR
from quarterlake.processing.casts import misfits, reason_for, stored
from quarterlake.processing.evidence import gather_evidence
from quarterlake.processing.sql import identifier, literal, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from quarterlake.domain.column_types import ColumnType
    from quarterlake.domain.inference import Evidence

MISFITS = "misfit_records"
"""The temporary table that holds a file's misfits: `ordinal`, `failing`, `_raw`."""

_NO_TIME, _NO_YEAR, BROKEN = -1, -2, -3
"""What stands for the place of a failing column where none of them fails by itself."""


class Misfit(NamedTuple):
    """A record that the reader could cut into fields but that did not fit: its place among those, and its texts.

    One that is no record at all has a text more than there are columns: its own, where that is known.
    """

    ordinal: int
    failing: int
    texts: list[str | None]


@dataclass(frozen=True, slots=True)
class Explained:
    """What is known of a file's misfits: their evidence by column, their number by column and reason."""

    columns: Sequence[tuple[str, ColumnType]]
    misfits: Mapping[str, Evidence]
    by_column: Mapping[int, int]
    time: str | None

    def column(self, failing: int) -> str | None:
        """The name of the column at fault."""
        if failing == BROKEN:
            return None
        return self.columns[failing][0] if failing >= 0 else self.time

    def reason(self, failing: int) -> str:
        """Why a record with this failing column was rejected."""
        if failing == BROKEN:
            return "not a JSON object"
        if failing == _NO_YEAR:
            return f"the record time is not in the years {MIN_YEAR} to {MAX_YEAR}"
        return reason_for(self.columns[failing][1]) if failing >= 0 else "no record time"


def explain_misfits(
    connection: DuckDBPyConnection,
    staged: Path,
    columns: Sequence[tuple[str, ColumnType]],
    time: str | None,
) -> Explained:
    """Find the first failing column of each flagged row of a staged file, and what the failing values look like.

    `time` is the name of the record time's column.
    """
    flagged = f"read_parquet({literal(staged)}, file_row_number = true)"
    failing = {
        position: condition
        for position, (_, kind) in enumerate(columns)
        if (text := f"_raw[{position + 1}]") and (condition := misfits(stored(text, kind), text, kind))
    }
    cases = [f"WHEN len(_raw) > {len(columns)} THEN {BROKEN}"]
    cases += [f"WHEN {condition} THEN {position}" for position, condition in failing.items()]
    cases += [f"WHEN {identifier(time)} IS NOT NULL THEN {_NO_YEAR}"] if time else []
    first = f"CASE {' '.join(cases)} ELSE {_NO_TIME} END"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {MISFITS} AS SELECT file_row_number AS ordinal, {first} AS failing, _raw FROM {flagged} "
        "WHERE _raw IS NOT NULL",
    )
    by_column = {
        int(str(c)): int(str(n))
        for c, n in rows(connection, f"SELECT failing, count(*) FROM {MISFITS} GROUP BY 1 ORDER BY 1")
    }
    evidence: dict[str, Evidence] = {}
    if by_column and failing:
        any_of = rows(
            connection,
            f"SELECT {', '.join(f'bool_or({condition})' for condition in failing.values())} FROM {MISFITS}",
        )[0]
        failed = {
            position: condition
            for (position, condition), fails in zip(failing.items(), any_of, strict=True)
            if fails
        }
        evidence = _evidence(connection, columns, failed)
    return Explained(columns, evidence, by_column, time)


def _evidence(
    connection: DuckDBPyConnection, columns: Sequence[tuple[str, ColumnType]], failed: Mapping[int, str]
) -> dict[str, Evidence]:
    texts = [f"CASE WHEN {condition} THEN _raw[{position + 1}] END" for position, condition in failed.items()]
    found = gather_evidence(connection, texts, MISFITS)
    return {columns[position][0]: replace(e, nulls=0) for position, e in zip(failed, found, strict=True)}
