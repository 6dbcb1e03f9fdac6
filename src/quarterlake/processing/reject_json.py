"""The cells of rejected JSON records: the texts that the parser takes, by the same fields and the same reader."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import msgspec

from quarterlake.processing.json_faults import is_halved
from quarterlake.processing.relations import read_json_again
from quarterlake.processing.sql import rows
from quarterlake.processing.typed_query import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from quarterlake.domain.contract import Contract
    from quarterlake.processing.relations import Relation, SourceColumn

_ONE_LINE = str.maketrans("\r\n", "  ")
_NO_JSON = "!"
"""Stands for a text without anything in it, so that each has its line."""
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
"""An escape: for a whole character, or (in the group) for half of one."""
_UNSURE = object()
"""The value of a name that stands twice in one object with different values."""


def json_cells(
    connection: DuckDBPyConnection,
    relation: Relation,
    contract: Contract,
    matched: Mapping[str, SourceColumn],
    scratch: Path,
    texts: Sequence[str],
) -> list[dict[str, str] | None]:
    """The cells of records by their whole raw texts: none of what is no JSON object, where half a character is shown as U+FFFD.

    A field that stands twice with different values has none. None where two fields of one name cannot be told apart.
    """
    columns = [column for column in contract.columns if column.name in matched]
    values = ", ".join(text_of(matched[column.name], column) for column in columns)
    with NamedTemporaryFile("w", dir=scratch, suffix=".records", encoding="utf-8", newline="") as lines:
        lines.writelines(_line(text) + "\n" for text in texts)
        lines.flush()
        again = read_json_again(relation, Path(lines.name))
        query = f"SELECT {relation.broken}, {relation.twice or 'false'}, CAST([{values}] AS VARCHAR[]) FROM {again}"
        found = msgspec.convert(rows(connection, query), list[tuple[bool, bool, list[str | None]]])
    fields = relation.json.fields if relation.json else ()
    paths = {column.name: field.path for column, field in zip(relation.columns, fields, strict=True)}
    shown: list[dict[str, str] | None] = []
    for text, (broken, twice, given) in zip(texts, found, strict=True):
        cells = (
            {}
            if broken
            else {c.name: cell for c, cell in zip(columns, given, strict=True) if cell is not None}
        )
        shown.append(
            _sure(text, cells, {c.name: paths[matched[c.name].name] for c in columns}) if twice else cells
        )
    return shown


def _line(text: str) -> str:
    line = text.translate(_ONE_LINE)
    if is_halved(text):
        line = _ESCAPE.sub(lambda found: "\\ufffd" if found[1] else found[0], line)
    return line if line.strip() else _NO_JSON


def _sure(text: str, cells: Mapping[str, str], paths: Mapping[str, tuple[str, ...]]) -> dict[str, str] | None:
    """The cells of fields of which there is one, or several that are equal: which of others is meant would be a guess."""
    try:
        record = json.loads(
            text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_fields_of
        )
    except (ValueError, RecursionError):
        return None
    return {name: cell for name, cell in cells.items() if _is_sure(_at(record, paths[name]))}


def _fields_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        found[name] = value if found.setdefault(name, value) == value else _UNSURE
    return found


def _at(record: Any, path: Sequence[str]) -> Any:
    for key in path:
        if not isinstance(record, dict):
            return record
        record = record.get(key)
    return record


def _is_sure(value: Any) -> bool:
    left = [value]
    while left:
        one = left.pop()
        if one is _UNSURE:
            return False
        if isinstance(one, (dict, list)):
            left.extend(one.values() if isinstance(one, dict) else one)
    return True
