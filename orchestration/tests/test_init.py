"""What `airflow-init.sh` says of settings that are wrong, under the names that they have in `.env`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

ORCHESTRATION = Path(__file__).parents[1]
NEW, OLD = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SECRET = "s3cr3t-of-the-tests-"  # noqa: S105 - it protects nothing


def init(folder: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    """The script with good settings but for these, and an `airflow` that migrates nothing."""
    stub = folder / "airflow"
    stub.write_text("#!/bin/sh\necho airflow $*\n")
    stub.chmod(0o755)
    environment = {
        "PATH": f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ORCHESTRATION),
        "AIRFLOW_USER": "airflow",
        "AIRFLOW_PASSWORD": "airflow",
        "AIRFLOW__API_AUTH__JWT_SECRET": SECRET * 4,
        "AIRFLOW__API__SECRET_KEY": SECRET,
        "AIRFLOW__CORE__FERNET_KEY": OLD,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
        "QUARTERLAKE_SERVICE_TOKEN": SECRET * 2,
        **changed,
    }
    script = ORCHESTRATION / "airflow-init.sh"
    return subprocess.run(["/bin/sh", script], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("fernet", [OLD, f"{NEW},{OLD}"], ids=["one key", "keys that are rotated"])
def test_good_settings_migrate_the_database_and_write_the_login(tmp_path: Path, fernet: str) -> None:
    done = init(tmp_path, AIRFLOW__CORE__FERNET_KEY=fernet)
    assert (done.returncode, done.stderr) == (0, "")
    assert "airflow db migrate" in done.stdout
    passwords = tmp_path / "passwords.json"
    assert json.loads(passwords.read_text()) == {"airflow": "airflow"}
    assert passwords.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AIRFLOW_PASSWORD", "", "AIRFLOW_PASSWORD is not set"),
        ("AIRFLOW__API_AUTH__JWT_SECRET", SECRET, "AIRFLOW_JWT_SECRET has 20 characters"),
        ("AIRFLOW__API__SECRET_KEY", "", "AIRFLOW_API_SECRET_KEY is not set"),
        ("AIRFLOW__CORE__FERNET_KEY", SECRET * 3, "AIRFLOW_FERNET_KEY is no Fernet key"),
        ("AIRFLOW__CORE__FERNET_KEY", f"{NEW},{SECRET}", "AIRFLOW_FERNET_KEY is no Fernet key"),
        ("QUARTERLAKE_SERVICE_TOKEN", SECRET, "QUARTERLAKE_SERVICE_TOKEN has 20 characters"),
        ("QUARTERLAKE_INGEST_PERIOD", "week", "QUARTERLAKE_INGEST_PERIOD=week"),
        (
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
            f"postgresql+psycopg2://airflow:{SECRET}@127.0.0.1:1/airflow",
            "POSTGRES_PASSWORD must be",
        ),
        (
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
            f"postgresql+psycopg2://airflow:a/{SECRET}@127.0.0.1:1/airflow",
            "POSTGRES_PASSWORD must be",
        ),
    ],
)
def test_a_wrong_setting_is_named_as_it_is_in_the_env_file(
    tmp_path: Path, variable: str, value: str, said: str
) -> None:
    done = init(tmp_path, **{variable: value})
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert "airflow db migrate" not in done.stdout
