"""Publishing: a claim, one commit for each aggregate's table, and the record that is the release, put last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.errors import ConflictError, GateError, IntegrityError
from quarterlake.domain.releases import (
    Aggregate,
    Build,
    Claim,
    DataFile,
    Release,
    TableVersion,
    account_of,
    needs_release,
    release_name,
)
from quarterlake.lake import delta, documents, keys
from quarterlake.publishing.releases import claims_of, current_release, current_releases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from deltalake import DeltaTable

    from quarterlake.domain.quality import QualityReport
    from quarterlake.lake.stores import Store

BUILD_MARK = "quarterlake.build"
RELEASE_MARK = "quarterlake.release"
_ATTEMPTS = 5


def publish(
    store: Store, build: Build, quality: QualityReport, now: datetime, *, landing: int, run: str | None = None
) -> Release | None:
    """Make a build the period's next revision; the current release if it is that build already.

    None when a rollback holds the build back. Claims that others left unfinished are finished first. Raises GateError for a
    build that its quality report stops, ConflictError when others kept publishing the same period.
    """
    if not quality.passed:
        stopped = "; ".join(f"{gate.gate}: {gate.message}" for gate in quality.gates if gate.stops)
        raise GateError(f"{build.dataset} {build.period} is not published: {stopped}")
    current = finish_claims(store, build.dataset, build.period)
    if not needs_release(current, build.id):
        return current if current is not None and current.build.id == build.id else None
    if current is not None and current.landing > landing:
        raise ConflictError(
            f"{current.name} was made from newer files than this build of {build.period}. Run the same command again."
        )
    return _next_revision(store, build, quality, now, current, landing=landing, run=run)


def rollback(store: Store, target: Release, now: datetime, run: str | None = None) -> Release:
    """Make an earlier release's build the period's current revision, and hold the present one back until its inputs change."""
    current = finish_claims(store, target.dataset, target.period)
    if current is not None and current.build.id == target.build.id:
        return current
    for made in target.build.aggregates:
        columns = {column.name: column.type for column in made.columns}
        for other in _clashing(store, target.dataset, target.period, made.name, columns):
            raise GateError(
                f"{target.name} cannot be made current: {other.name} holds columns of {made.name} in other types, and one table "
                "cannot show both. Roll that back first, or correct the data instead."
            )
    held = (*current.holds_back, current.build.id) if current else ()
    return _next_revision(
        store,
        target.build,
        target.quality,
        now,
        current,
        landing=current.landing if current else 0,
        run=run,
        restores=target.name,
        holds_back=tuple(build for build in held if build != target.build.id),
    )


def finish_claims(store: Store, dataset: str, period: str) -> Release | None:
    """Finish what killed publishers left of a period; return its current release."""
    current = current_release(store, dataset, period)
    done = current.revision if current else 0
    for claim in claims_of(store, dataset, period):
        if claim.revision > done:
            current = _finish(store, claim)
    return current


def _next_revision(
    store: Store,
    build: Build,
    quality: QualityReport,
    now: datetime,
    current: Release | None,
    *,
    landing: int,
    run: str | None,
    restores: str | None = None,
    holds_back: tuple[str, ...] = (),
) -> Release:
    first = documents.read(store, keys.build(build.dataset, build.id), Build)
    claim = Claim(
        dataset=build.dataset,
        period=build.period,
        revision=(current.revision if current else 0) + 1,
        build=build.id,
        claimed_at=now.isoformat(timespec="seconds"),
        quality=quality,
        landing=landing,
        restores=restores,
        holds_back=holds_back,
        run=run,
        account="" if first is None or account_of(first) == account_of(build) else account_of(build),
    )
    key = keys.claim(build.dataset, build.period, claim.revision)
    documents.write_once(store, key, claim)
    standing = documents.read(store, key, Claim)
    if standing is None or standing.build != build.id or standing.restores != restores:
        raise ConflictError(
            f"Another process is publishing {build.dataset} {build.period}. Run the same command again."
        )
    return _finish(store, standing)


def _finish(store: Store, claim: Claim) -> Release:
    """Bring a claim to its end: commits that are there already are not made again, nor is the record."""
    build = documents.read(store, keys.build(claim.dataset, claim.build, claim.account), Build)
    if build is None:
        raise IntegrityError(
            f"The build {claim.build} of {claim.dataset} {claim.period} was claimed but is missing from {store.url}. Restore it from a backup."
        )
    name = release_name(claim.dataset, claim.period, claim.revision)
    before = _release_before(store, claim)
    tables = tuple(TableVersion(a.name, _show(store, build, a, name, before)) for a in build.aggregates)
    _hide_dropped(store, build, before, name)
    release = Release(
        name=name,
        dataset=claim.dataset,
        period=claim.period,
        revision=claim.revision,
        published_at=claim.claimed_at,
        build=build,
        quality=claim.quality,
        tables=tables,
        landing=claim.landing,
        restores=claim.restores,
        holds_back=claim.holds_back,
        run=claim.run,
    )
    key = keys.release(claim.dataset, claim.period, claim.revision)
    documents.write_once(store, key, release)
    return documents.read(store, key, Release) or release


def _release_before(store: Store, claim: Claim) -> Release | None:
    if claim.revision == 1:
        return None
    return documents.read(store, keys.release(claim.dataset, claim.period, claim.revision - 1), Release)


def _show(store: Store, build: Build, aggregate: Aggregate, name: str, before: Release | None) -> int:
    """Commit an aggregate's files for a release, unless its table carries that commit; return the table's version."""
    old = next((a for a in before.build.aggregates if a.name == aggregate.name), None) if before else None
    columns = [(column.name, column.type) for column in aggregate.columns]
    return _commit(
        store, build, aggregate.name, columns, name, add=aggregate.files, remove=old.files if old else ()
    )


def _hide_dropped(store: Store, build: Build, before: Release | None, name: str) -> None:
    """Take the period's rows out of the tables of aggregates that the build no longer has."""
    kept = {aggregate.name for aggregate in build.aggregates}
    for old in before.build.aggregates if before else ():
        if old.name not in kept:
            columns = [(column.name, column.type) for column in old.columns]
            _commit(store, build, old.name, columns, name, add=(), remove=old.files)


def _commit(
    store: Store,
    build: Build,
    aggregate: str,
    columns: list[tuple[str, str]],
    name: str,
    *,
    add: tuple[DataFile, ...],
    remove: tuple[DataFile, ...],
) -> int:
    prefix = keys.aggregate_table(build.dataset, aggregate)
    replaced = [file for file in remove if file not in add]
    removed = _removed(store, build, aggregate, dict(columns), replaced)
    gone = {_table_file(prefix, file).path for file in removed}
    marks = {BUILD_MARK: build.id, RELEASE_MARK: name}
    for _ in range(_ATTEMPTS):
        table = delta.open_table(store, prefix)
        version = delta.version_marked(table, marks) if table else None
        if version is not None:
            return version
        change = delta.Commit(
            base=int(table.version()) if table else None,
            columns=columns,
            add=[_table_file(prefix, file) for file in add if file not in remove],
            remove=[file for file in _shown(table) if file.path in gone],
            marks=marks,
        )
        try:
            return delta.commit(store, prefix, change)
        except ConflictError:
            continue
    raise ConflictError(f"Others kept committing to {store.url}/{prefix}. Run the same command again.")


def _removed(
    store: Store, build: Build, aggregate: str, columns: Mapping[str, str], replaced: Sequence[DataFile]
) -> list[DataFile]:
    """The files that a commit takes out of a table: those that are replaced, and those of other types.

    Readers cannot read two types as one column. A period whose current release holds another type of a column comes back
    with its own next revision, which the same change of the contract asks for; its release stays as it is meanwhile.
    """
    clashing = _clashing(store, build.dataset, build.period, aggregate, columns)
    return [*replaced, *(file for release in clashing for file in _files(release, aggregate))]


def _clashing(
    store: Store, dataset: str, period: str, aggregate: str, columns: Mapping[str, str]
) -> list[Release]:
    """The current releases of other periods that hold a column of an aggregate in another type."""
    return [
        release
        for release in current_releases(store, dataset)
        if release.period != period
        and any(
            columns.get(column.name, column.type) != column.type
            for made in release.build.aggregates
            if made.name == aggregate
            for column in made.columns
        )
    ]


def _files(release: Release, aggregate: str) -> tuple[DataFile, ...]:
    return next((made.files for made in release.build.aggregates if made.name == aggregate), ())


def _shown(table: DeltaTable | None) -> list[delta.TableFile]:
    return [] if table is None else delta.live_files(table)


def _table_file(prefix: str, file: DataFile) -> delta.TableFile:
    return delta.TableFile(file.path.removeprefix(f"{prefix}/"), file.size, file.rows, {})
