"""Files whose values say that the contract reads them wrongly: what does not fit shows that what fits is misread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.column_types import Kind
from quarterlake.domain.errors import UnreadableFileError
from quarterlake.domain.forms import grouped_by_points, only_as, rival_of
from quarterlake.processing.sql import identifier, literal, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from quarterlake.domain.contract import Column
    from quarterlake.domain.inference import Evidence

_MONTHS = 12


def refuse_contradicted(
    connection: DuckDBPyConnection,
    name: str,
    staged: Path,
    columns: Sequence[Column],
    misfits: Mapping[str, Evidence],
) -> None:
    """Refuse a file of which more values speak against a column's format than for it.

    In such a file 02/01/2026, or 1.234, is accepted and means something else. Raises UnreadableFileError.
    """
    for column in columns:
        forms = misfits[column.name].forms if column.name in misfits else {}
        if not forms:
            continue
        value = identifier(column.name)
        if rival := rival_of(column.format):
            own, other = rival
            against, only_so = only_as(forms, other, own), f"day({value}) > {_MONTHS}"
            what = f"dates only as {other}", f"only as {own}"
        elif column.type.kind in {Kind.DECIMAL, Kind.FLOAT64} and column.format[1:2] != ".":
            against, only_so = grouped_by_points(forms), f"{value} <> trunc({value})"
            what = (
                "numbers in which a point separates thousands",
                "numbers in which it may be a decimal point",
            )
        else:
            continue
        query = f"SELECT count(*) FILTER ({only_so}) FROM read_parquet({literal(staged)}) WHERE _raw IS NULL"
        speaking = int(str(rows(connection, query)[0][0])) if against else 0
        if against > speaking:
            raise UnreadableFileError(
                f"{name}: {against} of its values of {column.name} are {what[0]}, against {speaking} {what[1]}: it is written in another way than "
                "the contract says, and others of its values would be misread. Send it as the other files are, or say in a contract how they all are."
            )
