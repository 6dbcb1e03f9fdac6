"""What could be read of a rejected record: a text for each column of the contract."""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.domain.reading import EVIDENCE
from quarterlake.processing.cutting import cut, fields
from quarterlake.processing.drift import match_columns, spelled_in_files
from quarterlake.processing.relations import relation_of
from quarterlake.processing.rewriting import RAW_CHARACTERS
from quarterlake.processing.sources import Format, plain_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.landings import Manifest
    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.domain.reading import Reading
    from quarterlake.processing.dialect import Dialect
    from quarterlake.processing.rejects import Reject
    from quarterlake.processing.sources import PlainSource

_LONGEST = 1 << 20
"""No more bytes than that of one record are put into a cell."""

_UNSURE = object()
"""The value of a name that stands twice in one object with different values."""


@contextmanager
def cutter(
    manifest: Manifest, raw: Path, scratch: Path, contract: Contract, parsed: ParsedFile
) -> Iterator[Callable[[Reject], tuple[str, dict[str, str]]]]:
    """A function from a reject of one landed file to its whole raw text and its cells by the contract's columns; empty ones may be left out."""
    reading = EVIDENCE if manifest.replay else contract.reading
    try:
        with plain_source(manifest.source, raw, scratch, reading) as source:
            if source.format is Format.DELIMITED:
                dialect, places = _places(source, contract, reading)

                def cells(reject: Reject) -> tuple[str, dict[str, str]]:
                    text = _whole(source, reject, dialect)
                    return text, _fields(text, dialect, places)

            else:

                def cells(reject: Reject) -> tuple[str, dict[str, str]]:
                    text = _whole(source, reject, None)
                    return text, _json_cells(text, contract, parsed)

            yield cells
    except UnreadableFileError:
        yield lambda reject: (reject.raw, {})


def _places(source: PlainSource, contract: Contract, reading: Reading) -> tuple[Dialect, dict[str, int]]:
    """How the file is written, and where each of the contract's columns stands."""
    with duckdb.connect() as connection:
        relation = relation_of(connection, source, [column.source for column in contract.columns], reading)
    order = [column.name for column in relation.columns]
    matched = match_columns(relation, contract)
    if relation.dialect is None:
        raise ValueError("only delimited files have fields in an order")
    return relation.dialect, {name: order.index(column.name) for name, column in matched.items()}


def _whole(source: PlainSource, reject: Reject, dialect: Dialect | None) -> str:
    """The raw text, read again where the reject keeps only its beginning."""
    if reject.byte_offset is None or len(reject.raw) < RAW_CHARACTERS:
        return reject.raw
    start = source.recoding.plain(reject.byte_offset, reject.raw.encode())
    if start is None:
        return reject.raw
    with source.path.open("rb") as file:
        file.seek(start)
        data = file.read(_LONGEST)
    first = next(cut(io.BytesIO(data), dialect.cutting)).raw if dialect else data.partition(b"\n")[0]
    text = first.decode(errors="replace")
    return text if len(first) < len(data) and text.startswith(reject.raw) else reject.raw


def _fields(text: str, dialect: Dialect, places: dict[str, int]) -> dict[str, str]:
    """The cells, as the parser cuts them; of a record whose quotes do not close, the texts between the delimiters."""
    raw = text.encode()
    try:
        found = fields(raw, dialect.cutting)
    except ValueError:
        found = [(field, False) for field in raw.split(dialect.delimiter.encode())]
    first, *others = [(field.decode(errors="replace"), quoted) for field, quoted in found]
    cells = [
        first[0],
        *(cell.removeprefix(" ") if dialect.padded and not quoted else cell for cell, quoted in others),
    ]
    return {name: cells[at] for name, at in places.items() if at < len(cells)}


def _json_cells(text: str, contract: Contract, parsed: ParsedFile) -> dict[str, str]:
    try:
        found = json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=_fields_of)
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, dict):
        numbered = spelled_in_files(contract)
        apart = {spelled.casefold() for spelled in numbered.values()}
        spelled = {c.name: numbered.get(c.name, c.source) for c in contract.columns}
        cells = {name: _at(found, path, exact=path.casefold() in apart) for name, path in spelled.items()}
    elif isinstance(found, list) and len(found) == len(parsed.columns):
        cells = {column.name: value for column, value in zip(parsed.columns, found, strict=True)}
    else:
        return {}
    return {name: _text(value) for name, value in cells.items() if value is not None and _is_sure(value)}


def _fields_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's fields; which of different values of one name is meant would be a guess."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        found[name] = value if found.setdefault(name, value) == value else _UNSURE
    return found


def _is_sure(value: Any) -> bool:
    if isinstance(value, (dict, list)):
        return all(map(_is_sure, value.values() if isinstance(value, dict) else value))
    return value is not _UNSURE


def _at(record: dict[str, Any], source: str, *, exact: bool) -> Any:
    """A field by its name, whatever its case unless that tells it from another, or by its path."""
    if source in record:
        return record[source]
    folded = {name.casefold(): name for name in record}
    if not exact and source.casefold() in folded:
        return record[folded[source.casefold()]]
    head, dot, rest = source.partition(".")
    inner = record.get(head)
    return _at(inner, rest, exact=exact) if dot and isinstance(inner, dict) else None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
