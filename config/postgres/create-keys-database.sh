#!/bin/sh
# Makes the database of the delivery API's keys and its role, on new volumes and on old ones; again is no error.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set password="$DELIVERY_POSTGRES_PASSWORD" <<'SQL'
SELECT 'CREATE ROLE delivery LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'delivery') \gexec
ALTER ROLE delivery PASSWORD :'password';
SELECT 'CREATE DATABASE delivery OWNER delivery' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'delivery') \gexec
REVOKE ALL ON DATABASE delivery FROM PUBLIC;
REVOKE ALL ON DATABASE airflow FROM PUBLIC;
SQL
