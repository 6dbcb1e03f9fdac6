"""How one file is read, shown before it is landed: what is decided and why, the first records, what would be rejected."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.column_types import STRING
from quarterlake.domain.contract import Column, Contract
from quarterlake.domain.errors import UnreadableFileError, UsageError
from quarterlake.domain.naming import dataset_of, timestamp_in
from quarterlake.processing.drafts import contract_of, refined
from quarterlake.processing.engines.duckdb_connections import DEFAULT_MEMORY, Connections
from quarterlake.processing.faults import reading as reading_of
from quarterlake.processing.parser import ParseJob, ParseOutcome, parse_file
from quarterlake.processing.rejects import Reject
from quarterlake.processing.relations import relation_of
from quarterlake.processing.samples import file_evidence, sample_file
from quarterlake.processing.sources import plain_source
from quarterlake.processing.sql import identifier, literal, parquet, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    from duckdb import DuckDBPyConnection

    from quarterlake.domain.inference import Evidence
    from quarterlake.domain.reading import Reading
    from quarterlake.processing.relations import Relation

_ANY_TIME = "2000-01-01T00:00:00+00:00"
_FOLDED = "column {}"
_WHY = "why "
_SAMPLED = 2_000


class ColumnReading(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a column's values are taken for: its type, its format where it has one, and why."""

    type: str
    format: str = ""
    why: str = ""


class Inspection(msgspec.Struct, frozen=True):
    """How a file is read. `how` has the decisions, `why` the evidence for them, by the same names where there is one.

    `columns` are the file's, `types` what their values are taken for or said to be by the contract. `records` were counted in the bytes; `first` are the first that were accepted, with the values of the columns
    `shown`; `rejects` are the first of the others, whose number by reason `reject_counts` has.
    """

    name: str
    how: dict[str, str]
    why: dict[str, str]
    columns: tuple[str, ...]
    types: dict[str, ColumnReading]
    header: bool
    records: int
    shown: tuple[str, ...]
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
    contract: Contract | None = None,
) -> Inspection:
    """Read a whole file as a run would, under a contract or the one that it gets as the first file of its data set; `first` bounds what is shown.

    Raises UnreadableFileError for a file that no run could read.
    """
    dataset = contract.dataset if contract else _dataset_of(path)
    with plain_source(name, path, scratch, reading, dataset=dataset) as source, reading_of(name, path):
        expected = [column.source for column in contract.columns] if contract else []
        relation = relation_of(connection, source, expected, reading)
    job = ParseJob("inspected", "", name, "", path, _ANY_TIME, contract or all_text(dataset, relation))
    if contract is None:
        held, outcome = inferred(connection, job, scratch, reading)
    else:
        held = msgspec.structs.replace(contract, reading=reading)
        outcome = parse_file(connection, replace(job, contract=held), scratch)
    document = outcome.document
    if document.error is not None:
        raise UnreadableFileError(document.error)
    # That the header names columns which the parser expects says nothing where they come from it.
    decided = dict(document.dialect) if contract else {**document.dialect, **relation.described}
    sources = {column.name: column.source for column in held.columns}
    return Inspection(
        name=name,
        how={key: text for key, text in decided.items() if not key.startswith(_WHY)} | _time_of(held, name),
        why={key.removeprefix(_WHY): text for key, text in decided.items() if key.startswith(_WHY)},
        columns=tuple(column.spelled or column.name for column in relation.columns),
        types=_said(held) if contract or relation.columns else {},
        header=relation.dialect is None or relation.dialect.header,
        records=document.records,
        shown=tuple(sources[column.name] for column in document.columns),
        first=_first(connection, outcome.data, [column.name for column in document.columns], first),
        reject_counts=dict(document.reject_counts),
        rejects=_rejects(connection, outcome.rejects, first),
    )


def inferred(
    connection: DuckDBPyConnection, job: ParseJob, scratch: Path, reading: Reading
) -> tuple[Contract, ParseOutcome]:
    """The contract that a file gets when it is the first of its data set, and what it gives under that; all text for one without a record."""
    stamp, dataset = timestamp_in(job.name), job.contract.dataset
    sample = sample_file(
        connection,
        job.name,
        job.raw,
        scratch,
        dataset=dataset,
        records=_SAMPLED,
        stamp=stamp,
        written=reading,
    )

    def evidence_of(sources: Sequence[str]) -> dict[str, Evidence]:
        return file_evidence(connection, job.name, job.raw, scratch, sources, reading, dataset=dataset)

    drafted = contract_of(dataset, [sample], evidence_of) if sample.error is None else None
    contract = msgspec.structs.replace(drafted or job.contract, reading=reading)
    looked_at: set[str] = set()
    while True:
        outcome = parse_file(connection, replace(job, contract=contract), scratch)
        misjudged = [
            c for c in contract.columns if c.name in outcome.document.misfits and c.name not in looked_at
        ]
        if not misjudged or contract is job.contract:
            return contract, outcome
        looked_at.update(column.name for column in misjudged)
        evidence = evidence_of([column.source for column in misjudged])
        contract = refined(contract, evidence)


def _dataset_of(path: Path) -> str:
    """The data set that a file seems to be of: by its name, else by its folder's."""
    try:
        return dataset_of(PurePosixPath(path.name), path.resolve().parent.name)
    except UsageError:
        return "data"


def _time_of(contract: Contract, name: str) -> dict[str, str]:
    """What puts the records into periods."""
    if contract.record_time is not None:
        return {"record time": contract.record_time}
    if timestamp_in(name) is not None:
        return {"record time": "the timestamp in the file's name"}
    return {"record time": "none, so that a run refuses the file: no column and not its name gives one"}


def inspect_path(
    path: Path,
    reading: Reading,
    *,
    first: int,
    contract: Contract | None = None,
    memory: str = DEFAULT_MEMORY,
    threads: int | None = None,
) -> Inspection:
    """Inspect a file with an engine of its own. Raises UnreadableFileError as `inspect_file` does."""
    with TemporaryDirectory(prefix="quarterlake-inspect-") as folder:
        scratch = Path(folder)

        def inspected(connection: duckdb.DuckDBPyConnection) -> Inspection:
            return inspect_file(connection, path.name, path, scratch, reading, first=first, contract=contract)

        with closing(Connections(lambda: scratch, memory=memory, threads=threads)) as connections:
            return connections.sparing(inspected)


def _said(contract: Contract) -> dict[str, ColumnReading]:
    notes: dict[str, str] = {}
    for note in contract.notes:
        names, _, why = note.partition(": ")
        # Of several columns, commas between, or of one whose name may hold any.
        notes |= dict.fromkeys([names, *names.split(", ")], why)
    return {
        column.source: ColumnReading(str(column.type), column.format, notes.get(column.name, ""))
        for column in contract.columns
    }


def all_text(dataset: str, relation: Relation) -> Contract:
    """A contract under which every value of a file is text; of a column that is not there where the file has none."""
    names = [column.name for column in relation.columns] or [""]
    columns = (Column(_FOLDED.format(at), STRING, name) for at, name in enumerate(names))
    return Contract(dataset, tuple(columns))


def _first(
    connection: DuckDBPyConnection, data: Path | None, columns: Sequence[str], limit: int | None
) -> list[list[str | None]]:
    if data is None:
        return []
    names = ", ".join(identifier(column) for column in columns)
    query = f"SELECT {names} FROM {parquet(literal(data))} WHERE _raw IS NULL {_limit(limit)}"
    return [[None if cell is None else str(cell) for cell in row] for row in rows(connection, query)]


def _rejects(connection: DuckDBPyConnection, path: Path | None, limit: int | None) -> list[Reject]:
    if path is None:
        return []
    fields = ", ".join(identifier(field) for field in Reject.__struct_fields__)
    query = f"SELECT {fields} FROM {parquet(literal(path))} {_limit(limit)}"
    return [
        msgspec.convert(dict(zip(Reject.__struct_fields__, row, strict=True)), Reject)
        for row in rows(connection, query)
    ]


def _limit(limit: int | None) -> str:
    return "" if limit is None else f"LIMIT {limit}"
