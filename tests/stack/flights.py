"""Three million real flights of 2001 as monthly files, and what is in them, computed by other means."""

from __future__ import annotations

import io
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE, MEMBER = "vega-datasets@3.2.1", "package/data/flights-3m.parquet"
QUARTER = ("2001-01", "2001-02", "2001-03")


def fetch(folder: Path) -> Path:
    """The flights as npm has them. Skips the test where npm is missing or reaches nothing."""
    try:
        subprocess.run(["npm", "pack", PACKAGE], cwd=folder, check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as missing:
        pytest.skip(f"npm cannot give {PACKAGE}: {missing}")
    [archive] = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        member = packed.extractfile(MEMBER)
        assert member is not None
        (folder / "flights.parquet").write_bytes(io.BytesIO(member.read()).getvalue())
    return folder / "flights.parquet"


def lay_out(parquet: Path, source: Path, month: str, *, without: int = 0) -> None:
    """Write a month's CSV as an airport's system would; the first `without` flights are left out."""
    target = source / "flights"
    target.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT strftime(date, '%Y-%m-%dT%H:%M:00Z') AS departed_at, delay, distance, origin, destination FROM '{parquet}' "
            f"WHERE strftime(date, '%Y-%m') = '{month}' ORDER BY date, origin, destination, delay, distance OFFSET {without}) "
            f"TO '{target}/flights_{month}.csv' (HEADER, DELIMITER ',')"
        )


def expected(source: Path, months: tuple[str, ...] = QUARTER) -> dict[str, Any]:
    """Counts and exact sums of the laid-out files, read with the csv module's rules by DuckDB as plain integers."""
    files = [str(source / "flights" / f"flights_{month}.csv") for month in months]
    with duckdb.connect() as connection:
        row = connection.execute(
            f"SELECT count(*), sum(delay::HUGEINT), sum(distance::HUGEINT) FROM read_csv({files}, all_varchar = false)"
        ).fetchone()
    assert row is not None
    return {"rows": int(row[0]), "delay": int(row[1]), "distance": int(row[2])}


def found(parquet: Path) -> dict[str, Any]:
    """The same of a downloaded summary."""
    with duckdb.connect() as connection:
        row = connection.execute(
            f"SELECT sum(count), sum(delay_sum), sum(distance_sum) FROM '{parquet}'"
        ).fetchone()
    assert row is not None
    return {"rows": int(row[0]), "delay": int(row[1]), "distance": int(row[2])}
