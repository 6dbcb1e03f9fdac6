"""The cells of rejected records of Parquet, read again by their numbers: a reject keeps only the beginning of its texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.column_types import FLOAT64
from quarterlake.processing.reject_texts import LONGEST_SHOWN
from quarterlake.processing.sql import literal, parquet, rows
from quarterlake.processing.typed_query import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from quarterlake.domain.contract import Column, Contract
    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.processing.rejects import Reject
    from quarterlake.processing.relations import Relation, SourceColumn


def parquet_cells(
    connection: DuckDBPyConnection,
    path: Path,
    relation: Relation,
    contract: Contract,
    matched: Mapping[str, SourceColumn],
    parsed: ParsedFile,
    rejects: Sequence[Reject],
) -> list[tuple[str, dict[str, str] | None]]:
    """The whole texts of records as a JSON list, and their cells; None for the cells of records of more than 1 MiB."""
    columns = [column for column in contract.columns if column.name in matched]
    texts = ", ".join(text_of(matched[column.name], column) for column in columns)
    cells = ", ".join(_cell(matched[column.name], column) for column in columns)
    wanted = sorted({reject.record for reject in rejects if reject.record is not None})
    number, records = _numbered(path, relation)
    query = f"SELECT {number}, [{texts}], [{cells}] FROM {records} WHERE {number} IN ({', '.join(map(str, wanted))})"
    found = {row[0]: row[1:] for row in rows(connection, query)} if wanted else {}
    return [_shown(reject, found.get(reject.record), columns, parsed) for reject in rejects]


def _cell(given: SourceColumn, column: Column) -> str:
    """The text from which the value that the parser takes from the file's own type is made again."""
    if given.native == column.type == FLOAT64:
        # A narrower float has a shorter text, which stands for another double.
        return f"CAST(CAST({given.value} AS DOUBLE) AS VARCHAR)"
    return text_of(given, column)


def _numbered(path: Path, relation: Relation) -> tuple[str, str]:
    """The column that numbers the file's records from 0, and the records with it; DuckDB's own name for it may be one of the file's."""
    names = {column.spelled.casefold() for column in relation.columns}
    if "file_row_number" not in names:
        return "file_row_number", parquet(literal(path), numbered=True)
    number = "n" * (1 + max(map(len, names)))
    return number, f"(SELECT *, row_number() OVER () - 1 AS {number} FROM {relation.sql})"


def _shown(
    reject: Reject, found: tuple[object, ...] | None, columns: Sequence[Column], parsed: ParsedFile
) -> tuple[str, dict[str, str] | None]:
    if found is None:
        return reject.raw, None
    texts, cells = (dict(zip((c.name for c in columns), values, strict=True)) for values in _lists(found))
    whole = msgspec.json.encode([texts.get(column.name) for column in parsed.columns])
    if len(whole) > LONGEST_SHOWN:
        return reject.raw, None
    text = whole.decode()
    shown = {name: cell for name, cell in cells.items() if cell is not None}
    return text if text.startswith(reject.raw) else reject.raw, shown


def _lists(found: tuple[object, ...]) -> list[list[str | None]]:
    return msgspec.convert(found, list[list[str | None]])
