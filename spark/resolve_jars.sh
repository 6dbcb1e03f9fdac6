#!/bin/sh
# Fetches the jars of pom.xml through Maven into a folder and refuses them unless they are those of jars.lock.
#   spark/resolve_jars.sh FOLDER          check against the lock
#   spark/resolve_jars.sh FOLDER --lock   write the lock instead
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target=$1
command -v mvn >/dev/null || { echo "resolve_jars: Maven (mvn) is not on the path. Install it, for example with: apt install maven" >&2; exit 1; }

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
mvn --batch-mode --quiet --file "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$fresh"

if [ "${2-}" = --lock ]; then
    (cd "$fresh" && sha256sum -- *.jar) >"$here/jars.lock"
else
    (cd "$fresh" && sha256sum --check --strict --quiet "$here/jars.lock") || {
        echo "resolve_jars: Maven gave other jars than spark/jars.lock names. Nothing was installed." >&2
        exit 1
    }
    found=$(find "$fresh" -name '*.jar' | wc -l)
    locked=$(wc -l <"$here/jars.lock")
    [ "$found" -eq "$locked" ] || { echo "resolve_jars: Maven gave $found jars, spark/jars.lock names $locked." >&2; exit 1; }
fi
rm -rf "$target"
mkdir -p "$(dirname "$target")"
cp -R "$fresh" "$target"
chmod 755 "$target"
echo "$(find "$target" -name '*.jar' | wc -l) jars in $target"
