"""What is published, kept in memory: a thread lists the release records twice a second and reads those that are new."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec

from quarterlake.domain.errors import (
    IntegrityError,
    QuarterlakeError,
    StoreUnavailableError,
    UnknownDatasetError,
    UnknownReleaseError,
)
from quarterlake.domain.periods import Period
from quarterlake.domain.releases import Release, checked_dataset_name, parse_release_name
from quarterlake.lake import documents, keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quarterlake.lake.stores import Store

T = TypeVar("T", bound=msgspec.Struct)

REFRESH_SECONDS = 0.5
_STALE_SECONDS = 5
_FIRST_SECONDS = 10
_READERS = 8
_KEPT_DOCUMENTS = 256
_SHOWN = 5
_log = logging.getLogger("quarterlake.delivery")


@dataclass(frozen=True, slots=True)
class _Known:
    """The releases by data set, each in the order of period and revision; `broken` says which records do not read."""

    by_dataset: Mapping[str, tuple[Release, ...]] = field(default_factory=dict)
    by_name: Mapping[str, Release] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)


class Catalog:
    """The releases of a zone `aggregated`. What a method gives is what was published half a second ago or less.

    No method but `document`, `newest` and `newest_of` asks the store, so they answer at once and while the store is away; `problem` says that it is.
    Release records never change, so each is read once. Data files are never listed.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        """Of a zone's store; `clock` counts seconds."""
        self.store = store
        self._clock = clock
        self._known: _Known | None = None
        self._records: dict[str, Release | IntegrityError] = {}
        self._documents: OrderedDict[tuple[str, type], msgspec.Struct] = OrderedDict()
        self._newest: dict[str, tuple[float, str | None]] = {}
        self._guard = threading.Lock()
        self._seen_at = clock()
        self._trouble: str | None = None
        self._is_asking = False
        self._loaded = threading.Event()
        self._stop = threading.Event()
        self._readers = ThreadPoolExecutor(_READERS, "catalog")
        self._thread = threading.Thread(target=self._follow, name="catalog", daemon=True)

    def start(self, seconds: float = _FIRST_SECONDS) -> Self:
        """Begin to follow the store, and wait so long for the first look at it."""
        self._thread.start()
        self._loaded.wait(seconds)
        return self

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        self._readers.shutdown(wait=False, cancel_futures=True)

    @property
    def size(self) -> int:
        """How many releases are known."""
        return len(self._known.by_name) if self._known else 0

    def datasets(self) -> list[str]:
        """The data sets that have a release, sorted."""
        return sorted(self._now().by_dataset)

    def releases(self, dataset: str) -> tuple[Release, ...]:
        """A data set's releases, by period, then revision. Raises UnknownDatasetError, naming what there is, and UsageError for what is no name."""
        found = self._now().by_dataset.get(dataset)
        if found is None:
            checked_dataset_name(dataset)
            raise UnknownDatasetError(f"There is no data set {dataset} with a release. {self._shown()}")
        return found

    def find(self, name: str) -> Release:
        """The release of this name. Raises UnknownReleaseError, naming what there is, and UsageError for what is no name."""
        found = self._now().by_name.get(name)
        if found is None:
            dataset, _, _ = parse_release_name(name)
            known = ", ".join(each.name for each in self.releases(dataset)[-_SHOWN:])
            raise UnknownReleaseError(f"There is no release {name}. The latest of {dataset}: {known}.")
        return found

    def latest(self, dataset: str, period: str | None = None) -> Release:
        """The current revision of the newest period, or of the one that is named (`2026-Q3`).

        Raises UnknownDatasetError, UnknownReleaseError naming the periods that there are, and UsageError for what is no period.
        """
        releases = self.releases(dataset)
        if period is None:
            return releases[-1]
        wanted = Period.parse(period).name
        for release in reversed(releases):
            if release.period == wanted:
                return release
        known = ", ".join(dict.fromkeys(each.period for each in reversed(releases)))
        raise UnknownReleaseError(f"{dataset} has no release of {wanted}. It has: {known}.")

    def previous(self, release: Release) -> Release | None:
        """What a release followed: the revision before it, else the current one of the newest earlier period of its kind."""
        if release.revision > 1:
            before = [r for r in self.releases(release.dataset) if r.period == release.period]
            return max((r for r in before if r.revision < release.revision), key=_revision, default=None)
        here = Period.parse(release.period)
        earlier = [
            each
            for each in self.releases(release.dataset)
            if (there := Period.parse(each.period)) < here and there.kind is here.kind
        ]
        return earlier[-1] if earlier else None

    def is_current(self, release: Release) -> bool:
        """Whether it is its period's current revision."""
        return self.latest(release.dataset, release.period).name == release.name

    def document(self, key: str, kind: type[T]) -> T | None:
        """A document of the zone that never changes, such as one that belongs to a build; None where there is none.

        The last few hundred are kept in memory. Raises StoreUnavailableError, and IntegrityError for one that does not read.
        """
        place = (key, kind)
        with self._guard:
            if (kept := self._documents.get(place)) is not None:
                self._documents.move_to_end(place)
                return kept  # type: ignore[return-value] # kept under its kind
        self.check_store()
        found = documents.read(self.store, key, kind)
        if found is not None:
            with self._guard:
                self._documents[place] = found
                while len(self._documents) > _KEPT_DOCUMENTS:
                    self._documents.popitem(last=False)
        return found

    def newest(self, prefix: str, kind: type[T]) -> T | None:
        """The last document below a prefix, by key: for numbered documents of which each replaces the one before. Looked for once a second at most."""
        listed_at, key = self._newest.get(prefix, (-1.0, None))
        if listed_at < 0 or time.monotonic() - listed_at > 1:
            self.check_store()
            listed = [item.key for item in self.store.list(prefix) if item.key.endswith(".json")]
            key = listed[-1] if listed else None
            self._newest[prefix] = (time.monotonic(), key)
        return None if key is None else self.document(key, kind)

    def newest_of(self, prefixes: Sequence[str], kind: type[T]) -> list[T | None]:
        """The same for several prefixes, side by side; None, too, where the store is away or a document does not read."""
        return list(self._readers.map(lambda prefix: self._newest_known(prefix, kind), prefixes))

    def _newest_known(self, prefix: str, kind: type[T]) -> T | None:
        with suppress(StoreUnavailableError, IntegrityError):
            return self.newest(prefix, kind)
        return None

    def problem(self) -> str | None:
        """What keeps the releases from being up to date; None when nothing does."""
        silent = self._clock() - self._seen_at
        if self._trouble is not None:
            return self._trouble
        if silent > _STALE_SECONDS:
            return f"{self.store.url} has not answered for {silent:.0f} s."
        known = self._known
        return next(iter(known.broken.values()), None) if known else "The releases have not been listed yet."

    def check_store(self) -> None:
        """Raise StoreUnavailableError at once where the store is known to be away, rather than wait for it anew with each request.

        It is not where nobody has asked it for long: the process may not have run.
        """
        silent = self._clock() - self._seen_at
        if self._trouble is not None or (self._is_asking and silent > _STALE_SECONDS):
            raise StoreUnavailableError(
                self._trouble or f"{self.store.url} has not answered for {silent:.0f} s."
            )

    def refresh(self) -> None:
        """Look at the store now. Raises StoreUnavailableError where that cannot be done; what was known stays."""
        self._is_asking = True
        try:
            self._look()
        finally:
            self._is_asking = False

    def _look(self) -> None:
        listed = self._record_keys()
        new = [key for key in listed if not isinstance(self._records.get(key), Release)]
        for key in set(self._records).difference(listed):
            del self._records[key]
        for key, record in zip(new, self._readers.map(self._read, new), strict=True):
            self._records[key] = record
        if new or self._known is None or len(listed) != len(self._known.by_name) + len(self._known.broken):
            self._known = _indexed(self._records)
        self._seen_at, self._trouble = self._clock(), None
        self._loaded.set()

    def _record_keys(self) -> list[str]:
        datasets = self.store.list_folders(f"{keys.OURS}/")
        if not datasets and self.size:
            # An unmounted disk looks like a folder without anything; dropping releases leaves their builds.
            raise StoreUnavailableError(
                f"{self.store.url} is empty, though {self.size} releases were there. Is it mounted?"
            )
        prefixes = [keys.ours(name, "releases") for name in datasets]
        pages = self._readers.map(self.store.list, prefixes)
        return [item.key for page in pages for item in page if item.key.endswith(".json")]

    def _read(self, key: str) -> Release | IntegrityError:
        try:
            found = documents.read(self.store, key, Release)
        except IntegrityError as broken:
            if key not in self._records:
                _log.error(str(broken))
            return broken
        return found or IntegrityError(f"{key} was listed in {self.store.url} and is not there.")

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                self.refresh()
            except QuarterlakeError as away:
                self._trouble = str(away)
            except Exception:  # noqa: BLE001 - the thread must outlive whatever a store does
                self._trouble = "The releases could not be listed; the log says why."
                _log.exception("listing releases failed")
            self._stop.wait(REFRESH_SECONDS)

    def _now(self) -> _Known:
        known = self._known
        if known is None:
            raise StoreUnavailableError(
                self._trouble or "The releases have not been listed yet. Ask again in a second."
            )
        return known

    def _shown(self) -> str:
        return f"There are: {', '.join(self.datasets()) or 'none'}."


def _indexed(records: Mapping[str, Release | IntegrityError]) -> _Known:
    releases = [record for record in records.values() if isinstance(record, Release)]
    ordered = sorted(releases, key=lambda release: (Period.parse(release.period), release.revision))
    by_dataset: dict[str, list[Release]] = {}
    for release in ordered:
        by_dataset.setdefault(release.dataset, []).append(release)
    return _Known(
        {name: tuple(held) for name, held in by_dataset.items()},
        {release.name: release for release in ordered},
        {key: str(record) for key, record in records.items() if isinstance(record, IntegrityError)},
    )


def _revision(release: Release) -> int:
    return release.revision
