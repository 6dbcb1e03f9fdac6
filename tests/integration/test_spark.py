"""The engines give the same rows: on clean and on messy data, in a folder and on S3, for builds, ledgers, rejects and releases."""

from __future__ import annotations

import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from quarterlake.domain.errors import AggregateError, QuarterlakeError, UsageError
from quarterlake.domain.profiles import PROFILE_VERSION, Profile
from quarterlake.lake import documents, keys
from quarterlake.lake.location import open_lake
from quarterlake.lake.s3_options import S3Options
from quarterlake.overview import ledger_entries, reject_entries
from quarterlake.processing.engines.spark_options import SparkOptions
from quarterlake.processing.engines.spark_server import local_server
from quarterlake.processing.engines.spark_session import JARS, address_of, server_settings
from quarterlake.processing.engines.spark_tasks import Task
from quarterlake.publishing.verify import verify
from quarterlake.spark_worker import perform
from tests.integration.conftest import BUCKET, LakeTarget
from tests.integration.lakes import Scene, contract_yaml, curated_rows, names, sales, summary_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quarterlake.domain.releases import Release
    from quarterlake.outcomes import DatasetOutcome
    from quarterlake.pipeline import Pipeline
    from tests.integration.s3_server import S3Server

ROOT = Path(__file__).parents[2]
JAR_FOLDER = Path(os.environ.get("QUARTERLAKE_SPARK_JARS") or ROOT / ".spark-jars")
RELATIVE = 1e-12
"""What means, standard deviations and quartiles may differ by, relative to their size: the engines round differently."""

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")

FIRST_QUARTER = ("2026-01", "2026-02", "2026-03")
SALES = [("sale_id", "string"), ("sold_at", "timestamp"), ("store", "string"), ("amount", "decimal(10,2)")]
LENIENT = [("reject_ratio", "warning", 0.01), ("required_not_null", "warning", None)]
KEYED = contract_yaml(
    SALES, key=["sale_id"], gates=LENIENT, extra={"recordTime": "sold_at", "dimensions": "[store]"}
)
SEQUENCED = contract_yaml(
    [("id", "int64"), ("at", "timestamp"), ("seq", "int64"), ("value", "string")],
    key=["id"],
    gates=LENIENT,
    extra={"recordTime": "at", "sequence": "seq", "dimensions": "[value]"},
)


@pytest.fixture(scope="module")
def spark_remote(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a server that reads folders and the test's bucket, and its log."""
    if len(list(JAR_FOLDER.glob("*.jar"))) < JARS:
        pytest.skip("the jars for S3 are not there: make spark-jars")
    s3 = S3Options(s3_server.endpoint, s3_server.access_key_id, s3_server.secret_access_key)
    environment = {**os.environ, **s3_server.environment}
    options = SparkOptions(master="local[2]", memory="1g", jars=JAR_FOLDER, environment=environment)
    scratch = tmp_path_factory.mktemp("spark")
    with open_lake(f"s3://{BUCKET}/any", s3) as lake:
        properties, secrets = server_settings(options, lake, {"raw": s3, "curated": s3, "aggregated": s3})
        properties["spark.sql.shuffle.partitions"] = "4"
        with local_server(options, properties, secrets, scratch) as remote:
            yield remote, scratch / "spark" / "server.log"


def clean(scene: Scene) -> None:
    scene.put_months(*FIRST_QUARTER)


def corrected_and_rejected(scene: Scene) -> None:
    scene.declare(KEYED)
    scene.put_months(*FIRST_QUARTER, count=40)
    late, moved = sales("2026-01", 3, amount="9{number}.50"), sales("2026-02", 2)
    moved = [(number, time.replace("2026-02", "2026-03"), *rest) for number, time, *rest in moved]  # type: ignore[attr-defined]
    bad = [
        ("x1", "no time", "north", "1.00"),
        ("x2", "2026-03-01T00:00:00Z", "north", "dear"),
        ("", "", "", ""),
    ]
    scene.put("sales_2026-03_more.csv", [*late, *moved, *bad, ("one too few",)])


def sequenced(scene: Scene) -> None:
    scene.declare(SEQUENCED)
    rows = [
        (
            number % 17,
            f"2026-0{1 + number % 3}-{1 + number % 9:02d}T00:00:00Z",
            number % 5 or "",
            "xyz"[number % 3],
        )
        for number in range(120)
    ]
    scene.put("one.csv", [*rows[:70], ("", "2026-01-05T00:00:00Z", 1, "x")], ("id", "at", "seq", "value"))
    scene.put("two.csv", [*rows[70:], ("", "2026-01-05T00:00:00Z", 1, "x")], ("id", "at", "seq", "value"))


def doubles(scene: Scene) -> None:
    values = ["1.5e3", "-0.0", "0.0", "NaN", "inf", "-1e300", "", "2.25", "1e-9", "NA"]
    for month in FIRST_QUARTER:
        rows = [
            (
                f"{month}-{1 + n % 28:02d}",
                values[n % len(values)] if n % 3 else f"{n}.125e0",
                ("a", "é'\"`\\", "")[n % 3],
            )
            for n in range(90)
        ]
        scene.put(f"sales_{month}.csv", rows, ("day", 'a "b" `c`', "group"))


def no_key_and_other_columns(scene: Scene) -> None:
    scene.put(
        "sales_2026-01.csv", [("2026-01-02T00:00:00Z", "a", n % 4) for n in range(30)], ("t", "kind", "n")
    )
    scene.put(
        "sales_2026-02.csv",
        [("2026-02-02T00:00:00Z", "b", n % 4, 9) for n in range(30)],
        ("t", "kind", "n", "more"),
    )
    lines = [json.dumps({"t": "2026-03-02T00:00:00Z", "kind": "ü", "n": n, "more": None}) for n in range(120)]
    scene.put("sales_2026-03.ndjson", "\n".join([*lines, "{broken", ""]).encode())


def emptied_month(scene: Scene) -> None:
    scene.declare(
        contract_yaml(
            SALES, key=["sale_id"], gates=LENIENT, extra={"recordTime": "sold_at", "dimensions": "[store]"}
        )
    )
    scene.put_months(*FIRST_QUARTER)
    moved = [(key, time.replace("2026-01", "2026-02"), *rest) for key, time, *rest in sales("2026-01")]  # type: ignore[attr-defined]
    scene.put("sales_2026-02_moved.csv", moved)


def wide_decimals(scene: Scene) -> None:
    columns = [
        ("at", "timestamp"),
        ("kind", "string"),
        ("a", "decimal(20,4)"),
        ("b", "decimal(38,10)"),
        ("c", "decimal(38,0)"),
    ]
    scene.declare(contract_yaml(columns, gates=LENIENT, extra={"recordTime": "at", "dimensions": "[kind]"}))
    for month in FIRST_QUARTER:
        rows = [
            (
                f"{month}-{1 + n % 27:02d}T00:00:00Z",
                "xy"[n % 2],
                f"{400000 + n}.{1000 + n}",
                f"{n}.0000000{n % 9}01",
                10**12 + n,
            )
            for n in range(60)
        ]
        scene.put(f"sales_{month}.csv", rows, ("at", "kind", "a", "b", "c"))


def other_names(scene: Scene) -> None:
    scene.dataset = "straße_2"
    folder = scene.root / "aggregates" / scene.dataset
    folder.mkdir(parents=True)
    (folder / "by_store.sql").write_text("SELECT store, count(*) AS n FROM `straße_2` GROUP BY store")
    clean(scene)


def nested_and_formatted(scene: Scene) -> None:
    scene.declare(
        contract_yaml(
            [
                ("id", "int64"),
                ("at", "timestamp"),
                ("who.name", "string"),
                ("who.score", "decimal(18,2)"),
                ("tags", "string"),
            ],
            key=["id"],
            gates=LENIENT,
            extra={"recordTime": "at", "dimensions": "[who.name]"},
        )
    )
    for month in FIRST_QUARTER:
        records = [
            {
                "id": n,
                "at": f"{month}-{1 + n % 28:02d}T00:00:00Z",
                "who": {"name": "ab"[n % 2], "score": n / 4} if n % 7 else None,
                "tags": [n % 3, {"x": 1.50}],
            }
            for n in range(40)
        ]
        twice = '{"id": 1, "id": 2, "at": "2026-01-01T00:00:00Z"}'
        scene.put(f"sales_{month}.json", json.dumps({"count": 40, "data": records}, indent=1).encode())
        scene.put(f"sales_{month}_more.json", "".join([*map(json.dumps, records[:3]), twice]).encode())


SCENES = [
    nested_and_formatted,
    emptied_month,
    wide_decimals,
    other_names,
    clean,
    corrected_and_rejected,
    sequenced,
    doubles,
    no_key_and_other_columns,
]


@pytest.mark.parametrize("prepare", SCENES)
def test_both_engines_give_the_same(
    prepare: Callable[[Scene], None], lake_target: LakeTarget, tmp_path: Path, spark_remote: tuple[str, Path]
) -> None:
    embedded, cluster = scenes(tmp_path, lake_target, spark_remote[0], prepare)
    ours, theirs = embedded.run(), cluster.run()

    assert [build.id for build in theirs.builds] == [build.id for build in ours.builds]
    assert names(theirs.published) == names(ours.published) != []
    assert theirs.entries == ours.entries
    assert stopped(theirs) == stopped(ours)
    with embedded.pipeline() as one, cluster.pipeline() as other:
        assert list(reject_entries(other, None)) == list(reject_entries(one, None))
        assert ledger_entries(other, None) == ledger_entries(one, None)
        name = ours.dataset
        assert list(map(nans_named, curated_rows(other, name))) == list(
            map(nans_named, curated_rows(one, name))
        )
        assert_alike(summary_rows(other, name), summary_rows(one, name))
        assert columns(theirs) == columns(ours)
        for release in theirs.published:
            assert all(file.holds for file in verify(other.lake, release))
        mark_of_the_committer = [item.key for item in other.lake.curated.list("") if "_SUCCESS" in item.key]
        assert mark_of_the_committer == []


def everything(scene: Scene) -> None:
    """Columns of all types, with nulls, extremes and values that are no numbers; one is marked PII."""
    columns = [
        ("moment", "timestamp"),
        ("day", "date"),
        ("kind", "string"),
        ("note", "string"),
        ("email", "string"),
        ("agreed", "boolean"),
        ("whole", "int64"),
        ("huge", "int64"),
        ("price", "decimal(18,2)"),
        ("wide", "decimal(38,10)"),
        ("real", "float64"),
        ("nothing", "int64"),
    ]
    contract = contract_yaml(columns, gates=LENIENT, extra={"recordTime": "moment", "dimensions": "[kind]"})
    named = "{name: email, physicalType: 'string'}"
    assert named in contract
    scene.declare(contract.replace(named, named.replace("}", ", classification: pii}")))
    reals = ["1.5e300", "-1e-9", "NaN", "inf", "", "0.1", "-0.0", "12345.678"]
    for month in FIRST_QUARTER:
        rows = [
            (
                f"{month}-{1 + n % 27:02d}T{n % 24:02d}:30:00.{n:06d}Z",
                f"{1950 + n}-03-{1 + n % 28:02d}",
                ("a", "é'\"`\\", "")[n % 3],
                f"text {n * 7919 % 1000}",
                f"{n}@example.org",
                ("true", "false", "")[n % 3],
                n % 7 or "",
                (-(2**63), 2**63 - 1, n)[n % 3],
                f"{n * n}.{n % 100:02d}",
                f"{n}.0000000{n % 9}01",
                reals[n % len(reals)],
                "",
            )
            for n in range(300)
        ]
        scene.put(f"sales_{month}.csv", [*rows, ("never",)], [name for name, _ in columns])


@pytest.mark.parametrize("prepare", [everything, corrected_and_rejected, doubles])
def test_both_engines_give_the_same_profile(
    prepare: Callable[[Scene], None], tmp_path: Path, spark_remote: tuple[str, Path]
) -> None:
    embedded, cluster = scenes(tmp_path, LakeTarget(str(tmp_path / "lake")), spark_remote[0], prepare)
    [ours], [theirs] = embedded.run().published, cluster.run().published
    with embedded.pipeline() as one, cluster.pipeline() as other:
        expected, found = profile_of(one, ours), profile_of(other, theirs)
    assert msgspec.json.format(msgspec.json.encode(found.records)) == msgspec.json.format(
        msgspec.json.encode(expected.records)
    )
    assert (found.rows_by_month, found.rows_by_day) == (expected.rows_by_month, expected.rows_by_day)
    assert found.rejects == expected.rejects
    # The values of means and deviations differ in their last bits already.
    assert [(t.name, t.rows, [(c.name, c.present) for c in t.columns]) for t in found.aggregates] == [
        (t.name, t.rows, [(c.name, c.present) for c in t.columns]) for t in expected.aggregates
    ]


def profile_of(pipeline: Pipeline, release: Release) -> Profile:
    key = keys.profile(release.dataset, release.build.id, PROFILE_VERSION)
    found = documents.read(pipeline.lake.aggregated, key, Profile)
    assert found is not None
    return found


def test_either_engine_goes_on_where_the_other_stopped(
    lake_target: LakeTarget, tmp_path: Path, spark_remote: tuple[str, Path]
) -> None:
    embedded, cluster = scenes(tmp_path, lake_target, spark_remote[0], corrected_and_rejected)
    first = cluster.run()
    same_lake = replace(embedded, target=cluster.target)
    again = same_lake.run()
    assert again.published == []
    assert names(again.current) == names(first.published)

    same_lake.put("sales_2026-02.csv", sales("2026-02", 30))
    revised = same_lake.run()
    assert names(revised.published) == ["sales@2026-Q1.2"]
    cluster.put("sales_2026-02.csv", sales("2026-02", 30))
    assert cluster.run().published == []


def test_a_users_sql_gives_the_same(
    lake_target: LakeTarget, tmp_path: Path, spark_remote: tuple[str, Path]
) -> None:
    def prepare(scene: Scene) -> None:
        corrected_and_rejected(scene)
        folder = scene.root / "aggregates" / "sales"
        folder.mkdir(parents=True)
        (folder / "by_store.sql").write_text(
            "SELECT store, date_trunc('month', sold_at) AS month, count(*) AS n, sum(amount) AS total, avg(amount) AS mean,\n"
            "max(sale_id) AS last FROM sales WHERE amount > 1 GROUP BY store, date_trunc('month', sold_at)"
        )

    embedded, cluster = scenes(tmp_path, lake_target, spark_remote[0], prepare)
    ours, theirs = embedded.run(), cluster.run()
    assert [build.id for build in theirs.builds] == [build.id for build in ours.builds]
    assert columns(theirs) == columns(ours)
    with embedded.pipeline() as one, cluster.pipeline() as other:
        assert_alike(rows_of(other, "by_store"), rows_of(one, "by_store"))


def test_what_spark_refuses_of_a_users_sql_names_the_place(
    tmp_path: Path, spark_remote: tuple[str, Path]
) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")), environment=engine(spark_remote[0]))
    clean(scene)
    folder = scene.root / "aggregates" / "sales"
    folder.mkdir(parents=True)
    (folder / "wrong.sql").write_text("SELECT store,\n  sum(pricee) AS total\nFROM sales GROUP BY store")
    with pytest.raises(QuarterlakeError, match=r"wrong\.sql:2:7: the engine refuses it: .*pricee"):
        scene.run()


def test_a_users_sql_that_fails_on_the_data_is_the_users_error(
    tmp_path: Path, spark_remote: tuple[str, Path]
) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")), environment=engine(spark_remote[0]))
    clean(scene)
    folder = scene.root / "aggregates" / "sales"
    folder.mkdir(parents=True)
    (folder / "ratio.sql").write_text(
        "SELECT store, 1 / (count(*) - count(store)) AS r FROM sales GROUP BY store"
    )
    with pytest.raises(AggregateError, match=r"ratio\.sql:1:1: the engine refuses it: .*DIVIDE_BY_ZERO"):
        scene.run()


def test_a_run_with_nothing_new_does_not_even_connect(tmp_path: Path, spark_remote: tuple[str, Path]) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")), environment=engine(spark_remote[0]))
    clean(scene)
    assert names(scene.run().published) == ["sales@2026-Q1.1"]
    nowhere = replace(scene, environment=engine("sc://127.0.0.1:1"))
    assert names(nowhere.run().current) == ["sales@2026-Q1.1"]


def test_results_do_not_depend_on_what_a_server_is_set_to(tmp_path: Path) -> None:
    options = SparkOptions(master="local[1]", memory="1g", environment=dict(os.environ))
    loose = {
        "spark.ui.enabled": "false",
        "spark.sql.ansi.enabled": "false",
        "spark.sql.session.timeZone": "Asia/Tokyo",
    }
    with local_server(options, loose, {}, tmp_path) as remote:
        scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")), environment=engine(remote))
        clean(scene)
        folder = scene.root / "aggregates" / "sales"
        folder.mkdir(parents=True)
        (folder / "wrong.sql").write_text(
            "SELECT store, sum(CAST(sale_id AS INT)) AS n FROM sales GROUP BY store"
        )
        with pytest.raises(
            AggregateError, match=r"wrong\.sql:1:1: the engine refuses it: .*CAST_INVALID_INPUT"
        ):
            scene.run()


def test_workers_of_another_version_are_refused(tmp_path: Path) -> None:
    answer = perform(str(tmp_path), Task("sample", (), "0.0.1, parser 1"))
    assert answer.error == "UsageError"
    assert "this is 0.0.1, parser 1" in answer.message


@pytest.mark.parametrize(
    "remote", ["sc://localhost:abc", "sc://h:99999", "localhost:15002", "sc://", "sc://[::1"]
)
def test_an_address_that_is_none_is_refused(remote: str) -> None:
    with pytest.raises(UsageError, match="is no Spark Connect address"):
        address_of(remote)


def test_a_server_takes_no_calls_without_its_token(tmp_path: Path, spark_remote: tuple[str, Path]) -> None:
    address = spark_remote[0].split("/;")[0]
    for remote in (address, f"{address}/;token=another"):
        scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")), environment=engine(remote))
        clean(scene)
        with pytest.raises(
            UsageError, match=r"refuses the token, or there is none\. Set SPARK_REMOTE="
        ) as refused:
            scene.run()
        assert "another" not in str(refused.value)


def test_no_secret_is_in_the_log_or_in_the_settings(
    s3_server: S3Server, tmp_path: Path, spark_remote: tuple[str, Path]
) -> None:
    from pyspark.sql.session import SparkSession

    target = LakeTarget(f"s3://{BUCKET}/secrets", environment=s3_server.environment)
    scene = Scene(tmp_path, target, environment=engine(spark_remote[0]))
    clean(scene)
    assert names(scene.run().published) == ["sales@2026-Q1.1"]
    session = SparkSession.builder.remote(spark_remote[0]).create()
    shown = str(session.sql("SET").collect()) + spark_remote[1].read_text()
    session.stop()
    assert "fs.s3a" in shown
    assert s3_server.secret_access_key not in shown
    assert spark_remote[0].partition("token=")[2] not in shown


def scenes(
    root: Path, target: LakeTarget, remote: str, prepare: Callable[[Scene], None]
) -> tuple[Scene, Scene]:
    """The same files in two scenes, the second one's engine Spark."""
    made = []
    for name, environment in (("embedded", {}), ("spark", engine(remote))):
        folder = root / name
        folder.mkdir()
        url = f"{target.url}-{name}"
        scene = Scene(folder, replace(target, url=url), environment=environment)
        prepare(scene)
        made.append(scene)
    return made[0], made[1]


def engine(remote: str) -> dict[str, str]:
    return {"QUARTERLAKE_ENGINE": "spark", "SPARK_REMOTE": remote}


def stopped(outcome: DatasetOutcome) -> list[tuple[str, str, Any]]:
    """The gates' observations."""
    return [(r.period, gate.gate, gate.observed) for r in outcome.reports for gate in r.gates]


def columns(outcome: DatasetOutcome) -> list[Any]:
    """The aggregates' columns and types."""
    return [aggregate.columns for build in outcome.builds for aggregate in build.aggregates]


def rows_of(pipeline: Pipeline, aggregate: str) -> list[dict[str, Any]]:
    from tests.integration.lakes import table_rows

    return table_rows(pipeline.lake.aggregated, f"sales/{aggregate}")


def nans_named(row: dict[str, Any]) -> dict[str, Any]:
    """A NaN is not equal to itself."""
    return {k: "NaN" if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}


def assert_alike(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Equal, but for the last bits of doubles."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name, value in other.items():
            if isinstance(value, float):
                assert one[name] == pytest.approx(value, rel=RELATIVE, nan_ok=True), name
            else:
                assert one[name] == value, name
