"""Reading releases: from their records alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.errors import UnknownReleaseError
from quarterlake.domain.periods import Period
from quarterlake.domain.releases import Claim, Release, parse_release_name, release_name
from quarterlake.lake import documents, keys

if TYPE_CHECKING:
    from quarterlake.lake.stores import Store


def datasets_with_releases(store: Store) -> list[str]:
    """The data sets that have documents in the zone."""
    return store.list_folders(f"{keys.OURS}/")


def releases_of(store: Store, dataset: str) -> list[Release]:
    """All releases of a data set, by period, then revision."""
    found = documents.read_all(store, keys.ours(dataset, "releases"), Release)
    return sorted(found, key=lambda release: (Period.parse(release.period), release.revision))


def current_release(store: Store, dataset: str, period: str) -> Release | None:
    """A period's newest revision."""
    listed = [
        item.key
        for item in store.list(keys.ours(dataset, "releases"))
        if item.key.rsplit("/", 1)[1].startswith(f"{period}.")
    ]
    return documents.read(store, listed[-1], Release) if listed else None


def find_release(store: Store, name: str) -> Release:
    """The release of this name. Raises UnknownReleaseError, naming what there is."""
    dataset, period, revision = parse_release_name(name)
    found = documents.read(store, keys.release(dataset, period, revision), Release)
    if found is None:
        known = ", ".join(release.name for release in releases_of(store, dataset)[-5:]) or "none"
        raise UnknownReleaseError(f"There is no release {name}. The latest of {dataset}: {known}.")
    return found


def claims_of(store: Store, dataset: str, period: str) -> list[Claim]:
    """The claims of a period, by revision."""
    return documents.read_all(store, keys.claims(dataset, period), Claim)


def current_releases(store: Store, dataset: str) -> list[Release]:
    """The current release of each period, by period."""
    newest = {key.rsplit("/", 1)[1].split(".")[0]: key for key in _record_keys(store, dataset)}
    return documents.read_many(
        store, [newest[period] for period in sorted(newest, key=Period.parse)], Release
    )


def current_names(store: Store, dataset: str) -> dict[str, str]:
    """The name of each period's current release; no record is read."""
    found = {}
    for key in _record_keys(store, dataset):
        period, revision = key.rsplit("/", 1)[1].split(".")[:2]
        found[period] = release_name(dataset, period, int(revision))
    return found


def previous_release(store: Store, dataset: str, period: str) -> Release | None:
    """What a new revision of a period follows: its current one, else that of the newest earlier period of its kind."""
    here = Period.parse(period)
    earlier = {
        Period.parse(name): key
        for key in _record_keys(store, dataset)
        if (name := key.rsplit("/", 1)[1].split(".")[0]) and Period.parse(name).kind is here.kind
    }
    known = [each for each in earlier if each <= here]
    return documents.read(store, earlier[max(known)], Release) if known else None


def _record_keys(store: Store, dataset: str) -> list[str]:
    """The keys of all release records, a period's later revisions after its earlier ones."""
    return [item.key for item in store.list(keys.ours(dataset, "releases")) if item.key.endswith(".json")]
