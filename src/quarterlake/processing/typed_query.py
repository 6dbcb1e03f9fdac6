"""The query that makes typed values of a relation's texts, with the texts of every record some value of which does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterlake.domain.column_types import FLOAT64, Kind
from quarterlake.domain.periods import MAX_YEAR, MIN_YEAR
from quarterlake.processing.casts import local_instant, misfits, stored
from quarterlake.processing.sql import identifier, literal, type_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterlake.domain.contract import Column, Contract
    from quarterlake.processing.drift import Met
    from quarterlake.processing.relations import Relation, SourceColumn

_WHOLE_DOUBLES = 1 << 53
"""Up to here a double holds every integer."""


def typed_query(
    relation: Relation, contract: Contract, met: Met, name_time: str | None, carried: Sequence[str] = ()
) -> str:
    """A query for the records in the file's order: typed columns, `_month` (202607), and the texts of a misfit in `_raw`.

    Under rules for drift `_drift` numbers the rule that rejects a record, `_filled` says of the columns that may be filled which were; `carried`
    are further columns of the relation.
    """
    columns = [column for column in contract.columns if column.name in met.matched]
    values, texts, bad = [], [], ["_month IS NULL"]
    filled = []
    for position, column in enumerate(columns):
        given = met.matched[column.name]
        native = _native_value(given, column, contract.timezone)
        text = text_of(given, column)
        values.append(
            f"{native or stored(text, column.type, contract.timezone, column.format, column.nulls)} AS {identifier(column.name)}"
        )
        texts.append(f"t{position} := {text}")
        misfit = misfits(identifier(column.name), f"_raw.t{position}", column.type, column.nulls)
        checked = not native or not given.exact or given.local
        if column.name in met.filled:
            filled.append((misfit if checked else None) or "false")
        elif misfit and checked:
            bad.append(misfit)
    if relation.broken:
        texts += [f"broken := {relation.broken}", f"whole := {relation.whole}"]
    if relation.twice:
        texts.append(f"twice := {relation.twice}")
    own = [*carried]
    if met.rules:
        cases = " ".join(f"WHEN {rule.condition} THEN {number}" for number, rule in enumerate(met.rules))
        values.append(f"CAST(CASE {cases} END AS INTEGER) AS _drift")
        bad.append("_drift IS NOT NULL")
        own.append("_drift")
    inner = f"SELECT {', '.join([*values, *carried])}, struct_pack({', '.join(texts)}) AS _raw FROM {relation.sql}"
    time = _time(contract, name_time)
    names = ", ".join(identifier(column.name) for column in columns)
    kept = "" if contract.record_time else f", {time} AS _time"
    raw = ", ".join(f"_raw.t{position}" for position in range(len(columns)))
    broken = f"WHEN _raw.broken THEN [{raw}, _raw.whole] " if relation.broken else ""
    broken += f"WHEN _raw.twice THEN [{raw}, _raw.whole, NULL] " if relation.twice else ""
    if filled:
        own.append(f"CASE WHEN {' OR '.join(filled)} THEN [{', '.join(filled)}] END AS _filled")
    also = "".join(f", {column}" for column in own)
    placed = f"SELECT *, {_month(time, contract)} AS _month FROM ({inner})"
    return f"SELECT {names}{kept}, _month, CASE {broken}WHEN {' OR '.join(bad)} THEN [{raw}] END AS _raw{also} FROM ({placed})"


def text_of(given: SourceColumn, column: Column) -> str:
    """The value's text, from which the contract's column is made; a whole double is an integer where those belong, as writers make doubles of integers among nulls."""
    if given.native != FLOAT64 or column.type.kind is not Kind.INT64 or column.format:
        return given.text
    whole = f"abs({given.value}) <= {_WHOLE_DOUBLES} AND {given.value} = trunc({given.value})"
    return f"CASE WHEN {whole} THEN CAST(CAST({given.value} AS BIGINT) AS VARCHAR) ELSE {given.text} END"


def _native_value(given: SourceColumn, column: Column, zone: str) -> str | None:
    """The value as the file's own type gives it, where no check of its text is needed but for what is not `exact`."""
    if given.native is None or given.value is None or column.type.kind is Kind.NULL or column.nulls:
        return None
    if given.native == column.type:
        return (
            local_instant(given.value, zone)
            if given.local
            else f"CAST({given.value} AS {type_name(column.type)})"
        )
    return None


def _time(contract: Contract, name_time: str | None) -> str:
    if contract.record_time is None:
        return f"CAST({literal(name_time or '')} AS TIMESTAMPTZ)"
    return identifier(contract.record_time)


def _month(time: str, contract: Contract) -> str:
    """The month as 202607; NULL for no time, and for one whose year no calendar of four digits has."""
    is_date = (
        contract.record_time is not None and contract.column(contract.record_time).type.kind is Kind.DATE
    )
    instant = time if is_date else f"make_timestamp(epoch_us({time}))"
    return f"CASE WHEN year({instant}) BETWEEN {MIN_YEAR} AND {MAX_YEAR} THEN CAST(year({instant}) * 100 + month({instant}) AS INTEGER) END"
