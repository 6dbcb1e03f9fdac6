"""The services as their callers meet them: real processes on real ports."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from quarterlake.domain.errors import UsageError
from quarterlake.service.metrics import Metrics
from quarterlake.service.requests import RunRequest
from quarterlake.service.runs import Runs
from quarterlake.web.access import LARGEST_BODY, bearer_check
from quarterlake.web.server import bound
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene, names, sales

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.s3_server import S3Server

TOKEN = "t0ken-of-the-tests-0123456789abcdef"  # noqa: S105 - it protects nothing
QUARTER = ("2026-01", "2026-02", "2026-03")


@dataclass
class Service:
    """A running service."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def client(self, token: str = TOKEN) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False
        )

    def run(self, stage: str, **fields: Any) -> list[dict[str, Any]]:
        """The events of a run."""
        with self.client() as client:
            answer = client.post("/runs", json={"stage": stage, **fields})
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextmanager
def serving(name: str, scene: Scene, **environment: str) -> Iterator[Service]:
    """A service over a scene's lake."""
    log = scene.root / f"{name}.log"
    settings = {
        "QUARTERLAKE_SERVICE_TOKEN": TOKEN,
        "QUARTERLAKE_LAKE": scene.target.url,
        "QUARTERLAKE_SOURCE": str(scene.source),
        "QUARTERLAKE_CONTRACTS": str(scene.root / "contracts"),
        "QUARTERLAKE_CACHE": str(scene.root / "cache"),
        **scene.target.environment,
        **environment,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "quarterlake.cli", "service", name, "--port", "0"],
            env={**os.environ, **settings},
            stderr=output,
            stdout=subprocess.DEVNULL,
            cwd=scene.root,
        )
    try:
        yield Service(_address(process, log), process, log)
    finally:
        process.terminate()
        process.wait(30)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    pause = threading.Event()
    for _ in range(600):
        for line in log.read_text().splitlines():
            if '"listening"' in line:
                return str(json.loads(line)["address"])
        assert process.poll() is None, log.read_text()
        pause.wait(0.05)
    raise AssertionError(log.read_text())


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path, LakeTarget(str(tmp_path / "lake")))
    made.put_months(*QUARTER)
    return made


def test_a_quarter_goes_through_the_services_to_a_release(scene: Scene) -> None:
    with serving("ingestion", scene) as ingestion:
        events = ingestion.run("ingest", caller="ingest_month/2026-03")
    assert events[0]["event"] == "started"
    assert any(event["event"] == "progress" and event["of"] == 3 for event in events)
    assert events[-1]["event"] == "succeeded"
    assert len(events[-1]["result"]["ingest"]["landed"]) == 3
    assert len({event["run"] for event in events}) == 1

    with serving("processing", scene) as processing:
        [curated] = processing.run("curate")[-1]["result"]["datasets"]
        assert curated["records_by_month"] == dict.fromkeys(QUARTER, 20)
        assert curated["builds"] == []
        assert (curated["due"], curated["released"]) == (["2026-Q1"], [])
        caller = "publish_quarter/manual__1/process/1"
        [processed] = processing.run("process", dataset="sales", period="2026-Q1", caller=caller)[-1][
            "result"
        ]["datasets"]
        assert [build["period"] for build in processed["builds"]] == ["2026-Q1"]
        assert processing.run("validate", dataset="sales", period="2026-Q1")[-1]["event"] == "succeeded"
        last = processing.run("publish", dataset="sales", period="2026-Q1", caller="publish/9")[-1]
        assert [release["name"] for release in last["result"]["releases"]] == ["sales@2026-Q1.1"]
        [again] = processing.run("publish")[-1]["result"]["datasets"]
        assert again["published"] == []
        assert again["current"] == ["sales@2026-Q1.1"]
        [curated] = processing.run("curate")[-1]["result"]["datasets"]
        assert (curated["due"], curated["released"]) == ([], ["2026-Q1"])
        with processing.client() as client:
            metrics = client.get("/metrics").text
    assert 'quarterlake_runs_total{outcome="succeeded",stage="publish"} 2.0' in metrics
    assert 'quarterlake_releases_total{dataset="sales"} 1.0' in metrics
    assert 'quarterlake_records{dataset="sales",fate="accepted"} 60.0' in metrics

    [release] = scene.run().current
    assert release.build.run is not None
    assert release.build.run.startswith(f"{caller}#")
    assert release.run is not None
    assert release.run.startswith("publish/9#")
    assert TOKEN not in processing.log.read_text()
    assert release.run.split("#")[1] in {line.get("run") for line in processing.logged()}


def test_a_correction_says_which_release_is_outdated(scene: Scene) -> None:
    scene.run()
    scene.put("sales_2026-02.csv", sales("2026-02", 22))
    with serving("ingestion", scene) as ingestion:
        assert ingestion.run("ingest")[-1]["result"]["ingest"]["corrections"] == ["sales/sales_2026-02.csv"]
    with serving("processing", scene) as processing:
        assert processing.run("curate")[-1]["result"]["datasets"][0]["outdated"] == ["2026-Q1"]
        processing.run("publish")
        assert processing.run("curate")[-1]["result"]["datasets"][0]["outdated"] == []


def test_bad_data_is_refused_by_name(scene: Scene) -> None:
    scene.put("sales_2026-04.csv", b"\x00\x01\x02 this is no table \x00")
    with serving("ingestion", scene) as ingestion:
        ingestion.run("ingest")
    with serving("processing", scene) as processing:
        last = processing.run("curate")[-1]
        assert last["event"] == "refused"
        assert "sales_2026-04.csv" in last["message"]
        unknown = processing.run("process", dataset="nothing")[-1]
        assert (unknown["event"], unknown["error"]) == ("refused", "UsageError")
        assert "No data set nothing" in unknown["message"]
        absent = processing.run("publish", period="2031-Q1")[-1]
        assert absent["event"] == "refused"
        assert "2031-Q1: no record" in absent["message"]


def test_a_data_set_that_cannot_be_processed_keeps_no_other_from_it(scene: Scene) -> None:
    other = Scene(scene.root, scene.target, "broken")
    other.put("broken_2026-01.csv", sales("2026-01"))
    other.declare("no contract")
    with serving("ingestion", scene) as ingestion:
        ingestion.run("ingest")
    with serving("processing", scene) as processing:
        last = processing.run("curate")[-1]
    assert (last["event"], last["error"]) == ("refused", "Refused")
    assert "broken.odcs.yaml" in last["message"]
    done = {held["dataset"]: held["records_by_month"] for held in last["result"]["datasets"]}
    assert (done["broken"], sorted(done["sales"])) == ({}, ["2026-01", "2026-02", "2026-03"])


def test_a_store_that_is_away_is_a_reason_to_try_again(scene: Scene, s3_server: S3Server) -> None:
    away = {**s3_server.environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    scene.target = LakeTarget("s3://lakes/away", environment=away)
    with serving("processing", scene) as processing:
        last = processing.run("process")[-1]
        assert (last["event"], last["error"]) == ("failed", "StoreUnavailableError")
        with processing.client() as client:
            ready = client.get("/readyz")
            assert ready.status_code == 503
            assert "127.0.0.1:1" in ready.text
            assert client.get("/livez").status_code == 200
        assert s3_server.secret_access_key not in processing.log.read_text() + ready.text


def test_only_those_with_the_token_may_run_anything(scene: Scene) -> None:
    with serving("ingestion", scene) as ingestion:
        for token in ("wrong", TOKEN[:-1], TOKEN + "x"):
            with ingestion.client(token) as client:
                answer = client.post("/runs", json={"stage": "ingest"})
                assert answer.status_code == 401
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert client.get("/readyz").json() == {"status": "ready", "problems": []}
        assert (
            httpx.post(f"{ingestion.url}/runs", json={"stage": "ingest"}, trust_env=False).status_code == 401
        )
    assert list((scene.root / "lake" / "raw").glob("sales*")) == []


@pytest.mark.parametrize("token", [None, "", "short"])
def test_a_token_that_protects_nothing_is_refused_at_the_start(token: str | None) -> None:
    with pytest.raises(UsageError, match=r"QUARTERLAKE_SERVICE_TOKEN .* at least 32"):
        bearer_check(token, "QUARTERLAKE_SERVICE_TOKEN")


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ({"stage": "publish"}, 422, "The service ingestion does not do publish. It does: ingest."),
        ({"stage": "ingest", "dataset": "../etc"}, 422, "no data set's name"),
        ({"stage": "ingest", "period": "2013-Q9"}, 422, "2013-Q9"),
        ({"stage": "ingest", "period": "2013-Q1"}, 422, "leave out period"),
        ({"stage": "curate", "period": "2013-Q1"}, 422, "leave out period"),
        ({"stage": "ingest", "dataset": "sales"}, 422, "leave out dataset"),
        ({"stage": "ingest", "wait": 10**9}, 422, "3600"),
        ({"stage": "ingest", "caller": "a\nb"}, 422, "caller"),
        ({"stage": "ingest", "more": 1}, 422, "more"),
        ({"stage": "ingest", "caller": "x" * (LARGEST_BODY + 1)}, 413, ""),
        ([], 422, ""),
    ],
)
def test_a_wrong_request_is_answered_with_what_is_wrong(
    ingestion: Service, body: Any, code: int, said: str
) -> None:
    with ingestion.client() as client:
        answer = client.post("/runs", json=body)
    assert answer.status_code == code
    assert said in answer.text


@pytest.fixture(scope="module")
def ingestion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root = tmp_path_factory.mktemp("ingestion")
    scene = Scene(root, LakeTarget(str(root / "lake")))
    scene.source.mkdir()
    with serving("ingestion", scene) as running:
        yield running


def test_one_run_of_a_data_set_at_a_time(busy: Scene) -> None:
    with serving("processing", busy) as processing, processing.client() as client:
        with client.stream("POST", "/runs", json={"stage": "publish", "caller": "first"}) as first:
            lines = first.iter_lines()
            started = json.loads(next(lines))
            refused = processing_post(processing, {"stage": "curate", "dataset": "sales"})
            assert refused.status_code == 409
            assert refused.json()["detail"]["holder"]["run"] == started["run"]
            assert refused.json()["detail"]["holder"]["caller"] == "first"
            waiting = threading.Thread(target=lambda: later.append(processing.run("curate", wait=120)))
            later: list[list[dict[str, Any]]] = []
            waiting.start()
            events = [json.loads(line) for line in lines]
        waiting.join(120)
    assert events[-1]["event"] == "succeeded"
    assert [event["event"] for event in later[0]].count("succeeded") == 1
    assert later[0][-1]["event"] == "succeeded"


def test_closing_the_connection_cancels_and_the_same_request_goes_on(busy: Scene) -> None:
    with serving("processing", busy) as processing:
        with processing.client() as client, client.stream("POST", "/runs", json={"stage": "publish"}) as cut:
            lines = cut.iter_lines()
            started = json.loads(next(lines))
            json.loads(next(lines))
        end = processing.run("publish", wait=60)
        assert end[-1]["event"] == "succeeded"
        ended = {line["run"]: line for line in processing.logged() if line["message"] == "run ended"}
    assert ended[started["run"]]["outcome"] == "failed"
    assert names(busy.run().current) == ["sales@2026-Q1.1"]


def test_a_service_that_is_told_to_stop_ends_its_streams(busy: Scene) -> None:
    with (
        serving("processing", busy) as processing,
        processing.client() as client,
        client.stream("POST", "/runs", json={"stage": "publish"}) as cut,
    ):
        lines = cut.iter_lines()
        next(lines)
        processing.process.send_signal(signal.SIGTERM)
        last = json.loads(list(lines)[-1])
        assert (last["event"], last["error"]) == ("failed", "Cancelled")
        assert processing.process.wait(30) in {0, -signal.SIGTERM}
    assert names(busy.run().published) == ["sales@2026-Q1.1"]


def process_at_work(service: Service, lines: Iterator[str]) -> psutil.Process:
    """The process of the run whose events these are, once it has made progress: before, there may be none yet."""
    while json.loads(next(lines))["event"] != "progress":
        pass
    [child] = psutil.Process(service.process.pid).children()
    return child


def test_a_run_that_is_killed_says_so(busy: Scene) -> None:
    with (
        serving("processing", busy) as processing,
        processing.client() as client,
        client.stream("POST", "/runs", json={"stage": "publish"}) as cut,
    ):
        lines = cut.iter_lines()
        child = process_at_work(processing, lines)
        child.kill()
        last = json.loads(list(lines)[-1])
    assert (last["event"], last["error"]) == ("failed", "Lost")
    assert "signal 9" in last["message"]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal is Linux's")
def test_a_service_that_is_killed_leaves_no_run_behind(busy: Scene) -> None:
    with (
        serving("processing", busy) as processing,
        processing.client() as client,
        client.stream("POST", "/runs", json={"stage": "publish"}) as cut,
    ):
        lines = cut.iter_lines()
        child = process_at_work(processing, lines)
        child.suspend()  # or it would notice by itself, sooner or later, that nobody reads
        processing.process.kill()
        processing.process.wait(30)
        pending = Path(f"/proc/{child.pid}/status").read_text().partition("ShdPnd:")[2].split()[0]
        child.resume()
        assert int(pending, 16) >> (signal.SIGTERM - 1) & 1
        assert psutil.wait_procs([child], timeout=10)[1] == []
    assert names(busy.run().published) == ["sales@2026-Q1.1"]


def test_a_run_whose_process_cannot_start_is_a_reason_to_try_again(tmp_path: Path) -> None:
    async def events() -> list[dict[str, Any]]:
        runs, request = Runs(Metrics(), tmp_path / "gone"), RunRequest.model_validate({"stage": "curate"})
        return [json.loads(line) async for line in runs.stream(request, runs.new_holder(request))]

    last = asyncio.run(events())[-1]
    assert (last["event"], last["error"]) == ("failed", "Lost")
    assert "could not be started: No such file or directory" in last["message"]


def test_what_a_library_prints_is_no_event(scene: Scene) -> None:
    printing = "import os, sys\nif 'quarterlake.service.work' in sys.orig_argv: os.write(1, b'Hello!\\n[1]\\n\\xff\\n')\n"
    (scene.root / "sitecustomize.py").write_text(printing)
    with serving("ingestion", scene, PYTHONPATH=str(scene.root)) as ingestion:
        assert ingestion.run("ingest")[-1]["event"] == "succeeded"
    assert "Hello!" in {line.get("text") for line in ingestion.logged()}


def test_wrong_credentials_are_named_at_the_start(scene: Scene, s3_server: S3Server) -> None:
    wrong = {**s3_server.environment, "AWS_SECRET_ACCESS_KEY": "wr0ng-secret-of-the-tests"}
    scene.target = LakeTarget("s3://lakes/any", environment=wrong)
    pause = threading.Event()
    with serving("ingestion", scene) as ingestion:
        for _ in range(600):
            if said := [line for line in ingestion.logged() if line["message"] == "not ready"]:
                break
            pause.wait(0.05)
    assert "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in str(said)
    assert "wr0ng-secret" not in ingestion.log.read_text()


def test_a_taken_port_is_named() -> None:
    with bound("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(
            UsageError, match=rf"127\.0\.0\.1:{port} cannot be listened on: Address already in use"
        ):
            bound("127.0.0.1", port)


@pytest.fixture
def busy(scene: Scene) -> Scene:
    """A scene whose processing takes a moment."""
    for month in QUARTER:
        scene.put(
            f"sales_{month}.csv", [r for n in range(1_000) for r in sales(month, 100, first=1 + 100 * n)]
        )
    with scene.pipeline() as pipeline:
        pipeline.ingest(scene.source)
    return scene


def processing_post(service: Service, body: dict[str, Any]) -> httpx.Response:
    with service.client() as client:
        return client.post("/runs", json=body)
