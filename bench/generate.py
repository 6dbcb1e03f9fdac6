"""Make the benchmark's source files: monthly CSV of orders, 500,000 rows each, the same every time.

Of every 3,000,000 rows 100 are bad (half hold text in `amount`, half lack a column) and 1,000 come a second
time, at the end of their month's file. A month's file depends on the month alone, so a larger data set begins
with the files of a smaller one; files that are there are kept.

    python bench/generate.py 3000000 bench/.work/source
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

FIRST_YEAR = 2020
ROWS_A_MONTH = 500_000
BAD_EVERY = 30_000
REPEATED_EVERY = 3_000
HEADER = "order_id,ordered_at,customer_id,country,status,amount,quantity"

# Multiplying by an odd number modulo 2**32 scatters the row number; the low bits are the least random.
# The lines are finished text in one column, so that a row may lack a column.
LINES = f"""
COPY (
    WITH numbered AS (SELECT range AS i FROM range({{first}}, {{last}})),
    scattered AS (
        SELECT i,
            (i * 2654435761 % 4294967296) >> 8 AS a,
            (i * 2246822519 % 4294967296) >> 8 AS b,
            (i * 3266489917 % 4294967296) >> 8 AS c
        FROM numbered
    ),
    fields AS (
        SELECT i,
            strftime(TIMESTAMP '{{month}}-01' + to_seconds(a % {{seconds}}), '%Y-%m-%d %H:%M:%S') AS ordered_at,
            b % 200000 AS customer_id,
            ['AT', 'BE', 'CH', 'DE', 'ES', 'FR', 'GB', 'IT', 'NL', 'PL'][1 + c % 10] AS country,
            ['open', 'paid', 'shipped', 'returned'][1 + (b >> 4) % 4] AS status,
            CAST(CAST(c % 1000000 AS DECIMAL(18, 2)) / 100 AS DECIMAL(10, 2)) AS amount,
            1 + a % 20 AS quantity
        FROM scattered
    ),
    lines AS (
        SELECT i, concat_ws(',', i, ordered_at, customer_id, country, status,
            CASE WHEN i % {BAD_EVERY * 2} = 17 THEN 'unknown' ELSE CAST(amount AS VARCHAR) END,
            CASE WHEN i % {BAD_EVERY * 2} = {BAD_EVERY} + 17 THEN NULL ELSE quantity END) AS line
        FROM fields
    )
    SELECT line AS "{HEADER}" FROM (
        SELECT 0 AS part, i, line FROM lines
        UNION ALL
        SELECT 1, i, line FROM lines WHERE i % {REPEATED_EVERY} = 5
    ) ORDER BY part, i
) TO '{{path}}' (FORMAT csv, HEADER, DELIMITER '|', QUOTE '', ESCAPE '')
"""


def month_name(number: int) -> str:
    """The name of the month that lies `number` months after the first, as `2020-01`."""
    return f"{FIRST_YEAR + number // 12}-{number % 12 + 1:02}"


def month_files(rows: int, folder: Path) -> list[Path]:
    """The files that a data set of so many rows consists of."""
    months = -(-rows // ROWS_A_MONTH)
    return [folder / f"orders_{month_name(number)}.csv" for number in range(months)]


def write_month(connection: duckdb.DuckDBPyConnection, number: int, rows: int, path: Path) -> None:
    """Write one month's file; its name appears when it is whole."""
    unfinished = path.with_name(path.name + ".part")
    first = number * ROWS_A_MONTH
    connection.execute(
        LINES.format(
            first=first,
            last=first + rows,
            month=month_name(number),
            seconds=28 * 24 * 3600,
            path=str(unfinished).replace("'", "''"),
        )
    )
    unfinished.replace(path)


def main(rows: int, folder: Path) -> None:
    """Write the files that are missing."""
    if rows % ROWS_A_MONTH:
        sys.exit(f"ROWS must be a multiple of {ROWS_A_MONTH:,}, the rows of a month")
    folder.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    files = month_files(rows, folder)
    missing = [number for number, path in enumerate(files) if not path.exists()]
    for number in missing:
        write_month(connection, number, ROWS_A_MONTH, files[number])
    print(f"{folder}: {len(files)} files, {len(missing)} written")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: generate.py ROWS FOLDER")
    main(int(sys.argv[1]), Path(sys.argv[2]))
