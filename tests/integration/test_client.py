"""The Python client: against the real server, and against servers that err, lie or go away."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quarterlake.client import (
    BadAnswerError,
    Client,
    ClientError,
    DamagedFileError,
    KeyRefusedError,
    NotPublishedError,
    UnavailableError,
    WrongUseError,
)
from quarterlake.client import api as client_api
from quarterlake.client import download as client_download
from tests.integration.lakes import Scene, sales
from tests.integration.odd_server import PATH, RELEASE, Handler, OddServer, odd_server, release
from tests.integration.test_delivery import KEY, delivering, eventually
from tests.integration.test_service import QUARTER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.conftest import LakeTarget

ROOT = Path(__file__).parents[2]
SECRET = "ql_000000000000_" + "a" * 64
HEAVY = ("duckdb", "deltalake", "obstore", "fastapi", "uvicorn", "typer", "sqlglot", "pyarrow", "pandas")


def parquet(rows: int = 40_000) -> bytes:
    """A Parquet file of some hundred kilobytes."""
    made = io.BytesIO()
    pq.write_table(pa.table({"n": [hashlib.md5(str(i).encode()).hexdigest() for i in range(rows)]}), made)  # noqa: S324
    return made.getvalue()


CONTENT = parquet()


@pytest.fixture
def server() -> Iterator[OddServer]:
    with odd_server() as made:
        made.offer(CONTENT)
        yield made


@pytest.fixture
def client(server: OddServer, tmp_path: Path) -> Iterator[Client]:
    with Client(server.url, SECRET, cache=tmp_path / "cache", timeout=5, attempts=3) as made:
        yield made


def kept(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())


WHOLE = f"{hashlib.sha256(CONTENT).hexdigest()}.parquet"
PART = WHOLE.replace(".parquet", ".part")


def pull(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line's download, in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "quarterlake.cli", "pull", *arguments],
        env={"HOME": str(folder), "PYTHONPATH": str(ROOT / "src")} | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_program_loads_what_was_published(tmp_path: Path, lake_target: LakeTarget) -> None:
    scene = Scene(tmp_path, lake_target)
    scene.put_months(*QUARTER)
    scene.run()
    scene.put("sales_2026-02.csv", sales("2026-02", 30))
    by_store = scene.root / "aggregates" / "sales" / "by_store.sql"
    by_store.parent.mkdir(parents=True)
    by_store.write_text("SELECT store, count(*) AS sales FROM sales GROUP BY store")
    scene.run()
    with (
        delivering(scene) as delivery,
        Client(delivery.url, KEY, cache=tmp_path / "cache") as client,
    ):
        assert client.datasets() == ["sales"]
        assert [each.name for each in client.releases("sales")] == ["sales@2026-Q1.1", "sales@2026-Q1.2"]
        assert client.release("sales").name == "sales@2026-Q1.2"
        assert sum(client.load("sales")["count"].to_pylist()) == 70
        assert client.load("sales", period="2026-Q1").num_rows == 3
        assert sum(client.load("sales@2026-Q1.1")["count"].to_pylist()) == 60
        assert client.pandas("sales", aggregate="by_store").sales.sum() == 70
        assert client.polars("sales@2026-Q1", aggregate="by_store")["sales"].sum() == 70
        placed = client.download("sales", tmp_path / "out")
        files = {file.name: file for file in client.files("sales")}
        assert {path.parent.name for path in placed} == {"by_store", "summary"}
        for path in placed:
            assert path.parent.parent == tmp_path / "out" / "sales@2026-Q1.2"
            assert hashlib.sha256(path.read_bytes()).hexdigest() == files[path.name].sha256
        with pytest.raises(WrongUseError, match="no aggregate other"):
            client.load("sales", aggregate="other")
        with pytest.raises(NotPublishedError, match=r"There is no release sales@2026-Q1\.9"):
            client.load("sales@2026-Q1.9")
        with pytest.raises(NotPublishedError, match="There are: sales"):
            client.load("nothing")
        with pytest.raises(WrongUseError):
            client.load("../etc")
        with Client(delivery.url, SECRET) as stranger, pytest.raises(KeyRefusedError):
            stranger.load("sales")
        for options, keys, said in (
            ([], {}, "None was sent: give it in QUARTERLAKE_KEY, or with --key."),
            ([], {"QUARTERLAKE_KEY": SECRET}, "What was sent is QUARTERLAKE_KEY; give another there."),
            (
                ["--key", SECRET],
                {"QUARTERLAKE_KEY": KEY},
                "What was sent is that of --key; give another there.",
            ),
        ):
            refused = pull(tmp_path, "sales", *options, QUARTERLAKE_URL=delivery.url, **keys)
            assert (refused.returncode, refused.stdout) == (2, "")
            assert refused.stderr.rstrip().endswith(said)
            assert SECRET not in refused.stderr
        access = {"QUARTERLAKE_URL": delivery.url, "QUARTERLAKE_KEY": KEY}
        done = pull(tmp_path, "sales@2026-Q1.1", "--to", "pulled", "--json", **access)
        assert done.returncode == 0, done.stderr
        [file] = json.loads(done.stdout)["files"]
        assert (tmp_path / file["path"]).stat().st_size == file["size"]


def test_importing_it_imports_no_engine_no_server_and_no_store() -> None:
    program = "import sys, quarterlake.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded.intersection(HEAVY)
    ours = {name for name in loaded if name.startswith("quarterlake.") and ".client" not in name}
    assert ours == {"quarterlake.domain", "quarterlake.domain.errors"}


def test_a_file_is_downloaded_once(server: OddServer, client: Client, tmp_path: Path) -> None:
    assert client.load("sales").num_rows == 40_000
    assert client.load(RELEASE).num_rows == 40_000
    assert server.sent == len(CONTENT)
    assert kept(tmp_path) == [WHOLE]


def test_a_file_is_for_those_whom_the_umask_lets_in(client: Client) -> None:
    before = os.umask(0o077)
    try:
        [path] = client.download("sales")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_what_a_disk_changed_is_downloaded_again(server: OddServer, client: Client) -> None:
    [path] = client.download("sales")
    path.chmod(0o644)
    path.write_bytes(CONTENT[:-1] + b"?")
    assert client.load("sales").num_rows == 40_000
    assert server.sent == 2 * len(CONTENT)


def test_a_download_goes_on_where_it_was_broken_off(
    server: OddServer, client: Client, tmp_path: Path
) -> None:
    server.script["/store/"] = lambda handler: handler.send_range(CONTENT, 300_000)
    assert client.load("sales").num_rows == 40_000
    assert server.sent == len(CONTENT)
    starts = [headers.get("Range") for path, headers in server.seen if path.startswith("/store/")]
    assert starts[:2] == [None, "bytes=300000-"]
    assert kept(tmp_path) == [WHOLE]


def test_what_an_earlier_run_left_is_gone_on_with(server: OddServer, client: Client, tmp_path: Path) -> None:
    part = tmp_path / "cache" / "files" / WHOLE[:2] / PART
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:1000])
    client.load("sales")
    assert server.sent == len(CONTENT) - 1000


def test_a_killed_download_is_gone_on_with(server: OddServer, client: Client, tmp_path: Path) -> None:
    def hanging(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[:600_000])
        over.wait(60)
        handler.close_connection = True

    over = threading.Event()
    server.script["/store/"] = hanging
    program = "import sys; from quarterlake.client import Client; Client(sys.argv[1], cache=sys.argv[2]).load('sales')"
    part = tmp_path / "cache" / "files" / WHOLE[:2] / PART
    process = subprocess.Popen([sys.executable, "-c", program, server.url, str(tmp_path / "cache")])
    eventually(lambda: part.exists() and part.stat().st_size > 500_000, 60)
    process.kill()
    process.wait(30)
    over.set()
    left = part.stat().st_size
    server.offer(CONTENT)
    assert client.load("sales").num_rows == 40_000
    assert server.sent == len(CONTENT) - left
    assert kept(tmp_path) == [WHOLE]


@pytest.mark.parametrize("left", [b"x" * 1000, CONTENT + b"more", CONTENT[:-1] + b"?"])
def test_what_an_earlier_run_left_wrong_does_no_harm(client: Client, tmp_path: Path, left: bytes) -> None:
    part = tmp_path / "cache" / "files" / WHOLE[:2] / PART
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    assert client.load("sales").num_rows == 40_000
    assert kept(tmp_path) == [WHOLE]


def test_an_expired_url_is_renewed_and_the_download_goes_on(server: OddServer, client: Client) -> None:
    def expiring(handler: Handler) -> None:
        """Each URL gives one answer, and that breaks off."""
        [signature] = handler.query["signature"]
        if signature in used:
            handler.send(
                403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
            )
            return
        used.add(signature)
        handler.send_range(CONTENT, 500_000)

    used: set[str] = set()
    server.script["/store/"] = expiring
    assert client.load("sales").num_rows == 40_000
    assert server.sent == len(CONTENT)
    assert len(used) == -(-len(CONTENT) // 500_000)


def test_a_store_without_ranges_is_read_from_the_start(server: OddServer, client: Client) -> None:
    def forgetful(handler: Handler) -> None:
        del handler.headers["Range"]
        handler.send_range(CONTENT, 1_000_000 if server.sent == 0 else None)

    server.script["/store/"] = forgetful
    assert client.load("sales").num_rows == 40_000
    assert server.sent == 1_000_000 + len(CONTENT)


def test_faults_that_pass_are_waited_out(server: OddServer, client: Client) -> None:
    def failing_first(status: int, then: Any, **headers: str) -> Any:
        failed: list[int] = []

        def answer(handler: Handler) -> None:
            if failed:
                then(handler)
                return
            failed.append(status)
            handler.send(status, b"busy", **headers)

        return answer

    server.script["/store/"] = failing_first(500, server.script["/store/"])
    files = "/v1/releases/sales@2026-Q1.1/files"
    server.script[files] = failing_first(503, server.script[files], Retry_After="0")
    latest = "/v1/datasets/sales/releases/latest"
    server.script[latest] = failing_first(429, server.script[latest], Retry_After="0")
    assert client.load("sales").num_rows == 40_000


def test_patience_ends(server: OddServer, client: Client) -> None:
    server.script["/store/"] = lambda handler: handler.send(503)
    with pytest.raises(UnavailableError, match="after 3 attempts"):
        client.load("sales")
    server.script["/v1/releases/sales@2026-Q1.1/files"] = lambda handler: handler.send(
        429, Retry_After="9999"
    )
    with pytest.raises(UnavailableError, match="come back in 9999 s"):
        client.load("sales")


@contextmanager
def dripping(status: int, drop: bytes) -> Iterator[Callable[[Handler], None]]:
    """An answer that comes a byte at a time."""
    over = threading.Event()

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        try:
            while not over.wait(0.02):
                handler.wfile.write(drop)
        except OSError:
            pass

    yield answer
    over.set()


def test_a_store_that_only_drips_is_given_up(
    server: OddServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_download, "SLOW_SECONDS", 0.1)
    with (
        dripping(200, b"x") as server.script["/store/"],
        pytest.raises(UnavailableError, match=r"after 3 attempts \(too slow\)"),
    ):
        client.load("sales")


@pytest.mark.parametrize("status", [200, 404])
def test_an_answer_that_only_drips_is_given_up(
    server: OddServer, client: Client, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(client_api, "_LONGEST", 0.01)
    with (
        dripping(status, b" ") as server.script["/v1/datasets"],
        pytest.raises(UnavailableError, match=r"after 3 attempts \(ReadTimeout\)"),
    ):
        client.datasets()


def test_what_cannot_be_decoded_is_refused(server: OddServer, client: Client) -> None:
    server.script["/v1/datasets"] = lambda handler: handler.send(200, b"no gzip", Content_Encoding="gzip")
    with pytest.raises(BadAnswerError, match="cannot be decoded"):
        client.datasets()


def test_bytes_of_another_hash_are_refused(server: OddServer, client: Client, tmp_path: Path) -> None:
    server.script["/store/"] = lambda handler: handler.send_range(CONTENT[:-1] + b"?")
    with pytest.raises(DamagedFileError, match=PATH):
        client.download("sales", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert WHOLE not in kept(tmp_path)


def test_a_body_without_end_is_cut_off(server: OddServer, client: Client, tmp_path: Path) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        try:
            while True:
                handler.wfile.write(b"x" * 100_000)
        except OSError:
            pass

    server.script["/store/"] = endless
    with pytest.raises(BadAnswerError, match="sends more than"):
        client.load("sales")
    assert sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.part")) == 0


def test_an_answer_without_end_is_cut_off(
    server: OddServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_api, "LARGEST_ANSWER", 1 << 20)
    server.script["/v1/datasets"] = lambda handler: handler.send(200, b" " * (2 << 20))
    with pytest.raises(BadAnswerError, match="larger than"):
        client.datasets()


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "../../../etc/passwd"},
        {"path": "/etc/passwd"},
        {"path": "sales/summary/.."},
        {"path": "sales/summary/a\\b"},
        {"path": "sales/summary/a\0b"},
        {"path": "sales/summary/a\x9b31mb"},
        {"path": "sales/summary/a\u202eb"},
        {"path": "sales/summary/a\nb"},
        {"aggregate": "a\x9bb"},
        {"path": "sales/summary/.hidden"},
        {"path": ""},
        {"path": "x" * 300},
        {"aggregate": ".."},
        {"aggregate": "a/b"},
        {"sha256": "../../../../etc"},
        {"sha256": "A" * 64},
        {"size": -1},
        {"size": 1 << 60},
        {"size": "1"},
        {"url": "file:///etc/passwd"},
        {"url": "http:///nowhere"},
        {"url": "gopher://127.0.0.1/"},
        {"url": "http://[x/"},
        {"url": "http://127.0.0.1:99999999/"},
        {"url": "http://a:b@127.0.0.1/"},
    ],
)
def test_names_sizes_and_addresses_of_a_hostile_server_are_refused(
    server: OddServer, client: Client, tmp_path: Path, changes: dict[str, Any]
) -> None:
    server.offer(CONTENT, **changes)
    with pytest.raises(BadAnswerError):
        client.download("sales", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert kept(tmp_path) == []


def test_two_files_of_one_name_are_refused(server: OddServer, client: Client, tmp_path: Path) -> None:
    file = {"aggregate": "summary", "rows": 1, "size": 1, "sha256": "0" * 64, "url": server.url}
    listed = [{**file, "path": f"sales/summary/{folder}/one.parquet"} for folder in "ab"]
    body = json.dumps({"release": RELEASE, "files": listed}).encode()
    server.script[f"/v1/releases/{RELEASE}/files"] = lambda handler: handler.send(200, body)
    with pytest.raises(BadAnswerError, match=r"two files of .+ the same name"):
        client.download("sales", tmp_path / "out")


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(release(name="../../x@2026-Q1.1", dataset="../../x")).encode(),
        json.dumps(release(name="other@2026-Q1.1", dataset="other")).encode(),
        json.dumps(release(period="2026-Q2")).encode(),
        b"<html>hello</html>",
        b"\xff\xfe",
        b"[]",
        b"",
    ],
)
def test_answers_about_something_else_are_refused(server: OddServer, client: Client, body: bytes) -> None:
    server.script["/v1/datasets/sales/releases/latest"] = lambda handler: handler.send(200, body)
    with pytest.raises(BadAnswerError):
        client.load("sales")


def test_a_list_without_end_is_noticed(server: OddServer, client: Client) -> None:
    body = json.dumps({"datasets": [{"dataset": "sales"}], "next_page_token": "again"}).encode()
    server.script["/v1/datasets"] = lambda handler: handler.send(200, body)
    assert client.datasets() == ["sales", "sales"]


def test_the_key_goes_to_the_api_alone(server: OddServer, client: Client) -> None:
    with odd_server() as store:
        store.script["/store/"] = lambda handler: handler.send_range(CONTENT)
        server.offer(CONTENT, store=store.url)
        client.load("sales")
        assert all("Authorization" not in headers for _, headers in store.seen)
        assert all(headers["Authorization"] == f"Bearer {SECRET}" for _, headers in server.seen)
        server.script["/v1/datasets"] = lambda handler: handler.send(307, Location=f"{store.url}/v1/datasets")
        before = len(store.seen)
        with pytest.raises(BadAnswerError, match="redirected"):
            client.datasets()
        assert len(store.seen) == before


def test_neither_key_nor_signature_is_logged_or_shown(
    server: OddServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client.load("sales")
    caplog.set_level(
        logging.INFO
    )  # a redirection's address is in the answer's headers, which httpcore logs below that
    server.offer(CONTENT[:-1])
    server.script["/store/"] = lambda handler: handler.send(
        302, Location="http://127.0.0.1/?signature=s3cret"
    )
    with pytest.raises(ClientError) as refused:
        client.load("sales")
    for text in (caplog.text, str(refused.value), repr(client)):
        assert "s3cret" not in text
        assert SECRET not in text
    assert "/store/one.parquet" in caplog.text


def test_processes_share_a_cache_without_downloading_twice(server: OddServer, tmp_path: Path) -> None:
    program = (
        "import sys; from quarterlake.client import Client\n"
        "print(Client(sys.argv[1], cache=sys.argv[2]).load('sales').num_rows)"
    )

    def run(_number: int) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program, server.url, str(tmp_path / "cache")],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout.strip()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == ["40000"] * 4
    assert server.sent == len(CONTENT)
    assert kept(tmp_path) == [WHOLE]


def test_a_full_disk_and_a_place_that_is_none_are_said_so(server: OddServer, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with Client(server.url, cache=taken) as client, pytest.raises(WrongUseError, match="cannot be used"):
        client.load("sales")
    with (
        Client(server.url, cache=tmp_path / "cache") as client,
        pytest.raises(WrongUseError, match="cannot be used"),
    ):
        client.download("sales", taken)
    program = (
        "import resource, signal, sys; from quarterlake.client import Client\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "Client(sys.argv[1], cache=sys.argv[2]).load('sales')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, server.url, str(tmp_path / "other")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "UnavailableError: There is no room left" in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "",
        "data.example.org",
        "ftp://x",
        "http://",
        "https://x?y=1",
        "http://[x",
        "http://x:y",
        "http://u:p@x",
    ],
)
def test_an_address_that_is_none_is_said_so(url: str) -> None:
    with pytest.raises(WrongUseError, match="no address"):
        Client(url)


def test_a_key_with_a_line_end_is_refused_unshown() -> None:
    with pytest.raises(WrongUseError) as refused:
        Client("http://127.0.0.1", f"{SECRET}\n")
    assert SECRET not in str(refused.value)


def test_a_download_outlives_its_url(tmp_path: Path, lake_target: LakeTarget) -> None:
    """Through a line that breaks in the middle, and is not back before the URL has expired."""
    scene = Scene(tmp_path, lake_target)
    scene.put_months(*QUARTER)
    scene.run()
    with delivering(scene, QUARTERLAKE_URL_SECONDS="10") as delivery, odd_server() as line:
        statuses: list[int] = []

        def api(handler: Handler) -> None:
            answer = httpx.get(
                f"{delivery.url}{handler.path}",
                headers={"Authorization": handler.headers["Authorization"]},
                trust_env=False,
            )
            document = answer.json()
            for file in document["files"] if "/files" in handler.path else ():
                file["url"] = f"{line.url}/store/?{urlencode({'url': file['url']})}"
            handler.send(answer.status_code, json.dumps(document).encode())

        def store(handler: Handler) -> None:
            [url] = handler.query["url"]
            if statuses == [200]:
                eventually(lambda: httpx.get(url, trust_env=False).status_code == 403, 60)
            asked = {"Range": handler.headers["Range"]} if "Range" in handler.headers else {}
            answer = httpx.get(url, headers=asked, trust_env=False)
            statuses.append(answer.status_code)
            if len(statuses) == 1:
                handler.send_range(answer.content, 1000)
            else:
                handler.send(answer.status_code, answer.content, **_range_of(answer))

        line.script = {"/v1/": api, "/store/": store}
        with Client(line.url, KEY, cache=tmp_path / "cache", timeout=90) as client:
            [path] = client.download("sales", tmp_path / "out")
        assert statuses == [200, 403, 206]
        assert pq.read_table(path, partitioning=None).num_rows == 3


def _range_of(answer: httpx.Response) -> dict[str, str]:
    given = answer.headers.get("Content-Range")
    return {"Content_Range": given} if given else {}
