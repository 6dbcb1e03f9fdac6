"""Files whose values say that the contract reads them wrongly: by what does not fit, or by where the others would lie."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from quarterlake.domain.column_types import Kind
from quarterlake.domain.errors import UnreadableFileError
from quarterlake.domain.number_forms import grouped_by_points
from quarterlake.domain.time_forms import only_as, rival_of
from quarterlake.processing.sql import identifier, literal, parquet, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from quarterlake.domain.contract import Column, Contract
    from quarterlake.domain.inference import Evidence
    from quarterlake.domain.naming import NameTimestamp

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
        query = f"SELECT count(*) FILTER ({only_so}) FROM {parquet(literal(staged))} WHERE _raw IS NULL"
        speaking = int(str(rows(connection, query)[0][0])) if against else 0
        if against > speaking:
            raise UnreadableFileError(
                f"{name}: {against} of its values of {column.name} are {what[0]}, against {speaking} {what[1]}: it is written in another way than "
                "the contract says, and others of its values would be misread. Send it as the other files are, or say in a contract how they all are."
            )


def refuse_swapped(
    connection: DuckDBPyConnection,
    name: str,
    staged: Path,
    contract: Contract,
    stamp: NameTimestamp | None,
    months: Mapping[str, int],
) -> None:
    """Refuse a file whose dates have day and month the other way round, by `is_swapped`. Raises UnreadableFileError."""
    column = contract.doubtful_time
    order = rival_of(column.format) if column else None
    if column and order and stamp and is_swapped(connection, staged, contract, stamp, months):
        raise UnreadableFileError(
            f"{name}: read as {order[0]}, like the files before it, most of its values of {column.name} lie outside {stamp.text}, the period of its name; "
            f"read as {order[1]} all lie inside. It seems to be written the other way round. Send it as the other files are, or give the column its "
            "format in a contract if it is right."
        )


def is_swapped(
    connection: DuckDBPyConnection,
    staged: Path,
    contract: Contract,
    stamp: NameTimestamp | None,
    months: Mapping[str, int],
) -> bool:
    """Whether all record times lie in the period of the file's name with day and month exchanged, and most of them do not as they are read.

    `months` counts the records by month. Asked only where nothing but other files said which is the day: inference takes a name for
    evidence too.
    """
    column, records = contract.doubtful_time, sum(months.values())
    if column is None or stamp is None or not records:
        return False
    last = stamp.end - timedelta(microseconds=1)
    named = sum(n for month, n in months.items() if f"{stamp.start:%Y-%m}" <= month <= f"{last:%Y-%m}")
    if 2 * named >= records:
        return False
    value = identifier(column.name)
    day = f"CAST(timezone({literal(contract.timezone)}, {value}) AS DATE)"
    day = value if column.type.kind is Kind.DATE else day
    swapped = f"CASE WHEN day({day}) <= {_MONTHS} THEN make_date(year({day}), day({day}), month({day})) END"
    within = f"{swapped} BETWEEN DATE '{stamp.start:%Y-%m-%d}' AND DATE '{last:%Y-%m-%d}'"
    query = f"SELECT count(*) FILTER ({within}) FROM {parquet(literal(staged))} WHERE _raw IS NULL"
    return int(str(rows(connection, query)[0][0])) == records
