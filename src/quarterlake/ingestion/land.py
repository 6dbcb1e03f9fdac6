"""Landing: a source file's exact bytes go into the raw zone, the manifest last."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from quarterlake.domain.landings import Manifest
from quarterlake.domain.naming import safe_file_name
from quarterlake.ingestion.archive import check_archive, is_same, move_away
from quarterlake.ingestion.discover import SourceFile, discover
from quarterlake.ingestion.landed import Landed
from quarterlake.lake import documents, keys
from quarterlake.lake.folder import FolderStore
from quarterlake.lake.manifests import read_manifests
from quarterlake.lake.stores import disk_errors

if TYPE_CHECKING:
    from datetime import datetime

    from quarterlake.domain.progress import Progress
    from quarterlake.ingestion.seen import Seen
    from quarterlake.lake.stores import Store

_CHUNK = 1 << 20


class _ChangedError(Exception):
    """The file is not what it was when reading began."""


@dataclass(slots=True)
class IngestReport:
    """What one ingestion did. `unfinished` changed while they were read: the next run lands them."""

    landed: list[Manifest] = field(default_factory=list)
    corrections: dict[str, str] = field(default_factory=dict)
    duplicates: dict[str, str] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    unchanged: int = 0


@dataclass(slots=True)
class Landing:
    """Lands the files of one source folder; `now` is when it was asked to, `others` are the lake's other zones."""

    raw: Store
    seen: Seen
    progress: Progress
    now: datetime
    archive: Path | None = None
    others: tuple[Store, ...] = ()
    _landings: list[tuple[SourceFile, os.stat_result]] = field(default_factory=list)
    _known: dict[str, Landed] = field(default_factory=dict)

    def ingest(self, root: Path) -> IngestReport:
        """Land every new or changed file below a folder, in the order of their paths; each is safe to repeat.

        Raises UsageError when there is no such folder or the archive cannot be used, TransientError when the store
        or the disk fails.
        """
        zones = {
            Path(zone.url).resolve() for zone in (self.raw, *self.others) if isinstance(zone, FolderStore)
        }
        found = discover(root, zones)
        real_root = root.resolve()
        if self.archive is not None:
            check_archive(self.archive, (real_root, *zones), [file.source for file in found.files])
        report = IngestReport(skipped=found.skipped, refused=found.refused)
        self.progress.start("ingest", len(found.files))
        for file in found.files:
            self._land(file, report)
            self.progress.step(file.source)
        self.seen.save()
        if self.archive is not None:
            report.unfinished += move_away(self._landings, real_root, self.archive)
        return report

    def _land(self, file: SourceFile, report: IngestReport) -> None:
        try:
            manifest = self._landed(file, report)
        except _ChangedError:
            report.unfinished.append(file.source)
        except OSError as refused:
            report.refused[file.source] = f"it cannot be read: {refused.strerror}"
        else:
            if manifest is None:
                report.unchanged += 1

    def _landed(self, file: SourceFile, report: IngestReport) -> Manifest | None:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "no regular file")
            landed = self._landed_of(file)
            known = self.seen.sha256(file.source, status)
            if known is None and landed.has_size(status.st_size):
                known = hashlib.file_digest(stream, "sha256").hexdigest()
            key = landed.key_of(known) if known else None
            key, sha256 = (key, known) if key and known else self._put(file, stream, status, known)
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
        self, file: SourceFile, stream: BinaryIO, status: os.stat_result, expected: str | None
    ) -> tuple[str, str]:
        """Put the bytes into the raw zone, hashing them on the way, and see that they are what was `expected`, if anything was.

        Return their key and hash.
        """
        copy, sha256 = self._copy(stream)
        if expected not in {None, sha256} or not is_same(file.path.stat(), status):
            copy.unlink()
            raise _ChangedError
        name = safe_file_name(PurePosixPath(file.source).name)
        key = keys.raw_key(file.dataset, f"{self.now:%Y-%m}", sha256, name)
        self.raw.adopt(copy, key)
        return key, sha256

    def _copy(self, stream: BinaryIO) -> tuple[Path, str]:
        """A copy of the bytes in the raw zone's scratch folder, and their hash."""
        digest = hashlib.sha256()
        stream.seek(0)
        with disk_errors(str(self.raw.scratch)):
            handle, copy = tempfile.mkstemp(dir=self.raw.scratch, suffix=".landing")
            with os.fdopen(handle, "wb") as target:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
        return Path(copy), digest.hexdigest()

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
