"""The SQL that makes a curated month: its rows, the versions that lose, the order that is written."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from quarterlake.domain.column_types import Kind
from quarterlake.domain.dedup import version_order
from quarterlake.processing.sql import identifier, literal, literals, type_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from quarterlake.domain.contract import Contract
    from quarterlake.processing.engines.port import CurateInput

LOSERS = "losing_rows"
REPEATED = "repeated_keys"


def month_number(month: str) -> int:
    """`2026-07` as the parsed files write it: 202607."""
    return int(month[:4]) * 100 + int(month[5:])


def rows_of(contract: Contract, month: str, inputs: Sequence[CurateInput], paths: Mapping[str, Path]) -> str:
    """A query for the records of one month in parsed files: the contract's columns, `_time`, `_landing`, `_row`.

    Files that hold the same columns are read together. `_landing` and `_row` tell every record apart, and are the same in
    every run.
    """
    ordered = sorted(inputs, key=lambda given: (_layout(given), given.manifest.sequence))
    selects = [
        _group(contract, month, layout, list(given), paths) for layout, given in groupby(ordered, key=_layout)
    ]
    return " UNION ALL ".join(selects)


def _layout(given: CurateInput) -> tuple[tuple[str, str], ...]:
    return tuple((column.name, str(column.type)) for column in given.parsed.columns)


def _group(
    contract: Contract,
    month: str,
    layout: Sequence[tuple[str, str]],
    inputs: Sequence[CurateInput],
    paths: Mapping[str, Path],
) -> str:
    held = {name for name, _ in layout}
    columns = [
        f"CAST({identifier(c.name) if c.name in held else 'NULL'} AS {type_name(c.type)}) AS {identifier(c.name)}"
        for c in contract.columns
    ]
    files = literals(str(paths[given.parsed.id]) for given in inputs)
    numbers = [str(given.manifest.sequence) for given in inputs]
    landing = numbers[0] if len(numbers) == 1 else f"[{', '.join(numbers)}][CAST(file_index AS BIGINT) + 1]"
    time = f"CAST({identifier(contract.record_time)} AS TIMESTAMPTZ)" if contract.record_time else "_time"
    return (
        f"SELECT {', '.join(columns)}, {time} AS _time, {landing} AS _landing, file_row_number AS _row "
        f"FROM read_parquet({files}, file_row_number = true) "
        f"WHERE _raw IS NULL AND _month = {month_number(month)}"
    )


def key_list(contract: Contract, prefix: str = "") -> str:
    """The key's columns."""
    return ", ".join(prefix + identifier(name) for name in contract.key)


def key_present(contract: Contract) -> str:
    """A condition: no part of the key is null. Records without a key are never each other's versions."""
    return " AND ".join(f"{identifier(name)} IS NOT NULL" for name in contract.key)


def repeated_keys(contract: Contract, own: str, others: Sequence[str]) -> str:
    """Keys that occur more than once in the month (`own`) and its rivals (`others`), and at least once in the month."""
    keys = key_list(contract)
    present = key_present(contract)
    everything = " UNION ALL ".join(
        f"SELECT {keys}, {number} AS own FROM ({rows}) WHERE {present}"
        for number, rows in [(1, own), *((0, o) for o in others)]
    )
    return f"SELECT {keys} FROM ({everything}) GROUP BY {keys} HAVING count(*) > 1 AND sum(own) > 0"


def losers(contract: Contract, own: str, others: Sequence[str]) -> str:
    """`_landing` and `_row` of the month's records that lose.

    Under a declared key those that are not the newest version; under an inferred one only further copies of a record
    that is equal in every column.
    """
    keys = key_list(contract)
    tagged = " UNION ALL ".join(
        f"SELECT *, {number} AS own FROM ({rows})" for number, rows in [(1, own), *((0, o) for o in others)]
    )
    repeated = f"SELECT *, {row_hash(contract)} AS _hash FROM ({tagged}) SEMI JOIN {REPEATED} USING ({keys})"
    if contract.key_declared:
        sequence = identifier(contract.sequence) if contract.sequence else None
        order = version_order(sequence=sequence, time="_time", landing="_landing", row_hash="_hash")
        place = f"row_number() OVER (PARTITION BY {keys} ORDER BY {', '.join(order)}, _row)"
    else:
        place = f"row_number() OVER (PARTITION BY {keys}, _hash ORDER BY _landing, _row)"
    return f"SELECT _landing, _row, own FROM (SELECT *, {place} AS place FROM ({repeated})) WHERE place > 1 AND own = 1"


def conflicting_keys(contract: Contract, own: str) -> str:
    """The number of keys with versions that differ, after equal copies are gone."""
    keys = key_list(contract)
    return f"SELECT count(*) FROM (SELECT {keys} FROM ({own}) SEMI JOIN {REPEATED} USING ({keys}) GROUP BY {keys} HAVING count(DISTINCT {row_hash(contract)}) > 1)"


def equal_rows(contract: Contract, own: str) -> str:
    """The number of records that equal another one in every column."""
    packed = ", ".join(identifier(c.name) for c in contract.columns)
    return f"SELECT count(*) - count(DISTINCT hash(row({packed}))) FROM ({own})"


def ordered_rows(contract: Contract, own: str, inputs: Sequence[CurateInput], *, without_losers: bool) -> str:
    """The rows that are written, in an order that is total: time, key, landing, place in the file.

    `_source`, the raw file's hash, is looked up after the sort, which would be a third slower with it.
    """
    columns = ", ".join(identifier(c.name) for c in contract.columns)
    kept = f"({own}) ANTI JOIN {LOSERS} USING (_landing, _row)" if without_losers else f"({own})"
    order = ", ".join(["_time", *(identifier(name) for name in contract.key), "_landing", "_row"])
    return f"SELECT {columns}, {_source(inputs)} AS _source FROM (SELECT {columns}, _landing FROM {kept} ORDER BY {order})"


def _source(inputs: Sequence[CurateInput]) -> str:
    hashes = {given.manifest.sequence: given.manifest.sha256 for given in inputs}
    if len(hashes) == 1:
        return literal(next(iter(hashes.values())))
    first = min(hashes)
    by_landing = [hashes.get(number, "") for number in range(first, max(hashes) + 1)]
    return f"{literals(by_landing)}[_landing - {first - 1}]"


def row_hash(contract: Contract) -> str:
    """A hash of all values of a row that any engine computes alike: MD5 of their canonical texts."""
    parts = []
    for column in contract.columns:
        name = identifier(column.name)
        text = (
            f"CAST(epoch_us({name}) AS VARCHAR)"
            if column.type.kind is Kind.TIMESTAMP
            else f"CAST({name} AS VARCHAR)"
        )
        parts.append(f"coalesce(strlen({text}) || '=' || {text}, '-')")
    return f"md5(concat_ws(chr(31), {', '.join(parts)}))"
