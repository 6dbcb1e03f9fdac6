"""What is in a release: rows and statistics, in the shapes that the dataset viewer of Hugging Face made common.

https://huggingface.co/docs/dataset-viewer/rows and https://huggingface.co/docs/dataset-viewer/statistics
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from quarterlake.delivery.parts import OnParts
from quarterlake.delivery.preview import preview
from quarterlake.delivery.problems import Problem
from quarterlake.delivery.rest.answers import CACHED, AggregateName, ReleaseName, cached
from quarterlake.delivery.rest.statistics import StatisticsDocument, statistics_of
from quarterlake.delivery.shelf import OnShelf
from quarterlake.domain.profiles import PROFILE_VERSION, Profile
from quarterlake.domain.releases import hidden_columns
from quarterlake.lake import keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quarterlake.domain.releases import Aggregate, Release

MOST_ROWS = 100
_MOST_PREVIEWS = 2
router = APIRouter(prefix="/v1/releases", tags=["contents"])


class FeatureType(BaseModel):
    """A column's type, as Arrow names it."""

    dtype: str = Field(examples=["int64"])
    kind: Literal["Value"] = Field("Value", alias="_type")


class Feature(BaseModel):
    """A column."""

    feature_idx: int = Field(examples=[0])
    name: str = Field(examples=["origin"])
    type: FeatureType


class Row(BaseModel):
    """A row; decimals are digits in a text, dates and instants ISO 8601."""

    row_idx: int = Field(examples=[0])
    row: dict[str, Any] = Field(examples=[{"quarter": "2013-Q1", "origin": "EWR", "count": 29000}])
    truncated_cells: list[str] = Field(description="Columns whose text was cut.", examples=[[]])


class RowsDocument(BaseModel):
    """Some rows of an aggregate, less the columns that the contract marks as PII."""

    features: list[Feature]
    rows: list[Row]
    num_rows_total: int = Field(examples=[33])
    num_rows_per_page: int = Field(examples=[MOST_ROWS])
    partial: Literal[False] = False


async def _turn() -> AsyncIterator[None]:
    yield


Turn = Annotated[None, Depends(_turn, scope="function", max_concurrency=_MOST_PREVIEWS)]
"""Waits until few others read rows: a row group is decompressed for each, which may be hundreds of megabytes."""


@router.get("/{name}/rows", operation_id="preview_rows", response_model=RowsDocument, responses=CACHED)
def preview_rows(
    request: Request,
    shelf: OnShelf,
    parts: OnParts,
    _turn: Turn,
    name: ReleaseName,
    aggregate: AggregateName = None,
    offset: Annotated[int, Query(ge=0, le=10**12, description="The first row's number, from 0.")] = 0,
    length: Annotated[int, Query(ge=1, le=MOST_ROWS, description="How many rows.")] = MOST_ROWS,
) -> Response:
    """Rows of an aggregate, a hundred at most. Columns that the contract marks as PII, and those made from them, are left out."""
    release = shelf.find(name)
    chosen = _aggregate(release, aggregate)
    parts.catalog.check_store()
    found = preview(parts.store, chosen, hidden_columns(release.build.contract, chosen), offset, length)
    parts.accesses.record(shelf.caller, release, [file.path for file in found.files], "rows")
    document = RowsDocument(
        features=[
            Feature(feature_idx=number, name=column, type=FeatureType(dtype=dtype, _type="Value"))
            for number, (column, dtype) in enumerate(found.columns.items())
        ],
        rows=[
            Row(row_idx=offset + number, row=dict(row), truncated_cells=list(cut))
            for number, (row, cut) in enumerate(zip(found.rows, found.cut, strict=True))
        ],
        num_rows_total=chosen.rows,
        num_rows_per_page=MOST_ROWS,
    )
    return cached(request, document)


@router.get(
    "/{name}/statistics", operation_id="get_statistics", response_model=StatisticsDocument, responses=CACHED
)
def get_statistics(
    request: Request,
    shelf: OnShelf,
    parts: OnParts,
    name: ReleaseName,
    aggregate: AggregateName = None,
    of: Annotated[
        Literal["aggregate", "records"],
        Query(description="An aggregate, or the curated records that all aggregates were made from."),
    ] = "aggregate",
) -> Response:
    """Statistics of each column: counts, nulls, minimum, maximum, mean, quantiles, histogram or frequencies. They were made with the release."""
    release = shelf.find(name)
    chosen = _aggregate(release, aggregate)
    key = keys.profile(release.dataset, release.build.id, PROFILE_VERSION)
    profile = parts.catalog.document(key, Profile)
    table = (
        None if profile is None else profile.records if of == "records" else profile.aggregate(chosen.name)
    )
    if table is None:
        raise Problem(
            404, f"No statistics were kept with {name}. `quarterlake process {release.dataset}` makes them."
        )
    parts.accesses.record(shelf.caller, release, [], "statistics")
    return cached(request, statistics_of(table), exclude_unset=True)


def _aggregate(release: Release, name: str | None) -> Aggregate:
    made = release.build.aggregates
    if name is None and made:
        return made[0]
    for each in made:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in made) or "none"
    raise Problem(404, f"{release.name} has no aggregate {name or 'at all'}. It has: {known}.")
