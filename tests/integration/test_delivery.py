"""The delivery API as a program that reads and downloads meets it: real processes, real stores."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene, contract_yaml, sales
from tests.integration.test_service import QUARTER, Service, _address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.s3_server import S3Server

KEY = f"ql_{'0' * 12}_{'1' * 64}"
SECONDS = 20
RELEASE = "sales@2026-Q1.1"
OPERATIONS = (
    "datasets",
    "datasets/sales",
    "datasets/sales/releases",
    "datasets/sales/releases/latest",
    f"releases/{RELEASE}",
    f"releases/{RELEASE}/files",
    f"releases/{RELEASE}/files/0",
    f"releases/{RELEASE}/download",
    f"releases/{RELEASE}/diff",
    f"releases/{RELEASE}/quality",
    f"releases/{RELEASE}/ledger",
    f"releases/{RELEASE}/lineage",
    f"releases/{RELEASE}/contract",
    f"releases/{RELEASE}/rows",
    f"releases/{RELEASE}/statistics",
)


def environment_of(scene: Scene, **more: str) -> dict[str, str]:
    """The settings of a delivery server over a scene's lake."""
    return {
        **os.environ,
        "QUARTERLAKE_LAKE": scene.target.url,
        "QUARTERLAKE_DELIVERY_KEY": KEY,
        "QUARTERLAKE_DELIVERY_DATABASE": str(scene.root / "keys.sqlite"),
        **scene.target.environment,
        **more,
    }


@contextmanager
def delivering(scene: Scene, *options: str, **environment: str) -> Iterator[Service]:
    """A running delivery server; `KEY` opens everything."""
    log = scene.root / "delivery.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "quarterlake.cli", "serve", "--port", "0", *options],
            env=environment_of(scene, **environment),
            stderr=output,
            stdout=subprocess.DEVNULL,
            cwd=scene.root,
        )
    try:
        yield Service(_address(process, log), process, log)
    finally:
        process.terminate()
        process.wait(30)


def keys(scene: Scene, *arguments: str, status: int = 0, **environment: str) -> str:
    """What `quarterlake keys` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "quarterlake.cli", "keys", *arguments],
        env=environment_of(scene, **environment),
        cwd=scene.root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return (done.stdout or done.stderr).strip()


def eventually(holds: Callable[[], bool], seconds: float = SECONDS) -> float:
    """Poll until it holds; return the seconds that took."""
    began = time.monotonic()
    pause = threading.Event()
    while not holds():
        assert time.monotonic() - began < seconds, "it never came to hold"
        pause.wait(0.02)
    return time.monotonic() - began


def document(client: httpx.Client, path: str) -> Any:
    answer = client.get(f"/v1/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def scene(tmp_path: Path, lake_target: LakeTarget) -> Scene:
    made = Scene(tmp_path, lake_target)
    made.put_months(*QUARTER)
    made.run()
    return made


@pytest.fixture
def folder_scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    made.put_months(*QUARTER)
    made.run()
    return made


def test_what_is_published_is_listed_and_downloads_with_its_hash(scene: Scene) -> None:
    scene.put("sales_2026-02.csv", sales("2026-02", 30))
    scene.run()
    with delivering(scene) as delivery, delivery.client(KEY) as client:
        assert document(client, "datasets")["datasets"] == [
            {"dataset": "sales", "releases": 2, "latest": "sales@2026-Q1.2", "periods": ["2026-Q1"]}
        ]
        listed = document(client, "datasets/sales/releases")["releases"]
        assert [release["name"] for release in listed] == [RELEASE, "sales@2026-Q1.2"]
        for which in ("latest", "2026-Q1"):
            assert document(client, f"datasets/sales/releases/{which}") == listed[1]
        release = document(client, f"releases/{RELEASE}")
        assert release == listed[0]
        assert release["aggregates"][0]["columns"][0] == {
            "name": "quarter",
            "type": "string",
            "pii": False,
        }
        answer = client.get(f"/v1/releases/{RELEASE}/files")
        assert answer.headers["Cache-Control"] == "no-store"
        [file] = answer.json()["files"]
        assert {name: file[name] for name in release["files"][0]} == release["files"][0]
        on_s3 = scene.target.url.startswith("s3://")
        assert ("X-Amz-Signature" in file["url"]) is on_s3
        assert file["url_expires_at"] > "2026"
        with httpx.Client(trust_env=False) as nobody:
            got = nobody.get(file["url"])
            assert hashlib.sha256(got.content).hexdigest() == file["sha256"]
            assert len(got.content) == file["size"]
        for path in ("files/0", "download", "download?aggregate=summary"):
            way = client.get(f"/v1/releases/{RELEASE}/{path}")
            assert way.status_code == 307
            assert way.headers["Cache-Control"] == "no-store"
            assert file["path"].rsplit("/", 1)[1] in way.headers["Location"]
            assert client.head(f"/v1/releases/{RELEASE}/{path}").status_code == 307
        difference = document(client, "releases/sales@2026-Q1.2/diff")
        assert (difference["against"], difference["records_before"], difference["records_after"]) == (
            RELEASE,
            60,
            70,
        )
        assert difference["months"] == [{"month": "2026-02", "records_before": 20, "records_after": 30}]
        assert [change["changed"] for change in difference["aggregates"]] == [True]
        for part in ("", "/swagger-ui-bundle.js", "/swagger-ui.css", "/start.js"):
            shown = client.get(f"/docs{part}")
            assert shown.status_code == 200
            assert "https://" not in shown.text or part.endswith((".js", ".css"))
        log = delivery.log.read_text()
        assert "signature" not in log.lower()
        assert KEY not in log


def test_a_release_says_why_it_can_be_trusted(folder_scene: Scene) -> None:
    with delivering(folder_scene) as delivery, delivery.client(KEY) as client:
        quality = document(client, f"releases/{RELEASE}/quality")
        assert quality["passed"]
        assert {gate["gate"] for gate in quality["gates"]} >= {"ledger_balanced", "key_unique"}
        ledger = document(client, f"releases/{RELEASE}/ledger")
        assert (ledger["records"], ledger["accepted"], ledger["rejected"]) == (60, 60, 0)
        lineage = document(client, f"releases/{RELEASE}/lineage")
        raw = {
            f"sales/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (folder_scene.source / "sales").iterdir()
        }
        assert {file["source"]: file["sha256"] for file in lineage["raw"]} == raw
        assert [month["month"] for month in lineage["curated"]] == list(QUARTER)
        assert document(client, f"releases/{RELEASE}/contract")["kind"] == "DataContract"
        text = client.get(f"/v1/releases/{RELEASE}/contract?format=yaml")
        assert text.headers["Content-Type"].startswith("application/yaml")
        assert "kind: DataContract" in text.text
        rows = document(client, f"releases/{RELEASE}/rows?offset=1&length=1")
        assert rows["num_rows_total"] == 3
        [row] = rows["rows"]
        assert (row["row_idx"], row["row"]["store"], row["row"]["count"]) == (1, "south", 21)
        assert row["row"]["amount_sum"] == "215.25"
        assert [feature["name"] for feature in rows["features"]] == list(row["row"])
        statistics = document(client, f"releases/{RELEASE}/statistics?of=records")
        columns = {column["column_name"]: column for column in statistics["statistics"]}
        assert statistics["num_examples"] == 60
        assert columns["store"]["column_type"] == "string_label"
        assert sum(columns["store"]["column_statistics"]["frequencies"].values()) == 60
        amount = columns["amount"]["column_statistics"]
        assert sum(amount["histogram"]["hist"]) == 60
        assert len(amount["histogram"]["bin_edges"]) == len(amount["histogram"]["hist"]) + 1


def test_pii_is_in_no_preview(tmp_path: Path) -> None:
    scene = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    columns = [
        ("sale_id", "string"),
        ("sold_at", "timestamp"),
        ("store", "string"),
        ("amount", "decimal(18,2)"),
    ]
    contract = contract_yaml(columns, extra={"recordTime": "sold_at"})
    scene.declare(contract.replace("{name: store,", "{name: store, classification: pii,"))
    folder = tmp_path / "aggregates" / "sales"
    folder.mkdir(parents=True)
    (folder / "best.sql").write_text("SELECT store, max(amount) AS best FROM sales GROUP BY store")
    (folder / "renamed.sql").write_text(
        "WITH shops AS (SELECT upper(Store) AS shop, store, amount FROM sales)\n"
        "SELECT shop, min(store) AS first, count(DISTINCT store) AS shops, sum(amount) AS total FROM shops GROUP BY shop"
    )
    scene.put_months(*QUARTER)
    scene.run()
    with delivering(scene) as delivery, delivery.client(KEY) as client:
        rows = document(client, f"releases/{RELEASE}/rows?aggregate=best")
        assert {name for row in rows["rows"] for name in row["row"]}.isdisjoint({"store"})
        assert rows["num_rows_total"] == 3
        assert "north" not in json.dumps(rows)
        renamed = document(client, f"releases/{RELEASE}/rows?aggregate=renamed")
        assert [set(row["row"]) for row in renamed["rows"]] == [{"quarter", "shops", "total"}] * 3
        hidden = {
            "of=records": {"store"},
            "aggregate=best": {"store"},
            "aggregate=renamed": {"shop", "first"},
        }
        for query, names in hidden.items():
            told = document(client, f"releases/{RELEASE}/statistics?{query}")
            assert "north" not in json.dumps(told).lower()
            kinds = {column["column_name"]: column["column_type"] for column in told["statistics"]}
            assert {name for name, kind in kinds.items() if kind == "hidden"} == names
        made = {each["aggregate"]: each for each in document(client, f"releases/{RELEASE}")["aggregates"]}
        assert {c["name"] for c in made["renamed"]["columns"] if c["pii"]} == {"shop", "first"}
        croissant = document(client, f"releases/{RELEASE}/croissant")
        fields = [field for each in croissant["recordSet"] for field in each["field"]]
        personal = {field["name"] for field in fields if "(PII)" in field.get("description", "")}
        assert personal == {"store", "shop", "first"}


def test_lists_are_given_in_pages_and_documents_once(folder_scene: Scene) -> None:
    for count in (30, 31, 32):
        folder_scene.put("sales_2026-02.csv", sales("2026-02", count))
        folder_scene.run()
    with delivering(folder_scene) as delivery, delivery.client(KEY) as client:
        seen = list[str]()
        page: dict[str, Any] = {"next_page_token": ""}
        while (token := page["next_page_token"]) is not None:
            page = document(client, f"datasets/sales/releases?limit=3{token and f'&page_token={token}'}")
            seen += [release["name"] for release in page["releases"]]
        assert seen == [f"sales@2026-Q1.{number}" for number in (1, 2, 3, 4)]
        assert client.get("/v1/datasets/sales/releases?page_token=bm9uZQ").status_code == 422
        for path in (
            "datasets",
            "datasets/sales/releases/latest",
            f"releases/{RELEASE}",
            f"releases/{RELEASE}/rows",
        ):
            first = client.get(f"/v1/{path}")
            again = client.get(f"/v1/{path}", headers={"If-None-Match": first.headers["ETag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert client.get(f"/v1/{path}", headers={"If-None-Match": '"other"'}).status_code == 200


def test_head_says_what_get_would(folder_scene: Scene) -> None:
    with delivering(folder_scene) as delivery, delivery.client(KEY) as client:
        paths = [f"/v1/{path}" for path in OPERATIONS]
        for path in (*paths, "/", "/livez", "/docs", "/openapi.json", "/v1/nothing", "/v1/releases/none"):
            head, get = client.head(path), client.get(path)
            assert (head.status_code, head.content) == (get.status_code, b""), path
            assert head.headers.get("ETag") == get.headers.get("ETag")
            assert head.headers["Content-Length"] == get.headers["Content-Length"]
        assert client.head("/logout").status_code == 405
        heads = [line for line in delivery.logged() if line.get("method") == "HEAD"]
        assert heads[0]["operation"] == "list_datasets"
        assert {line["bytes"] for line in heads} == {0}


def test_a_new_release_is_seen_within_a_second(scene: Scene) -> None:
    with delivering(scene) as delivery, delivery.client(KEY) as client:
        before = client.get("/v1/datasets/sales/releases/latest")
        scene.put("sales_2026-02.csv", sales("2026-02", 30))
        scene.run()
        etag = {"If-None-Match": before.headers["ETag"]}
        took = eventually(
            lambda: client.get("/v1/datasets/sales/releases/latest", headers=etag).status_code == 200
        )
        assert took < 2  # half a second; the machine may be busy
        assert document(client, "datasets/sales/releases/latest")["name"] == "sales@2026-Q1.2"


def test_nothing_is_said_without_a_key(scene: Scene) -> None:
    with delivering(scene) as delivery:
        for given in ("wrong", KEY[:-1] + "0", f"ql_{'2' * 12}_{'1' * 64}"):
            with delivery.client(given) as client:
                for path in OPERATIONS:
                    answer = client.get(f"/v1/{path}")
                    assert answer.status_code == 401
                    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
                    assert answer.headers["Content-Type"] == "application/problem+json"
                    assert "sales" not in answer.text
                assert client.get("/metrics").status_code == 401
        with httpx.Client(base_url=delivery.url, trust_env=False) as nobody:
            assert nobody.get("/v1/datasets").status_code == 401
            assert nobody.get("/livez").json()["status"] == "alive"
            assert nobody.get("/readyz").json() == {"status": "ready", "problems": []}
            assert nobody.get("/openapi.json").status_code == 200


def test_a_key_opens_what_its_scopes_say_and_not_a_hint_more(folder_scene: Scene) -> None:
    with delivering(folder_scene) as delivery:
        narrow = keys(folder_scene, "create", "--name", "narrow", "--scope", "orders*")
        wide = keys(folder_scene, "create", "--name", "wide", "--scope", "sal?s")
        with delivery.client(narrow) as client:
            assert document(client, "datasets")["datasets"] == []
            for path in OPERATIONS[1:]:
                refused, absent = (
                    client.get(f"/v1/{path.replace('sales', name)}") for name in ("sales", "nosuch")
                )
                assert (refused.status_code, absent.status_code) == (403, 403)
                assert refused.json()["detail"].replace("sales", "") == absent.json()["detail"].replace(
                    "nosuch", ""
                )
            assert client.get("/v1/datasets/orders").json()["detail"].endswith("There are: none.")
        with delivery.client(wide) as client:
            assert document(client, "datasets/sales")["releases"] == 1
            assert client.get("/metrics").status_code == 403
            assert client.get("/v1/accesses").status_code == 403
            assert document(client, "key")["scopes"] == ["sal?s:read"]


def test_a_revoked_key_and_its_urls_are_refused_within_a_second(folder_scene: Scene) -> None:
    with delivering(folder_scene) as delivery:
        first = keys(folder_scene, "create", "--name", "app")
        second = keys(folder_scene, "create", "--name", "app")
        assert "2 live keys" in keys(folder_scene, "create", "--name", "app", status=2)
        with delivery.client(first) as client, delivery.client(second) as other:
            url = document(client, f"releases/{RELEASE}/files")["files"][0]["url"]
            assert client.get(url).status_code == 200
            keys(folder_scene, "revoke", first.split("_")[1])
            took = eventually(lambda: client.get("/v1/datasets").status_code == 401)
            assert took < 2  # half a second; the machine may be busy
            assert client.get(url).status_code == 403
            assert other.get("/v1/datasets").status_code == 200
        states = {key["id"]: key["state"] for key in json.loads(keys(folder_scene, "list", "--json"))["keys"]}
        assert states == {"0" * 12: "live", first.split("_")[1]: "revoked", second.split("_")[1]: "live"}
        assert "There is no key" in keys(folder_scene, "revoke", "unknown", status=2)


def test_a_key_expires(folder_scene: Scene) -> None:
    from datetime import UTC, datetime, timedelta

    with delivering(folder_scene) as delivery:
        soon = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
        with delivery.client(keys(folder_scene, "create", "--name", "guest", "--expires", soon)) as client:
            assert client.get("/v1/datasets").status_code == 200
            eventually(lambda: client.get("/v1/datasets").status_code == 401)
    for day in ("soon", "0d", "0001-01-01T00:00:00+14:00"):
        assert "is no day" in keys(folder_scene, "create", "--name", "guest", "--expires", day, status=2)


def test_the_first_key_of_the_settings_replaces_the_one_before(folder_scene: Scene) -> None:
    other = f"ql_{'3' * 12}_{'4' * 64}"
    with delivering(folder_scene):
        pass
    with delivering(folder_scene, QUARTERLAKE_DELIVERY_KEY=other) as delivery:
        with delivery.client(KEY) as client:
            assert client.get("/v1/datasets").status_code == 401
        with delivery.client(other) as client:
            assert client.get("/v1/datasets").status_code == 200


def test_every_access_is_in_the_ledger(folder_scene: Scene) -> None:
    with delivering(folder_scene) as delivery, delivery.client(KEY) as client:
        app = keys(folder_scene, "create", "--name", "app")
        with delivery.client(app) as caller:
            [file] = document(caller, f"releases/{RELEASE}/files")["files"]
            caller.get(file["url"])
            caller.get(f"/v1/releases/{RELEASE}/rows")
        text = client.get("/v1/accesses").text
        listed = json.loads(text)["accesses"]
        assert [access["what"] for access in listed] == ["rows", "download", "links"]
        for access in listed:
            assert (access["name"], access["key_id"], access["release"]) == (
                "app",
                app.split("_")[1],
                RELEASE,
            )
            assert access["files"] == [file["path"]]
        assert app.split("_")[2] not in text
        assert "signature" not in text
        page = document(client, "accesses?limit=2")
        rest = document(client, f"accesses?limit=2&page_token={page['next_page_token']}")
        assert page["accesses"] + rest["accesses"] == listed
        # A page shows columns' values too.
        with httpx.Client(base_url=delivery.url, trust_env=False) as browser:
            browser.post("/login", data={"key": app, "target": "/"})
            assert browser.get(f"/releases/{RELEASE}").status_code == 200
        newest = document(client, "accesses?limit=1")["accesses"][0]
        assert (newest["what"], newest["name"], newest["release"]) == ("page", "app", RELEASE)


def test_who_asks_too_much_is_told_when_to_come_back(folder_scene: Scene) -> None:
    with delivering(folder_scene, QUARTERLAKE_REQUESTS_PER_MINUTE="30") as delivery:
        with delivery.client(KEY) as client:
            answers = [client.get("/v1/datasets") for _ in range(40)]
        statuses = [answer.status_code for answer in answers]
        assert statuses[:30] == [200] * 30
        assert statuses[-1] == 429
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 3
        with delivery.client(keys(folder_scene, "create", "--name", "other")) as client:
            assert client.get("/v1/datasets").status_code == 200


def test_without_a_key_it_opens_on_loopback_alone(folder_scene: Scene) -> None:
    with (
        delivering(folder_scene, "--open", QUARTERLAKE_DELIVERY_KEY="") as delivery,
        httpx.Client(base_url=delivery.url, trust_env=False) as nobody,
    ):
        assert document(nobody, "datasets")["datasets"][0]["latest"] == RELEASE
        [file] = document(nobody, f"releases/{RELEASE}/files")["files"]
        assert len(nobody.get(file["url"]).content) == file["size"]
        assert nobody.get("/metrics").status_code == 403
        # A site whose name was made to lead here could read everything in the browser of who visits it.
        for host in ("evil.example", f"evil.example:{delivery.url.rpartition(':')[2]}", "[", ""):
            assert nobody.get("/v1/datasets", headers={"Host": host}).status_code == 401
        assert nobody.get("/v1/datasets", headers={"Host": "localhost:1"}).status_code == 200
        # Nor does a cookie of another server on this machine get in the way.
        left_over = {"Cookie": "quarterlake_session=000000000000.1.x"}
        assert nobody.get("/", headers=left_over).status_code == 200


@pytest.mark.parametrize(
    ("options", "key", "said"),
    [
        (["--open", "--host", "0.0.0.0"], "", "--open lets in everybody who reaches 0.0.0.0"),  # noqa: S104
        ([], "short", "QUARTERLAKE_DELIVERY_KEY is no key; they look like ql_"),
    ],
)
def test_what_would_let_everybody_in_is_refused(
    tmp_path: Path, options: list[str], key: str, said: str
) -> None:
    (tmp_path / "lake" / "aggregated").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "quarterlake.cli", "serve", "--port", "0", *options],
        env={**os.environ, "QUARTERLAKE_DELIVERY_KEY": key},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("sales@2026-Q1.9", 404),
        ("other@2026-Q1.1", 404),
        ("nothing", 422),
        ("..%2f..%2fetc@2026-Q1.1", 404),
        ("sales@2026-Q1.1%00", 422),
        ("%2e%2e@2026-Q1.1", 422),
        ("sales@" + "9" * 300, 422),
        ("%ff%fe", 422),
    ],
)
def test_a_name_of_no_release_gets_a_problem_that_says_what_there_is(
    folder_scene: Scene, name: str, status: int
) -> None:
    with delivering(folder_scene) as delivery, delivery.client(KEY) as client:
        for path in ("", "/files", "/files/0", "/rows", "/lineage"):
            answer = client.get(f"/v1/releases/{name}{path}")
            assert answer.status_code == status, answer.text
            assert answer.headers["Content-Type"] == "application/problem+json"
            problem = answer.json()
            assert (problem["status"], problem["type"][:4]) == (status, "urn:")
        if name == "sales@2026-Q1.9":
            assert RELEASE in problem["detail"]
        assert client.get("/v1/datasets/sales/releases/2027-Q1").json()["detail"].endswith("It has: 2026-Q1.")


def test_the_store_may_go_away_and_come_back(folder_scene: Scene) -> None:
    zone = folder_scene.root / "lake" / "aggregated"
    aside = zone.with_name("aside")
    with delivering(folder_scene) as delivery, delivery.client(KEY) as client:
        url = document(client, f"releases/{RELEASE}/files")["files"][0]["url"]
        zone.rename(aside)
        zone.write_text("no folder any more")
        eventually(lambda: client.get("/readyz").status_code == 503)
        assert document(client, "datasets/sales/releases/latest")["name"] == RELEASE
        for away in (url, f"/v1/releases/{RELEASE}/rows?length=1"):
            answer = client.get(away)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        zone.unlink()
        aside.rename(zone)
        eventually(lambda: client.get("/readyz").status_code == 200)
        assert client.get(url).status_code == 200


def test_a_store_that_is_away_at_the_start_is_waited_for(folder_scene: Scene, s3_server: S3Server) -> None:
    away = {**s3_server.environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    with (
        delivering(folder_scene, QUARTERLAKE_LAKE="s3://nowhere", **away) as delivery,
        delivery.client(KEY) as client,
    ):
        for path in ("datasets", "datasets/sales", f"releases/{RELEASE}"):
            answer = client.get(f"/v1/{path}")
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.headers["Content-Type"] == "application/problem+json"
        assert client.get("/readyz").status_code == 503
        assert client.get("/livez").status_code == 200


def test_what_is_counted_is_for_admins_and_names_no_data(folder_scene: Scene) -> None:
    with delivering(folder_scene) as delivery, delivery.client(KEY) as client:
        client.get(f"/v1/releases/{RELEASE}")
        client.get("/v1/releases/none")
        text = client.get("/metrics").text
    assert 'quarterlake_delivery_requests_total{operation="get_release",status="200"} 1.0' in text
    assert 'quarterlake_delivery_requests_total{operation="get_release",status="422"} 1.0' in text
    assert "quarterlake_delivery_releases 1.0" in text
    assert "sales" not in text


def test_every_request_is_logged_once_with_its_id(folder_scene: Scene) -> None:
    with delivering(folder_scene) as delivery, delivery.client(KEY) as client:
        given = client.get("/v1/datasets", headers={"X-Request-Id": "from-the-caller"})
        made = client.get("/v1/key?secret=in-the-query", headers={"X-Request-Id": "does not fit"})
        assert given.headers["X-Request-Id"] == "from-the-caller"
        number = made.headers["X-Request-Id"]
        # The line is written when the answer has gone out.
        eventually(lambda: number in delivery.log.read_text() and delivery.log.read_text().endswith("\n"))
        lines = {line.get("request"): line for line in delivery.logged() if line["message"] == "request"}
        line = lines["from-the-caller"]
        assert (line["operation"], line["status"], line["caller"]) == ("list_datasets", 200, "environment")
        assert lines[number]["path"] == "/v1/key"
        assert "in-the-query" not in delivery.log.read_text()
