#!/bin/sh
# Brings Airflow's database up to date and writes the passwords file of its login. Safe to repeat.
set -eu

need() {
    eval "value=\${$1-}"
    [ -n "$value" ] || { echo "airflow-init: $1 is not set. Put it into .env; \`make env\` writes one." >&2; exit 1; }
    [ "${#value}" -ge "$2" ] || { echo "airflow-init: $1 has ${#value} characters; at least $2 are needed." >&2; exit 1; }
}

need AIRFLOW_USER 1
need AIRFLOW_PASSWORD 1
need AIRFLOW__API_AUTH__JWT_SECRET 64
need AIRFLOW__API__SECRET_KEY 16
need AIRFLOW__CORE__FERNET_KEY 44
need QUARTERLAKE_SERVICE_TOKEN 32

python -c "import sys; from cryptography.fernet import Fernet; Fernet(sys.argv[1])" "$AIRFLOW__CORE__FERNET_KEY" 2>/dev/null || {
    echo "airflow-init: AIRFLOW_FERNET_KEY is no Fernet key (32 bytes in URL-safe base64). \`make env\` writes one." >&2
    exit 1
}
airflow db migrate
python - <<'PASSWORDS'
import json, os, pathlib

file = pathlib.Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
file.touch(mode=0o600)
file.chmod(0o600)
file.write_text(json.dumps({os.environ["AIRFLOW_USER"]: os.environ["AIRFLOW_PASSWORD"]}))
PASSWORDS
echo "airflow-init: the database is up to date"
