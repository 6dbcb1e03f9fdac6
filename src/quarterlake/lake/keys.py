"""Where things lie below a zone. Every key is made here.

`raw`: `<dataset>/<landing month>/<hash>-<file name>`, and the manifests in `<dataset>/manifests/`, numbered so
that a create-only PUT of the next number orders the landings without a clock.
`curated`: `<dataset>/` is a Delta table partitioned by `_month`.
`aggregated`: `<dataset>/<aggregate>/` is a Delta table.
What is ours and no table's lies below `_quarterlake/<dataset>/` in the latter two; no data set's name begins so.
"""

from __future__ import annotations

OURS = "_quarterlake"


def raw_key(dataset: str, landing_month: str, sha256: str, safe_name: str) -> str:
    """A landed file's bytes."""
    return f"{dataset}/{landing_month}/{sha256[:32]}-{safe_name}"


def manifests(dataset: str) -> str:
    """The prefix of a data set's manifests."""
    return f"{dataset}/manifests/"


def manifest(dataset: str, sequence: int) -> str:
    """One manifest."""
    return f"{manifests(dataset)}{sequence:08d}.json"


def ours(dataset: str, kind: str) -> str:
    """The prefix of a data set's documents of one kind."""
    return f"{OURS}/{dataset}/{kind}/"


def parsed(dataset: str, parsed_id: str, suffix: str) -> str:
    """A parsed file's document (`json`), records (`parquet`) or rejects (`rejects.parquet`)."""
    return f"{ours(dataset, 'parsed')}{parsed_id}.{suffix}"


def contract(prefix: str, number: int) -> str:
    """One of the contracts that follow each other below a prefix (`contracts`, `evolved/<id>`); they are numbered from 1."""
    return f"{prefix}{number:06d}.odcs.yaml"


def curation(dataset: str, curation_id: str) -> str:
    """The document of one state of the curated table."""
    return f"{ours(dataset, 'curations')}{curation_id}.json"


def curated_file(month: str, month_id: str) -> str:
    """A curated month's file, relative to its table."""
    return f"_month={month}/{month_id}.parquet"


def build(dataset: str, build_id: str, account: str = "") -> str:
    """A build's document; with an `account` of where records went that is not the first's, another of the same build."""
    return f"{ours(dataset, 'builds')}{build_id}{account and f'.{account}'}.json"


def quality(dataset: str, build_id: str, circumstances: str) -> str:
    """A build's quality report under some circumstances (an earlier release, unreadable files, missing months)."""
    return f"{ours(dataset, 'quality')}{build_id}-{circumstances}.json"


def profile(dataset: str, build_id: str, version: str, account: str = "") -> str:
    """A build's profile, as one version of the logic makes it; with an `account` that of another of its documents."""
    return f"{ours(dataset, 'profiles')}{build_id}-{version}{account and f'.{account}'}.json"


def outlook(dataset: str, number: int) -> str:
    """What a data set's next releases lack; the documents are numbered from 1, the newest counts."""
    return f"{ours(dataset, 'outlooks')}{number:08d}.json"


def claims(dataset: str, period: str) -> str:
    """The prefix of a period's claims."""
    return f"{ours(dataset, 'claims')}{period}/"


def claim(dataset: str, period: str, revision: int) -> str:
    """The claim of one revision."""
    return f"{claims(dataset, period)}{revision:06d}.json"


def release(dataset: str, period: str, revision: int) -> str:
    """A release record."""
    return f"{ours(dataset, 'releases')}{period}.{revision:06d}.json"


def aggregate_table(dataset: str, aggregate: str) -> str:
    """An aggregate's Delta table."""
    return f"{dataset}/{aggregate}"


def aggregate_file(period: str, build_id: str, sha256: str) -> str:
    """A staged aggregate file, relative to its table; its name tells build and content apart from all others."""
    return f"{period}-{build_id[:16]}-{sha256[:16]}.parquet"
