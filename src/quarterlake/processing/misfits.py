"""The records that could be cut into fields but did not fit: which column is at fault, and what its values look like."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from quarterlake.domain.column_types import Kind
from quarterlake.domain.periods import MAX_YEAR, MIN_YEAR
from quarterlake.processing.casts import cast_text, misfits, reason_for
from quarterlake.processing.evidence import gather_evidence
from quarterlake.processing.sql import identifier, literal, parquet, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from quarterlake.domain.contract import Column
    from quarterlake.domain.inference import Evidence
    from quarterlake.processing.drift import RowRule

MISFITS = "misfit_records"
"""The temporary table that holds a file's misfits: `ordinal`, `failing`, `_raw`, `bad` (for each column: whether it fails)."""

_NO_TIME, _NO_YEAR, BROKEN, TWICE = -1, -2, -3, -4
_RULED = -10
"""What stands for the place of a failing column where none of them fails by itself."""
_SKIPPED = 1 << 20
"""Added to the place of a failing column whose value is a local time that the contract's zone skips."""


class Misfit(NamedTuple):
    """A record that the reader could cut into fields but that did not fit: its place among those, and its texts.

    One that is no record at all has a text more than there are columns: its own, where that is known; one with two fields of
    one name has two more.
    """

    ordinal: int
    failing: int
    texts: list[str | None]


@dataclass(frozen=True, slots=True)
class Explained:
    """What is known of a file's misfits: their evidence by column, their number by column and reason."""

    columns: Sequence[Column]
    misfits: Mapping[str, Evidence]
    by_column: Mapping[int, int]
    time: str | None
    rules: Sequence[RowRule] = ()
    zone: str = "UTC"

    @property
    def ruled(self) -> Mapping[int, int]:
        """The number of records that each rule for drift rejects."""
        return {_RULED - failing: count for failing, count in self.by_column.items() if failing <= _RULED}

    @classmethod
    def nothing(cls) -> Explained:
        """What there is to explain in a file whose records all fit."""
        return cls((), {}, {}, None)

    def column(self, failing: int) -> str | None:
        """The name of the column at fault."""
        if failing in {BROKEN, TWICE}:
            return None
        if failing <= _RULED:
            return self.rules[_RULED - failing].drift.column
        return self.columns[failing % _SKIPPED].name if failing >= 0 else self.time

    def reason(self, failing: int) -> str:
        """Why a record with this failing column was rejected."""
        if failing == BROKEN:
            return "not a JSON object"
        if failing == TWICE:
            return "two fields of one name in one JSON object"
        if failing <= _RULED:
            return self.rules[_RULED - failing].reason
        if failing == _NO_YEAR:
            return f"the record time is not in the years {MIN_YEAR} to {MAX_YEAR}"
        if failing < 0:
            return "no record time"
        if failing >= _SKIPPED:
            return f"a local time that does not exist in {self.zone}, whose clocks skip it"
        return reason_for(self.columns[failing].type, self.columns[failing].format)


def explain_misfits(
    connection: DuckDBPyConnection,
    staged: Path,
    columns: Sequence[Column],
    time: str | None,
    rules: Sequence[RowRule] = (),
    zone: str = "UTC",
) -> Explained:
    """Find the first failing column of each flagged row of a staged file, and what the failing values look like.

    `time` is the name of the record time's column, `rules` those for drift that reject records, `zone` that of local times.
    """
    conditions = [
        misfits(identifier(column.name), f"_raw[{position}]", column.type, column.nulls) or "false"
        for position, column in enumerate(columns, start=1)
    ]
    skips = " ".join(
        f"WHEN {position} THEN {_added_if_skipped(f'_raw[{position}]', column)}"
        for position, column in enumerate(columns, start=1)
        if zone != "UTC" and column.type.kind is Kind.TIMESTAMP
    )
    otherwise = (
        f"CASE WHEN {identifier(time)} IS NOT NULL THEN {_NO_YEAR} ELSE {_NO_TIME} END"
        if time
        else str(_NO_TIME)
    )
    flagged = (
        f"SELECT file_row_number AS ordinal, _raw, [{', '.join(conditions)}] AS bad, {otherwise} AS otherwise, {'_drift' if rules else 'NULL'} AS drift "
        f"FROM {parquet(literal(staged), numbered=True)} WHERE _raw IS NOT NULL"
    )
    ruled = f"WHEN drift IS NOT NULL THEN {_RULED} - drift " if rules else ""
    skipped = f" + CASE list_position(bad, true) {skips} ELSE 0 END" if skips else ""
    first = (
        f"CASE WHEN len(_raw) > {len(columns) + 1} THEN {TWICE} WHEN len(_raw) > {len(columns)} THEN {BROKEN} {ruled}"
        f"WHEN list_contains(bad, true) THEN list_position(bad, true) - 1{skipped} ELSE otherwise END"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {MISFITS} AS SELECT ordinal, {first} AS failing, _raw, bad FROM ({flagged})"
    )
    any_bad = ", ".join(f"bool_or(bad[{position}])" for position in range(1, len(columns) + 1))
    found = rows(connection, f"SELECT failing, count(*), {any_bad} FROM {MISFITS} GROUP BY 1 ORDER BY 1")
    failed = [position for position in range(len(columns)) if any(row[position + 2] for row in found)]
    by_column = {int(str(row[0])): int(str(row[1])) for row in found}
    return Explained(columns, _evidence(connection, columns, failed), by_column, time, rules, zone)


def _added_if_skipped(text: str, column: Column) -> str:
    """What to add for a text that is no time of the contract's zone: it would be one in UTC, whose clocks skip none."""
    return (
        f"CASE WHEN {cast_text(text, column.type, 'UTC', column.format)} IS NULL THEN 0 ELSE {_SKIPPED} END"
    )


def _evidence(
    connection: DuckDBPyConnection, columns: Sequence[Column], failed: Sequence[int]
) -> dict[str, Evidence]:
    texts = [f"CASE WHEN bad[{position + 1}] THEN _raw[{position + 1}] END" for position in failed]
    found = gather_evidence(connection, texts, MISFITS)
    return {columns[position].name: replace(e, nulls=0) for position, e in zip(failed, found, strict=True)}
