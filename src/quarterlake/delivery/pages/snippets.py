"""How to load a release in other tools, ready to copy. The key, where there is need of one, is read from the environment, so that none ends in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterlake.delivery.profile_file import SHARING_PATH
from quarterlake.delivery.sharing.names import SHARE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterlake.domain.releases import Release


@dataclass(frozen=True, slots=True)
class Snippet:
    """Code for one tool; `needs` says what to install and `where`, `note` what else to know."""

    tool: str
    code: str
    needs: str
    where: str = ""
    note: str = ""


_CHECKOUT = "in a checkout of quarterlake"
_BEARER = ' --header "Authorization: Bearer $QUARTERLAKE_KEY"'


def snippets(release: Release, base: str, *, needs_key: bool) -> Iterator[Snippet]:
    """Code that loads the release's first aggregate from a server at an address, which answers to a key only or to everybody."""
    aggregate = release.build.aggregates[0].name
    chosen = "" if aggregate == "summary" else f', aggregate="{aggregate}"'
    client = _client(base, needs_key=needs_key)
    table = f"{SHARE}.{release.dataset}.{aggregate}"
    version = release.table_version(aggregate)
    yield Snippet(
        "pandas",
        f'{client}frame = client.pandas("{release.name}"{chosen})',
        "pip install './client[pandas]'",
        _CHECKOUT,
    )
    yield Snippet(
        "Polars",
        f'{client}frame = client.polars("{release.name}"{chosen})',
        "pip install './client[polars]'",
        _CHECKOUT,
    )
    yield Snippet(
        "DuckDB",
        f'{client}release = client.load("{release.name}"{chosen})\n\nimport duckdb\nduckdb.sql("SELECT * FROM release LIMIT 10")',
        "pip install ./client duckdb",
        _CHECKOUT,
    )
    yield Snippet(
        "Spark",
        f"""\
{client}
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
frame = spark.createDataFrame(client.load("{release.name}"{chosen}))""",
        "pip install ./client 'pyspark>=4'",
        _CHECKOUT,
        "With the package io.delta:delta-sharing-spark of your Spark's version, executors read by themselves: "
        f'spark.read.format("deltaSharing").option("versionAsOf", {version}).load("profile.share#{table}").',
    )
    yield Snippet(
        "delta-sharing",
        f'import delta_sharing\n\nframe = delta_sharing.load_as_pandas("profile.share#{table}", version={version})',
        "pip install delta-sharing",
        note=f"profile.share is what `quarterlake keys create --profile` writes, for {base}{SHARING_PATH}. Version {version} of the table shows "
        "the current releases of all periods as they were when this one was published; without it they are those of now.",
    )
    yield Snippet(
        "Shell",
        f"quarterlake pull {release.name} --url {base} --to data\n\ncurl --location{_BEARER if needs_key else ''} \\\n"
        f'  --remote-name --remote-header-name "{base}/v1/releases/{release.name}/files/0"',
        "pip install '.[client]'",
        _CHECKOUT,
        "Every file is verified against its SHA-256 by `quarterlake pull`.",
    )


def _client(base: str, *, needs_key: bool) -> str:
    if not needs_key:
        return f'from quarterlake.client import Client\n\nclient = Client("{base}")\n'
    return f"""\
import os
from quarterlake.client import Client

client = Client("{base}", os.environ["QUARTERLAKE_KEY"])
"""
