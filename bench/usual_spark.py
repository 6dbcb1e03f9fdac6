"""The same work as `quarterlake run --engine spark`, as one would usually write it in PySpark.

Read with a schema and a corrupt-record column, keep the corrupt lines, drop duplicates by key, write months, aggregate each
quarter. It gives no lines for its rejects, no order within a month, and no choice of the version that stays.

    SPARK_REMOTE=sc://localhost:15002 python bench/usual_spark.py SOURCE TARGET
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyspark.sql.connect.session import SparkSession

SCHEMA = (
    "order_id BIGINT, ordered_at TIMESTAMP, customer_id BIGINT, country STRING, status STRING, "
    "amount DECIMAL(18, 2), quantity INT, _corrupt STRING"
)
NUMBERS = ("amount", "quantity", "customer_id")


def measures(column: str) -> str:
    """What is published about a number."""
    return (
        f"count(*) - count({column}) AS {column}_nulls, sum({column}) AS {column}_sum, avg({column}) AS {column}_mean, "
        f"stddev_samp({column}) AS {column}_stddev, min({column}) AS {column}_min, max({column}) AS {column}_max, "
        f"percentile({column}, array(0.25D, 0.5D, 0.75D)) AS {column}_quartiles"
    )


def main(source: Path, target: Path) -> None:
    """Do the whole job into `target`, which must not exist."""
    spark = SparkSession.builder.remote(os.environ["SPARK_REMOTE"]).create()
    read = (
        spark.read.schema(SCHEMA)
        .option("header", "true")
        .option("mode", "PERMISSIVE")
        .option("columnNameOfCorruptRecord", "_corrupt")
        .csv(f"file://{source.resolve()}/orders")
    )
    folder = f"file://{target.resolve()}"
    read.where("_corrupt IS NOT NULL").write.parquet(f"{folder}/rejects")
    kept = read.where("_corrupt IS NULL").drop("_corrupt").dropDuplicates(["order_id"])
    kept.selectExpr("*", "date_format(ordered_at, 'yyyy-MM') AS month").write.partitionBy("month").parquet(
        f"{folder}/curated"
    )
    spark.read.parquet(f"{folder}/curated").createOrReplaceTempView("orders")
    spark.sql(
        f"""
        SELECT concat(year(ordered_at), '-Q', quarter(ordered_at)) AS quarter, country, status, count(*) AS records,
            {", ".join(measures(column) for column in NUMBERS)}
        FROM orders GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """
    ).write.parquet(f"{folder}/summary")
    print(f"{spark.read.parquet(f'{folder}/curated').count():,} kept")
    spark.stop()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: usual_spark.py SOURCE TARGET")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
