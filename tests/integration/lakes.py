"""Small source folders, and pipelines over real lakes with a clock that stands still."""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deltalake import DeltaTable

from quarterlake.domain.periods import Period
from quarterlake.lake import keys
from quarterlake.outcomes import DatasetOutcome, Wishes
from quarterlake.pipeline import Pipeline
from quarterlake.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from quarterlake.domain.releases import Release
    from quarterlake.lake.stores import Store
    from tests.integration.conftest import LakeTarget

NOW = datetime(2026, 5, 3, 9, tzinfo=UTC)
"""The first quarter is over, the second is not."""
HEADER = ("sale_id", "sold_at", "store", "amount")
ZONES = ("raw", "curated", "aggregated")

Row = tuple[object, ...]


def sales(month: str, count: int = 20, *, first: int = 1, amount: str = "{number}.25") -> list[Row]:
    """`count` sales of a month: numbered from `first`, a day apart, in three stores."""
    return [
        (
            f"{month}-{number:03d}",
            f"{month}-{1 + number % 27:02d}T10:00:00Z",
            ("north", "south", "west")[number % 3],
            amount.format(number=number),
        )
        for number in range(first, first + count)
    ]


def csv_text(rows: Sequence[Row], header: Sequence[str] = HEADER) -> bytes:
    """A CSV file's bytes."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


@dataclass
class Scene:
    """A source folder, folders for contracts and aggregates, and a lake, of one test alone."""

    root: Path
    target: LakeTarget
    dataset: str = "sales"
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        return self.root / "source"

    def put(self, name: str, content: bytes | Sequence[Row], header: Sequence[str] = HEADER) -> Path:
        """Write a source file of the data set, over what is there."""
        path = self.source / self.dataset / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else csv_text(content, header))
        return path

    def put_months(self, *months: str, count: int = 20) -> None:
        """One file a month."""
        for month in months:
            self.put(f"sales_{month}.csv", sales(month, count))

    def declare(self, contract: str) -> None:
        """Put the data set's contract."""
        folder = self.root / "contracts"
        folder.mkdir(exist_ok=True)
        (folder / f"{self.dataset}.odcs.yaml").write_text(contract, encoding="utf-8")

    @contextmanager
    def pipeline(self, now: datetime = NOW) -> Iterator[Pipeline]:
        """A pipeline over the lake."""
        scratch = self.root / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        given = {
            "QUARTERLAKE_LAKE": self.target.url,
            "QUARTERLAKE_CONTRACTS": str(self.root / "contracts"),
            "QUARTERLAKE_AGGREGATES": str(self.root / "aggregates"),
            "QUARTERLAKE_SCRATCH": str(scratch),
        }
        settings = read_settings(given, {**self.target.environment, **self.environment})
        with Pipeline(settings, now=now) as pipeline:
            yield pipeline

    def run(
        self, now: datetime = NOW, *, periods: Sequence[str] = (), allow_incomplete: bool = False
    ) -> DatasetOutcome:
        """What `quarterlake run` does, for the one data set."""
        wishes = Wishes((), tuple(map(Period.parse, periods)), allow_incomplete)
        with self.pipeline(now) as pipeline:
            pipeline.ingest(self.source)
            return pipeline.publish(self.dataset, wishes)


def names(releases: Sequence[Release]) -> list[str]:
    """The releases' names."""
    return [release.name for release in releases]


def listing(pipeline: Pipeline) -> dict[str, list[tuple[str, int, datetime]]]:
    """Every object of every zone, with its size and time."""
    lake = pipeline.lake
    return {
        zone: [(item.key, item.size, item.modified) for item in store.list("")]
        for zone, store in zip(ZONES, (lake.raw, lake.curated, lake.aggregated), strict=True)
    }


def table_rows(store: Store, prefix: str, version: int | None = None) -> list[dict[str, Any]]:
    """A Delta table's rows, as other people's tools see them; sorted, since a table has no order."""
    table = DeltaTable(
        store.table_uri(f"{prefix}/"), version=version, storage_options=store.table_options() or None
    )
    rows: list[dict[str, Any]] = table.to_pyarrow_table().to_pylist()
    return sorted(rows, key=str)


def summary_rows(
    pipeline: Pipeline, dataset: str = "sales", version: int | None = None
) -> list[dict[str, Any]]:
    """The published summary's rows."""
    return table_rows(pipeline.lake.aggregated, keys.aggregate_table(dataset, "summary"), version)


def curated_rows(pipeline: Pipeline, dataset: str = "sales") -> list[dict[str, Any]]:
    """The curated records."""
    return table_rows(pipeline.lake.curated, dataset)


def objects(store: Store, prefix: str = "") -> dict[str, bytes]:
    """Every object below a prefix."""
    found = [item.key for item in store.list(prefix)]
    return dict(zip(found, store.get_many(found), strict=True))


def contract_yaml(
    columns: Sequence[tuple[str, str]],
    *,
    key: Sequence[str] = (),
    required: Sequence[str] = (),
    gates: Sequence[tuple[str, str, float | None]] = (),
    extra: dict[str, object] | None = None,
    dataset: str = "sales",
) -> str:
    """A contract as a user writes it; `columns` are names with SQL types, `gates` names with severity and threshold."""
    lines = ["apiVersion: v3.1.0", "kind: DataContract", f"id: {dataset}", "schema:", f"- name: {dataset}"]
    if extra:
        lines.append("  customProperties:")
        lines += [f"  - {{property: quarterlake.{name}, value: {value}}}" for name, value in extra.items()]
    if gates:
        lines.append("  quality:")
    for gate, severity, threshold in gates:
        bound = "" if threshold is None else f", threshold: {threshold}"
        lines.append(
            f"  - {{type: custom, engine: quarterlake, severity: '{severity}', implementation: {{gate: {gate}{bound}}}}}"
        )
    lines.append("  properties:")
    for name, kind in columns:
        flags = ", required: true" if name in required else ""
        if name in key:
            flags += f", primaryKey: true, primaryKeyPosition: {list(key).index(name) + 1}"
        lines.append(f"  - {{name: {name}, physicalType: '{kind}'{flags}}}")
    return "\n".join(lines) + "\n"
