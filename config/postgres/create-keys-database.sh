#!/bin/sh
# Makes the database of the delivery API's keys and its role, on new volumes and on old ones; again is no error.
set -eu

plain() { # a password stands in a database's address, where other characters mean something
    case $2 in
        "") echo "delivery-init: $1 is not set. Put it into .env; \`make env\` writes one." >&2; exit 1 ;;
        *[!A-Za-z0-9._~-]*) echo "delivery-init: $1 holds other characters than letters, digits and - . _ ~. Change it in .env." >&2; exit 1 ;;
    esac
}
plain POSTGRES_PASSWORD "${PGPASSWORD-}"
plain DELIVERY_POSTGRES_PASSWORD "${DELIVERY_POSTGRES_PASSWORD-}"

psql --no-psqlrc --quiet --command 'SELECT' >/dev/null || {
    echo "delivery-init: the database cannot be used. POSTGRES_PASSWORD must be that of the volume's first start; docs/operations.md says how to change it." >&2
    exit 1
}
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set password="$DELIVERY_POSTGRES_PASSWORD" <<'SQL'
SELECT 'CREATE ROLE delivery LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'delivery') \gexec
ALTER ROLE delivery PASSWORD :'password';
SELECT 'CREATE DATABASE delivery OWNER delivery' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'delivery') \gexec
REVOKE ALL ON DATABASE delivery FROM PUBLIC;
REVOKE ALL ON DATABASE airflow FROM PUBLIC;
SQL
