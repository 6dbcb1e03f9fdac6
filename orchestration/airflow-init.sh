#!/bin/sh
# Brings Airflow's database up to date and writes the passwords file of its login. Safe to repeat.
set -eu

need() { # the name in .env, the value, the least length
    [ -n "$2" ] || { echo "airflow-init: $1 is not set. Put it into .env; \`make env\` writes one." >&2; exit 1; }
    [ "${#2}" -ge "$3" ] || { echo "airflow-init: $1 has ${#2} characters; at least $3 are needed." >&2; exit 1; }
}

need AIRFLOW_USER "${AIRFLOW_USER-}" 1
need AIRFLOW_PASSWORD "${AIRFLOW_PASSWORD-}" 1
need AIRFLOW_JWT_SECRET "${AIRFLOW__API_AUTH__JWT_SECRET-}" 64
need AIRFLOW_API_SECRET_KEY "${AIRFLOW__API__SECRET_KEY-}" 16
need AIRFLOW_FERNET_KEY "${AIRFLOW__CORE__FERNET_KEY-}" 44
need QUARTERLAKE_SERVICE_TOKEN "${QUARTERLAKE_SERVICE_TOKEN-}" 32

python - <<'SETTINGS'
import os, sys

import sqlalchemy
from cryptography.fernet import Fernet
from quarterlake_orchestration.settings import SettingError, read_settings

try:
    # Two while keys are rotated: the new one, a comma, the old one.
    for key in os.environ["AIRFLOW__CORE__FERNET_KEY"].split(","):
        Fernet(key.strip())
except ValueError:
    sys.exit("airflow-init: AIRFLOW_FERNET_KEY is no Fernet key (32 bytes in URL-safe base64). `make env` writes one.")
try:
    read_settings()
except SettingError as wrong:
    sys.exit(f"airflow-init: {wrong}")
try:
    sqlalchemy.create_engine(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]).connect().close()
except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.ArgumentError, ValueError):
    sys.exit(
        "airflow-init: the database cannot be used. POSTGRES_PASSWORD must be that of the volume's first start, of letters, digits and -; "
        "docs/operations.md says how to change it."
    )
SETTINGS
airflow db migrate
python - <<'PASSWORDS'
import json, os, pathlib

file = pathlib.Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
file.touch(mode=0o600)
file.chmod(0o600)
file.write_text(json.dumps({os.environ["AIRFLOW_USER"]: os.environ["AIRFLOW_PASSWORD"]}))
PASSWORDS
echo "airflow-init: the database is up to date"
