"""Releases as the API's answers have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quarterlake.domain.releases import DataFile, Release


def dataset_document(name: str, releases: list[Release]) -> dict[str, Any]:
    """A data set with its newest release."""
    return {
        "dataset": name,
        "releases": len(releases),
        "latest": releases[-1].name if releases else None,
    }


def release_document(release: Release) -> dict[str, Any]:
    """A release: what it is, its schema and its files."""
    return {
        "name": release.name,
        "dataset": release.dataset,
        "period": release.period,
        "revision": release.revision,
        "published_at": release.published_at,
        "build": release.build.id,
        "run": release.run,
        "aggregates": [
            {
                "aggregate": aggregate.name,
                "rows": aggregate.rows,
                "columns": [{"name": column.name, "type": column.type} for column in aggregate.columns],
            }
            for aggregate in release.build.aggregates
        ],
        "files": [file_document(aggregate, file) for aggregate, file in files_of(release)],
    }


def file_document(aggregate: str, file: DataFile) -> dict[str, Any]:
    """A published file."""
    return {
        "aggregate": aggregate,
        "path": file.path,
        "size": file.size,
        "sha256": file.sha256,
        "rows": file.rows,
    }


def files_of(release: Release) -> list[tuple[str, DataFile]]:
    """A release's files with their aggregates, in the order that numbers them."""
    return [(aggregate.name, file) for aggregate in release.build.aggregates for file in aggregate.files]
