"""How one file is read, shown before it is landed: what is decided and why, the first records, what would be rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.column_types import STRING
from quarterlake.domain.contract import Column, Contract
from quarterlake.domain.errors import UnreadableFileError
from quarterlake.processing.faults import reading as reading_of
from quarterlake.processing.parser import ParseJob, parse_file
from quarterlake.processing.rejects import Reject
from quarterlake.processing.relations import relation_of
from quarterlake.processing.sources import plain_source
from quarterlake.processing.sql import identifier, literal, rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from quarterlake.domain.reading import Reading

_ANY_TIME = "2000-01-01T00:00:00+00:00"
_FOLDED = "column {}"
_WHY = "why "


class Inspection(msgspec.Struct, frozen=True):
    """How a file is read. `how` has the decisions, `why` the evidence for them, by the same names where there is one.

    `records` were counted in the bytes; `first` are the first ones that are read, as text; `rejects` the first of those that are none of the table's, whose
    number by reason `reject_counts` has. No value is held against a type: that takes a contract.
    """

    name: str
    how: dict[str, str]
    why: dict[str, str]
    columns: tuple[str, ...]
    header: bool
    records: int
    first: list[list[str | None]]
    reject_counts: dict[str, int]
    rejects: list[Reject]


def inspect_file(
    connection: DuckDBPyConnection,
    name: str,
    path: Path,
    scratch: Path,
    reading: Reading,
    *,
    first: int | None,
) -> Inspection:
    """Read a whole file as a run would, every value as text; `first` bounds the records and rejects that are shown.

    Raises UnreadableFileError for a file that no run could read.
    """
    with plain_source(name, path, scratch, reading) as source, reading_of(name, path):
        relation = relation_of(connection, source, (), reading)
    columns = tuple(
        Column(_FOLDED.format(at), STRING, column.name) for at, column in enumerate(relation.columns)
    )
    contract = Contract("inspected", columns, reading=reading)
    job = ParseJob("inspected", "", name, "", path, _ANY_TIME, contract)
    outcome = parse_file(connection, job, scratch)
    document = outcome.document
    if document.error is not None:
        raise UnreadableFileError(document.error)
    return Inspection(
        name=name,
        how={key: text for key, text in document.dialect.items() if not key.startswith(_WHY)},
        why={key.removeprefix(_WHY): text for key, text in document.dialect.items() if key.startswith(_WHY)},
        columns=tuple(column.spelled or column.name for column in relation.columns),
        header=relation.dialect is None or relation.dialect.header,
        records=document.records,
        first=_first(connection, outcome.data, columns, first),
        reject_counts=dict(document.reject_counts),
        rejects=_rejects(connection, outcome.rejects, first),
    )


def _first(
    connection: DuckDBPyConnection, data: Path | None, columns: Sequence[Column], limit: int | None
) -> list[list[str | None]]:
    if data is None:
        return []
    names = ", ".join(identifier(column.name) for column in columns)
    query = f"SELECT {names} FROM read_parquet({literal(data)}) WHERE _raw IS NULL {_limit(limit)}"
    return [[None if cell is None else str(cell) for cell in row] for row in rows(connection, query)]


def _rejects(connection: DuckDBPyConnection, path: Path | None, limit: int | None) -> list[Reject]:
    if path is None:
        return []
    fields = ", ".join(identifier(field) for field in Reject.__struct_fields__)
    query = f"SELECT {fields} FROM read_parquet({literal(path)}) {_limit(limit)}"
    return [
        msgspec.convert(dict(zip(Reject.__struct_fields__, row, strict=True)), Reject)
        for row in rows(connection, query)
    ]


def _limit(limit: int | None) -> str:
    return "" if limit is None else f"LIMIT {limit}"
