"""Readers of delimited text, each given a file without a word about how it is written."""

from __future__ import annotations

import csv
import io
from functools import cache
from typing import TYPE_CHECKING

import duckdb

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.domain.reading import EVIDENCE
from quarterlake.processing.inspecting import all_text, inspect_file
from quarterlake.processing.relations import relation_of
from quarterlake.processing.sources import plain_source
from tests.pollution.scoring import Read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def quarterlake_reader(path: Path) -> Read | None:
    """Ours; rejected records are no records. That its ledger balances is seen to on the way."""
    connection, scratch = _connection(), path.parent
    try:
        with plain_source(path.name, path, scratch, dataset="inspected") as source:
            relation = relation_of(connection, source)
        contract = all_text("inspected", relation)
        found = inspect_file(connection, path.name, path, scratch, EVIDENCE, first=None, contract=contract)
    except UnreadableFileError:
        return None
    has_header = relation.dialect is None or relation.dialect.header
    header = [column.spelled or column.name for column in relation.columns] if has_header else []
    return Read(header, [_texts(row) for row in found.first])


def duckdb_reader(path: Path) -> Read | None:
    """DuckDB's sniffer, errors ignored."""
    with duckdb.connect() as connection:
        try:
            found = connection.execute(f"FROM read_csv('{path}', all_varchar = true, ignore_errors = true)")
            names = [field[0] for field in found.description or []]
            rows = [_texts(row) for row in found.fetchall()]
        except duckdb.Error:
            return None
    return _without_made_names(names, rows, "column")


def pandas_reader(path: Path) -> Read | None:
    """pandas, told to find the delimiter and to skip bad lines."""
    import pandas as pd

    try:
        frame = pd.read_csv(
            path, sep=None, engine="python", dtype=str, keep_default_na=False, on_bad_lines="skip"
        )
    except Exception:  # noqa: BLE001
        return None
    return Read([str(name) for name in frame.columns], [_texts(row) for row in frame.itertuples(index=False)])


def polars_reader(path: Path) -> Read | None:
    """Polars, told to ignore errors and to cut off what is too long."""
    import polars as pl

    try:
        frame = pl.read_csv(path, infer_schema=False, ignore_errors=True, truncate_ragged_lines=True)
    except Exception:  # noqa: BLE001
        return None
    return Read(frame.columns, [_texts(row) for row in frame.rows()])


def pyarrow_reader(path: Path) -> Read | None:
    """pyarrow, told to skip bad records and that values may have newlines."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    parse = arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
    try:
        names = arrow_csv.read_csv(path, parse_options=parse).column_names
        text = arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        )
        table = arrow_csv.read_csv(path, parse_options=parse, convert_options=text)
    except Exception:  # noqa: BLE001
        return None
    columns = [column.to_pylist() for column in table.columns]
    return Read(list(names), [_texts(row) for row in zip(*columns, strict=True)])


def csv_reader(path: Path) -> Read | None:
    """Python's csv with its Sniffer."""
    try:
        text = path.read_text(encoding="utf-8")
        sniffer = csv.Sniffer()
        dialect = sniffer.sniff(text[:8192])
        has_header = sniffer.has_header(text[:8192])
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), dialect) if row]
    except Exception:  # noqa: BLE001
        return None
    return Read(rows[0], rows[1:]) if has_header else Read([], rows)


READERS: dict[str, Callable[[Path], Read | None]] = {
    "quarterlake": quarterlake_reader,
    "DuckDB": duckdb_reader,
    "pandas": pandas_reader,
    "Polars": polars_reader,
    "pyarrow": pyarrow_reader,
    "csv": csv_reader,
}


def _texts(row: Sequence[object]) -> list[str]:
    return ["" if cell is None else str(cell) for cell in row]


def _without_made_names(names: list[str], rows: list[list[str]], made: str) -> Read:
    """DuckDB names the columns of a file without a header `column0` and so on."""
    if all(name.startswith(made) and name.removeprefix(made).isdigit() for name in names):
        return Read([], rows)
    return Read(names, rows)
