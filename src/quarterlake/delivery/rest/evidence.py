"""Why a release can be trusted: its quality report, ledger, lineage and contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from quarterlake.delivery.rest.answers import CACHED, ReleaseName, cached, cached_text
from quarterlake.delivery.shelf import OnShelf
from quarterlake.domain import strict_yaml
from quarterlake.domain.odcs_writing import to_yaml

if TYPE_CHECKING:
    from quarterlake.domain.releases import Release

router = APIRouter(prefix="/v1/releases", tags=["evidence"])


class GateDocument(BaseModel):
    """What a gate observed."""

    gate: str = Field(examples=["reject_ratio"])
    passed: bool
    severity: Literal["error", "warning", "off"]
    observed: Any = Field(examples=[0.0])
    threshold: float | None = Field(examples=[0.01])
    message: str = Field(examples=["0 of 80,687 records were rejected"])


class QualityDocument(BaseModel):
    """The quality report that a release was published with."""

    release: str = Field(examples=["flights@2013-Q1.1"])
    build: str
    passed: bool
    compared_with: str | None = Field(description="The release that it was held against.", examples=[None])
    gates: list[GateDocument]


class LedgerEntry(BaseModel):
    """One source file's part: records = accepted + accepted_elsewhere + rejected + superseded."""

    source: str = Field(examples=["flights/flights_2013-01.csv"])
    sha256: str
    records: int
    accepted: int
    accepted_elsewhere: int = Field(description="Accepted into other periods.")
    rejected: int
    superseded: int = Field(description="Replaced by a newer version or landing, or equal to another record.")


class LedgerDocument(BaseModel):
    """Where every record of a release's files went."""

    release: str = Field(examples=["flights@2013-Q1.1"])
    records: int
    accepted: int
    accepted_elsewhere: int
    rejected: int
    superseded: int
    files: list[LedgerEntry]


class RawFile(BaseModel):
    """A source file as it landed, byte for byte, in the zone `raw`."""

    source: str = Field(examples=["flights/flights_2013-01.csv"])
    sha256: str
    landings: list[int] = Field(description="The landings that brought it, by number.", examples=[[1]])
    months: list[str] = Field(
        description="The curated months that it gave records to.", examples=[["2013-01"]]
    )


class CuratedMonthDocument(BaseModel):
    """A month of curated records that the aggregates were made from."""

    month: str = Field(examples=["2013-01"])
    id: str = Field(description="Identifies its inputs, contract and logic.")
    content: str = Field(description="Identifies its rows.")
    rows: int
    files: list[str] = Field(description="Below the curated table.")
    inputs: list[str] = Field(description="The SHA-256 of each raw file.")


class PublishedFile(BaseModel):
    """A published file, and the aggregate that it belongs to."""

    aggregate: str
    path: str
    sha256: str
    sql: str | None = Field(description="The aggregate's SQL as written; null for the summary.")


class LineageDocument(BaseModel):
    """From the published files back to the raw ones."""

    release: str = Field(examples=["flights@2013-Q1.1"])
    build: str
    engine: str
    code_version: str
    contract_version: str
    curated_version: int = Field(description="The version of the curated Delta table that was read.")
    published: list[PublishedFile]
    curated: list[CuratedMonthDocument]
    raw: list[RawFile]


@router.get("/{name}/quality", operation_id="get_quality", response_model=QualityDocument, responses=CACHED)
def get_quality(request: Request, shelf: OnShelf, name: ReleaseName) -> Response:
    """The quality report: what each gate observed."""
    release = shelf.find(name)
    gates = [
        GateDocument(
            gate=gate.gate,
            passed=gate.passed,
            severity=gate.severity.value,
            observed=gate.observed,
            threshold=gate.threshold,
            message=gate.message,
        )
        for gate in release.quality.gates
    ]
    document = QualityDocument(
        release=release.name,
        build=release.build.id,
        passed=release.quality.passed,
        compared_with=release.quality.compared_with,
        gates=gates,
    )
    return cached(request, document)


@router.get("/{name}/ledger", operation_id="get_ledger", response_model=LedgerDocument, responses=CACHED)
def get_ledger(request: Request, shelf: OnShelf, name: ReleaseName) -> Response:
    """The ledger: where the records of each source file went."""
    release = shelf.find(name)
    files = [
        LedgerEntry(
            source=entry.source,
            sha256=entry.sha256,
            records=entry.records,
            accepted=entry.accepted,
            accepted_elsewhere=entry.accepted_elsewhere,
            rejected=entry.rejected,
            superseded=entry.superseded,
        )
        for entry in release.build.ledger
    ]
    document = LedgerDocument(
        release=release.name,
        records=sum(file.records for file in files),
        accepted=sum(file.accepted for file in files),
        accepted_elsewhere=sum(file.accepted_elsewhere for file in files),
        rejected=sum(file.rejected for file in files),
        superseded=sum(file.superseded for file in files),
        files=files,
    )
    return cached(request, document)


@router.get("/{name}/lineage", operation_id="get_lineage", response_model=LineageDocument, responses=CACHED)
def get_lineage(request: Request, shelf: OnShelf, name: ReleaseName) -> Response:
    """The lineage: published files, the curated months that they were made from, and the raw files with their hashes."""
    return cached(request, lineage_of(shelf.find(name)))


@router.get(
    "/{name}/contract",
    operation_id="get_contract",
    response_model=dict[str, Any],
    responses={
        200: {
            "description": "The contract, an Open Data Contract Standard document.",
            "content": {"application/yaml": {"schema": {}}},
        },
        **CACHED,
    },
)
def get_contract(
    request: Request,
    shelf: OnShelf,
    name: ReleaseName,
    form: Annotated[Literal["json", "yaml"], Query(alias="format", description="How to write it.")] = "json",
) -> Response:
    """The contract that the release was made under, as the Open Data Contract Standard (v3.1) has it."""
    text = to_yaml(shelf.find(name).build.contract)
    if form == "yaml":
        return cached_text(request, text, "application/yaml")
    return cached(request, _Contract.model_validate(strict_yaml.load(text, "the contract")))


class _Contract(BaseModel, extra="allow"):
    """Any document."""


def lineage_of(release: Release) -> LineageDocument:
    """The lineage of a release."""
    build = release.build
    raw: dict[str, RawFile] = {}
    for month in build.months:
        for given in month.inputs:
            file = raw.setdefault(
                f"{given.source}\n{given.sha256}",
                RawFile(source=given.source, sha256=given.sha256, landings=[], months=[]),
            )
            if given.landing not in file.landings:
                file.landings.append(given.landing)
            if month.month not in file.months:
                file.months.append(month.month)
    return LineageDocument(
        release=release.name,
        build=build.id,
        engine=build.engine,
        code_version=build.code_version,
        contract_version=build.contract.version,
        curated_version=build.curated_version,
        published=[
            PublishedFile(aggregate=made.name, path=file.path, sha256=file.sha256, sql=made.sql)
            for made in build.aggregates
            for file in made.files
        ],
        curated=[
            CuratedMonthDocument(
                month=month.month,
                id=month.id,
                content=month.content,
                rows=month.rows,
                files=[file.path for file in month.files],
                inputs=[given.sha256 for given in month.inputs],
            )
            for month in build.months
        ],
        raw=list(raw.values()),
    )
