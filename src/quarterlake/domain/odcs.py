"""Contracts as Open Data Contract Standard v3.1 documents (https://bitol-io.github.io/open-data-contract-standard/v3.1.0/).

The standard's own fields say what they can; what they cannot is in custom properties `quarterlake.*`. They are written at the
schema object, whose properties they speak of, and read there and at the root. A document that somebody else wrote needs none
of them. Fields of the standard that a contract has no use for are ignored; what is no field of it is refused, as it may be a slip.
"""

import re
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from quarterlake.domain.column_types import DATE, TIMESTAMP, ColumnType
from quarterlake.domain.contract import Column, Contract, GateRule, Severity
from quarterlake.domain.errors import ContractError
from quarterlake.domain.odcs_document import (
    ENGINE,
    FILE_NAME,
    PREFIX,
    CustomProperty,
    Document,
    Gate,
    Ours,
    OursOfColumn,
    Property,
    QualityRule,
    SchemaObject,
)
from quarterlake.domain.odcs_keys import refuse_unknown_keys
from quarterlake.domain.odcs_types import column_type
from quarterlake.domain.reading import EVIDENCE
from quarterlake.domain.strict_yaml import MAX_BYTES, MAX_DEPTH, load
from quarterlake.domain.value_formats import ISO_FORMATS, format_for

__all__ = ["FILE_NAME", "MAX_BYTES", "MAX_DEPTH", "from_yaml"]

_PII = frozenset({"pii", "personal"})
_T = TypeVar("_T")
_OUR_NAMES = [PREFIX + field.encode_name for field in msgspec.structs.fields(Ours)]
_OUR_NAMES_OF_COLUMN = [PREFIX + field.encode_name for field in msgspec.structs.fields(OursOfColumn)]


def from_yaml(text: str, where: str) -> Contract:
    """The contract that an ODCS v3 document holds. That its data set is the right one is for the caller to see.

    `physicalType` decides a column's type where it is one of ours or SQL's (`decimal(18,2)`, `BIGINT`), else
    `logicalType`. Without `quarterlake.recordTime` the only date or timestamp property puts records into periods, and
    where there is none, the timestamp in the file's name.

    Raises:
        ContractError: the document is no YAML, not of the standard, or contradicts itself; the message begins with
            `where`, which names the file, and says where in it.
    """
    loaded = load(text, where)
    if isinstance(loaded, dict) and "quality" in loaded:
        raise ContractError(
            f"{where}: quality stands at the top of the document; it belongs below the schema's object, beside its properties."
        )
    document = _convert(loaded, Document, where)
    content = _only_object(document, where)
    if isinstance(loaded, dict):
        refuse_unknown_keys(loaded, where)
    properties = content.properties or []
    _refuse_misplaced(properties, where)
    columns = tuple(
        _column(item, f"{where}: schema[0].properties[{at}] ({item.name})")
        for at, item in enumerate(properties)
    )
    ours = _ours([*(content.custom_properties or ()), *(document.custom_properties or ())], where)
    declared_key = _declared_key(properties, where)
    record_time = _record_time(ours, columns, where)
    gates = _gates(content.quality or [], where)
    try:
        return Contract(
            dataset=content.name,
            columns=columns,
            version="1.0.0" if document.version is None else document.version,
            record_time=record_time,
            timezone=ours.timezone,
            key=declared_key or ours.inferred_key,
            key_declared=bool(declared_key),
            key_scope=ours.key_scope,
            sequence=ours.sequence,
            dimensions=ours.dimensions,
            gates=gates,
            reading=ours.reading or EVIDENCE,
            drift=ours.drift,
            evolution=ours.evolution,
            inferred=ours.inferred,
            notes=ours.notes,
        )
    except ContractError as refused:
        raise ContractError(f"{where}: {refused}") from refused


def _only_object(document: Document, where: str) -> SchemaObject:
    if document.kind not in {None, "DataContract"}:
        raise ContractError(f"{where}: kind is {document.kind!r}; a contract's is DataContract.")
    if document.api_version is not None and not document.api_version.startswith("v3."):
        raise ContractError(
            f"{where}: apiVersion is {document.api_version!r}; write the contract in version 3 of the standard, as v3.1.0."
        )
    if len(document.schema) != 1:
        raise ContractError(
            f"{where}: schema has {len(document.schema)} objects; give each data set a file of its own with one object."
        )
    return document.schema[0]


def _refuse_misplaced(properties: list[Property], where: str) -> None:
    for at, item in enumerate(properties):
        path = f"{where}: schema[0].properties[{at}] ({item.name})"
        named = [p.property for p in item.custom_properties or () if _is_ours(p.property)]
        if misplaced := [name for name in named if name not in _OUR_NAMES_OF_COLUMN]:
            raise ContractError(
                f"{path}: {misplaced[0]} has no effect at a property; move it to schema[0].customProperties. "
                f"A property takes {', '.join(_OUR_NAMES_OF_COLUMN)}."
            )
        if twice := [name for name in named if named.count(name) > 1]:
            raise ContractError(f"{path}: custom property {twice[0]} is given twice; keep one.")
        if any(rule.engine == ENGINE for rule in item.quality or ()):
            raise ContractError(f"{path}: a gate has no effect at a property; move it to schema[0].quality.")


def _column(item: Property, path: str) -> Column:
    labels = {label.casefold() for label in (item.classification, *(item.tags or ())) if label}
    kind = column_type(item.logical_type, item.physical_type, path)
    values = {
        p.property.removeprefix(PREFIX): p.value for p in item.custom_properties or () if _is_ours(p.property)
    }
    ours = _convert(values, OursOfColumn, path, PREFIX)
    return Column(
        name=item.name,
        type=kind,
        format=_format(item, ours.format, kind, path),
        nulls=ours.nulls,
        source=item.name if item.physical_name is None else item.physical_name,
        nullable=not item.required,
        pii=not labels.isdisjoint(_PII),
        description=item.description or "",
    )


def _format(item: Property, ours: str | None, kind: ColumnType, path: str) -> str:
    """The format of a column's values: ours, else the standard's for times; ISO 8601 is none."""
    standard = item.logical_type_options.format if item.logical_type_options else None
    given = standard if ours is None and kind in (DATE, TIMESTAMP) else ours
    if not given:
        return ""
    try:
        format_for(str(given), kind)
    except ValueError as refused:
        raise ContractError(f"{path}: format {refused}.") from refused
    return "" if given in ISO_FORMATS else str(given)


def _is_ours(name: str) -> bool:
    return name.casefold().startswith(ENGINE)


def _ours(items: list[CustomProperty], where: str) -> Ours:
    values: dict[str, Any] = {}
    for item in items:
        name = item.property.removeprefix(PREFIX)
        if not _is_ours(item.property):
            continue
        if item.property not in _OUR_NAMES:
            raise ContractError(
                f"{where}: custom property {item.property!r} is unknown; use one of {', '.join(_OUR_NAMES)}."
            )
        if name in values:
            raise ContractError(f"{where}: custom property {item.property} is given twice; keep one.")
        values[name] = item.value
    return _convert(values, Ours, where, PREFIX)


def _declared_key(properties: list[Property], where: str) -> tuple[str, ...]:
    """The primary key: the properties with a position in its order, then the others as they come."""
    keyed = [item for item in properties if item.primary_key]
    positions = {item.name: item.primary_key_position or 0 for item in keyed}
    given = [position for position in positions.values() if position > 0]
    if twice := [position for position in given if given.count(position) > 1]:
        raise ContractError(
            f"{where}: schema[0].properties: primaryKeyPosition {twice[0]} is given twice; count from 1."
        )
    ordered = sorted(keyed, key=lambda item: (positions[item.name] <= 0, max(positions[item.name], 0)))
    return tuple(item.name for item in ordered)


def _record_time(ours: Ours, columns: tuple[Column, ...], where: str) -> str | None:
    names = {column.name for column in columns}
    times = [column.name for column in columns if column.type in (DATE, TIMESTAMP)]
    chosen = ours.record_time
    if chosen is UNSET:
        if len(times) > 1:
            raise ContractError(
                f"{where}: {', '.join(times)} are all times; name the one that puts a record into a period in schema[0].customProperties: "
                f"{{property: {PREFIX}recordTime, value: {times[0]}}} (or value: {FILE_NAME}, for the timestamp in the file's name)."
            )
        return times[0] if times else None
    if chosen is None or (chosen == FILE_NAME and FILE_NAME not in names):
        return None
    if chosen not in times and not ours.inferred:
        raise ContractError(
            f"{where}: {PREFIX}recordTime names {chosen!r}, which is no date or timestamp property; use one of {', '.join([*times, FILE_NAME])}."
        )
    return chosen


def _gates(rules: list[QualityRule], where: str) -> dict[str, GateRule]:
    gates: dict[str, GateRule] = {}
    for at, rule in enumerate(rules):
        if rule.engine != ENGINE:
            continue
        path = f"schema[0].quality[{at}]"
        gate = _convert(rule.implementation, Gate, where, f"{path}.implementation ")
        if gate.gate in gates:
            raise ContractError(f"{where}: {path}: gate {gate.gate} is given twice; keep one.")
        severity = Severity.OFF if rule.severity is False else rule.severity
        gates[gate.gate] = _convert(
            {"severity": severity, "threshold": gate.threshold}, GateRule, where, f"{path}."
        )
    return gates


def _convert(value: object, kind: type[_T], where: str, path: str = "") -> _T:
    """`value` as `kind`; ContractError with the place below `path` where it does not fit."""
    try:
        return msgspec.convert(value, kind)
    except ContractError as refused:
        raise ContractError(f"{where}: {refused}") from refused
    except msgspec.ValidationError as refused:
        what, _, at = str(refused).partition(" - at ")
        place = path + re.sub(r"^\$\.?", "", at.replace("`", "").replace("key in ", ""))
        hint = " Put text in quotes." if "Expected `str" in what else ""
        raise ContractError(f"{where}: {place.strip(' .') or 'the document'}: {what}.{hint}") from refused
