"""Parsing landed files with DuckDB, and placing what comes of it in the curated zone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from quarterlake.lake import keys
from quarterlake.processing.faults import environment_faults
from quarterlake.processing.parser import ParseJob, ParseOutcome, parse_file
from quarterlake.processing.parsing import stamp_of
from quarterlake.processing.replays import readable
from quarterlake.processing.small_files import parse_together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.lake.location import Lake
    from quarterlake.processing.engines.duckdb_connections import Connections
    from quarterlake.processing.engines.port import ParseRequest

_WRITERS = 8


class ParsingFiles:
    """Parses landed files over an engine's connections."""

    def __init__(self, lake: Lake, connections: Connections) -> None:
        self._lake = lake
        self._connections = connections

    def some(self, requests: Sequence[ParseRequest]) -> list[ParsedFile]:
        """The parsed file of each: together where they are several, which then are small and alike."""
        if len(requests) == 1:
            return [self._one(requests[0])]
        with (
            self._lake.raw.local([request.manifest.key for request in requests]) as paths,
            environment_faults(self._scratch),
        ):
            jobs = [_job(request, raw) for request, raw in zip(requests, paths, strict=True)]
            with self._connections.of_one_thread() as connection:
                outcomes = parse_together(connection, jobs, self._scratch)
        placed = dict(zip(outcomes, self._place_all(requests, outcomes), strict=True))
        return [placed[request.id] if request.id in placed else self._one(request) for request in requests]

    def _one(self, request: ParseRequest) -> ParsedFile:
        manifest = request.manifest
        with (
            self._lake.raw.local([manifest.key]) as [landed],
            environment_faults(self._scratch),
            readable(manifest, landed, request.withheld, self._scratch) as raw,
        ):
            given = _job(request, raw)
            outcome = self._connections.sparing(
                lambda connection: parse_file(connection, given, self._scratch)
            )
        return self._placed(request, outcome)

    def _place_all(
        self, requests: Sequence[ParseRequest], outcomes: Mapping[str, ParseOutcome]
    ) -> list[ParsedFile]:
        """Several at a time: most of a small file's time is waiting for the disk or the network."""
        by_id = {request.id: request for request in requests}
        with ThreadPoolExecutor(_WRITERS) as pool:
            return list(pool.map(lambda item: self._placed(by_id[item[0]], item[1]), outcomes.items()))

    def _placed(self, request: ParseRequest, outcome: ParseOutcome) -> ParsedFile:
        placed = {}
        for field, path, suffix in (
            ("data", outcome.data, "parquet"),
            ("rejects", outcome.rejects, "rejects.parquet"),
        ):
            if path is not None:
                placed[field] = keys.parsed(request.manifest.dataset, request.id, suffix)
                self._lake.curated.adopt(path, placed[field])
        return msgspec.structs.replace(outcome.document, **placed)

    @property
    def _scratch(self) -> Path:
        return self._lake.curated.scratch


def _job(request: ParseRequest, raw: Path) -> ParseJob:
    manifest = request.manifest
    return ParseJob(
        request.id,
        request.origin,
        manifest.source,
        manifest.sha256,
        raw,
        request.name_time,
        request.contract,
        stamp_of(manifest) if manifest.replay is None else None,
        is_ours=manifest.replay is not None,
    )
