"""The same work as `quarterlake run`, as one would write it by hand for this one data set, in DuckDB.

Land every file with its hash, parse with types and keep what does not parse, deduplicate by key (the newest
wins), write months as sorted zstd Parquet, write the aggregates of each quarter, verify. One connection, all
cores, DuckDB's own defaults. What it leaves out, and quarterlake does: see bench/README.md.

    python bench/handwritten.py SOURCE TARGET
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import duckdb

COLUMNS = {
    "order_id": "BIGINT",
    "ordered_at": "TIMESTAMP",
    "customer_id": "BIGINT",
    "country": "VARCHAR",
    "status": "VARCHAR",
    "amount": "DECIMAL(18, 2)",
    "quantity": "INTEGER",
}
NUMBERS = ("amount", "quantity", "customer_id")
CHUNK_BYTES = 1 << 20


def land(source: Path, raw: Path) -> dict[str, Any]:
    """Copy a file's bytes under a name that holds their hash; the hash and the number of records."""
    digest = hashlib.sha256()
    lines = 0
    unfinished = raw / f"{source.name}.part"
    with source.open("rb") as reader, unfinished.open("wb") as writer:
        while chunk := reader.read(CHUNK_BYTES):
            digest.update(chunk)
            lines += chunk.count(b"\n")
            writer.write(chunk)
    landed = unfinished.rename(raw / f"{digest.hexdigest()[:16]}-{source.name}")
    return {"path": str(landed), "sha256": digest.hexdigest(), "records": lines - 1}


def parse(connection: duckdb.DuckDBPyConnection, paths: list[str], target: Path) -> int:
    """Read all files into the table `orders`, one row a key; the number of lines that did not parse."""
    columns = ", ".join(f"'{name}': '{type_}'" for name, type_ in COLUMNS.items())
    connection.execute(
        f"""
        CREATE TABLE orders AS
        SELECT * FROM read_csv(?, header = true, auto_detect = false, delim = ',', quote = '"', escape = '"',
            columns = {{{columns}}}, store_rejects = true, rejects_limit = 0)
        QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY ordered_at DESC) = 1
        """,
        [paths],
    )
    connection.execute(
        f"""
        COPY (SELECT file_path, line, column_name, error_type, csv_line, error_message
              FROM reject_errors JOIN reject_scans USING (scan_id, file_id) ORDER BY ALL)
        TO '{target}/rejects.parquet' (COMPRESSION zstd)
        """
    )
    return single(connection, "SELECT count(DISTINCT (file_id, line)) FROM reject_errors")


def write_months(connection: duckdb.DuckDBPyConnection, target: Path) -> list[Path]:
    """Write each month's orders, sorted by time and key."""
    months = connection.execute(
        "SELECT DISTINCT date_trunc('month', ordered_at) FROM orders ORDER BY 1"
    ).fetchall()
    files = [target / f"orders_{month:%Y-%m}.parquet" for (month,) in months]
    for (month,), path in zip(months, files, strict=True):
        connection.execute(
            f"""
            COPY (SELECT * FROM orders
                  WHERE ordered_at >= TIMESTAMP '{month}' AND ordered_at < TIMESTAMP '{month}' + INTERVAL 1 MONTH
                  ORDER BY ordered_at, order_id)
            TO '{path}' (COMPRESSION zstd)
            """
        )
    return files


def write_quarters(connection: duckdb.DuckDBPyConnection, target: Path) -> list[Path]:
    """Write each quarter's aggregates by country and status."""
    quarters = connection.execute(
        "SELECT DISTINCT date_trunc('quarter', ordered_at) FROM orders ORDER BY 1"
    ).fetchall()
    numbers = ", ".join(measures(column) for column in NUMBERS)
    files = []
    for (quarter,) in quarters:
        path = target / f"summary_{quarter.year}-Q{(quarter.month + 2) // 3}.parquet"
        connection.execute(
            f"""
            COPY (SELECT country, status, count(*) AS records, {numbers} FROM orders
                  WHERE ordered_at >= TIMESTAMP '{quarter}' AND ordered_at < TIMESTAMP '{quarter}' + INTERVAL 3 MONTH
                  GROUP BY country, status ORDER BY country, status)
            TO '{path}' (COMPRESSION zstd)
            """
        )
        files.append(path)
    return files


def measures(column: str) -> str:
    """What is published about a number."""
    return f"""
        count(*) - count({column}) AS {column}_nulls, sum({column}) AS {column}_sum, avg({column}) AS {column}_mean,
        stddev_samp({column}) AS {column}_stddev, min({column}) AS {column}_min, max({column}) AS {column}_max,
        quantile_cont({column}, [0.25, 0.5, 0.75]) AS {column}_quartiles
    """


def verify(
    connection: duckdb.DuckDBPyConnection, landed: list[dict[str, Any]], rejects: int, months: list[Path]
) -> None:
    """Hold the counts of what went in against what came out, and the written months against the table."""
    records = sum(file["records"] for file in landed)
    accepted = single(connection, "SELECT count(*) FROM orders")
    written = single(connection, "SELECT count(*) FROM read_parquet(?)", [[str(path) for path in months]])
    duplicates = records - rejects - accepted
    if written != accepted or duplicates < 0:
        sys.exit(f"{records} records in, {rejects} rejected, {accepted} kept, {written} written")
    print(f"{records:,} records = {accepted:,} kept + {rejects:,} rejected + {duplicates:,} duplicates")


def single(connection: duckdb.DuckDBPyConnection, query: str, parameters: list[Any] | None = None) -> int:
    """The one number that a query gives."""
    (number,) = connection.execute(query, parameters).fetchall()[0]
    return int(number)


def hash_of(path: Path) -> str:
    """A file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(source: Path, target: Path) -> None:
    """Do the whole job into `target`, which must not exist."""
    for folder in ("raw", "curated", "aggregated"):
        (target / folder).mkdir(parents=True)
    connection = duckdb.connect()
    landed = [land(path, target / "raw") for path in sorted(source.rglob("*.csv"))]
    rejects = parse(connection, [file["path"] for file in landed], target)
    months = write_months(connection, target / "curated")
    quarters = write_quarters(connection, target / "aggregated")
    verify(connection, landed, rejects, months)
    outputs = {str(path.relative_to(target)): hash_of(path) for path in [*months, *quarters]}
    (target / "manifest.json").write_text(json.dumps({"inputs": landed, "outputs": outputs}, indent=2))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: handwritten.py SOURCE TARGET")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
