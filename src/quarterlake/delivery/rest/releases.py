"""One release, and what tells it from another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from quarterlake.delivery.problems import Problem
from quarterlake.delivery.rest.answers import CACHED, ReleaseName, cached
from quarterlake.delivery.rest.datasets import RELEASE_DOCUMENTS
from quarterlake.delivery.rest.models import (
    ColumnDocument,
    FileDocument,
    ReleaseDocument,
    column_documents,
    file_documents,
)
from quarterlake.delivery.shelf import OnShelf

if TYPE_CHECKING:
    from quarterlake.domain.releases import Release

router = APIRouter(prefix="/v1/releases", tags=["releases"])


class ColumnChange(BaseModel):
    """A column whose type differs."""

    name: str = Field(examples=["delay"])
    before: str = Field(examples=["long"])
    after: str = Field(examples=["double"])


class AggregateChange(BaseModel):
    """An aggregate of either release. `rows_before` is null where it is new, `rows_after` where it is gone."""

    aggregate: str = Field(examples=["summary"])
    changed: bool = Field(description="Whether its files have other bytes.", examples=[True])
    rows_before: int | None = Field(examples=[33])
    rows_after: int | None = Field(examples=[34])
    columns_added: list[ColumnDocument]
    columns_removed: list[ColumnDocument]
    columns_changed: list[ColumnChange]


class MonthChange(BaseModel):
    """A month whose records differ in number."""

    month: str = Field(examples=["2013-01"])
    records_before: int | None = Field(examples=[27004])
    records_after: int | None = Field(examples=[27010])


class ReleaseDiff(BaseModel):
    """What a release has other than the one before it."""

    release: str = Field(examples=["flights@2013-Q1.2"])
    against: str = Field(examples=["flights@2013-Q1.1"])
    records_before: int = Field(examples=[80680])
    records_after: int = Field(examples=[80687])
    months: list[MonthChange]
    aggregates: list[AggregateChange]
    files_added: list[FileDocument]
    files_removed: list[FileDocument]
    files_kept: int = Field(description="Files with the same bytes in both.", examples=[0])

    @classmethod
    def of(cls, before: Release, after: Release) -> ReleaseDiff:
        """The differences between two releases."""
        old, new = ([made.name for made in r.build.aggregates] for r in (before, after))
        old_files, new_files = file_documents(before), file_documents(after)
        old_hashes, new_hashes = ({file.sha256 for file in files} for files in (old_files, new_files))
        old_rows, new_rows = (r.build.observations.rows_by_month for r in (before, after))
        return cls(
            release=after.name,
            against=before.name,
            records_before=before.build.observations.rows,
            records_after=after.build.observations.rows,
            months=[
                MonthChange(
                    month=month, records_before=old_rows.get(month), records_after=new_rows.get(month)
                )
                for month in sorted({*old_rows, *new_rows})
                if old_rows.get(month) != new_rows.get(month)
            ],
            aggregates=[_change(before, after, name) for name in dict.fromkeys((*old, *new))],
            files_added=[file for file in new_files if file.sha256 not in old_hashes],
            files_removed=[file for file in old_files if file.sha256 not in new_hashes],
            files_kept=sum(file.sha256 in old_hashes for file in new_files),
        )


@router.get("/{name}", operation_id="get_release", response_model=ReleaseDocument, responses=CACHED)
async def get_release(request: Request, shelf: OnShelf, name: ReleaseName) -> Response:
    """A release: what it is, its schema and its files."""
    return RELEASE_DOCUMENTS.answer(request, shelf.find(name))


@router.get("/{name}/diff", operation_id="diff_releases", response_model=ReleaseDiff, responses=CACHED)
def diff_releases(
    request: Request,
    shelf: OnShelf,
    name: ReleaseName,
    against: Annotated[
        str | None,
        Query(
            max_length=130,
            description="Another release of the data set; if left out the one that this one followed.",
            examples=["flights@2013-Q1.1"],
        ),
    ] = None,
) -> Response:
    """What a release has other than another: schema, files, row counts, changed aggregates."""
    release = shelf.find(name)
    before = shelf.catalog.previous(release) if against is None else shelf.find(against)
    if before is None:
        raise Problem(404, f"{name} is the first release of its data set; there is nothing before it.")
    if before.dataset != release.dataset:
        raise Problem(422, f"{before.name} and {name} belong to different data sets and cannot be compared.")
    return cached(request, ReleaseDiff.of(before, release))


def _change(earlier: Release, later: Release, name: str) -> AggregateChange:
    old, new = (next((a for a in r.build.aggregates if a.name == name), None) for r in (earlier, later))
    before, after = (
        {column.name: column for column in column_documents(release, made)} if made else {}
        for release, made in ((earlier, old), (later, new))
    )
    hashes = [sorted(file.sha256 for file in made.files) if made else None for made in (old, new)]
    return AggregateChange(
        aggregate=name,
        changed=hashes[0] != hashes[1],
        rows_before=old.rows if old else None,
        rows_after=new.rows if new else None,
        columns_added=[column for name, column in after.items() if name not in before],
        columns_removed=[column for name, column in before.items() if name not in after],
        columns_changed=[
            ColumnChange(name=name, before=before[name].type, after=column.type)
            for name, column in after.items()
            if name in before and before[name].type != column.type
        ],
    )
