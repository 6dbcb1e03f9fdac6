#!/bin/sh
# Makes the buckets, policies and users of a lake on MinIO; safe to repeat. What is there already is kept, policies and
# passwords are brought up to date.
#
#   S3_ENDPOINT                     such as http://minio:9000
#   MINIO_ROOT_USER, MINIO_ROOT_PASSWORD
#   {INGESTION,PROCESSING,DELIVERY,SIGNING}_ACCESS_KEY_ID and …_SECRET_ACCESS_KEY
#   MINIO_KMS_SECRET_KEY            when set, the buckets are encrypted with SSE-S3
#   POLICIES                        the folder of the policies; default: beside this file
set -eu

policies=${POLICIES:-$(dirname "$0")/policies}
client=$(command -v mc || command -v mcli) || { echo "create-buckets: neither mc nor mcli is here" >&2; exit 1; }

need() {
    eval "value=\${$1-}"
    [ -n "$value" ] || { echo "create-buckets: $1 is not set. Put it into .env; \`make env\` writes one." >&2; exit 1; }
    [ "${#value}" -ge "$2" ] || { echo "create-buckets: $1 has ${#value} characters, and MinIO wants at least $2." >&2; exit 1; }
}

need S3_ENDPOINT 8
need MINIO_ROOT_USER 3
need MINIO_ROOT_PASSWORD 8
for who in INGESTION PROCESSING DELIVERY SIGNING; do
    need "${who}_ACCESS_KEY_ID" 3
    need "${who}_SECRET_ACCESS_KEY" 8
done

MC_CONFIG_DIR=$(mktemp -d)
export MC_CONFIG_DIR
trap 'rm -rf "$MC_CONFIG_DIR"' EXIT
"$client" --quiet alias set lake "$S3_ENDPOINT" "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD" >/dev/null || {
    echo "create-buckets: $S3_ENDPOINT refuses MINIO_ROOT_USER with MINIO_ROOT_PASSWORD. They are those of its first start." >&2
    exit 1
}

for bucket in raw curated aggregated; do
    "$client" --quiet mb --ignore-existing "lake/$bucket"
    "$client" --quiet version enable "lake/$bucket" >/dev/null
    # Abandoned uploads go by the server's own clock (MinIO: after a day); nothing else ever expires, so there is no other rule.
    if [ -n "${MINIO_KMS_SECRET_KEY-}" ]; then
        "$client" --quiet encrypt set sse-s3 "lake/$bucket" >/dev/null
    fi
done

identity() { # role access-key secret-key
    "$client" --quiet admin policy create lake "quarterlake-$1" "$policies/$1.json" >/dev/null
    "$client" --quiet admin user add lake "$2" "$3" >/dev/null
    attached=$("$client" --quiet admin policy attach lake "quarterlake-$1" --user "$2" 2>&1) || case $attached in
        *"already in effect"*) ;;
        *) echo "create-buckets: $attached" >&2; exit 1 ;;
    esac
    echo "identity $1: policy quarterlake-$1"
}

identity ingestion "$INGESTION_ACCESS_KEY_ID" "$INGESTION_SECRET_ACCESS_KEY"
identity processing "$PROCESSING_ACCESS_KEY_ID" "$PROCESSING_SECRET_ACCESS_KEY"
identity delivery "$DELIVERY_ACCESS_KEY_ID" "$DELIVERY_SECRET_ACCESS_KEY"
identity signing "$SIGNING_ACCESS_KEY_ID" "$SIGNING_SECRET_ACCESS_KEY"
echo "buckets raw, curated and aggregated are ready"
