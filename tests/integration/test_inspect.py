"""`quarterlake inspect FILE`, as its users have it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

REPORT = (
    b"Bericht 2024\r\n\r\ndatum;laden;umsatz\r\n2024-01-01;M\xfcnchen;1,5\r\n"
    b'2024-01-02;K\xf6ln;"2,5\r\n2024-01-03;Berlin;3,5\r\nSumme;;7,5\r\n'
)


def inspect(folder: Path, data: bytes, *options: str) -> tuple[int, str, str]:
    path = folder / "report.csv"
    path.write_bytes(data)
    command = [sys.executable, "-m", "quarterlake.cli", "inspect", str(path), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def document(folder: Path, data: bytes, *options: str) -> dict[str, Any]:
    code, out, _ = inspect(folder, data, "--json", *options)
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_file_is_shown_with_what_is_decided_and_why(tmp_path: Path) -> None:
    code, out, _ = inspect(tmp_path, REPORT)
    assert code == 0
    assert "4 records = 2 read + 2 rejected" in out
    for said in (
        "latin-1  (2 bytes are no UTF-8",
        "Bericht 2024",
        "laden=München",
        "line 7, byte 105: footer: Summe;;7,5",
    ):
        assert said in out


def test_nothing_that_a_terminal_obeys_is_printed(tmp_path: Path) -> None:
    data = b"id,na\x1b]0;title\x07me,datum\n1,\x1b[2Jx,01/02/2024\n2,y\x9b\n"
    code, out, _ = inspect(tmp_path, data)
    assert code == 0
    assert all(line.isprintable() for line in out.splitlines())
    assert "na\\x1b]0;title\\x07me" in out


def test_decisions_are_overridden(tmp_path: Path) -> None:
    found = document(
        tmp_path, REPORT, "--set", "footer=0", "--set", "encoding=cp437", "--set", "header=false"
    )
    assert found["how"]["encoding"] == "cp437"
    assert found["why"]["encoding"] == found["why"]["header"] == "the contract says so"
    assert found["records"] == 5
    assert "footer" not in found["reject_counts"]
    assert found["columns"] == ["column_1", "column_2", "column_3"]


def test_a_contract_holds_values_against_its_types(tmp_path: Path) -> None:
    contract = tmp_path / "report.odcs.yaml"
    contract.write_text(
        """\
apiVersion: v3.1.0
kind: DataContract
id: report
schema:
- name: report
  properties:
  - {name: datum, logicalType: date}
  - {name: laden, logicalType: integer}
  - {name: umsatz, logicalType: string}
  customProperties:
  - {property: quarterlake.recordTime, value: datum}
  - {property: quarterlake.reading, value: {delimiter: ";", footer: 1}}
""",
        encoding="utf-8",
    )
    found = document(tmp_path, REPORT, "--contract", str(contract))
    assert found["records"] == sum(found["reject_counts"].values()) == 4
    assert found["rejects"][0]["column"] == "laden"
    assert found["why"]["delimiter"] == "the contract says so"


def test_it_rejects_without_a_contract_what_a_run_rejects(tmp_path: Path) -> None:
    lines = ["id,v,w,sold_at", *(f"{n},{n},{n},2024-01-{1 + n % 28:02d}T10:00:00Z" for n in range(3_000))]
    lines[2_900] = "2899,much,1.5,2024-01-05T10:00:00Z"
    lines[2_950] = "2949,1,1,soon"
    lines[2_960] = "2959,1,1,2024-01-05T10:00:00Z,1"
    found = document(tmp_path, "\n".join([*lines, ""]).encode())
    assert {name: kind["type"] for name, kind in found["types"].items()} == {
        "id": "int64",
        "v": "int64",
        "w": "decimal(18,1)",
        "sold_at": "timestamp",
    }
    source = tmp_path / "data_source"
    source.mkdir()
    (tmp_path / "report.csv").rename(source / "report.csv")
    lake = ["--lake", str(tmp_path / "lake")]
    command = [sys.executable, "-m", "quarterlake.cli"]
    subprocess.run([*command, "ingest", str(source), *lake], check=True, capture_output=True)
    subprocess.run([*command, "process", *lake], check=True, capture_output=True)
    listed = subprocess.run([*command, "rejects", *lake], check=True, capture_output=True)
    rejects = [
        (each["line"], each["column"], each["reason"]) for each in json.loads(listed.stdout)["rejects"]
    ]
    assert [(each["line"], each["column"], each["reason"]) for each in found["rejects"]] == rejects
    assert len(rejects) == 3
    assert found["how"]["record time"] == "sold_at"


def test_a_file_that_no_period_can_be_told_of_is_said(tmp_path: Path) -> None:
    assert document(tmp_path, b"a,b\n1,x\n2,y\n")["how"]["record time"].startswith(
        "none, so that a run refuses"
    )


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    assert inspect(tmp_path, b"")[0] == 1
    assert "report.csv is empty" in inspect(tmp_path, b"")[2]
    code, _, said = inspect(tmp_path, REPORT, "--set", "delimeter=;")
    assert code == 2
    assert "delimeter" in said
