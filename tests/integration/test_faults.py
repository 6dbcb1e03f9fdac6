"""What the machine refuses is transient and never kept as a fault of the file; what is wrong with the file is terminal."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import duckdb
import pytest

from quarterlake.domain.errors import DiskFullError, MachineError, MisreadError
from quarterlake.processing.faults import environment_faults, reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(name="connection")
def opened() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_parquet('{folder}/gone.parquet')",
        "SELECT * FROM read_json_objects('{folder}/gone.json')",
        "COPY (SELECT 1) TO '{folder}/gone/target.parquet' (FORMAT parquet)",
    ],
)
def test_a_file_that_is_gone_is_no_fault_of_the_users(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, query: str
) -> None:
    with (
        pytest.raises(MachineError, match="run the same command again"),
        reading("sent.csv", tmp_path / "raw"),
    ):
        connection.execute(query.format(folder=tmp_path))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOENT])
def test_the_operating_systems_refusals_are_transient(tmp_path: Path, number: int) -> None:
    with pytest.raises(MachineError, match="cannot be used"), environment_faults(tmp_path):
        raise OSError(number, "refused", "somewhere")


def test_no_room_is_said_as_that(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError), environment_faults(tmp_path):
        raise OSError(errno.ENOSPC, "full")


@pytest.mark.parametrize(
    "name", ["sent.parquet", "Input output error.parquet", "No such file or directory.parquet"]
)
def test_a_broken_file_is_terminal_whatever_it_is_called(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"PAR1" + b"x" * 100 + b"PAR1")
    with pytest.raises(MisreadError, match="cannot be read"), reading(name, path):
        connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
