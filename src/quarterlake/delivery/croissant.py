"""Croissant 1.1: a release described so that machine-learning tools find and load it.

https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html. The document says what the release record says and no more:
there is no licence and no creator in it, since nobody told us.
"""

from __future__ import annotations

import base64
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from quarterlake.delivery.links import files_of
from quarterlake.domain.periods import Period
from quarterlake.domain.releases import hidden_columns, release_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.releases import Aggregate, AggregateColumn, DataFile, Release

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
MEDIA_TYPE = f'application/ld+json; profile="{CONFORMS_TO}"'
PARQUET = "application/x-parquet"

# Appendix 1 of the specification, and the provenance vocabulary that it recommends.
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_DATA_TYPES = {
    "string": "sc:Text",
    "boolean": "sc:Boolean",
    "byte": "cr:Int8",
    "short": "cr:Int16",
    "integer": "cr:Int32",
    "long": "cr:Int64",
    "float": "cr:Float32",
    "double": "cr:Float64",
    "date": "sc:Date",
    "timestamp": "sc:DateTime",
    "binary": "sc:Text",
}


def croissant(release: Release, base: str) -> dict[str, Any]:
    """A release as Croissant JSON-LD; `base` is the API's address, under which `contentUrl` gives the bytes of each file.

    Those addresses do not expire: they ask for a key, as a bearer token or as the password of HTTP basic authentication, which
    is what `mlcroissant` sends.
    """
    address = release_address(base, release.name)
    period = Period.parse(release.period)
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "@id": address,
        "conformsTo": CONFORMS_TO,
        "name": release.name,
        "description": (
            f"Release {release.revision} of {release.dataset} for {release.period}: "
            f"{_counted(release.build.aggregates)} of {release.build.observations.rows:,} records."
        ),
        "url": address,
        # A revision changes records that were published, which makes it a major version.
        "version": f"{release.revision}.0.0",
        "datePublished": release.published_at,
        "temporalCoverage": f"{_instant(period.start)}/{_instant(period.end)}",
        "keywords": [release.dataset, release.period],
        "conditionsOfAccess": "An API key of this server, as a bearer token or as the password of HTTP basic authentication.",
        **_provenance(release, base),
        "distribution": [
            _file_object(address, number, file) for number, (_, file) in enumerate(files_of(release))
        ],
        "recordSet": [
            _record_set(made, file, named, release.build.contract)
            for made in release.build.aggregates
            for named, file in _named_files(made)
        ],
    }


def release_address(base: str, name: str) -> str:
    """The address of a release in the API."""
    return f"{base}/v1/releases/{quote(name, safe='@')}"


def _counted(aggregates: tuple[Aggregate, ...]) -> str:
    names = ", ".join(made.name for made in aggregates)
    return f"the aggregate {names}" if len(aggregates) == 1 else f"the aggregates {names}"


def _provenance(release: Release, base: str) -> dict[str, Any]:
    """The raw files by hash, the activity that made the aggregates, and the revision before."""
    made = release.build
    known: dict[str, Any] = {
        "prov:wasDerivedFrom": [_raw_file(entry.source, entry.sha256) for entry in made.ledger],
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "@id": f"urn:quarterlake:build:{made.id}",
            "name": f"build {made.id}",
            "prov:wasAssociatedWith": {
                "@type": "prov:SoftwareAgent",
                "name": f"quarterlake {made.code_version} ({made.engine})",
            },
        },
    }
    if release.revision > 1:
        before = release_name(release.dataset, release.period, release.revision - 1)
        known["prov:wasRevisionOf"] = {"@id": release_address(base, before)}
    return known


def _raw_file(source: str, sha256: str) -> dict[str, str]:
    """A raw file, identified by its bytes (RFC 6920)."""
    digest = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
    return {"@type": "prov:Entity", "@id": f"ni:///sha-256;{digest}", "name": source, "sha256": sha256}


def _file_object(address: str, number: int, file: DataFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": _identifier(file.path),
        "name": PurePosixPath(file.path).name,
        "contentUrl": f"{address}/files/{number}",
        "contentSize": f"{file.size} B",
        "encodingFormat": PARQUET,
        "sha256": file.sha256,
    }


def _named_files(made: Aggregate) -> list[tuple[str, DataFile]]:
    """An aggregate's files with the names of their record sets: tools load a set of several files from an archive only."""
    if len(made.files) == 1:
        return [(made.name, made.files[0])]
    return [(f"{made.name}-{number}", file) for number, file in enumerate(made.files, 1)]


def _record_set(made: Aggregate, file: DataFile, named: str, contract: Contract) -> dict[str, Any]:
    described: dict[str, Any] = {
        "@type": "cr:RecordSet",
        "@id": named,
        "name": named,
        "description": f"{file.rows:,} rows of the aggregate {made.name}.",
    }
    if key := _key(made, contract):
        described["key"] = [{"@id": f"{named}/{_identifier(name)}"} for name in key]
    meanings = {column.name: column.description for column in contract.columns if column.description}
    hidden = hidden_columns(contract, made)
    source = {"@id": _identifier(file.path)}
    return described | {"field": [_field(named, column, source, meanings, hidden) for column in made.columns]}


def _key(made: Aggregate, contract: Contract) -> tuple[str, ...]:
    """The columns that tell a summary's rows apart; a user's SQL does not say which those are."""
    return () if made.sql is not None else (made.columns[0].name, *contract.groups)


def _field(
    record_set: str,
    column: AggregateColumn,
    file: Mapping[str, str],
    meanings: Mapping[str, str],
    hidden: Collection[str],
) -> dict[str, Any]:
    described = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{_identifier(column.name)}",
        "name": column.name,
        "dataType": _data_type(column.type),
        "source": {"fileObject": file, "extract": {"column": column.name}},
    }
    about = [
        meanings.get(column.name, ""),
        f"Stored as {column.type}." if column.type.startswith("decimal") else "",
        "Holds personal data (PII)." if column.name.casefold() in hidden else "",
    ]
    if text := " ".join(filter(None, about)):
        described["description"] = text
    return described


def _data_type(delta: str) -> str:
    """The data type for one of Delta Lake's; Croissant has no decimals, so whole ones are integers and others floating point."""
    if delta.startswith("decimal("):
        return "sc:Integer" if delta.endswith(",0)") else "sc:Float"
    return _DATA_TYPES[delta]


def _identifier(text: str) -> str:
    """A name as part of an identifier, which may not hold white space."""
    return quote(text, safe="/-._~")


def _instant(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
