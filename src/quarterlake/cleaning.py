"""Cleaning a lake: what runs that came to nothing left behind goes, and nothing else.

What stays: raw bytes that a manifest names; files that any version of a table's log names, since old versions stay readable;
what a release, a claim or a build that may still be published names, its profile too; the newest outlook; parsed files with a document; contracts, manifests, logs.
Whatever is younger than a limit stays too, for it may belong to a run that is going on. A document goes before the files that
only it names, so that none ever names a file that is gone, whenever the cleaning is stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.curation import CuratedMonth
from quarterlake.domain.parsed import ParsedFile
from quarterlake.domain.releases import Build, Claim, is_dataset_name
from quarterlake.lake import delta, documents, keys
from quarterlake.lake.manifests import read_manifests
from quarterlake.processing.curating import CURATION_MARK, current_curation
from quarterlake.publishing.releases import releases_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from quarterlake.lake.location import Lake
    from quarterlake.lake.stores import Store, StoredObject

_LOG = "_delta_log"


class Removed(msgspec.Struct, frozen=True):
    """An object that nothing refers to."""

    zone: str
    key: str
    size: int
    kind: str


@dataclass(frozen=True, slots=True)
class _Orphans:
    """Objects of one kind that may go together."""

    kind: str
    found: list[StoredObject]


def orphans(
    listed: Iterable[StoredObject], referred: Collection[str], before: datetime
) -> list[StoredObject]:
    """The objects that nothing refers to and that were last written before an instant."""
    return [item for item in listed if item.key not in referred and item.modified < before]


def clean(
    lake: Lake, before: datetime, dataset: str | None = None, *, dry_run: bool = False
) -> list[Removed]:
    """Remove what nothing refers to and was written before an instant, of one data set or all; say what.

    With `dry_run` nothing goes.
    """
    removed: list[Removed] = []
    for name in [dataset] if dataset else _datasets(lake):
        for zone, store, found in _found(lake, name, before):
            if not dry_run:
                store.delete([item.key for item in found.found])
            removed += [Removed(zone, item.key, item.size, found.kind) for item in found.found]
    return removed


def _datasets(lake: Lake) -> list[str]:
    names = {*lake.raw.list_folders(""), *lake.curated.list_folders(""), *lake.aggregated.list_folders("")}
    return sorted(name for name in names if is_dataset_name(name))


def _found(lake: Lake, dataset: str, before: datetime) -> Iterator[tuple[str, Store, _Orphans]]:
    """In the order in which they may go: documents before what they name."""
    yield "raw", lake.raw, _raw(lake.raw, dataset, before)
    for found in _curated(lake.curated, dataset, before):
        yield "curated", lake.curated, found
    for found in _aggregated(lake, dataset, before):
        yield "aggregated", lake.aggregated, found


def _raw(store: Store, dataset: str, before: datetime) -> _Orphans:
    """Bytes of landings that were cut short before their manifest."""
    manifests = keys.manifests(dataset)
    listed = [item for item in store.list(f"{dataset}/") if not item.key.startswith(manifests)]
    # Read after the listing: what has landed meanwhile is known.
    manifests_now = read_manifests(store, dataset)
    named = {manifest.key for manifest in manifests_now}
    named |= {manifest.replay.edited_key for manifest in manifests_now if manifest.replay is not None}
    return _Orphans("landing cut short", orphans(listed, named, before))


def _curated(store: Store, dataset: str, before: datetime) -> Iterator[_Orphans]:
    """States and months that no commit shows, then the files that neither the log nor a document names."""
    files = _table_objects(store, dataset)
    parsed = store.list(keys.ours(dataset, "parsed"))
    curations, months = (store.list(keys.ours(dataset, kind)) for kind in ("curations", "months"))
    log = delta.history(store, dataset)
    shown = {keys.curation(dataset, mark) for mark in log.marks(CURATION_MARK)}
    yield _Orphans("state that was not committed", orphans(curations, shown, before))

    # A month's document names a file: it stays as long as the log shows that file.
    documents_of = zip(months, documents.read_many(store, [m.key for m in months], CuratedMonth), strict=True)
    held = {item.key: {file.path for file in month.files} for item, month in documents_of}
    kept = {key for key, paths in held.items() if paths <= log.paths}
    gone = orphans(months, kept, before)
    yield _Orphans("month that was not committed", gone)
    left = held.keys() - {item.key for item in gone}
    named = set(log.paths).union(*(held[key] for key in left))
    yield _Orphans("curated file that was not committed", orphans(files, _below(dataset, named), before))

    texts = [item.key for item in parsed if item.key.endswith(".json")]
    results = documents.read_many(store, texts, ParsedFile)
    outputs = {key for file in results for key in (file.data, file.rejects) if key is not None}
    yield _Orphans("parse cut short", orphans(parsed, {*texts, *outputs}, before))


def _aggregated(lake: Lake, dataset: str, before: datetime) -> Iterator[_Orphans]:
    """Builds that were not published and no longer can be, their reports, then the files that nothing names."""
    store = lake.aggregated
    tables = store.list_folders(f"{dataset}/")
    files = [item for table in tables for item in _table_objects(store, keys.aggregate_table(dataset, table))]
    listed, reports, profiles, outlooks = (
        store.list(keys.ours(dataset, kind)) for kind in ("builds", "quality", "profiles", "outlooks")
    )
    builds = dict(
        zip(
            [item.key for item in listed],
            documents.read_many(store, [i.key for i in listed], Build),
            strict=True,
        )
    )
    claims = documents.read_all(store, keys.ours(dataset, "claims"), Claim)
    releases = releases_of(store, dataset)
    taken = {claim.build for claim in claims} | {release.build.id for release in releases}
    taken |= {identity for release in releases for identity in release.holds_back}
    current = current_curation(lake, dataset)
    contents = {m: month.content for m, month in current.curation.months.items()} if current else {}
    kept = {key for key, build in builds.items() if build.id in taken or _may_be_published(build, contents)}
    gone = orphans(listed, kept, before)
    yield _Orphans("build that came to nothing", gone)
    left = [build for key, build in builds.items() if key not in {item.key for item in gone}]
    identities = {build.id for build in left}
    for kind, items in (("report of such a build", reports), ("profile of such a build", profiles)):
        orphaned = [item for item in items if item.key.rsplit("/", 1)[1].split("-")[0] not in identities]
        yield _Orphans(kind, orphans(orphaned, (), before))
    yield _Orphans("outlook that was replaced", orphans(outlooks[:-1], (), before))

    named = {
        file.path
        for build in [*left, *(release.build for release in releases)]
        for aggregate in build.aggregates
        for file in aggregate.files
    }
    for table in tables:
        prefix = keys.aggregate_table(dataset, table)
        named |= _below(prefix, delta.history(store, prefix).paths)
    yield _Orphans("aggregate that was not published", orphans(files, named, before))


def _may_be_published(build: Build, contents: dict[str, str]) -> bool:
    """Whether a build is one of the records as they are now, so that a gate that is loosened would let it through."""
    return all(contents.get(month.month) == month.content for month in build.months)


def _table_objects(store: Store, prefix: str) -> list[StoredObject]:
    """What lies below a table's path but for its log."""
    log = f"{prefix}/{_LOG}/"
    return [item for item in store.list(f"{prefix}/") if not item.key.startswith(log)]


def _below(prefix: str, paths: Iterable[str]) -> set[str]:
    return {f"{prefix}/{path}" for path in paths}
