"""The parts of an Open Data Contract Standard v3.1 document that a contract has a use for, and our custom properties."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from quarterlake.domain.drift import NO_POLICIES, DriftPolicies, Evolution
from quarterlake.domain.reading import Reading

FILE_NAME = "fileName"
"""As `quarterlake.recordTime`: the timestamp in the file's name. So is null, for data with a column of that name."""

ENGINE = "quarterlake"
PREFIX = f"{ENGINE}."

Name = Annotated[str, msgspec.Meta(min_length=1)]


class CustomProperty(msgspec.Struct):
    """What the standard has no field for."""

    property: str
    value: Any


class QualityRule(msgspec.Struct, omit_defaults=True):
    """A rule of quality; with our engine, a gate."""

    type: str | None = None
    engine: str | None = None
    severity: str | bool | None = None  # an unquoted `off` is false in YAML 1.1
    implementation: Any = None


class Gate(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """How a gate stands in a rule."""

    gate: Name
    threshold: float | None = None


class TypeOptions(msgspec.Struct, omit_defaults=True):
    """A type's options: the format of a time."""

    format: Any = None


class Property(msgspec.Struct, rename="camel", omit_defaults=True):
    """A column."""

    name: Name
    physical_name: str | None = None
    description: str | None = None
    logical_type: str | None = None
    physical_type: str | None = None
    logical_type_options: TypeOptions | None = None
    required: bool | None = None
    primary_key: bool | None = None
    primary_key_position: int | None = None
    classification: str | None = None
    tags: list[str] | None = None
    quality: list[QualityRule] | None = None
    custom_properties: list[CustomProperty] | None = None


class SchemaObject(msgspec.Struct, rename="camel", omit_defaults=True):
    """A data set."""

    name: Name
    logical_type: str | None = None
    custom_properties: list[CustomProperty] | None = None
    properties: list[Property] | None = None
    quality: list[QualityRule] | None = None


class Document(msgspec.Struct, rename="camel", omit_defaults=True):
    """The contract as a whole."""

    schema: list[SchemaObject]
    api_version: str | None = None
    kind: str | None = None
    id: str | None = None
    version: str | None = None
    status: str | None = None
    custom_properties: list[CustomProperty] | None = None


class OursOfColumn(msgspec.Struct, omit_defaults=True):
    """The custom properties of one property, less their prefix."""

    format: str | None = None
    nulls: tuple[str, ...] | None = None


class Ours(msgspec.Struct, rename="camel", omit_defaults=True):
    """The custom properties, less their prefix."""

    record_time: Name | UnsetType | None = UNSET
    timezone: str = "UTC"
    key_scope: Literal["dataset", "month"] = "dataset"
    sequence: Name | None = None
    dimensions: tuple[str, ...] | None = None
    inferred_key: tuple[str, ...] = ()
    reading: Reading | None = None
    drift: DriftPolicies = NO_POLICIES
    evolution: tuple[Evolution, ...] = ()
    inferred: bool = False
    notes: tuple[str, ...] = ()
