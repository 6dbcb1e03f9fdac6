"""Builds, claims and releases, and which of them a period needs next."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from quarterlake.domain.contract import Contract, fingerprint
from quarterlake.domain.curation import CuratedMonth
from quarterlake.domain.errors import UsageError
from quarterlake.domain.ledger import ReleaseEntry
from quarterlake.domain.naming import slug
from quarterlake.domain.quality import QualityReport

AGGREGATE_VERSION = "2"
"""Goes up whenever the same curated months, contract and SQL would give other aggregates."""


class DataFile(msgspec.Struct, frozen=True):
    """A published file: its path below the zone `aggregated`, bytes, SHA-256 and rows."""

    path: str
    size: int
    sha256: str
    rows: int


class AggregateColumn(msgspec.Struct, frozen=True, omit_defaults=True):
    """A column of an aggregate, its type as Delta Lake names it.

    `pii` says whether it may show values of a column that is marked PII; None where nobody looked: in the summary, and in
    what older versions built.
    """

    name: str
    type: str
    pii: bool | None = None


class Aggregate(msgspec.Struct, frozen=True):
    """One aggregate of a build: its SQL as written (None for the zero-config summary), schema and files."""

    name: str
    sql: str | None
    columns: tuple[AggregateColumn, ...]
    files: tuple[DataFile, ...]

    @property
    def rows(self) -> int:
        """Rows over all files."""
        return sum(file.rows for file in self.files)


class Observations(msgspec.Struct, frozen=True):
    """What the gates look at, taken over the period's curated records; `drift` says where its files left the contract."""

    rows: int
    rows_by_month: Mapping[str, int]
    nulls: Mapping[str, int]
    conflicts: int
    equal_rows: int
    drift: tuple[str, ...]


class Build(msgspec.Struct, frozen=True):
    """The candidate for one data set and period: staged, complete, not visible.

    `id` hashes inputs, contract, SQL and logic version, so every engine gives the same one. `curated_version` is the
    version of the curated Delta table that was read, `run` names the run that made the build, where it had a name.
    """

    id: str
    dataset: str
    period: str
    contract: Contract
    months: tuple[CuratedMonth, ...]
    curated_version: int
    aggregates: tuple[Aggregate, ...]
    ledger: tuple[ReleaseEntry, ...]
    observations: Observations
    engine: str
    code_version: str
    run: str | None = None


class Claim(msgspec.Struct, frozen=True):
    """A revision number taken for a build. All that a release record needs, so that anybody can finish it.

    `account` says which of the build's documents is meant, empty for the first.
    """

    dataset: str
    period: str
    revision: int
    build: str
    claimed_at: str
    quality: QualityReport
    landing: int
    restores: str | None = None
    holds_back: tuple[str, ...] = ()
    run: str | None = None
    account: str = ""


class TableVersion(msgspec.Struct, frozen=True):
    """The version of an aggregate's Delta table that shows the release."""

    aggregate: str
    version: int


class Release(msgspec.Struct, frozen=True):
    """The record that *is* a release: no record, no release, whatever the tables say.

    `restores` names the earlier release that a rollback brought back, `holds_back` the builds that stay unpublished
    until their inputs change. `landing` numbers the newest landing that was known when it was made.
    """

    name: str
    dataset: str
    period: str
    revision: int
    published_at: str
    build: Build
    quality: QualityReport
    tables: tuple[TableVersion, ...]
    landing: int = 0
    restores: str | None = None
    holds_back: tuple[str, ...] = ()
    run: str | None = None

    def table_version(self, aggregate: str) -> int:
        """The Delta version of one aggregate's table."""
        return next(t.version for t in self.tables if t.aggregate == aggregate)


def hidden_columns(contract: Contract, aggregate: Aggregate) -> frozenset[str]:
    """The columns of an aggregate whose values are shown nowhere, in lower case: those made from a column that is marked PII, or named like one.

    Where nobody looked at what a user's SQL makes of such a column, none of its columns is shown.
    """
    named = {column.name for column in contract.columns if column.pii}
    unsure = bool(named) and aggregate.sql is not None
    made = {column.name for column in aggregate.columns if column.pii or (column.pii is None and unsure)}
    return frozenset(name.casefold() for name in made | named)


def build_id(
    dataset: str, period: str, months: Sequence[CuratedMonth], content_id: str, sql: Mapping[str, str]
) -> str:
    """Identifies a build by what it is made from, not by who made it or when."""
    return fingerprint(
        [dataset, period, [(m.month, m.content) for m in months], content_id, dict(sql), AGGREGATE_VERSION]
    )


def account_of(build: Build) -> str:
    """Identifies what a build says of where records went: files may be corrected, and rejects discarded, that its own records are not made of."""
    return fingerprint([build.ledger, build.observations.drift])


def release_name(dataset: str, period: str, revision: int) -> str:
    """`orders@2026-Q3.1`."""
    return f"{dataset}@{period}.{revision}"


def is_dataset_name(text: str) -> bool:
    """Whether a data set can have this name, so that it is safe in keys."""
    try:
        return slug(text) == text
    except UsageError:
        return False


def checked_dataset_name(text: str) -> str:
    """The name of a data set as a user gave it. Raises UsageError where no data set can have it."""
    if not is_dataset_name(text):
        raise UsageError(
            f"{text!r} is no data set's name; they are in lower case with letters, digits and _, such as orders. "
            "`quarterlake status` lists them."
        )
    return text


def parse_release_name(name: str) -> tuple[str, str, int]:
    """Data set, period and revision of a release's name; UsageError for anything else."""
    match = re.fullmatch(
        r"([^@/\\\x00]{1,100})@((?!0000)[0-9]{4}(?<!9999)(?:-(?:Q[1-4]|0[1-9]|1[0-2]))?)\.([1-9][0-9]{0,8})",
        name,
    )
    if match is None or not is_dataset_name(match[1]):
        raise UsageError(
            f"{name!r} is no release's name; they look like orders@2026-Q3.1. `quarterlake releases` lists them."
        )
    return match[1], match[2], int(match[3])


def is_outdated(release: Release, months: Mapping[str, CuratedMonth]) -> bool:
    """Whether the months that a release was made from hold other records now."""
    return any(
        month.month not in months or months[month.month].content != month.content
        for month in release.build.months
    )


def needs_release(current: Release | None, build: str) -> bool:
    """Whether a build should become the period's next revision.

    Not when the current release already is that build, nor when a rollback holds the build back: then only
    changed inputs, which make another build, are published.
    """
    return current is None or build not in {current.build.id, *current.holds_back}
