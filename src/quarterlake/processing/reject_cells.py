"""What could be read of a rejected record: for each column of the contract the text that the parser makes its value of."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.domain.reading import EVIDENCE
from quarterlake.processing.cutting import fields
from quarterlake.processing.drift import match_columns
from quarterlake.processing.engines.duckdb_connections import Connections
from quarterlake.processing.faults import environment_faults
from quarterlake.processing.faults import reading as as_misread
from quarterlake.processing.parser import local_times
from quarterlake.processing.reject_json import json_cells
from quarterlake.processing.reject_parquet import parquet_cells
from quarterlake.processing.reject_texts import whole_texts
from quarterlake.processing.relations import relation_of
from quarterlake.processing.replays import readable
from quarterlake.processing.sources import Format, plain_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.landings import Manifest
    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.processing.dialect import Dialect
    from quarterlake.processing.rejects import Reject


class Shown(NamedTuple):
    """A reject's raw text, whole where it can be, and its cells by the contract's columns; empty ones may be left out.

    `cells` is None where they cannot be read though the record may have them: a repair would lose them.
    """

    raw: str
    cells: Mapping[str, str] | None


@contextmanager
def cutter(
    manifest: Manifest, raw: Path, scratch: Path, contract: Contract, parsed: ParsedFile, memory: str
) -> Iterator[Callable[[Sequence[Reject]], list[Shown]]]:
    """A function from some rejects of one landed file, in the file's order, to what is shown of them; it needs no more than so much memory."""
    with ExitStack() as stack:
        try:
            show = _shows(stack, manifest, raw, scratch, contract, parsed, memory)
        except UnreadableFileError:
            show = _only_raw
        yield show


def _only_raw(rejects: Sequence[Reject]) -> list[Shown]:
    return [Shown(reject.raw, None) for reject in rejects]


def _shows(
    stack: ExitStack,
    manifest: Manifest,
    raw: Path,
    scratch: Path,
    contract: Contract,
    parsed: ParsedFile,
    memory: str,
) -> Callable[[Sequence[Reject]], list[Shown]]:
    """The function, for a file read as the parser reads it; what it needs lasts as long as the stack."""
    reading = EVIDENCE if manifest.replay else contract.reading
    stack.enter_context(environment_faults(scratch))
    path = stack.enter_context(readable(manifest, raw, (), scratch))
    source = stack.enter_context(
        plain_source(manifest.source, path, scratch, reading, dataset=manifest.dataset)
    )
    # With one thread, since each holds a share of wide records in memory.
    connections = stack.enter_context(closing(Connections(lambda: scratch, memory=memory, threads=1)))
    connection = connections.shared()
    names = [column.source for column in contract.columns]
    with as_misread(manifest.source, source.path):
        relation = relation_of(connection, source, names, reading)
    matched = match_columns(relation, contract)
    if source.format is Format.PARQUET:
        stack.enter_context(local_times(connection, contract))
        return lambda rejects: [
            Shown(*shown)
            for shown in parquet_cells(connection, source.path, relation, contract, matched, parsed, rejects)
        ]
    whole = stack.enter_context(whole_texts(source, relation))
    if relation.dialect is not None:
        order = [column.name for column in relation.columns]
        places = {name: order.index(column.name) for name, column in matched.items()}
        read = partial(_delimited_cells, relation.dialect, places)
    else:
        read = partial(json_cells, connection, relation, contract, matched, scratch)

    def show(rejects: Sequence[Reject]) -> list[Shown]:
        texts = [whole(reject) for reject in rejects]
        found = iter(read([text for text in texts if text is not None]))
        return [
            Shown(reject.raw, None) if text is None else Shown(text, next(found))
            for reject, text in zip(rejects, texts, strict=True)
        ]

    return show


def _delimited_cells(
    dialect: Dialect, places: Mapping[str, int], texts: Sequence[str]
) -> list[dict[str, str] | None]:
    return [_fields(text, dialect, places) for text in texts]


def _fields(text: str, dialect: Dialect, places: Mapping[str, int]) -> dict[str, str]:
    """The cells, as the parser cuts them; of a record whose quotes do not close, the texts between the delimiters. What is empty without quotes is a null."""
    raw = text.encode()
    try:
        found = fields(raw, dialect.cutting)
    except ValueError:
        found = [(field, False) for field in raw.split(dialect.delimiter.encode())]
    first, *others = [(field.decode(errors="replace"), quoted) for field, quoted in found]
    cells = [
        first,
        *(
            (cell.removeprefix(" ") if dialect.padded and not quoted else cell, quoted)
            for cell, quoted in others
        ),
    ]
    there = {name: cells[at] for name, at in places.items() if at < len(cells)}
    return {name: cell for name, (cell, quoted) in there.items() if cell or quoted}
