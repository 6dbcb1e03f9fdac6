"""The script that makes the database of API keys in the stack's PostgreSQL, on a real server."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.integration.postgres_server import running_postgres

SCRIPT = Path(__file__).parents[2] / "config/postgres/create-keys-database.sh"
DELIVERYS = "delivery-p4ssword-of-the-tests"

pytestmark = pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed")


def run(url: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """The script as the stack runs it, but for these variables."""
    address = urlsplit(url)
    environment = {
        "PATH": os.environ["PATH"],
        "PGHOST": str(address.hostname),
        "PGPORT": str(address.port),
        "PGUSER": str(address.username),
        "PGDATABASE": "airflow",
        "PGPASSWORD": str(address.password),
        "DELIVERY_POSTGRES_PASSWORD": DELIVERYS,
        **changed,
    }
    return subprocess.run(["/bin/sh", SCRIPT], env=environment, capture_output=True, text=True, check=False)


def test_the_database_is_made_once_its_password_follows_and_a_wrong_one_is_named(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running_postgres(tmp_path_factory.mktemp("postgres")) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE airflow")
        for password in (DELIVERYS, DELIVERYS, "another"):
            done = run(url, DELIVERY_POSTGRES_PASSWORD=password)
            assert (done.returncode, done.stderr) == (0, "")
            address = urlsplit(url)
            own = f"postgresql://delivery:{password}@{address.hostname}:{address.port}/delivery"
            with psycopg.connect(own) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS mine (x int)")
            with pytest.raises(psycopg.OperationalError, match="permission denied"):
                psycopg.connect(own.removesuffix("delivery") + "airflow")

        wrong = run(url, PGPASSWORD="wrong-p4ssword")
        assert wrong.returncode == 1
        assert "POSTGRES_PASSWORD must be that of the volume's first start" in wrong.stderr
        for name, variable in (
            ("POSTGRES_PASSWORD", "PGPASSWORD"),
            ("DELIVERY_POSTGRES_PASSWORD", "DELIVERY_POSTGRES_PASSWORD"),
        ):
            for value, said in (("a/b@c", "holds other characters"), ("", "is not set")):
                refused = run(url, **{variable: value})
                assert refused.returncode == 1
                assert f"delivery-init: {name} {said}" in refused.stderr
                assert "a/b" not in refused.stderr
