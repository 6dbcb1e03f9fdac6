"""Contracts written as Open Data Contract Standard v3.1 documents; `odcs` reads them."""

from typing import Any

import msgspec
import yaml

from quarterlake.domain.column_types import DATE, TIMESTAMP
from quarterlake.domain.contract import Column, Contract, GateRule
from quarterlake.domain.odcs_document import (
    ENGINE,
    FILE_NAME,
    PREFIX,
    CustomProperty,
    Gate,
    Ours,
    OursOfColumn,
    Property,
    QualityRule,
    SchemaObject,
    TypeOptions,
)
from quarterlake.domain.odcs_types import logical_type
from quarterlake.domain.reading import EVIDENCE

_DUMPER: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_HEADER = """\
# A data contract: what the records of one data set must look like (Open Data Contract Standard v3.1).
# Kept as contracts/<dataset>.odcs.yaml it is in force: edit types, `required`, `primaryKey`, `classification: pii`.
"""


def to_yaml(contract: Contract) -> str:
    """The contract as an ODCS v3.1 document with a comment on top; `from_yaml` reads it back equal.

    An inferred key is not written as `primaryKey`, so that handing an inferred contract back does not declare it.
    That a key of no column is declared says nothing and is not written.
    """
    content = SchemaObject(
        name=contract.dataset,
        logical_type="object",
        custom_properties=[
            CustomProperty(PREFIX + name, value) for name, value in _our_values(contract).items()
        ],
        properties=[_property(column, contract) for column in contract.columns],
        quality=[_quality(gate, rule) for gate, rule in contract.gates.items()] or None,
    )
    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": contract.dataset,
        "version": contract.version,
        "status": "draft" if contract.inferred else "active",
        "schema": [msgspec.to_builtins(content)],
    }
    readable = (
        _DUMPER is not yaml.SafeDumper
    )  # which, unlike libyaml's, loses a lone U+0085 when it may write beyond ASCII
    return _HEADER + yaml.dump(document, Dumper=_DUMPER, sort_keys=False, allow_unicode=readable, width=120)


def _our_values(contract: Contract) -> dict[str, Any]:
    file_name = None if any(column.name == FILE_NAME for column in contract.columns) else FILE_NAME
    values: dict[str, Any] = msgspec.to_builtins(
        Ours(
            record_time=contract.record_time or file_name,
            timezone=contract.timezone,
            key_scope=contract.key_scope,
            sequence=contract.sequence,
            dimensions=contract.dimensions,
            inferred_key=() if contract.key_declared else contract.key,
            reading=None if contract.reading == EVIDENCE else contract.reading,
            drift=contract.drift,
            evolution=contract.evolution,
            inferred=contract.inferred,
            notes=contract.notes,
        )
    )
    return values


def _property(column: Column, contract: Contract) -> Property:
    in_key = contract.key_declared and column.name in contract.key
    standard = (
        column.format if column.type in (DATE, TIMESTAMP) and not column.format.startswith("epoch") else ""
    )
    ours = msgspec.to_builtins(OursOfColumn(None if standard else column.format or None, column.nulls))
    return Property(
        name=column.name,
        physical_name=None if column.source == column.name else column.source,
        description=column.description or None,
        logical_type=logical_type(column.type),
        physical_type=str(column.type),
        logical_type_options=TypeOptions(standard) if standard else None,
        required=None if column.nullable else True,
        primary_key=True if in_key else None,
        primary_key_position=contract.key.index(column.name) + 1 if in_key else None,
        classification="pii" if column.pii else None,
        custom_properties=[CustomProperty(PREFIX + name, value) for name, value in ours.items()] or None,
    )


def _quality(gate: str, rule: GateRule) -> QualityRule:
    return QualityRule(
        type="custom", engine=ENGINE, severity=rule.severity, implementation=Gate(gate, rule.threshold)
    )
