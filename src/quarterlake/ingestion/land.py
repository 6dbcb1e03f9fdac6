"""Landing: a source file's exact bytes go into the raw zone, the manifest last."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from quarterlake.domain.landings import Manifest
from quarterlake.domain.naming import safe_file_name
from quarterlake.ingestion.archive import check_archive, is_same, move_away
from quarterlake.ingestion.copies import Copy, copied_ahead, copy_of
from quarterlake.ingestion.discover import SourceFile, discover
from quarterlake.ingestion.landed import Landed
from quarterlake.lake import documents, keys
from quarterlake.lake.folder import FolderStore
from quarterlake.lake.manifests import read_manifests

if TYPE_CHECKING:
    from datetime import datetime

    from quarterlake.domain.progress import Progress
    from quarterlake.ingestion.seen import Seen
    from quarterlake.lake.stores import Store


class _ChangedError(Exception):
    """The file is not what it was when reading began."""


@dataclass(slots=True)
class IngestReport:
    """What one ingestion did. `unfinished` changed while they were read, or just before: the next run lands them."""

    landed: list[Manifest] = field(default_factory=list)
    corrections: dict[str, str] = field(default_factory=dict)
    duplicates: dict[str, str] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    joined: dict[str, str] = field(default_factory=dict)
    unchanged: int = 0


@dataclass(slots=True)
class Landing:
    """Lands the files of one source folder; `now` is when it was asked to, `others` are the lake's other zones.

    What was changed within the last `quiet_seconds` waits.
    """

    raw: Store
    seen: Seen
    progress: Progress
    now: datetime
    archive: Path | None = None
    others: tuple[Store, ...] = ()
    quiet_seconds: int = 0
    _landings: list[tuple[SourceFile, os.stat_result]] = field(default_factory=list)
    _known: dict[str, Landed] = field(default_factory=dict)

    def ingest(self, root: Path) -> IngestReport:
        """Land every new or changed file below a folder, in the order of their paths; each is safe to repeat.

        Raises UsageError when there is no such folder or the archive cannot be used, TransientError when the store
        or the disk fails.
        """
        zones = self._zones()
        found = discover(root, zones, quiet_seconds=self.quiet_seconds)
        real_root = root.resolve()
        if self.archive is not None:
            check_archive(self.archive, (real_root, *zones), [file.source for file in found.files])
        report = IngestReport(
            skipped=found.skipped, refused=found.refused, joined=found.joined, unfinished=found.recent
        )
        self.progress.start("ingest", len(found.files))
        for file, copy in copied_ahead(self.raw, found.files, self._is_new):
            self._land(file, report, copy)
            self.progress.step(file.source)
        self.seen.save()
        if self.archive is not None:
            report.unfinished += move_away(self._landings, real_root, self.archive)
        return report

    def coming(self, root: Path) -> set[str]:
        """The data sets of the files below a folder, also of those that wait. Raises UsageError when there is no such folder."""
        return {file.dataset for file in discover(root, self._zones()).files}

    def _zones(self) -> set[Path]:
        """The folders of the lake."""
        stores = (self.raw, *self.others)
        return {Path(zone.url).resolve() for zone in stores if isinstance(zone, FolderStore)}

    def _is_new(self, file: SourceFile, status: os.stat_result) -> bool:
        """Whether a file's bytes must be copied, as far as the memory of hashes tells."""
        known = self.seen.sha256(file.source, status)
        return known is None or self._landed_of(file).key_of(known) is None

    def _land(self, file: SourceFile, report: IngestReport, copy: Copy | None) -> None:
        try:
            manifest = self._landed(file, report, copy)
        except _ChangedError:
            report.unfinished.append(file.source)
        except OSError as refused:
            report.refused[file.source] = f"it cannot be read: {refused.strerror}"
        else:
            if manifest is None:
                report.unchanged += 1
        finally:
            if copy is not None:
                copy.path.unlink(missing_ok=True)

    def _landed(self, file: SourceFile, report: IngestReport, copy: Copy | None) -> Manifest | None:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "no regular file")
            landed = self._landed_of(file)
            known = self.seen.sha256(file.source, status)
            if copy is not None:
                if known not in {None, copy.sha256} or not is_same(status, copy.status):
                    raise _ChangedError
                known = copy.sha256
            elif known is None and landed.has_size(status.st_size):
                known = hashlib.file_digest(stream, "sha256").hexdigest()
            key = landed.key_of(known) if known else None
            key, sha256 = (key, known) if key and known else self._put(file, stream, status, known, copy)
            self._check_unchanged(file, status)
            self.seen.remember(file.source, status, sha256)
            manifest = None
            if sha256 != landed.newest_hash(file.source):
                manifest = self._record(file, key, sha256, status.st_size, report)
        self._landings.append((file, status))
        return manifest

    def _landed_of(self, file: SourceFile) -> Landed:
        if file.dataset not in self._known:
            self._known[file.dataset] = Landed(read_manifests(self.raw, file.dataset))
        return self._known[file.dataset]

    def _put(
        self,
        file: SourceFile,
        stream: BinaryIO,
        status: os.stat_result,
        expected: str | None,
        made: Copy | None,
    ) -> tuple[str, str]:
        """Put the bytes into the raw zone, hashing them on the way, and see that they are what was `expected`, if anything was.

        Return their key and hash.
        """
        if made is not None:
            copy, sha256 = made.path, made.sha256
        else:
            copy, sha256 = copy_of(self.raw, stream)
        if expected not in {None, sha256} or not is_same(file.path.stat(), status):
            copy.unlink()
            raise _ChangedError
        name = safe_file_name(PurePosixPath(file.source).name)
        key = keys.raw_key(file.dataset, f"{self.now:%Y-%m}", sha256, name)
        self.raw.adopt(copy, key)
        return key, sha256

    def _check_unchanged(self, file: SourceFile, before: os.stat_result) -> None:
        if not is_same(file.path.stat(), before):
            raise _ChangedError

    def _record(
        self, file: SourceFile, key: str, sha256: str, size: int, report: IngestReport
    ) -> Manifest | None:
        """Put the manifest under the next free number; another process may take that first."""
        while True:
            landed = self._landed_of(file)
            manifest = Manifest(
                dataset=file.dataset,
                sequence=landed.last_sequence + 1,
                source=file.source,
                key=key,
                sha256=sha256,
                size=size,
                landed_at=self.now.isoformat(timespec="seconds"),
            )
            if documents.write_once(self.raw, keys.manifest(file.dataset, manifest.sequence), manifest):
                break
            del self._known[file.dataset]
            if self._landed_of(file).newest_hash(file.source) == sha256:  # another process landed it
                return None
        earlier = landed.newest_hash(file.source)
        landed.add(manifest)
        report.landed.append(manifest)
        if earlier is not None:
            report.corrections[file.source] = earlier
        first = landed.first_with(sha256)
        if first != file.source:
            report.duplicates[file.source] = first
        return manifest
