"""What could be read of a rejected record: a text for each column of the contract."""

from __future__ import annotations

import csv
import io
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.processing.drift import match_columns
from quarterlake.processing.relations import relation_of
from quarterlake.processing.sources import Format, plain_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from quarterlake.domain.contract import Contract
    from quarterlake.domain.parsed import ParsedFile
    from quarterlake.processing.rejects import Reject

_LONGEST = 1 << 20
"""No more bytes than that of one record are put into a cell."""


@contextmanager
def cutter(
    name: str, raw: Path, scratch: Path, contract: Contract, parsed: ParsedFile
) -> Iterator[Callable[[Reject], tuple[str, dict[str, str]]]]:
    """A function from a reject of one file to its whole raw text and its cells by the contract's columns; empty ones may be left out."""
    try:
        with plain_source(name, raw, scratch) as source:
            places = _places(source, contract) if source.format is Format.DELIMITED else None

            def cut(reject: Reject) -> tuple[str, dict[str, str]]:
                text = _whole(source.path, reject)
                if places is not None:
                    return text, _fields(text, *places)
                return text, _json_cells(text, contract, parsed)

            yield cut
    except UnreadableFileError:
        yield lambda reject: (reject.raw, {})


def _places(source: Any, contract: Contract) -> tuple[str, str, dict[str, int]]:
    """The delimiter, the quote, and where each of the contract's columns stands."""
    with duckdb.connect() as connection:
        relation = relation_of(connection, source, [column.source for column in contract.columns])
    order = [column.name for column in relation.columns]
    matched = match_columns(relation, contract)
    dialect = relation.dialect
    delimiter, quote = (dialect.delimiter, dialect.quote) if dialect else (",", '"')
    return delimiter, quote, {name: order.index(column.name) for name, column in matched.items()}


def _whole(path: Path, reject: Reject) -> str:
    """The raw text, read again where the reject keeps only its beginning."""
    if reject.byte_offset is None or len(reject.raw) < _KEPT:
        return reject.raw
    with path.open("rb") as file:
        file.seek(reject.byte_offset)
        text = file.read(_LONGEST).decode(errors="replace")
    return text.splitlines()[0] if "\n" not in reject.raw and text else reject.raw


_KEPT = 4_096


def _fields(text: str, delimiter: str, quote: str, places: dict[str, int]) -> dict[str, str]:
    options: dict[str, Any] = {"delimiter": delimiter}
    options |= {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    try:
        fields = next(csv.reader(io.StringIO(text, newline=""), **options), [])
    except csv.Error:
        fields = text.split(delimiter)
    return {name: fields[at] for name, at in places.items() if at < len(fields)}


def _json_cells(text: str, contract: Contract, parsed: ParsedFile) -> dict[str, str]:
    try:
        found = json.loads(text, parse_int=str, parse_float=str)
    except ValueError:
        return {}
    if isinstance(found, dict):
        cells = {column.name: _at(found, column.source) for column in contract.columns}
    elif isinstance(found, list) and len(found) == len(parsed.columns):
        cells = {column.name: value for column, value in zip(parsed.columns, found, strict=True)}
    else:
        return {}
    return {name: _text(value) for name, value in cells.items() if value is not None}


def _at(record: dict[str, Any], source: str) -> Any:
    """A field by its name, whatever its case, or by its path."""
    if source in record:
        return record[source]
    folded = {name.casefold(): name for name in record}
    if source.casefold() in folded:
        return record[folded[source.casefold()]]
    head, dot, rest = source.partition(".")
    inner = record.get(head)
    return _at(inner, rest) if dot and isinstance(inner, dict) else None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
