"""A million and more flights of 2001 as monthly files, and what is in them, computed by other means.

They are real ones from an npm package; where npm is missing, TPC-H's line items take their place and their columns.
"""

from __future__ import annotations

import io
import subprocess
import sysconfig
import tarfile
from pathlib import Path
from typing import Any

import duckdb

PACKAGE, MEMBER = "vega-datasets@3.2.1", "package/data/flights-3m.parquet"
QUARTER = ("2001-01", "2001-02", "2001-03")


def fetch(folder: Path) -> Path:
    """The flights as Parquet: date, delay, distance, origin, destination."""
    try:
        subprocess.run(["npm", "pack", PACKAGE], cwd=folder, check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as missing:
        print(f"npm cannot give {PACKAGE} ({missing}); TPC-H stands in")
        return line_items_as_flights(folder)
    [archive] = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        member = packed.extractfile(MEMBER)
        assert member is not None
        (folder / "flights.parquet").write_bytes(io.BytesIO(member.read()).getvalue())
    return folder / "flights.parquet"


def line_items_as_flights(folder: Path) -> Path:
    """TPC-H's line items of 1997, 4.5 million, under the flights' names and four years later."""
    generator = Path(sysconfig.get_path("scripts")) / "tpchgen-cli"
    options = ["--scale-factor", "5", "--tables", "lineitem", "--output-dir", str(folder), "--quiet"]
    subprocess.run([generator, "parquet", *options], check=True, timeout=600)
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT l_shipdate + INTERVAL 4 YEAR AS date, CAST(l_quantity AS BIGINT) AS delay, l_partkey % 3000 AS distance, "
            f"l_shipmode AS origin, l_returnflag AS destination FROM '{folder}/lineitem.parquet' WHERE year(l_shipdate) = 1997) "
            f"TO '{folder}/flights.parquet'"
        )
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
