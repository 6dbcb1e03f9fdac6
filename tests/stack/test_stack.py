"""The stack from a clean checkout to downloaded releases, disturbed on the way. One story, told in order; `make stack-test`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store

from tests.stack import flights
from tests.stack.compose import CLUSTER, ONE_SHOT, Stack, engine_runs, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.skipif("QUARTERLAKE_STACK_TEST" not in os.environ, reason="`make stack-test` runs these"),
    pytest.mark.skipif(not engine_runs(), reason="no Docker engine runs here"),
]
ROOT = Path(__file__).parents[2]
LIMITS_MIB = 4096


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack.of_checkout(ROOT, tmp_path_factory.mktemp("stack") / "checkout")
    made.down()
    try:
        yield made
    finally:
        made.files = CLUSTER
        made.down()


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return flights.fetch(tmp_path_factory.mktemp("flights"))


def source_of(stack: Stack) -> Path:
    return stack.root / "data_source"


def download(stack: Stack, name: str, folder: Path) -> Path:
    """A release's summary through its presigned URL, its hash checked."""
    with stack.delivery() as client:
        [file] = client.get(f"/releases/{name}/files").json()["files"]
    content = httpx.get(file["url"], trust_env=False, timeout=60).raise_for_status().content
    assert hashlib.sha256(content).hexdigest() == file["sha256"]
    assert len(content) == file["size"]
    target = folder / f"{name}.parquet"
    target.write_bytes(content)
    return target


def test_it_comes_up_healthy_and_small(stack: Stack) -> None:
    source_of(stack).mkdir()
    took = stack.up()
    memory = stack.compose("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}")
    print(f"healthy after {took:.0f} s\n{memory}\n{stack.image_sizes()}")
    assert sum(map(mebibytes, memory.splitlines())) < LIMITS_MIB


def mebibytes(line: str) -> float:
    """`name 12.3MiB / 1GiB` as 12.3."""
    text = line.split()[1]
    return float(text.removesuffix("GiB")) * 1024 if text.endswith("GiB") else float(text.removesuffix("MiB"))


def test_what_runs_has_few_rights(stack: Stack) -> None:
    ids = stack.compose("ps", "--quiet").split()
    shown = subprocess.run(
        [
            "docker",
            "inspect",
            "--format",
            "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.Memory}} {{json .NetworkSettings.Ports}}",
            *ids,
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert len(shown) == len(ids) > 8
    for line in shown:
        user, read_only, dropped, memory, ports = line.split(" ", 4)
        assert user.partition(":")[0] not in {"", "0", "root"}, line
        assert (read_only, dropped) == ("true", "[ALL]"), line
        assert int(memory) > 0, line
        assert '"HostIp":"0.0.0.0"' not in ports, line


@pytest.mark.parametrize(
    ("who", "bucket", "may_list", "may_read", "may_write"),
    [
        ("INGESTION", "raw", True, True, True),
        ("INGESTION", "curated", False, False, False),
        ("INGESTION", "aggregated", False, False, False),
        ("PROCESSING", "raw", True, True, False),
        ("PROCESSING", "curated", True, True, True),
        ("PROCESSING", "aggregated", True, True, True),
        ("DELIVERY", "raw", False, False, False),
        ("DELIVERY", "curated", False, False, False),
        ("DELIVERY", "aggregated", True, True, False),
        ("SIGNING", "raw", False, False, False),
        ("SIGNING", "curated", False, False, False),
        ("SIGNING", "aggregated", False, True, False),
    ],
)
def test_each_identity_may_do_its_own_work_alone(
    stack: Stack, *, who: str, bucket: str, may_list: bool, may_read: bool, may_write: bool
) -> None:
    root = store(stack, "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", bucket)
    obstore.put(root, "probe/of/rights", b"x")
    client = store(stack, f"{who}_ACCESS_KEY_ID", f"{who}_SECRET_ACCESS_KEY", bucket)
    assert allowed(lambda: obstore.list(client).collect()) is may_list
    assert allowed(lambda: obstore.get(client, "probe/of/rights").bytes()) is may_read
    assert allowed(lambda: obstore.put(client, "probe/of/writing", b"x")) is may_write
    obstore.delete(root, ["probe/of/rights", "probe/of/writing"])
    if (who, bucket) == ("SIGNING", "aggregated"):
        obstore.put(root, "_quarterlake/probe", b"x")
        assert not allowed(lambda: obstore.get(client, "_quarterlake/probe").bytes())
        obstore.delete(root, "_quarterlake/probe")


def store(stack: Stack, user: str, secret: str, bucket: str) -> S3Store:
    return S3Store(
        bucket,
        config={
            "endpoint": f"http://127.0.0.1:{stack.env['S3_PORT']}",
            "access_key_id": stack.env[user],
            "secret_access_key": stack.env[secret],
            "region": "us-east-1",
        },
        client_options={"allow_http": True},
        retry_config={"max_retries": 1},
    )


def allowed(call: Any) -> bool:
    try:
        call()
    except (BaseError, PermissionError):
        return False
    return True


def test_nobody_but_init_holds_root(stack: Stack) -> None:
    for service in sorted(set(stack.states()) - ONE_SHOT - {"minio"}):
        shown = stack.compose("exec", "-T", service, "env")
        assert stack.env["MINIO_ROOT_PASSWORD"] not in shown, service


def test_keys_are_made_and_revoked_while_it_runs(stack: Stack) -> None:
    def command(*words: str) -> str:
        return stack.compose("exec", "-T", "delivery", "quarterlake", "keys", *words).strip()

    key = command("create", "--name", "application")
    with stack.delivery(key) as client:
        assert client.get("/datasets").status_code == 200
        assert client.get("/accesses").status_code == 403
        command("revoke", key.split("_")[1])
        wait_for(lambda: client.get("/datasets").status_code == 401, 5, lambda: "a revoked key still opens")
    shown = stack.compose(
        "exec", "-T", "postgres", "psql", "-U", "airflow", "-d", "delivery", "-Atc", "TABLE api_keys"
    )
    assert "application" in shown
    assert key.split("_")[2] not in shown


def test_the_scheduled_dags_publish_a_quarter(stack: Stack, parquet: Path, tmp_path: Path) -> None:
    # The last month's run starts with the stack. Had it found the quarter's files, it would have published them as late ones.
    wait_for(
        lambda: [state for _, state in runs(stack, "ingest_month")] == ["success"], 600, lambda: told(stack)
    )
    for month in flights.QUARTER:
        flights.lay_out(parquet, source_of(stack), month)
    stack.airflow(
        "backfill",
        "create",
        "--dag-id",
        "ingest_month",
        "--from-date",
        "2001-01-01",
        "--to-date",
        "2001-03-31",
    )
    wait_for(lambda: runs(stack, "publish_quarter") == [["2001-Q1", "success"]], 1800, lambda: told(stack))
    print(
        f"seconds of ingest_month: {seconds(stack, 'ingest_month')}, of publish_quarter: {seconds(stack, 'publish_quarter')}"
    )
    [release] = stack.releases("flights")
    assert release["name"] == "flights@2001-Q1.1"
    assert release["run"].startswith("publish_quarter/")
    summary = download(stack, release["name"], tmp_path)
    assert flights.found(summary) == flights.expected(source_of(stack))
    assert "COMPLETE" in (stack.root / "volumes/airflow/logs/openlineage.jsonl").read_text()


def runs(stack: Stack, dag: str) -> list[list[str]]:
    return stack.sql(f"SELECT partition_key, state FROM dag_run WHERE dag_id = '{dag}' ORDER BY id")


def seconds(stack: Stack, dag: str) -> list[str]:
    query = f"SELECT round(extract(epoch FROM end_date - start_date)) FROM dag_run WHERE dag_id = '{dag}' ORDER BY id"
    return [took for [took] in stack.sql(query)]


def told(stack: Stack) -> str:
    states = stack.sql("SELECT dag_id, run_id, task_id, map_index, state, try_number FROM task_instance")
    return f"{states}\n{stack.compose('logs', '--tail', '20')[-8000:]}"


def test_a_correction_makes_the_next_revision(stack: Stack, parquet: Path, tmp_path: Path) -> None:
    flights.lay_out(parquet, source_of(stack), "2001-02", without=1000)
    stack.airflow("dags", "clear", "ingest_month", "--partition-key", "2001-02", "--yes")
    wait_for(lambda: len(stack.releases("flights")) == 2, 1200, lambda: told(stack))
    newest = stack.releases("flights")[-1]
    assert newest["name"] == "flights@2001-Q1.2"
    assert flights.found(download(stack, newest["name"], tmp_path)) == flights.expected(source_of(stack))


def test_down_and_up_loses_nothing(stack: Stack) -> None:
    before = stack.releases("flights")
    stack.compose("down", "--timeout", "60")
    stack.up()
    assert stack.releases("flights") == before


def test_any_container_may_die_during_a_run(stack: Stack, parquet: Path, tmp_path: Path) -> None:
    victims = sorted(set(stack.states()) - ONE_SHOT)
    for number, victim in enumerate(victims):
        flights.lay_out(parquet, source_of(stack), "2001-03", without=10 * (number + 1))
        stack.airflow("dags", "trigger", "run_period", "--conf", '{"period": "2001-Q1"}')
        threading.Event().wait(4)  # somewhere in the run, which takes about 30 s
        stack.compose("kill", victim)
        stack.compose("up", "--detach")
        stack.wait_until_healthy()
        revision = f"flights@2001-Q1.{3 + number}"
        wait_for(
            lambda wanted=revision: stack.releases("flights")[-1]["name"] == wanted,  # type: ignore[misc]
            1200,
            lambda who=victim: f"{who} was killed\n{told(stack)}",  # type: ignore[misc]
        )
    summary = download(stack, stack.releases("flights")[-1]["name"], tmp_path)
    assert flights.found(summary) == flights.expected(source_of(stack))
    assert all(state == "success" for _, state in runs(stack, "run_period"))


def test_bad_data_fails_its_task_by_name_and_at_once(stack: Stack) -> None:
    bad = source_of(stack) / "broken"
    bad.mkdir()
    (bad / "broken_2001-01.csv").write_bytes(b"\x00\x01\x02\x00 no table \x00")
    stack.airflow("dags", "trigger", "run_period", "--conf", '{"period": "2001-Q1", "dataset": "broken"}')
    query = "SELECT t.task_id, t.state, t.try_number FROM task_instance t JOIN dag_run d USING (dag_id, run_id) WHERE t.state = 'failed'"
    wait_for(lambda: len(stack.sql(query)) == 1, 600, lambda: told(stack))
    assert stack.sql(query) == [["release.process", "failed", "1"]]
    logs = [
        path.read_text() for path in (stack.root / "volumes/airflow/logs").rglob("*process*/**/attempt=1.log")
    ]
    assert any("broken_2001-01.csv" in log for log in logs)
    for file in bad.iterdir():
        file.unlink()
    bad.rmdir()


def test_the_cluster_does_the_same(stack: Stack, parquet: Path, tmp_path: Path) -> None:
    stack.files = CLUSTER
    stack.up("--scale", "spark-worker=2")
    before = len(stack.releases("flights"))
    flights.lay_out(parquet, source_of(stack), "2001-01", without=7)
    done = stack.compose(
        "exec",
        "-T",
        "airflow-scheduler",
        "python",
        "-m",
        "quarterlake_orchestration.run",
        "2001-Q1",
        check=False,
    )
    wait_for(lambda: len(stack.releases("flights")) == before + 1, 900, lambda: done + told(stack))
    summary = download(stack, stack.releases("flights")[-1]["name"], tmp_path)
    assert flights.found(summary) == flights.expected(source_of(stack))
