"""How Spark reads the lake's Parquet: addresses, schemas, scans."""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING

from quarterlake.processing.curate_sql import Scan
from quarterlake.processing.sql_dialects import SPARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyspark.sql.dataframe import DataFrame
    from pyspark.sql.session import SparkSession

    from quarterlake.domain.column_types import ColumnType
    from quarterlake.domain.curation import CuratedMonth
    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.lake.stores import Store
    from quarterlake.processing.engines.port import CurateInput, PeriodView

_GLOB = re.compile(r"([\\{}\[\]*?])")
_views = count()


def address(store: Store, key: str) -> str:
    """Where Spark finds an object or folder of a zone: a path, or an `s3a` address."""
    base = store.url.rstrip("/")
    return (
        f"s3a{base.removeprefix('s3')}/{key}"
        if base.startswith("s3://")
        else f"file://{_absolute(base)}/{key}"
    )


def _absolute(folder: str) -> str:
    from pathlib import Path

    return str(Path(folder).resolve())


def literal_path(path: str) -> str:
    """An address to read, in which nothing is a pattern."""
    return _GLOB.sub(r"\\\1", path)


def schema_of(columns: Iterable[tuple[str, ColumnType]]) -> str:
    """Columns as Spark declares them. Read with a schema, a file is not opened to find it."""
    return ", ".join(f"{SPARK.identifier(name)} {SPARK.type_name(kind)}" for name, kind in columns)


def parsed_schema(file: ParsedFile) -> str:
    """The schema of a parsed file's records."""
    own = schema_of((column.name, column.type) for column in file.columns)
    return f"{own}, _time TIMESTAMP, _month INT, _raw ARRAY<STRING>"


class SparkReader:
    """Reads parsed files and curated months of a lake's zone `curated`, under temporary views."""

    def __init__(self, spark: SparkSession, curated: Store) -> None:
        self._spark = spark
        self._curated = curated

    def parsed(self, inputs: Sequence[CurateInput]) -> Scan:
        """A scan of parsed files that hold the same columns."""
        files = {given.manifest.sequence: given.parsed for given in inputs if given.parsed.data is not None}
        frame = self._files(
            [file.data for file in files.values() if file.data], parsed_schema(inputs[0].parsed)
        )
        view = self.view(frame.selectExpr("*", "_metadata.file_name AS _file", "_metadata.row_index AS _row"))
        names = [SPARK.literal(file.data.rsplit("/", 1)[1]) for file in files.values() if file.data]
        numbers = [f"{number}L" for number in files]
        landing = (
            numbers[0]
            if len(numbers) == 1
            else f"map_from_arrays({SPARK.array(names)}, {SPARK.array(numbers)})[_file]"
        )
        return Scan(view, landing, "_row")

    def records(self, files: Sequence[ParsedFile]) -> str:
        """A view over the records of parsed files that hold the same columns."""
        return self.view(self._files([file.data for file in files if file.data], parsed_schema(files[0])))

    def curated(self, view: PeriodView, months: Sequence[CuratedMonth]) -> str:
        """A view over months that hold the same columns."""
        held = [column for column in view.contract.columns if column.name in months[0].columns]
        schema = schema_of((column.name, column.type) for column in held)
        paths = [f"{view.dataset}/{file.path}" for month in months for file in month.files]
        return self.view(self._files(paths, schema))

    def view(self, frame: DataFrame) -> str:
        """A temporary view over a frame, under a name of its own."""
        name = f"_quarterlake_{next(_views)}"
        frame.createOrReplaceTempView(name)
        return name

    def _files(self, paths: Sequence[str], schema: str) -> DataFrame:
        reader = self._spark.read.schema(schema).option("recursiveFileLookup", "true")
        return reader.parquet(*(literal_path(address(self._curated, path)) for path in paths))
