"""The whole raw text of rejected records, read again from their file where a reject keeps only its beginning."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from quarterlake.processing.cutting import TOO_LONG, cut
from quarterlake.processing.json_pieces import pieces
from quarterlake.processing.json_scan import UnevenError, json_text
from quarterlake.processing.record_search import RAW_CHARACTERS
from quarterlake.processing.sources import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from quarterlake.processing.json_marks import Marks
    from quarterlake.processing.rejects import Reject
    from quarterlake.processing.relations import Relation
    from quarterlake.processing.sources import PlainSource

LONGEST_SHOWN = 1 << 20
"""A record of more bytes is not shown whole."""


@contextmanager
def whole_texts(source: PlainSource, relation: Relation) -> Iterator[Callable[[Reject], str | None]]:
    """A function from a reject of delimited text or JSON to its whole raw text; asked in the file's order.

    None where only the text's beginning is known: it has more than 1 MiB, or is not where the reject says.
    """
    with closing(_json_places(source, relation.marks)) as places:

        def whole(reject: Reject) -> str | None:
            if len(reject.raw) < RAW_CHARACTERS:
                return reject.raw
            if reject.byte_offset is None:
                return None
            start = source.recoding.plain(reject.byte_offset, reject.raw.encode())
            found = None if start is None else _record(source, relation, places, start)
            text = "" if found is None else found.decode(errors="replace")
            return text if text.startswith(reject.raw) else None

        yield whole


def _record(
    source: PlainSource, relation: Relation, places: Iterator[tuple[int, int]], start: int
) -> bytes | None:
    """The record that begins at a place, cut as the parser cuts it; None for one that is too long or not there."""
    with source.path.open("rb") as file:
        if relation.dialect is not None:
            one = next(cut(file, relation.dialect.cutting, start=start), None)
            found = None if one is None or one.problem == TOO_LONG else one.raw
            return found if found is not None and len(found) <= LONGEST_SHOWN else None
        file.seek(start)
        if source.format is Format.NDJSON:
            line = file.readline(LONGEST_SHOWN + 1).removesuffix(b"\n").removesuffix(b"\r")
            return line if len(line) <= LONGEST_SHOWN else None
        end = next((end for at, end in places if at >= start), 0)
        return file.read(end - start) if 0 < end - start <= LONGEST_SHOWN else None


def _json_places(source: PlainSource, marks: Marks | None) -> Generator[tuple[int, int], None, None]:
    """Where the records of JSON that is not one value a line begin and end, as the rejects were found there."""
    with json_text(source.path) as text:
        try:
            yield from text.records() if marks is None else (one[:2] for one in pieces(text, marks))
        except UnevenError:
            return
