"""Delta Sharing as its official client, and a client that errs, meet it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import delta_sharing
import httpx
import pytest
from delta_sharing.protocol import DeltaSharingProfile, Schema
from deltalake import DeltaTable

from quarterlake.client import Client
from quarterlake.delivery.sharing.history import TableHistory, table_history
from quarterlake.lake import keys as lake_keys
from quarterlake.publishing.publish import rollback
from quarterlake.publishing.releases import find_release, releases_of
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene, contract_yaml, sales
from tests.integration.test_delivery import KEY, delivering, keys
from tests.integration.test_service import QUARTER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quarterlake.lake.stores import Store
    from tests.integration.test_service import Service

# The official client uses what pandas deprecates, and leaves connections open.
pytestmark = pytest.mark.filterwarnings("ignore")

LATER = datetime(2026, 8, 3, 9, tzinfo=UTC)
SHARE = "quarterlake"
BY_STORE = "SELECT store, count(*) AS sales FROM sales GROUP BY store"


def aggregate(scene: Scene, name: str, sql: str) -> Path:
    path = scene.root / "aggregates" / scene.dataset / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sql, encoding="utf-8")
    return path


def declare(scene: Scene, amount: str) -> None:
    columns = [("sale_id", "string"), ("sold_at", "timestamp"), ("store", "string"), ("amount", amount)]
    scene.declare(contract_yaml(columns, gates=[("schema_compatible", "warning", None)]))


def eventful(scene: Scene) -> None:
    """Two quarters with a correction, a column whose type changes, an aggregate that goes and comes back, and a rollback."""
    declare(scene, "bigint")
    by_store = aggregate(scene, "by_store", BY_STORE)
    for month in QUARTER:
        scene.put(f"sales_{month}.csv", sales(month, amount="{number}"))
    scene.run()
    scene.put("sales_2026-02.csv", sales("2026-02", 30, amount="{number}"))
    scene.run()
    declare(scene, "decimal(18,2)")
    scene.put_months("2026-04", "2026-05", "2026-06")
    scene.run(LATER, periods=["2026-Q2"])
    scene.run(LATER)
    by_store.unlink()
    scene.run(LATER)
    with scene.pipeline(LATER) as pipeline:
        store = pipeline.lake.aggregated
        rollback(store, find_release(store, "sales@2026-Q2.1"), LATER)
    aggregate(scene, "by_store", BY_STORE)
    scene.run(LATER)


def history_of(store: Store, aggregate: str) -> TableHistory:
    found = table_history(releases_of(store, "sales"), aggregate)
    assert found is not None
    return found


def test_a_table_s_versions_are_those_of_its_log(tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    eventful(scene)
    with scene.pipeline(LATER) as pipeline:
        store = pipeline.lake.aggregated
        for name in ("summary", "by_store"):
            uri = store.table_uri(f"{lake_keys.aggregate_table('sales', name)}/")
            history = history_of(store, name)
            assert [version.number for version in history.versions] == list(range(9))
            assert DeltaTable(uri).version() == history.latest.number
            for version in history.versions:
                table = DeltaTable(uri, version=version.number)
                shown = {file.path for each in version.shown for file in each.files}
                assert shown == {f"sales/{name}/{path}" for path in _paths(table)}, version.number
                fields = json.loads(table.schema().to_json())["fields"]
                assert list(version.columns) == [(field["name"], field["type"]) for field in fields]
            times = [version.timestamp for version in history.versions]
            assert times == sorted(set(times))


def _paths(table: DeltaTable) -> list[str]:
    return [str(path) for path in table.get_add_actions(flatten=True).column("path").to_pylist()]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, Service]]:
    """A server over an eventful lake."""
    root = tmp_path_factory.mktemp("shared")
    scene = Scene(root, LakeTarget(str(root / "lake")))
    eventful(scene)
    with delivering(scene) as delivery:
        yield scene, delivery


def asked(
    delivery: Service, path: str, *, key: str = KEY, method: str = "GET", **more: Any
) -> httpx.Response:
    with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {key}"}) as client:
        return client.request(method, f"{delivery.url}/delta-sharing{path}", **more)


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
    return [json.loads(line) for line in answer.text.splitlines()]


def by_quarter(frame: Any) -> dict[str, int]:
    return {str(quarter): int(sales) for quarter, sales in frame.groupby("quarter").sales.sum().items()}


def test_the_official_client_lists_loads_travels_and_limits(tmp_path: Path, lake_target: LakeTarget) -> None:
    scene = Scene(tmp_path, lake_target)
    eventful(scene)
    profile = tmp_path / "profile.share"
    with delivering(scene) as delivery:
        keys(scene, "create", "--name", "reader", "--profile", str(profile), "--url", delivery.url)
        client = delta_sharing.SharingClient(str(profile))
        tables = [(table.share, table.schema, table.name) for table in client.list_all_tables()]
        assert tables == [(SHARE, "sales", "by_store"), (SHARE, "sales", "summary")]
        [share] = client.list_shares()
        [schema] = client.list_schemas(share)
        assert [table.name for table in client.list_tables(schema)] == ["by_store", "summary"]
        table = f"{profile}#{SHARE}.sales.by_store"
        assert delta_sharing.get_table_version(table) == 8
        assert by_quarter(delta_sharing.load_as_pandas(table)) == {"2026-Q1": 70, "2026-Q2": 60}
        assert by_quarter(delta_sharing.load_as_pandas(table, version=1)) == {"2026-Q1": 60}
        assert delta_sharing.load_as_pandas(table, version=0).empty
        assert by_quarter(delta_sharing.load_as_pandas(table, version=6)) == {}
        assert by_quarter(delta_sharing.load_as_pandas(table, timestamp="2026-05-03T09:00:00Z")) == {
            "2026-Q1": 60
        }
        assert len(delta_sharing.load_as_pandas(table, limit=2)) == 2
        changes = delta_sharing.load_table_changes_as_pandas(table, starting_version=2, ending_version=2)
        moved = {kind: int(rows.sales.sum()) for kind, rows in changes.groupby("_change_type")}
        assert moved == {"delete": 60, "insert": 70}
        as_delta = delta_sharing.load_as_pandas(table, use_delta_format=True)
        assert by_quarter(as_delta) == {"2026-Q1": 70, "2026-Q2": 60}
        summary = delta_sharing.load_as_pandas(f"{profile}#{SHARE}.sales.summary", version=2)
        assert set(summary.quarter) == {"2026-Q1"}
        assert "X-Amz-Signature" not in delivery.log.read_text()


def test_a_table_is_told_in_lines_with_urls_that_expire(shared: tuple[Scene, Service]) -> None:
    _, delivery = shared
    answer = asked(
        delivery, f"/shares/{SHARE}/schemas/sales/tables/by_store/query", method="POST", content=b""
    )
    protocol, metadata, *files = lines(answer)
    assert protocol == {"protocol": {"minReaderVersion": 1}}
    assert metadata["metaData"]["numFiles"] == len(files) == 2
    schema = json.loads(metadata["metaData"]["schemaString"])
    assert [field["name"] for field in schema["fields"]] == ["quarter", "store", "sales"]
    assert answer.headers["Delta-Table-Version"] == "8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Delta-Sharing-Capabilities"] == "responseformat=parquet"
    for line in files:
        file = line["file"]
        assert json.loads(file["stats"]) == {"numRecords": 3}
        assert file["expirationTimestamp"] > datetime.now(UTC).timestamp() * 1000
        with httpx.Client(trust_env=False) as nobody:
            assert len(nobody.get(file["url"]).content) == file["size"]
    again = asked(delivery, "/shares/QuarterLake/schemas/SALES/tables/By_Store/query", method="POST", json={})
    assert [line["file"]["id"] for line in lines(again)[2:]] == [line["file"]["id"] for line in files]
    limited = asked(
        delivery,
        f"/shares/{SHARE}/schemas/sales/tables/by_store/query",
        method="POST",
        json={
            "limitHint": 2,
            "predicateHints": ["store = 'north'"],
            "jsonPredicateHints": "{" * 99_999,
            "new": 1,
        },
    )
    assert len(lines(limited)) == 3
    since = asked(
        delivery,
        f"/shares/{SHARE}/schemas/sales/tables/summary/query",
        method="POST",
        json={"startingVersion": 3, "endingVersion": 4},
    )
    assert [next(iter(line)) for line in lines(since)] == ["protocol", "metaData", "remove", "add", "add"]
    assert {line["add"]["version"] for line in lines(since) if "add" in line} == {3, 4}


def test_versions_are_asked_for_in_both_ways(shared: tuple[Scene, Service]) -> None:
    _, delivery = shared
    table = f"/shares/{SHARE}/schemas/sales/tables/summary"
    head = asked(delivery, table, method="HEAD")
    current = asked(delivery, f"{table}/version")
    first = asked(delivery, f"{table}/version", params={"startingTimestamp": "2000-01-01T00:00:00Z"})
    second = asked(delivery, f"{table}/version", params={"startingTimestamp": "2026-05-03T09:00:00Z"})
    assert [each.headers["Delta-Table-Version"] for each in (head, current, first, second)] == [
        "8",
        "8",
        "0",
        "1",
    ]
    assert current.content == b""


def test_lists_come_in_pages_on_one_line(shared: tuple[Scene, Service]) -> None:
    _, delivery = shared
    seen: list[str] = []
    token: str | None = ""
    while token is not None:
        params = {"maxResults": "1"} | ({"pageToken": token} if token else {})
        answer = asked(delivery, f"/shares/{SHARE}/all-tables", params=params)
        assert "\n" not in answer.text
        page = answer.json()
        seen += [item["name"] for item in page["items"]]
        token = page.get("nextPageToken")
    assert seen == ["by_store", "summary"]
    none = asked(delivery, f"/shares/{SHARE}/all-tables", params={"maxResults": "0"}).json()
    assert none["items"] == []
    assert none["nextPageToken"]


TABLE = f"/shares/{SHARE}/schemas/sales/tables/summary"


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/shares/other", {}, 404),
        ("GET", "/shares/other/schemas", {}, 404),
        ("GET", f"/shares/{SHARE}/schemas/nothing/tables", {}, 404),
        ("GET", f"/shares/{SHARE}/schemas/sales/tables/nothing/version", {}, 404),
        ("GET", f"/shares/{SHARE}/schemas/..%2f..%2fetc/tables", {}, 404),
        ("GET", f"/shares/{SHARE}/schemas/%00/tables", {}, 400),
        ("GET", f"/shares/{SHARE}/schemas/{'x' * 300}/tables", {}, 400),
        ("GET", "/nothing", {}, 404),
        ("DELETE", "/shares", {}, 405),
        ("GET", "/shares?maxResults=-1", {}, 400),
        ("GET", "/shares?maxResults=many", {}, 400),
        ("GET", "/shares?pageToken=%C3%A4", {}, 400),
        ("POST", f"{TABLE}/query", {"json": {"version": 99}}, 400),
        ("POST", f"{TABLE}/query", {"json": {"version": -1}}, 400),
        ("POST", f"{TABLE}/query", {"json": {"version": 10**30}}, 400),
        ("POST", f"{TABLE}/query", {"json": {"version": "1"}}, 400),
        ("POST", f"{TABLE}/query", {"json": {"version": 1, "timestamp": "2026-05-03T09:00:00Z"}}, 400),
        ("POST", f"{TABLE}/query", {"json": {"timestamp": "soon"}}, 400),
        ("POST", f"{TABLE}/query", {"json": {"timestamp": "1999-01-01T00:00:00Z"}}, 400),
        ("POST", f"{TABLE}/query", {"json": []}, 400),
        ("POST", f"{TABLE}/query", {"content": b"{"}, 400),
        ("POST", f"{TABLE}/query", {"content": b'{"predicateHints":' + b"[" * 500_000}, 400),
        ("POST", f"{TABLE}/query", {"content": b" " * (2 << 20)}, 413),
        ("POST", f"{TABLE}/query", {"content": b"\xff"}, 400),
        ("GET", f"{TABLE}/changes", {}, 400),
        ("GET", f"{TABLE}/changes?startingVersion=1&startingTimestamp=2026-05-03T09:00:00Z", {}, 400),
        ("GET", f"{TABLE}/changes?startingVersion=5&endingVersion=2", {}, 400),
        ("GET", f"{TABLE}/changes?startingVersion=99", {}, 400),
        ("GET", f"{TABLE}/changes?startingVersion=x", {}, 400),
        ("GET", f"{TABLE}/changes?startingTimestamp=9999-12-31T23:59:59Z", {}, 400),
        ("GET", f"{TABLE}/version?startingTimestamp=2999-01-01T00:00:00Z", {}, 400),
    ],
)
def test_what_is_wrong_for_good_is_said_so_once(
    shared: tuple[Scene, Service], method: str, path: str, more: dict[str, Any], status: int
) -> None:
    _, delivery = shared
    answer = asked(delivery, path, method=method, **more)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"errorCode", "message"}


def test_a_key_sees_what_its_scopes_cover(shared: tuple[Scene, Service]) -> None:
    scene, delivery = shared
    made = json.loads(keys(scene, "create", "--name", "other", "--scope", "weather", "--json"))
    for path, status in (
        ("/shares", 200),
        (f"/shares/{SHARE}/all-tables", 200),
        (f"/shares/{SHARE}/schemas/sales/tables", 403),
        (f"/shares/{SHARE}/schemas/nothing/tables", 403),
        (f"{TABLE}/metadata", 403),
    ):
        answer = asked(delivery, path, key=made["key"])
        assert answer.status_code == status
        assert "by_store" not in answer.text
    refused = asked(delivery, "/shares", key="wrong")
    assert (refused.status_code, refused.json()["errorCode"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("dataset", ["πωλήσεις", "straße"])
def test_a_data_set_may_be_named_in_any_script(tmp_path: Path, dataset: str) -> None:
    """Names are in lower case, which is not the same as without case."""
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")), dataset)
    scene.put_months(*QUARTER)
    scene.run()
    name = f"{dataset}@2026-Q1.1"
    with delivering(scene) as delivery:
        profile = DeltaSharingProfile(1, f"{delivery.url}/delta-sharing", KEY)
        [table] = delta_sharing.SharingClient(profile).list_all_tables()
        assert (table.schema, table.name) == (dataset, "summary")
        assert [
            each.name for each in delta_sharing.SharingClient(profile).list_tables(Schema(dataset, SHARE))
        ] == ["summary"]
        told = lines(
            asked(delivery, f"/shares/{SHARE}/schemas/{dataset}/tables/summary/query", method="POST")
        )
        assert [file["url"] for each in told if (file := each.get("file"))]
        with Client(delivery.url, KEY, cache=tmp_path / "cache") as client:
            assert client.load(dataset).num_rows == client.load(name).num_rows > 0
        with httpx.Client(base_url=delivery.url, trust_env=False, follow_redirects=True) as browser:
            browser.post("/login", data={"key": KEY, "target": "/"})
            for path in (f"/datasets/{dataset}", f"/releases/{name}", f"/v1/releases/{name}/download"):
                assert browser.get(path).status_code == 200
