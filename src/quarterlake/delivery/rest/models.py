"""The documents of REST: data sets, releases and their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from quarterlake.delivery.links import Link, files_of
from quarterlake.domain.releases import hidden_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.domain.releases import Aggregate, DataFile, Release

_NEXT = Field(None, description="Hand it back as `page_token`; null on the last page.")


class DatasetDocument(BaseModel):
    """A data set that has releases."""

    dataset: str = Field(examples=["flights"])
    releases: int = Field(description="How many, revisions counted.", examples=[4])
    latest: str = Field(
        description="The current release of the newest period.", examples=["flights@2013-Q4.1"]
    )
    periods: list[str] = Field(description="Those that have a release, oldest first.", examples=[["2013-Q4"]])

    @classmethod
    def of(cls, dataset: str, releases: Sequence[Release]) -> DatasetDocument:
        """The document of a data set with these releases."""
        return cls(
            dataset=dataset,
            releases=len(releases),
            latest=releases[-1].name,
            periods=list(dict.fromkeys(release.period for release in releases)),
        )


class DatasetList(BaseModel):
    """The data sets that the key opens."""

    datasets: list[DatasetDocument]
    next_page_token: str | None = _NEXT


class ColumnDocument(BaseModel):
    """A column of an aggregate."""

    name: str = Field(examples=["origin"])
    type: str = Field(description="As Delta Lake names it.", examples=["string"])
    pii: bool = Field(
        description="Whether it may show values of a column that the contract marks as PII.", examples=[False]
    )


class AggregateDocument(BaseModel):
    """An aggregate of a release: its schema and rows."""

    aggregate: str = Field(examples=["summary"])
    rows: int = Field(examples=[33])
    columns: list[ColumnDocument]
    table_version: int | None = Field(
        description="The version of the aggregate's Delta table that shows the release.", examples=[0]
    )


class FileDocument(BaseModel):
    """A published file, Parquet."""

    number: int = Field(description="Its place in the release, from 0.", examples=[0])
    aggregate: str = Field(examples=["summary"])
    path: str = Field(
        description="Below the zone `aggregated`.",
        examples=["flights/summary/2013-Q1-0123456789abcdef-14895fdd95f40123.parquet"],
    )
    rows: int = Field(examples=[33])
    size: int = Field(description="Bytes.", examples=[38631])
    sha256: str = Field(examples=["14895fdd95f4c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ff"])


class LinkedFile(FileDocument):
    """A published file with a URL that downloads it."""

    url: str = Field(description="Needs no key. GET only, with Range.", examples=["https://…"])
    url_expires_at: str = Field(
        description="The URL works until then; ask again afterwards.", examples=["2026-05-03T09:15:00+00:00"]
    )


class ReleaseDocument(BaseModel):
    """A release: what it is, its schema and its files. It never changes."""

    name: str = Field(examples=["flights@2013-Q1.1"])
    dataset: str = Field(examples=["flights"])
    period: str = Field(examples=["2013-Q1"])
    revision: int = Field(examples=[1])
    published_at: str = Field(examples=["2026-05-03T09:00:00+00:00"])
    build: str = Field(
        description="Hashes inputs, contract, SQL and logic.", examples=["0123456789abcdef0123456789abcdef"]
    )
    run: str | None = Field(description="The run that published it, where it had a name.", examples=[None])
    engine: str = Field(examples=["duckdb 2.0.0"])
    code_version: str = Field(examples=["0.1.0"])
    contract_version: str = Field(examples=["1.0.0"])
    restores: str | None = Field(
        description="The earlier release that a rollback brought back.", examples=[None]
    )
    records: int = Field(description="Records that it was made from.", examples=[80687])
    aggregates: list[AggregateDocument]
    files: list[FileDocument]

    @classmethod
    def of(cls, release: Release) -> ReleaseDocument:
        """The document of a release."""
        versions = {table.aggregate: table.version for table in release.tables}
        return cls(
            name=release.name,
            dataset=release.dataset,
            period=release.period,
            revision=release.revision,
            published_at=release.published_at,
            build=release.build.id,
            run=release.run,
            engine=release.build.engine,
            code_version=release.build.code_version,
            contract_version=release.build.contract.version,
            restores=release.restores,
            records=release.build.observations.rows,
            aggregates=[
                AggregateDocument(
                    aggregate=made.name,
                    rows=made.rows,
                    columns=column_documents(release, made),
                    table_version=versions.get(made.name),
                )
                for made in release.build.aggregates
            ],
            files=file_documents(release),
        )


def column_documents(release: Release, made: Aggregate) -> list[ColumnDocument]:
    """The columns of one of a release's aggregates."""
    hidden = hidden_columns(release.build.contract, made)
    return [
        ColumnDocument(name=column.name, type=column.type, pii=column.name.casefold() in hidden)
        for column in made.columns
    ]


class ReleaseList(BaseModel):
    """A data set's releases, by period and revision, newest last."""

    releases: list[ReleaseDocument]
    next_page_token: str | None = _NEXT


class FileList(BaseModel):
    """A release's files, each with a URL."""

    release: str = Field(examples=["flights@2013-Q1.1"])
    files: list[LinkedFile]


def file_documents(release: Release) -> list[FileDocument]:
    """A release's files, numbered."""
    return [
        FileDocument(
            number=number,
            aggregate=aggregate,
            path=file.path,
            rows=file.rows,
            size=file.size,
            sha256=file.sha256,
        )
        for number, (aggregate, file) in enumerate(files_of(release))
    ]


def linked(number: int, aggregate: str, file: DataFile, link: Link) -> LinkedFile:
    """A file with its link."""
    return LinkedFile(
        number=number,
        aggregate=aggregate,
        path=file.path,
        rows=file.rows,
        size=file.size,
        sha256=file.sha256,
        url=link.url,
        url_expires_at=link.expires_at.isoformat(timespec="seconds"),
    )
