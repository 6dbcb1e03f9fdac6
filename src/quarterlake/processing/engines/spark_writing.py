"""What Spark wrote into a zone: new files in a folder of their own, the committer's leftovers gone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from quarterlake.domain.errors import EngineUnavailableError
from quarterlake.processing.engines.spark_reading import address

if TYPE_CHECKING:
    from pyspark.sql.dataframe import DataFrame

    from quarterlake.lake.stores import Store, StoredObject

_SUCCESS = "_SUCCESS"


def write_parquet(frame: DataFrame, store: Store, folder: str) -> list[StoredObject]:
    """Write a frame as Parquet into a folder that is not there yet; the files, by name.

    Raises EngineUnavailableError where the job left no mark that it was committed, or on S3 a mark that not the magic
    committer did it, which alone is safe there.
    """
    frame.write.mode("error").option("compression", "zstd").parquet(address(store, folder))
    listed = store.list(f"{folder}/")
    _check_committed(store, f"{folder}/{_SUCCESS}")
    data = [item for item in listed if item.key.endswith(".parquet")]
    store.delete([item.key for item in listed if not item.key.endswith(".parquet")])
    return data


def _check_committed(store: Store, key: str) -> None:
    mark = store.get(key)
    if mark is None:
        raise EngineUnavailableError(
            f"Spark left no {key} in {store.url}: its job was not committed. Run the same command again."
        )
    if store.url.startswith("s3://") and (not mark or json.loads(mark).get("committer") != "magic"):
        raise EngineUnavailableError(
            f"Spark committed {key} in {store.url} without the magic committer of s3a, which could show half-written files. "
            "Configure the server as docs/spark.md says, then run the same command again."
        )
