"""Which files are parsed, or looked at, together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.processing.small_files import MOST_BYTES, MOST_FILES, SMALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.processing.engines.port import ParseRequest


def together(requests: Iterable[ParseRequest]) -> Iterator[list[ParseRequest]]:
    """Requests in their order: small files in groups, every other alone."""
    group: list[ParseRequest] = []
    size = 0
    for request in requests:
        manifest = request.manifest
        if manifest.replay is not None or manifest.size > SMALL:
            yield [request]
            continue
        if len(group) == MOST_FILES or size + manifest.size > MOST_BYTES:
            yield group
            group, size = [], 0
        group.append(request)
        size += manifest.size
    if group:
        yield group


def alike(parsed: Sequence[ParsedFile]) -> Iterator[list[ParsedFile]]:
    """Files that hold records, those of the same columns together, as many as may be open at once."""
    groups: dict[object, list[ParsedFile]] = {}
    for file in parsed:
        if file.data is not None:
            groups.setdefault(file.columns, []).append(file)
    for files in groups.values():
        for at in range(0, len(files), MOST_FILES):
            yield files[at : at + MOST_FILES]
