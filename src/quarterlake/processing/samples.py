"""The first records of a file, as inference looks at them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from quarterlake.domain.column_types import TIMESTAMP, ColumnType, Kind
from quarterlake.domain.errors import UnreadableFileError
from quarterlake.domain.inference import Evidence, infer
from quarterlake.domain.reading import EVIDENCE
from quarterlake.domain.value_formats import NumberFormat, read_format
from quarterlake.processing.casts import cast_text, is_null_token
from quarterlake.processing.evidence import gather_evidence
from quarterlake.processing.faults import reading
from quarterlake.processing.long_form import long_form
from quarterlake.processing.relations import Relation, relation_of
from quarterlake.processing.sources import plain_source
from quarterlake.processing.sql import literal, rows
from quarterlake.processing.two_paths import read_either_way

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from quarterlake.domain.naming import NameTimestamp
    from quarterlake.domain.reading import Reading

_SAMPLE = "sampled_records"
_CELLS = 4_000_000
"""Of a wide file fewer records are looked at: those that have so many cells."""
_FEWEST = 1_000
_NEAR_DAYS = 92
"""A record time lies within a quarter of the timestamp in its file's name; a birth date does not."""


class Agreement(msgspec.Struct, frozen=True):
    """Of a column's sampled instants: how many there are, lie in the period of the file's name, and lie near it."""

    instants: int
    in_name: int
    near_name: int


class Sample(msgspec.Struct, frozen=True):
    """What the first records of one file say about its columns, by their names in the file and in its order.

    `natives` are types that the format itself gives; `unique` the columns whose value no two different records share; `times` the
    agreement with the file's name, where that has a timestamp, by column and format of time that could read it; `tokens` the texts
    found that stand for a missing value. `error` says why the file cannot be read. A file without a record
    may have no columns either.
    """

    columns: Mapping[str, Evidence] = msgspec.field(default_factory=dict)
    natives: Mapping[str, ColumnType] = msgspec.field(default_factory=dict)
    unique: frozenset[str] = frozenset()
    tokens: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    times: Mapping[str, Mapping[str, Agreement]] = msgspec.field(default_factory=dict)
    rows: int = 0
    encoding: str = ""
    error: str | None = None


def sample_file(
    connection: DuckDBPyConnection,
    name: str,
    raw: Path,
    scratch: Path,
    *,
    dataset: str,
    records: int,
    stamp: NameTimestamp | None,
    written: Reading = EVIDENCE,
) -> Sample:
    """Look at the first records of a data set's file; one that cannot be read gives a sample that says why.

    What `written` says of a delimited file is so.
    """
    try:
        with plain_source(name, raw, scratch, written, dataset=dataset) as source, reading(name, source.path):
            relation = relation_of(connection, source, (), written)
            if not relation.columns:
                return Sample()
            return read_either_way(
                source,
                relation,
                written,
                scratch,
                lambda either: _sample(connection, either, records, stamp),
                at_most=records,
            )
    except UnreadableFileError as refused:
        return Sample(error=str(refused))


def file_evidence(
    connection: DuckDBPyConnection,
    name: str,
    raw: Path,
    scratch: Path,
    columns: Sequence[str],
    written: Reading = EVIDENCE,
    *,
    dataset: str,
) -> dict[str, Evidence]:
    """Evidence over every record of a data set's file for those of the columns that it has; nothing for an unreadable file."""
    try:
        with plain_source(name, raw, scratch, written, dataset=dataset) as source, reading(name, source.path):
            relation = relation_of(connection, source, columns, written)
            wanted = [c for c in relation.columns if c.name in columns]
            if not wanted:
                return {}
            texts, quoted = [c.text for c in wanted], [c.quoted for c in wanted]
            found = read_either_way(
                source,
                relation,
                written,
                scratch,
                lambda either: gather_evidence(connection, texts, either.sql, quoted, forms=True),
            )
            return dict(zip([c.name for c in wanted], found, strict=True))
    except UnreadableFileError:
        return {}


def _sample(
    connection: DuckDBPyConnection, relation: Relation, records: int, stamp: NameTimestamp | None
) -> Sample:
    texts = [f"{c.text} AS t{position}" for position, c in enumerate(relation.columns)]
    marks = [f"{c.quoted} AS q{position}" for position, c in enumerate(relation.columns) if c.quoted]
    records = min(records, max(_FEWEST, _CELLS // len(texts)))
    whole = f"WHERE NOT ({relation.broken})" if relation.broken else ""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_SAMPLE} AS SELECT {', '.join([*texts, *marks])} FROM {relation.sql} {whole} LIMIT {records}"
    )
    try:
        return _sampled(connection, relation, stamp)
    finally:
        connection.execute(f"DROP TABLE {_SAMPLE}")


def _sampled(connection: DuckDBPyConnection, relation: Relation, stamp: NameTimestamp | None) -> Sample:
    slots = [f"t{position}" for position in range(len(relation.columns))]
    quoted = [f"q{position}" if c.quoted else None for position, c in enumerate(relation.columns)]
    evidence = gather_evidence(connection, slots, _SAMPLE, quoted)
    names = [c.name for c in relation.columns]
    count, different = (
        int(str(number))
        for number in rows(
            connection, f"SELECT count(*), count(DISTINCT hash(row({', '.join(slots)}))) FROM {_SAMPLE}"
        )[0]
    )
    distinct = _distinct(connection, slots)
    return Sample(
        columns=dict(zip(names, evidence, strict=True)),
        natives={c.name: c.native for c in relation.columns if c.native is not None},
        unique=frozenset(
            name for name, values in zip(names, distinct, strict=True) if values == different > 0
        ),
        tokens=_tokens(
            connection,
            {name: slot for name, slot, found in zip(names, slots, evidence, strict=True) if found.nulls},
        ),
        times=_agreements(
            connection, dict(zip(names, zip(slots, evidence, strict=True), strict=True)), stamp
        ),
        rows=count,
        encoding=relation.described.get("encoding", ""),
    )


def _distinct(connection: DuckDBPyConnection, slots: Sequence[str]) -> list[int]:
    """How many values each column has, by their hashes: thousands of long texts would take much memory."""
    values = f"SELECT DISTINCT k, hash(t) FROM ({long_form(slots, _SAMPLE)}) WHERE t IS NOT NULL"
    counted = rows(connection, f"SELECT k, count(*) FROM ({values}) GROUP BY k")
    found = {int(str(place)): int(str(number)) for place, number in counted}
    return [found.get(place, 0) for place in range(len(slots))]


def _tokens(connection: DuckDBPyConnection, columns: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The texts but the empty one that stand for a missing value, by column."""
    if not columns:
        return {}
    texts = long_form(list(columns.values()), _SAMPLE)
    query = f"SELECT DISTINCT k, t FROM ({texts}) WHERE t <> '' AND {is_null_token('t')} ORDER BY ALL"
    names, found = list(columns), defaultdict[str, list[str]](list)
    for place, token in rows(connection, query):
        found[names[int(str(place))]].append(str(token))
    return {name: tuple(tokens) for name, tokens in found.items()}


def _agreements(
    connection: DuckDBPyConnection,
    columns: Mapping[str, tuple[str, Evidence]],
    stamp: NameTimestamp | None,
) -> dict[str, dict[str, Agreement]]:
    timed = [
        (name, form, slot)
        for name, (slot, evidence) in columns.items()
        for form in _time_formats(name, evidence)
    ]
    if stamp is None or not timed:
        return {}
    start, end = (
        f"CAST({literal(instant.isoformat())} AS TIMESTAMPTZ)" for instant in (stamp.start, stamp.end)
    )
    parts = []
    for _, form, slot in timed:
        instant = cast_text(slot, TIMESTAMP, form=form) if form else f"TRY_CAST({slot} AS TIMESTAMPTZ)"
        near = f"i >= {start} - INTERVAL {_NEAR_DAYS} DAY AND i < {end} + INTERVAL {_NEAR_DAYS} DAY"
        counts = f"count(i), count(*) FILTER (i >= {start} AND i < {end}), count(*) FILTER ({near})"
        parts.append(f"SELECT {counts} FROM (SELECT {instant} AS i FROM {_SAMPLE})")
    agreements: dict[str, dict[str, Agreement]] = {}
    for (name, form, _), query in zip(timed, parts, strict=True):
        instants, in_name, near_name = (int(str(value)) for value in rows(connection, query)[0])
        agreements.setdefault(name, {})[form] = Agreement(instants, in_name, near_name)
    return agreements


def _time_formats(name: str, evidence: Evidence) -> tuple[str, ...]:
    """The formats under which a column may be a time; the empty one is ISO 8601."""
    if evidence.date + evidence.timestamp:
        return ("",)
    found = infer(evidence, name)
    if found.type.kind in {Kind.DATE, Kind.TIMESTAMP}:
        return (found.format,)
    return tuple(form for form in found.alternatives if not isinstance(read_format(form), NumberFormat))
