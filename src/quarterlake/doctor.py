"""What is installed, what is reachable, what each setting is."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from quarterlake.domain.errors import QuarterlakeError
from quarterlake.lake.location import open_lake
from quarterlake.processing.engines.spark_server import find_java, find_spark, is_listening
from quarterlake.processing.engines.spark_session import JARS, address_of

if TYPE_CHECKING:
    from quarterlake.settings import Settings

_PACKAGES = ("duckdb", "deltalake", "obstore", "sqlglot", "msgspec", "pyyaml", "rich", "typer", "zstandard")
_SECONDS = 5


def examine(settings: Settings) -> dict[str, Any]:
    """What is installed, whether each zone and the engine can be used, and where each setting came from."""
    zones = []
    with open_lake(settings.lake, settings.s3, settings.scratch) as lake:
        for name, store in (("raw", lake.raw), ("curated", lake.curated), ("aggregated", lake.aggregated)):
            try:
                store.ping()
                zones.append({"zone": name, "url": store.url, "reachable": True, "problem": None})
            except QuarterlakeError as problem:
                zones.append({"zone": name, "url": store.url, "reachable": False, "problem": str(problem)})
    on_s3 = any(str(zone["url"]).startswith("s3://") for zone in zones)
    spark = examine_spark(settings, on_s3=on_s3)
    engine_works = settings.engine != "spark" or all(part["problem"] is None for part in spark)
    return {
        "healthy": all(zone["reachable"] for zone in zones) and engine_works,
        "python": f"{platform.python_version()} ({sys.executable})",
        "packages": {name: _version(name) or "missing" for name in ("quarterlake", *_PACKAGES)},
        "zones": zones,
        "engine": settings.engine,
        "spark": spark,
        "settings": [
            {
                "name": s.variable.name,
                "value": ("(set)" if s.value else "") if s.variable.secret else s.value,
                "from": s.origin,
                "meaning": s.variable.meaning,
            }
            for s in settings.all
        ],
    }


def examine_spark(settings: Settings, *, on_s3: bool) -> list[dict[str, str | None]]:
    """What the engine spark needs: each part with what was found, or with the problem and how to mend it."""
    client = _version("pyspark") or _version("pyspark-client")
    if client is None:
        hint = "not installed; `pip install 'quarterlake[spark]'`, or 'quarterlake[spark-local]' to run Spark on this machine"
        return [{"part": "client", "found": None, "problem": hint}]
    found: list[dict[str, str | None]] = [{"part": "client", "found": f"pyspark {client}", "problem": None}]
    options = settings.spark
    if options.remote:
        try:
            answers = is_listening(*address_of(options.remote), seconds=_SECONDS)
            problem = None if answers else "nothing answers there; start the server or correct SPARK_REMOTE"
        except QuarterlakeError as wrong:
            problem = str(wrong)
        return [*found, {"part": "server", "found": options.shown_remote, "problem": problem}]
    for part, find in (("java", find_java), ("spark", find_spark)):
        try:
            found.append({"part": part, "found": str(find(options)), "problem": None})
        except QuarterlakeError as missing:
            found.append({"part": part, "found": None, "problem": str(missing)})
    if on_s3:
        count = len(list(options.jars.glob("*.jar"))) if options.jars else 0
        problem = (
            None
            if count >= JARS
            else "run `make spark-jars` and set QUARTERLAKE_SPARK_JARS to the folder that it names"
        )
        found.append({"part": "jars", "found": f"{count} of {JARS}", "problem": problem})
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
