"""The command line as its users have it: a process, its output and its exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable

from quarterlake.domain.odcs import from_yaml
from quarterlake.domain.odcs_writing import to_yaml
from tests.integration.lakes import csv_text, sales

if TYPE_CHECKING:
    from tests.integration.s3_server import S3Server

VERBS = (
    *("run", "ingest", "process", "validate", "publish", "status", "releases", "ledger", "rejects"),
    *("contract", "rollback", "verify", "doctor"),
)
MONTHS = ("2025-01", "2025-02", "2025-03")
RELEASE = "sales@2025-Q1.1"
RUN_KEYS = {"lake", "notes", "ingest", "datasets", "releases"}
SECRET = "s3cr3t-that-nobody-may-see"  # noqa: S105 - not one


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document that standard output holds."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Desk:
    """A working directory with a source folder and the default lake."""

    root: Path

    def ql(self, *arguments: str | Path, **environment: str) -> Done:
        inherited = {"PATH": os.environ["PATH"], "HOME": str(self.root / "home")}
        package = {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
        done = subprocess.run(
            [sys.executable, "-m", "quarterlake.cli", *map(str, arguments)],
            cwd=self.root,
            env=inherited | package | environment,
            capture_output=True,
            check=False,
            timeout=120,
        )
        found = Done(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in found.err + found.out
        assert "unexpected" not in found.err
        return found

    def started(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """A command that goes on, to be interrupted."""
        package = {"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "HOME": str(self.root / "home")}
        return subprocess.Popen(
            [sys.executable, "-m", "quarterlake.cli", *arguments],
            cwd=self.root,
            env={"PATH": os.environ["PATH"]} | package | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def put(self, name: str, content: bytes) -> Path:
        path = self.root / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A lake with one release; its first file has a record that is none."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    for month in MONTHS:
        rows = sales(month, 200) + ([("bad", "no time", "north", "1.25")] if month == MONTHS[0] else [])
        desk.put(f"sales/sales_{month}.csv", csv_text(rows))
    done = desk.ql("run", "source", "--json")
    assert done.code == 0, done.err
    return desk


@pytest.fixture
def desk(prepared: Desk, tmp_path: Path) -> Desk:
    """A copy of the prepared lake, to be spoilt."""
    shutil.copytree(prepared.root, tmp_path / "desk")
    return Desk(tmp_path / "desk")


@pytest.fixture
def blank(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.put("sales/sales_2025-01.csv", csv_text(sales("2025-01")))
    return desk


def one_line(done: Done, code: int, *words: str) -> None:
    """A clear error: the code, one message that begins with the program's name, and what it must name."""
    assert done.code == code, done.err
    assert done.out == ""
    [message] = [line for line in done.err.splitlines() if line.startswith("quarterlake: ")]
    for word in words:
        assert word in done.err
    assert len(message) > 20


def test_help_lists_every_verb_and_loads_no_engine() -> None:
    code = (
        "import sys; sys.argv = ['quarterlake', '--help']\n"
        "from quarterlake.cli.__main__ import main\n"
        "try: main()\n"
        "finally: print([m for m in ('duckdb', 'deltalake', 'rich.progress', 'sqlglot', 'obstore') if m in sys.modules])"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    *page, loaded = done.stdout.decode().splitlines()
    assert loaded == "[]"
    assert set(VERBS) <= {line.split()[0] for line in page if line.strip()}


GROUPS = {
    "contract": ("contract show", "contract infer", "contract check"),
    "rejects": ("rejects list", "rejects export", "rejects replay"),
}


@pytest.mark.parametrize("verb", [*VERBS, *GROUPS["contract"], *GROUPS["rejects"]])
def test_every_verb_explains_itself(prepared: Desk, verb: str) -> None:
    done = prepared.ql(*verb.split(), "--help")
    assert (done.code, done.err) == (0, "")
    if verb not in GROUPS:
        assert {"--json", "--lake", "--debug"} <= set(done.out.replace(",", " ").split())


def test_a_run_prints_one_document_and_logs_beside_it(blank: Desk) -> None:
    done = blank.ql("run", "source", "--json")
    assert done.code == 0
    assert set(done.document) == RUN_KEYS
    assert done.document["ingest"]["landed"][0]["source"] == "sales/sales_2025-01.csv"
    assert "ingest: 1 to do" in done.err


def test_a_second_run_does_nothing(desk: Desk) -> None:
    again = desk.ql("run", "source", "--json")
    assert again.code == 0
    assert again.document["releases"] == []
    assert again.document["ingest"]["unchanged"] == len(MONTHS)
    assert again.document["datasets"][0]["current"] == [RELEASE]


def test_the_stages_one_by_one_give_what_a_run_gives(blank: Desk, prepared: Desk) -> None:
    shutil.copytree(prepared.root / "source", blank.root / "source", dirs_exist_ok=True)
    for stage in (("ingest", "source"), ("process",), ("validate",), ("publish",)):
        for _ in range(2):
            done = blank.ql(*stage, "--json")
            assert done.code == 0, done.err
            assert set(done.document) == RUN_KEYS
    mine, theirs = (d.ql("releases").document["releases"] for d in (blank, prepared))
    assert [r["files"] for r in mine] == [r["files"] for r in theirs]


def test_releases_have_the_shape_that_is_promised(prepared: Desk) -> None:
    for arguments in ((), ("sales",), ("--json",)):
        done = prepared.ql("releases", *arguments)
        assert (done.code, done.err) == (0, "")
        assert set(done.document) == {"releases"}
        [release] = done.document["releases"]
        assert set(release) == {
            "dataset",
            "aggregate",
            "period",
            "revision",
            "name",
            "version",
            "published_at",
            "rows",
            "files",
        }
        assert (release["name"], release["revision"]) == (RELEASE, 1)
        assert [set(file) for file in release["files"]] == [{"path", "size", "sha256", "rows"}]
        assert sum(file["rows"] for file in release["files"]) == release["rows"]
        zone = prepared.root / "lake/aggregated"
        table = DeltaTable(str(zone / "sales/summary"), version=release["version"])
        assert table.file_uris() == [str(zone / file["path"]) for file in release["files"]]


def test_the_ledger_has_the_shape_that_is_promised_and_balances(prepared: Desk) -> None:
    done = prepared.ql("ledger", "sales", "--json")
    assert set(done.document) == {"files", "totals"}
    for entry in done.document["files"]:
        assert set(entry) == {
            "dataset",
            "source",
            "sha256",
            "size",
            "records",
            "accepted",
            "rejected",
            "superseded",
            "duplicate_of",
            "error",
        }
        assert entry["records"] == entry["accepted"] + entry["rejected"] + entry["superseded"]
    assert done.document["totals"] == {
        "files": 3,
        "records": 601,
        "accepted": 600,
        "rejected": 1,
        "superseded": 0,
    }


def test_rejects_have_the_shape_that_is_promised(prepared: Desk) -> None:
    fields = ["dataset", "source", "line", "byte_offset", "column", "reason", "raw"]
    [reject] = prepared.ql("rejects", "--json").document["rejects"]
    assert list(reject) == fields
    assert (reject["line"], reject["column"]) == (202, "sold_at")
    assert reject["raw"] == "bad,no time,north,1.25"
    header, row = prepared.ql("rejects", "sales", "--csv").out.splitlines()
    assert header.split(",") == fields
    assert '"bad,no time,north,1.25"' in row


def test_status_shows_files_periods_and_releases(desk: Desk) -> None:
    desk.put("sales/sales_2025-04.csv", csv_text(sales("2025-04")))
    desk.ql("run", "source")
    [held] = desk.ql("status", "--json").document["datasets"]
    assert held["dataset"] == "sales"
    assert held["files"]["landed"] == held["files"]["live"] == 4
    first, second = held["periods"]
    assert (first["complete"], first["release"]) == (True, RELEASE)
    assert (second["complete"], second["lacking"]) == (False, ["2025-05", "2025-06"])
    assert held["releases"] == [RELEASE]
    assert "waiting: no records for 2025-05, 2025-06" in desk.ql("status").out
    assert desk.ql("status", "sales").out == desk.ql("status").out


def test_status_waits_for_what_a_run_waits_for(desk: Desk) -> None:
    for month in ("2025-04", "2025-05"):
        desk.put(f"sales/sales_{month}.csv", csv_text(sales(month)))
    desk.put("sales/sales_2025-06.csv", b"")
    waits = "waiting: 2025-Q2: no records for 2025-06"
    assert waits in desk.ql("run", "source").out
    [held] = desk.ql("status", "--json").document["datasets"]
    assert [(p["period"], p["lacking"]) for p in held["periods"] if not p["complete"]] == [
        ("2025-Q2", ["2025-06"])
    ]


def test_status_says_that_a_release_is_not_of_the_records_of_now(desk: Desk) -> None:
    whole = desk.put("sales/sales_2025-02.csv", b"<html><body>Session expired</body></html>")
    assert f"STALE: {RELEASE} is still current" in desk.ql("run", "source").out
    [period] = desk.ql("status", "--json").document["datasets"][0]["periods"]
    assert (period["release"], period["outdated"], period["complete"]) == (RELEASE, True, False)
    assert f"{RELEASE}, OUTDATED: the records are others now; waiting:" in desk.ql("status").out
    whole.write_bytes(csv_text(sales("2025-02", 200)))
    assert desk.ql("run", "source").code == 0
    assert "OUTDATED" not in desk.ql("status").out


def test_looking_makes_no_lake(blank: Desk) -> None:
    for verb in ("status", "releases", "ledger", "rejects"):
        assert blank.ql(verb, "--json").code == 0
    assert not (blank.root / "lake").exists()


def test_files_among_the_contracts_that_are_not_in_force_are_noted(desk: Desk) -> None:
    shown = desk.ql("contract", "infer", "sales").out
    assert desk.ql("status", "--json").document["notes"] == []
    folder = desk.root / "contracts"
    folder.mkdir()
    for name in ("sales.odcs.yaml", "sales.yaml", "orders.odcs.yaml", "README.md", ".hidden", "x.odcs.yaml~"):
        (folder / name).write_text(shown)
    expected = [
        "contracts/orders.odcs.yaml is not in force: no data set orders has landed. There are: sales.",
        "contracts/sales.yaml is not read: a contract's name is <dataset>.odcs.yaml. Rename it, or move it away.",
    ]
    for verb in (("run", "source"), ("process",), ("validate",), ("publish",), ("status",)):
        document, plain = desk.ql(*verb, "--json"), desk.ql(*verb)
        assert (document.code, document.document["notes"]) == (0, expected)
        assert [line for line in plain.out.splitlines() if "note: " in line] == [
            f"note: {note}" for note in expected
        ]


def test_a_written_contract_reads_back_unchanged_and_changes_no_release(desk: Desk) -> None:
    shown = desk.ql("contract", "infer", "sales").out
    assert desk.ql("contract", "infer", "sales", "--write").code == 0
    path = desk.root / "contracts/sales.odcs.yaml"
    assert path.read_text() == shown
    held = from_yaml(desk.ql("contract", "show", "sales").out, "shown")
    assert (held.columns, held.inferred) == (from_yaml(shown, str(path)).columns, False)
    assert to_yaml(from_yaml(shown, str(path))) == shown
    before = desk.ql("releases").document
    assert desk.ql("run", "source").code == 0
    assert desk.ql("releases").document == before
    one_line(desk.ql("contract", "infer", "sales", "--write"), 2, "contracts/sales.odcs.yaml exists")


def test_writing_a_contract_prints_json_where_json_is_asked_for(desk: Desk) -> None:
    done = desk.ql("contract", "infer", "sales", "--write", "--json")
    assert done.code == 0
    assert done.document["dataset"] == "sales"


def test_contract_check_says_whether_files_meet_it(blank: Desk) -> None:
    blank.ql("run", "source")
    good = blank.ql("contract", "check", "sales", "--json")
    assert (good.code, good.document["meets"]) == (0, True)
    blank.put("sales/sales_2025-01.csv", csv_text(sales(MONTHS[0], 200)) + b"short,2025-01-01T00:00:00Z\n")
    blank.ql("ingest", "source")
    short = blank.ql("contract", "check", "sales", "--json")
    assert (short.code, short.document["meets"]) == (1, False)
    assert "1 of its 201 records (1 fewer fields than the header)" in short.document["problems"][0]
    blank.ql("contract", "infer", "sales", "--write")
    blank.put("sales/sales_2025-02.csv", b"sale_id,sold_at,store\nx,2025-02-01T00:00:00Z,north\n")
    blank.ql("ingest", "source")
    bad = blank.ql("contract", "check", "sales", "--json")
    assert (bad.code, bad.document["meets"]) == (1, False)
    assert set(bad.document) == {"dataset", "contract", "meets", "problems"}
    assert any("sales_2025-02.csv" in line and "amount" in line for line in bad.document["problems"])


def test_a_rollback_is_a_new_revision_of_old_files(desk: Desk) -> None:
    desk.put("sales/sales_2025-01.csv", csv_text(sales(MONTHS[0], 150)))
    assert desk.ql("run", "source", "--json").document["releases"][0]["revision"] == 2
    rolled = desk.ql("rollback", RELEASE, "--json")
    assert rolled.code == 0
    first, second, third = desk.ql("releases").document["releases"]
    assert rolled.document["releases"] == [third]
    assert third["name"] == "sales@2025-Q1.3"
    assert third["files"] == first["files"] != second["files"]
    held = desk.ql("run", "source", "--json")
    assert (held.code, held.document["datasets"][0]["held_back"]) == (0, ["2025-Q1"])


def test_verify_names_what_changed_or_is_missing(desk: Desk) -> None:
    good = desk.ql("verify", RELEASE, "--json")
    assert (good.code, good.document["holds"], len(good.document["files"])) == (0, True, 4)
    [release] = desk.ql("releases").document["releases"]
    published = desk.root / "lake/aggregated" / release["files"][0]["path"]
    content = bytearray(published.read_bytes())
    content[100] ^= 1
    published.write_bytes(content)
    raw = next((desk.root / "lake/raw/sales").glob("*/*sales_2025-02.csv"))
    raw.unlink()
    bad = desk.ql("verify", RELEASE, "--json")
    wrong = {
        file["path"]: file["found"] for file in bad.document["files"] if file["found"] != file["recorded"]
    }
    names = {path.relative_to(desk.root / "lake").as_posix() for path in (published, raw)}
    assert (bad.code, bad.document["holds"], set(wrong)) == (1, False, names)
    plain = desk.ql("verify", RELEASE)
    assert plain.code == 1
    assert all(name in plain.out for name in names)


def test_a_refused_file_or_a_gate_gives_one(desk: Desk) -> None:
    desk.put("sales/sales_2025-04.csv", b"")
    empty = desk.ql("run", "source", "--json")
    assert empty.code == 1
    assert list(empty.document["datasets"][0]["refused"]) == ["sales/sales_2025-04.csv"]
    rows = [*sales("2025-02", 50), *((f"bad{n}", "no time", "north", "1") for n in range(50))]
    desk.put("sales/sales_2025-02.csv", csv_text(rows))
    gate = desk.ql("run", "source")
    assert gate.code == 1
    assert "reject_ratio" in gate.out
    assert "once `quarterlake contract infer sales --write` has written it" in gate.out
    assert len(desk.ql("releases").document["releases"]) == 1


def test_a_period_that_has_no_records_gives_one_and_is_named(desk: Desk) -> None:
    done = desk.ql("publish", "--period", "2031-Q2", "--json")
    assert (done.code, done.document["datasets"][0]["absent"]) == (1, ["2031-Q2"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "nosuch"), ("nosuch",)),
        (("process", "--dataset", "nosuch"), ("nosuch", "sales")),
        (("publish", "--period", "2025-13"), ("2025-13",)),
        (("publish", "--period", "2025-01"), ("2025-01", "QUARTERLAKE_PUBLISH_PERIOD")),
        (("ledger", "nosuch"), ("nosuch", "sales")),
        (("status", "nosuch"), ("nosuch", "sales")),
        (("rejects", "nosuch"), ("nosuch", "sales")),
        (("releases", "nosuch"), ("nosuch", "sales")),
        (("releases", "../x"), ("../x",)),
        (("ledger", "../x"), ("../x",)),
        (("contract", "show", "../x"), ("../x",)),
        (("contract", "infer", "nosuch"), ("nosuch",)),
        (("contract", "show", "nosuch"), ("nosuch",)),
        (("contract", "check", "nosuch"), ("nosuch",)),
        (("verify", "nosuch@2025-Q1.1"), ("nosuch",)),
        (("verify", "..@2025-Q1.1"), ("..@2025-Q1.1",)),
        (("rollback", "sales"), ("sales@2026-Q3.1", "sales")[1:]),
        (("status", "--lake", "ftp://me:" + SECRET + "@host/x"), ("ftp",)),
    ],
)
def test_wrong_use_gives_two_and_says_what_there_is(
    prepared: Desk, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = prepared.ql(*arguments)
    one_line(done, 2, *words)
    assert SECRET not in done.err


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (
            ("--dataset", "nosuch"),
            ("No data set nosuch is in ./lake or comes from source", "There are: sales."),
        ),
        (("--dataset", "sales", "--dataset", "nosuch"), ("nosuch", "There are: sales.")),
        (("--period", "2025-01"), ("2025-01", "QUARTERLAKE_PUBLISH_PERIOD")),
    ],
)
def test_a_run_for_what_cannot_come_lands_nothing(
    blank: Desk, wish: tuple[str, ...], words: tuple[str, ...]
) -> None:
    one_line(blank.ql("run", "source", *wish), 2, *words)
    assert not (blank.root / "lake").exists()
    assert blank.ql("run", "source", "--dataset", "sales").code == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUARTERLAKE_MEMORY", "lots"),
        ("QUARTERLAKE_MEMORY", "400KMB"),
        ("QUARTERLAKE_THREADS", "none"),
        ("QUARTERLAKE_INGEST_PERIOD", "year"),
    ],
)
def test_a_bad_setting_gives_two_and_is_named(prepared: Desk, name: str, value: str) -> None:
    one_line(prepared.ql("process", **{name: value}), 2, name, value)


@pytest.mark.parametrize("content", [b": [", b"\xff\xfe", b"[]", b"", b"kind: DataContract\nschema: 7\n"])
def test_a_broken_contract_gives_two_and_is_named(desk: Desk, content: bytes) -> None:
    (desk.root / "contracts").mkdir()
    (desk.root / "contracts/sales.odcs.yaml").write_bytes(content)
    one_line(desk.ql("run", "source"), 2, "contracts/sales.odcs.yaml")


@pytest.mark.parametrize("wrong", ["contract", "sql"])
@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_wrong_with_a_data_set_keeps_no_other_from_its_release(
    blank: Desk, wrong: str, *, as_json: bool
) -> None:
    for month in MONTHS:
        for name in ("broken", "sales"):
            blank.put(f"{name}/{name}_{month}.csv", csv_text(sales(month, 20)))
    file = "contracts/broken.odcs.yaml" if wrong == "contract" else "aggregates/broken/mine.sql"
    (blank.root / file).parent.mkdir(parents=True)
    (blank.root / file).write_text("selec [")
    done = blank.ql("run", "source", *["--json"] * as_json)
    assert done.code == 2
    if as_json:
        document = json.loads(done.out)
        broken, whole = document["datasets"]
        assert file in broken["failed"]
        assert (whole["failed"], whole["published"]) == (None, ["sales@2025-Q1.1"])
    else:
        assert "broken: FAILED: " in done.out
        assert file in done.out
        assert "sales@2025-Q1.1  summary" in done.out
    (blank.root / file).unlink()
    assert blank.ql("run", "source").code == 0


@pytest.mark.parametrize(
    "sql", [b"selec 1 frm", b"select nope from sales", b"", b"\xff", b"select now() from sales"]
)
def test_broken_sql_gives_two_with_file_line_and_column(desk: Desk, sql: bytes) -> None:
    (desk.root / "aggregates/sales").mkdir(parents=True)
    (desk.root / "aggregates/sales/mine.sql").write_bytes(sql)
    one_line(desk.ql("publish"), 2, "aggregates/sales/mine.sql:1:")


def test_an_export_that_cannot_be_written_gives_two(prepared: Desk) -> None:
    done = prepared.ql("rejects", "export", "sales", "--to", "nosuch/repair.csv")
    one_line(done, 2, "nosuch/repair.csv cannot be written", "Name another file")


def test_a_bucket_whose_name_is_too_short_is_said(prepared: Desk) -> None:
    one_line(prepared.ql("status", "--lake", "s3://b/x"), 2, "3 to 63 letters")


def test_an_interrupted_command_says_so(prepared: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        with prepared.started("pull", "sales", QUARTERLAKE_URL=address, QUARTERLAKE_KEY="ql_x") as pulling:
            answering, _ = server.accept()  # and never answers
            with answering:
                pulling.send_signal(signal.SIGINT)
                _, said = pulling.communicate(timeout=60)
    assert pulling.returncode == 130
    assert said.splitlines()[-1] == b"quarterlake: interrupted; the same command goes on where it stopped"


def test_an_interrupted_server_has_done_its_work(desk: Desk) -> None:
    with desk.started("serve", "--open", "--port", "0") as serving:
        assert serving.stderr is not None
        assert any(b"startup complete" in line for line in serving.stderr)
        serving.send_signal(signal.SIGINT)
        _, said = serving.communicate(timeout=60)
    assert (serving.returncode, b"interrupted" in said) == (0, False)


def test_debug_shows_where_an_error_came_from(prepared: Desk) -> None:
    with pytest.raises(AssertionError, match="Traceback"):
        prepared.ql("run", "nosuch", "--debug")


def test_a_store_that_cannot_be_reached_gives_three(blank: Desk) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound, yet nobody listens
        endpoint = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        options = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "me",
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }
        done = blank.ql("run", "source", "--lake", "s3://lakes/x", **options)
        doctor = blank.ql("doctor", "--json", "--lake", "s3://lakes/x", **options)
    assert done.code == 3
    assert "s3://lakes" in done.err or endpoint in done.err
    assert (doctor.code, doctor.document["healthy"]) == (3, False)
    assert all(not zone["reachable"] and zone["problem"] for zone in doctor.document["zones"])
    assert SECRET not in done.out + done.err + doctor.out + doctor.err


@pytest.mark.parametrize("lake", ["/proc/nope", "file.txt/lake", "file.txt", "readonly/lake"])
def test_a_lake_that_cannot_be_made_gives_three_and_is_named(blank: Desk, lake: str) -> None:
    (blank.root / "file.txt").touch()
    mount = blank.root / "readonly"
    mount.mkdir()
    mounted = "readonly" in lake
    if (
        mounted
        and subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", mount], check=False).returncode
    ):
        pytest.skip("mounting is not allowed here")
    try:
        done = blank.ql("run", "source", "--lake", lake)
        one_line(done, 3, lake, "folder that this user may")
        doctor = blank.ql("doctor", "--json", "--lake", lake)
        assert (doctor.code, doctor.document["healthy"]) == (3, False)
    finally:
        if mounted:
            subprocess.run(["umount", mount], check=True)


def test_wrong_credentials_give_three_and_are_not_shown(blank: Desk, s3_server: S3Server) -> None:
    options = s3_server.environment | {"AWS_SECRET_ACCESS_KEY": SECRET}
    for arguments in (("run", "source"), ("doctor", "--json")):
        done = blank.ql(*arguments, "--lake", "s3://lakes/denied", **options)
        assert done.code == 3, done.err
        assert SECRET not in done.out + done.err


def test_doctor_says_where_settings_come_from_and_hides_secrets(prepared: Desk) -> None:
    done = prepared.ql(
        "doctor", "--json", AWS_SECRET_ACCESS_KEY=SECRET, AWS_SESSION_TOKEN=SECRET, QUARTERLAKE_THREADS="2"
    )
    plain = prepared.ql("doctor", AWS_SECRET_ACCESS_KEY=SECRET)
    assert (done.code, plain.code) == (0, 0)
    settings = {setting["name"]: setting for setting in done.document["settings"]}
    assert settings["QUARTERLAKE_THREADS"]["from"] == "environment"
    assert settings["QUARTERLAKE_LAKE"]["from"] == "default"
    assert settings["AWS_SECRET_ACCESS_KEY"]["value"] == "(set)"
    assert SECRET not in done.out + done.err + plain.out + plain.err


def test_a_full_disk_gives_three_and_the_same_command_finishes_when_there_is_room(
    blank: Desk, prepared: Desk
) -> None:
    mount = blank.root / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount], check=False, capture_output=True
    )
    if made.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        shutil.copytree(prepared.root / "source", blank.root / "source", dirs_exist_ok=True)
        filler = mount / "filler"
        codes = []
        # Room grows step by step, so that each stage meets the full disk once.
        for room in (4, 24, 40, 60, 80, 100, 130):
            filler.unlink(missing_ok=True)
            filled = sum(path.stat().st_blocks * 512 for path in mount.rglob("*") if path.is_file())
            filler.write_bytes(b"0" * max(0, (256 - room) * 1024 - filled))
            done = blank.ql("run", "source", "--lake", mount / "lake", "--json")
            codes.append(done.code)
            assert done.code in (0, 3), done.err
            if done.code == 3:
                assert str(mount) in done.err
                assert done.out == ""
        assert codes[0] == 3
        filler.unlink(missing_ok=True)
        subprocess.run(["mount", "-o", "remount,size=64m", mount], check=True)
        assert blank.ql("run", "source", "--lake", mount / "lake").code == 0
        mine = blank.ql("releases", "--lake", mount / "lake").document["releases"]
        theirs = prepared.ql("releases").document["releases"]
        assert [r["files"] for r in mine] == [r["files"] for r in theirs]
        assert blank.ql("verify", RELEASE, "--lake", mount / "lake").code == 0
    finally:
        subprocess.run(["umount", mount], check=True)


def test_what_a_correction_and_a_repair_mend_is_counted_and_said_no_more(desk: Desk) -> None:
    said = desk.ql("status").out
    assert "  records: 601 = 600 accepted + 1 rejected + 0 superseded\n" in said
    assert "1 value of sold_at does not fit its type; its record is rejected" in said
    step = "  next: `quarterlake rejects sales` lists what was rejected and why (docs/rejects.md); docs/drift.md says what a contract can do about drift\n"
    assert said.endswith(step)
    rows = sales(MONTHS[0], 200)
    desk.put(
        f"sales/sales_{MONTHS[0]}.csv",
        csv_text([*rows, ("good", f"{MONTHS[0]}-20T10:00:00Z", "north", "1.25")]),
    )
    ran = desk.ql("run", "source").out
    balance = "802 records = 601 accepted + 0 rejected + 201 superseded"
    assert f"sales: {balance}\n" in ran
    assert f"  records: {balance.replace(' records', '')}\n" in desk.ql("status").out
    for out in (ran, desk.ql("status").out):
        assert "drift" not in out
        assert "next:" not in out
    assert desk.ql("rejects", "sales", "--json").document["rejects"] == []
    entries = desk.ql("ledger", "sales").document["files"]
    assert [(e["records"], e["accepted"], e["rejected"], e["superseded"]) for e in entries] == [
        (201, 0, 0, 201),
        (200, 200, 0, 0),
        (200, 200, 0, 0),
        (201, 201, 0, 0),
    ]
