"""The client: releases of a delivery API as tables and files."""

from __future__ import annotations

import importlib
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeVar
from urllib.parse import quote

from quarterlake.client.answers import (
    DatasetPage,
    FileList,
    LinkedFile,
    PublishedFile,
    PublishedRelease,
    ReleasePage,
    checked_file,
    checked_release,
    is_release_name,
    read_answer,
)
from quarterlake.client.api import Api
from quarterlake.client.cache import Cache, default_folder, disk_faults, put_copy
from quarterlake.client.download import Downloads
from quarterlake.client.errors import BadAnswerError, MissingExtraError, WrongUseError
from quarterlake.client.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType, TracebackType

    import pandas as pd
    import polars as pl
    import pyarrow as pa

Page = TypeVar("Page", DatasetPage, ReleasePage)

LATEST = "latest"
SUMMARY = "summary"
_MOST_PAGES = 10_000
_NAME = re.compile(r"[\w@.-]{1,130}")


class Watcher(Protocol):
    """Hears how a download goes on, from several threads."""

    def begin(self, files: int, size: int) -> None:
        """So many files and bytes are wanted."""

    def gained(self, size: int) -> None:
        """So many bytes more are there; less than 0 where some have to come again."""


class _Unwatched:
    def begin(self, files: int, size: int) -> None:
        pass

    def gained(self, size: int) -> None:
        pass


class Client:
    """A delivery API and a cache of what was downloaded from it; for any number of threads and processes at once.

    `Client("https://data.example.org", key).load("flights")` is the current release of the newest period as an Arrow table.
    `timeout` is in seconds and holds for connecting and for each pause between bytes.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        cache: Path | str | None = None,
        timeout: float = 30.0,
        parallel: int = 4,
        attempts: int = 6,
    ) -> None:
        if timeout <= 0 or parallel < 1 or attempts < 1:
            raise WrongUseError("timeout, parallel and attempts must be more than 0.")
        self._patience = Patience(tries=attempts)
        self._api = Api(url, key, timeout, self._patience)
        self._cache_folder = Path(cache) if cache is not None else None
        self._timeout = timeout
        self._parallel = parallel

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._api.base!r})"

    def close(self) -> None:
        """Close connections."""
        self._api.close()

    def datasets(self) -> list[str]:
        """The data sets that the key may read."""
        return [each.dataset for page in self._pages("/v1/datasets", DatasetPage) for each in page.datasets]

    def releases(self, dataset: str) -> list[PublishedRelease]:
        """A data set's releases, by period, then revision: the last is the latest. Raises NotPublishedError."""
        pages = self._pages(f"/v1/datasets/{_segment(dataset)}/releases", ReleasePage)
        return [checked_release(release) for page in pages for release in page.releases]

    def release(self, name: str, period: str = LATEST) -> PublishedRelease:
        """The release of a name such as `flights@2013-Q1.1`; or, for a data set's name, the current one of a period or of the latest.

        `flights@2013-Q1` is the current one of that period. Raises NotPublishedError.
        """
        dataset, at, named = name.partition("@")
        if at and period != LATEST:
            raise WrongUseError(f"{name} names a period already, so period={period!r} cannot be meant too.")
        if is_release_name(name):
            path = f"/v1/releases/{_segment(name)}"
        else:
            wanted = named if at else period
            path = f"/v1/datasets/{_segment(dataset)}/releases/{_segment(wanted)}"
        found = checked_release(read_answer(self._api.get(path), PublishedRelease, path))
        if found.dataset != dataset or (is_release_name(name) and found.name != name):
            raise BadAnswerError(f"The server was asked for {name} and gave {found.name}.")
        return found

    def files(self, name: str, period: str = LATEST) -> list[PublishedFile]:
        """The files of a release, named as in `release`."""
        return [
            PublishedFile(aggregate=f.aggregate, path=f.path, size=f.size, sha256=f.sha256, rows=f.rows)
            for f in self._linked_files(self.release(name, period).name)
        ]

    def load(self, name: str, *, period: str = LATEST, aggregate: str | None = None) -> pa.Table:
        """An aggregate of a release as an Arrow table; releases are named as in `release`.

        Without `aggregate` it is `summary`, or the only one. Every file is verified against its SHA-256, and downloaded once.
        Raises WrongUseError for an aggregate that is not there, and what `download` raises.
        """
        parquet = _needed("pyarrow.parquet")
        arrow = _needed("pyarrow")
        release = self.release(name, period).name
        linked = _Linked(lambda: self._linked_files(release))
        paths = self._fetched(linked, _chosen(linked.files, release, aggregate), _Unwatched())
        table: pa.Table = arrow.concat_tables([parquet.read_table(path, partitioning=None) for path in paths])
        return table

    def pandas(self, name: str, *, period: str = LATEST, aggregate: str | None = None) -> pd.DataFrame:
        """The same as a pandas frame; needs pandas."""
        _needed("pandas")
        frame: pd.DataFrame = self.load(name, period=period, aggregate=aggregate).to_pandas()
        return frame

    def polars(self, name: str, *, period: str = LATEST, aggregate: str | None = None) -> pl.DataFrame:
        """The same as a Polars frame; needs Polars."""
        polars = _needed("polars")
        frame: pl.DataFrame = polars.from_arrow(self.load(name, period=period, aggregate=aggregate))
        return frame

    def download(
        self,
        name: str,
        to: Path | str | None = None,
        *,
        period: str = LATEST,
        aggregate: str | None = None,
        watcher: Watcher | None = None,
    ) -> list[Path]:
        """The files of a release, of all aggregates or of one, verified; releases are named as in `release`.

        They are put at `to/<release>/<aggregate>/<file>`, each whole or not at all; without `to` they stay in the cache, under
        names made from their hashes, and are not to be changed. What an earlier call began is gone on with.
        Raises NotPublishedError, KeyRefusedError, UnavailableError, BadAnswerError and DamagedFileError.
        """
        release = self.release(name, period).name
        linked = _Linked(lambda: self._linked_files(release))
        wanted = linked.files if aggregate is None else _chosen(linked.files, release, aggregate)
        cached = self._fetched(linked, wanted, watcher or _Unwatched())
        if to is None:
            return cached
        folder = Path(to) / release
        places = [folder / file.aggregate / file.name for file in wanted]
        for source, place in zip(cached, places, strict=True):
            with disk_faults(place):
                put_copy(source, place)
        return places

    def _fetched(self, linked: _Linked, files: Sequence[LinkedFile], watcher: Watcher) -> list[Path]:
        """The files' places in the cache, once they are there."""
        folder = self._cache_folder or default_folder()
        cache = Cache(folder)
        watcher.begin(len(files), sum(file.size for file in files))
        patience = Patience(tries=self._patience.tries)
        downloads = Downloads(cache, self._timeout, patience)
        pool = ThreadPoolExecutor(self._parallel, thread_name_prefix="quarterlake-download")
        try:
            # Equal files of two aggregates are one file.
            distinct = {file.sha256: file for file in files}.values()
            waiting = [pool.submit(downloads.fetch, file, linked, watcher.gained) for file in distinct]
            for each in waiting:
                with disk_faults(folder):
                    each.result()
        finally:
            patience.stopped.set()
            pool.shutdown(cancel_futures=True)
            downloads.close()
        return [cache.place(file.sha256) for file in files]

    def _linked_files(self, release: str, aggregate: str | None = None) -> tuple[LinkedFile, ...]:
        path = f"/v1/releases/{_segment(release)}/files"
        query = {} if aggregate is None else {"aggregate": aggregate}
        listed = read_answer(self._api.get(path, query), FileList, path)
        if listed.release != release:
            raise BadAnswerError(
                f"The server was asked for the files of {release} and gave those of {listed.release[:200]!r}."
            )
        files = tuple(checked_file(file) for file in listed.files)
        if len({(file.aggregate, file.name) for file in files}) < len(files):
            raise BadAnswerError(f"The server gave two files of {release} the same name.")
        return files

    def _pages(self, path: str, kind: type[Page]) -> Iterator[Page]:
        token: str | None = None
        for _ in range(_MOST_PAGES):
            page = read_answer(
                self._api.get(path, {} if token is None else {"page_token": token}), kind, path
            )
            yield page
            if not page.next_page_token or page.next_page_token == token:
                return
            token = page.next_page_token
        raise BadAnswerError(f"The list {path} does not end. Tell those who run the server.")


class _Linked:
    """A release's files with URLs, asked for anew when one of them has expired."""

    def __init__(self, ask: Callable[[], Sequence[LinkedFile]]) -> None:
        self._ask = ask
        self._guard = threading.Lock()
        self.files = tuple(ask())
        self._urls = {file.path: file.url for file in self.files}

    def of(self, file: LinkedFile) -> str:
        """See Urls."""
        return self._urls[file.path]

    def renewed(self, file: LinkedFile, url: str) -> str:
        """See Urls. Of several threads whose URLs expired together, one asks."""
        with self._guard:
            if self._urls[file.path] == url:
                found = {each.path: each for each in self._ask()}
                again = found.get(file.path)
                if again is None or again.sha256 != file.sha256:
                    raise BadAnswerError(
                        f"{file.path} is no more what the release had, though releases never change. Tell those who run the server."
                    )
                self._urls = {path: each.url for path, each in found.items()}
            return self._urls[file.path]


def _chosen(files: Sequence[LinkedFile], release: str, aggregate: str | None) -> Sequence[LinkedFile]:
    """The files of an aggregate: the one that is named, else `summary`, else the only one. Raises WrongUseError."""
    known = list(dict.fromkeys(file.aggregate for file in files))
    wanted = aggregate or (SUMMARY if SUMMARY in known else known[0] if len(known) == 1 else None)
    if wanted is None:
        raise WrongUseError(
            f"{release} has several aggregates. Name one with aggregate=: {', '.join(known)}."
        )
    if wanted not in known:
        raise WrongUseError(f"{release} has no aggregate {wanted}. It has: {', '.join(known) or 'none'}.")
    return [file for file in files if file.aggregate == wanted]


def _needed(module: str) -> ModuleType:
    """A package that only some need. Raises MissingExtraError, saying how it is installed."""
    try:
        return importlib.import_module(module)
    except ImportError as missing:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"This needs {package}. Install it with `pip install {package}`."
        ) from missing


def _segment(text: str) -> str:
    """A text as one segment of a path. Raises WrongUseError for what names nothing."""
    if not _NAME.fullmatch(text) or text in {".", ".."}:
        raise WrongUseError(
            f"{text[:100]!r} names no data set, period or release; they look like flights, 2013-Q1 and flights@2013-Q1.1."
        )
    return quote(text, safe="@")
