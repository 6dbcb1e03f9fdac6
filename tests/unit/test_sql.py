from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterlake.domain.column_types import (
    BOOLEAN,
    DATE,
    FLOAT64,
    INT64,
    NULL,
    STRING,
    TIMESTAMP,
    ColumnType,
    Kind,
)
from quarterlake.processing.sql import identifier, literal, literals, parquet_options, rows, type_name

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXTS = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20
) | st.sampled_from(["'", '"', "''", "'; DROP TABLE t; --", "\\", "\\'", "$1", "?", "{x}", "%s", "a\nb", "é"])


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@settings(deadline=None)
@given(text=TEXTS)
def test_a_literal_is_its_text(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert rows(connection, f"SELECT {literal(text)}") == [(text,)]


@settings(deadline=None)
@given(texts=st.lists(TEXTS, max_size=4))
def test_literals_are_their_texts(connection: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    assert rows(connection, f"SELECT {literals(texts)}::VARCHAR[]") == [(texts,)]


@settings(deadline=None)
@given(name=TEXTS.filter(bool))
def test_an_identifier_names_a_column(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    found = connection.execute(f"SELECT {identifier(name)} FROM (SELECT 7 AS {identifier(name)})")
    assert found.description is not None
    assert found.description[0][0] == name
    assert found.fetchall() == [(7,)]


def test_a_path_is_a_literal() -> None:
    assert literal(Path("/data/o'brien.csv")) == "'/data/o''brien.csv'"
    assert literals([Path("a"), "b"]) == "['a', 'b']"


@pytest.mark.parametrize(
    ("column_type", "name"),
    [
        (NULL, "VARCHAR"),
        (BOOLEAN, "BOOLEAN"),
        (INT64, "BIGINT"),
        (FLOAT64, "DOUBLE"),
        (DATE, "DATE"),
        (TIMESTAMP, "TIMESTAMP WITH TIME ZONE"),
        (STRING, "VARCHAR"),
        (ColumnType(Kind.DECIMAL, 18, 2), "DECIMAL(18,2)"),
        (ColumnType(Kind.DECIMAL, 38, 38), "DECIMAL(38,38)"),
    ],
)
def test_duckdb_knows_each_type_by_its_name(
    connection: duckdb.DuckDBPyConnection, column_type: ColumnType, name: str
) -> None:
    assert rows(connection, f"SELECT typeof(CAST(NULL AS {type_name(column_type)}))") == [(name,)]


def test_every_kind_has_a_name() -> None:
    assert all(type_name(ColumnType(kind, 18, 2)) for kind in Kind)


@pytest.mark.parametrize("types", [[INT64, STRING], [INT64, FLOAT64]], ids=str)
def test_no_column_is_written_as_a_byte_stream(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, types: list[ColumnType]
) -> None:
    file = tmp_path / "some.parquet"
    values = ", ".join(f"CAST(range AS {type_name(kind)}) AS c{place}" for place, kind in enumerate(types))
    connection.execute(
        f"COPY (SELECT {values} FROM range(5000)) TO {literal(file)} ({parquet_options(types)})"
    )
    found = rows(connection, f"SELECT DISTINCT encodings, compression FROM parquet_metadata({literal(file)})")
    assert not any("BYTE_STREAM_SPLIT" in str(encodings) for encodings, _ in found)
    assert {compression for _, compression in found} == {"ZSTD"}
    assert rows(connection, f"SELECT count(*) FROM read_parquet({literal(file)})") == [(5000,)]


def test_the_encodings_are_the_small_ones_unless_a_column_is_a_double() -> None:
    assert "PARQUET_VERSION V2" in parquet_options([INT64, STRING])
    assert "PARQUET_VERSION V1" in parquet_options([INT64, FLOAT64])
    assert "COMPRESSION snappy, PARQUET" in parquet_options([], compression="snappy")
