"""The SQL that makes curated months, for any engine: their rows, the versions that lose, the order that is written."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from quarterlake.domain.column_types import Kind
from quarterlake.domain.dedup import version_order

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from quarterlake.domain.contract import Contract
    from quarterlake.processing.engines.port import CurateInput
    from quarterlake.processing.sql_dialects import SqlDialect

LOSERS = "losing_rows"
REPEATED = "repeated_keys"


@dataclass(frozen=True, slots=True)
class Scan:
    """Some parsed files of one layout: what stands after FROM, and expressions for each record's landing and its place in its file."""

    relation: str
    landing: str
    row: str


class Reader(Protocol):
    """Makes an engine read parsed files that hold the same columns."""

    def __call__(self, inputs: Sequence[CurateInput]) -> Scan:
        """A scan of the files, in their order."""


def month_number(month: str) -> int:
    """`2026-07` as the parsed files write it: 202607."""
    return int(month[:4]) * 100 + int(month[5:])


def rows_of(
    sql: SqlDialect,
    contract: Contract,
    months: Collection[str],
    inputs: Sequence[CurateInput],
    read: Reader,
) -> str:
    """A query for the records of months in parsed files: the contract's columns, `_time`, `_month`, `_landing`, `_row`.

    Files that hold the same columns are read together. `_landing` and `_row` tell every record apart, and are the same in
    every run.
    """
    once = {given.manifest.sequence: given for given in inputs}.values()
    ordered = sorted(once, key=lambda given: (_layout(given), given.manifest.sequence))
    selects = [
        _group(sql, contract, months, layout, read(list(given)))
        for layout, given in groupby(ordered, key=_layout)
    ]
    return " UNION ALL ".join(selects)


def _layout(given: CurateInput) -> tuple[tuple[str, str], ...]:
    return tuple((column.name, str(column.type)) for column in given.parsed.columns)


def _group(
    sql: SqlDialect,
    contract: Contract,
    months: Collection[str],
    layout: Sequence[tuple[str, str]],
    scan: Scan,
) -> str:
    held = {name for name, _ in layout}
    columns = [
        f"CAST({sql.identifier(c.name) if c.name in held else 'NULL'} AS {sql.type_name(c.type)}) AS {sql.identifier(c.name)}"
        for c in contract.columns
    ]
    time = (
        f"CAST({sql.identifier(contract.record_time)} AS {sql.instant})" if contract.record_time else "_time"
    )
    wanted = ", ".join(str(month_number(month)) for month in sorted(months))
    condition = f"_month = {wanted}" if len(months) == 1 else f"_month IN ({wanted})"
    return (
        f"SELECT {', '.join(columns)}, {time} AS _time, _month, {scan.landing} AS _landing, {scan.row} AS _row "
        f"FROM {scan.relation} WHERE _raw IS NULL AND {condition}"
    )


def tagged(own: str, others: Sequence[str]) -> str:
    """The rows of some months and of their rivals, `_own` for the former."""
    return " UNION ALL ".join(
        f"SELECT *, {mark} AS _own FROM ({rows})"
        for mark, rows in [("true", own), *(("false", rival) for rival in others)]
    )


def key_list(sql: SqlDialect, contract: Contract) -> str:
    """The key's columns."""
    return ", ".join(map(sql.identifier, contract.key))


def key_present(sql: SqlDialect, contract: Contract) -> str:
    """A condition: no part of the key is null. Records without a key are never each other's versions."""
    return " AND ".join(f"{sql.identifier(name)} IS NOT NULL" for name in contract.key)


def place(sql: SqlDialect, contract: Contract, within: Sequence[str] = ()) -> str:
    """A window expression: a row's place among the versions of its key, 1 for the one that stays.

    Under a declared key that is the newest version; under an inferred one the first of the records that are equal in every
    column. `within` are further columns that versions share.
    """
    keys = [*map(sql.identifier, contract.key)]
    values = [compared(sql, contract, column.name) for column in contract.columns]
    if not contract.key_declared:
        return (
            f"row_number() OVER (PARTITION BY {', '.join([*keys, *within, *values])} ORDER BY _landing, _row)"
        )
    sequence = sql.identifier(contract.sequence) if contract.sequence else None
    order = version_order(sequence=sequence, time="_time", landing="_landing", values=values)
    return f"row_number() OVER (PARTITION BY {', '.join([*keys, *within])} ORDER BY {', '.join(order)}, _row)"


def compared(sql: SqlDialect, contract: Contract, name: str) -> str:
    """A column as rows are compared by it; a negative zero is a zero."""
    column = sql.identifier(name)
    return f"{column} + 0.0" if contract.column(name).type.kind is Kind.FLOAT64 else column


def repeated_keys(sql: SqlDialect, contract: Contract, rows: str) -> str:
    """Keys that occur more than once in `tagged` rows, and at least once in the months themselves."""
    keys = key_list(sql, contract)
    return (
        f"SELECT {keys} FROM (SELECT {keys}, CAST(_own AS INT) AS own FROM ({rows}) WHERE {key_present(sql, contract)}) "
        f"GROUP BY {keys} HAVING count(*) > 1 AND sum(own) > 0"
    )


def losers(sql: SqlDialect, contract: Contract, rows: str) -> str:
    """`_landing` and `_row` of the months' own records that lose, out of `tagged` rows whose keys are repeated."""
    repeated = f"SELECT * FROM ({rows}) {sql.semi_join} {REPEATED} USING ({key_list(sql, contract)})"
    ranked = f"SELECT _landing, _row, _own, {place(sql, contract)} AS place FROM ({repeated})"
    return f"SELECT _landing, _row FROM ({ranked}) WHERE place > 1 AND _own"


def losers_hash(sql: SqlDialect, landings: Sequence[int], which: str = "true") -> str:
    """An aggregate that identifies the losing rows of a month: by the place of their landing among its `landings`, and their row.

    A landing's own number has no say: the same bytes landed again give the same rows.
    """
    cases = " ".join(f"WHEN {number} THEN {position}" for position, number in enumerate(landings))
    text = f"CAST(CASE _landing {cases} END AS {sql.text}) || ':' || CAST(_row AS {sql.text})"
    return f"CAST(sum(CASE WHEN {which} THEN {sql.text_hash(text)} END) AS {sql.text})"


def conflicting_keys(sql: SqlDialect, contract: Contract, rows: str) -> str:
    """The number of repeated keys with versions that differ."""
    keys = key_list(sql, contract)
    columns = ", ".join(compared(sql, contract, c.name) for c in contract.columns)
    different = f"SELECT DISTINCT {keys}, {sql.row_hash([columns])} AS _hash FROM ({rows}) {sql.semi_join} {REPEATED} USING ({keys})"
    return f"SELECT count(*) FROM (SELECT {keys} FROM ({different}) GROUP BY {keys} HAVING count(*) > 1)"


def equal_rows(sql: SqlDialect, contract: Contract, rows: str) -> str:
    """The number of records that equal another one in every column."""
    columns = [sql.identifier(c.name) for c in contract.columns]
    return f"SELECT count(*) - count(DISTINCT {sql.row_hash(columns)}) FROM ({rows})"


def write_order(sql: SqlDialect, contract: Contract) -> list[str]:
    """The columns that a month's rows are sorted by, nulls first, which is total: time, key, landing, place in the file."""
    return ["_time", *map(sql.identifier, contract.key), "_landing", "_row"]


def source_of(sql: SqlDialect, inputs: Sequence[CurateInput]) -> str:
    """An expression for the raw file's hash of a row with a `_landing`."""
    hashes = {given.manifest.sequence: given.manifest.sha256 for given in inputs}
    if len(hashes) == 1:
        return sql.literal(next(iter(hashes.values())))
    first = min(hashes)
    by_landing = [hashes.get(number, "") for number in range(first, max(hashes) + 1)]
    return sql.element(sql.array(map(sql.literal, by_landing)), f"_landing - {first - 1}")
