"""What the type names of an Open Data Contract Standard document mean as column types, and back."""

from __future__ import annotations

import re

from quarterlake.domain.column_types import BOOLEAN, DATE, FLOAT64, INT64, STRING, TIMESTAMP, ColumnType, Kind
from quarterlake.domain.errors import ContractError
from quarterlake.domain.wording import nearest

_LOGICAL = {
    "string": STRING, "time": STRING, "object": STRING, "array": STRING, "map": STRING, "vector": STRING,
    "date": DATE, "timestamp": TIMESTAMP, "number": FLOAT64, "integer": INT64, "boolean": BOOLEAN,
}  # fmt: skip
_LOGICAL_OF = {
    Kind.NULL: "string", Kind.BOOLEAN: "boolean", Kind.INT64: "integer", Kind.DECIMAL: "number",
    Kind.FLOAT64: "number", Kind.DATE: "date", Kind.TIMESTAMP: "timestamp", Kind.STRING: "string",
}  # fmt: skip
_PHYSICAL = {
    **{str(kind): ColumnType(kind) for kind in Kind if kind is not Kind.DECIMAL},
    **dict.fromkeys(("bigint", "int", "integer", "smallint", "tinyint", "long", "short"), INT64),
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16", "uint32"), INT64),
    **dict.fromkeys(("double", "double precision", "float", "float4", "float8", "float32", "real"), FLOAT64),
    **dict.fromkeys(("varchar", "char", "character", "character varying", "nvarchar", "text"), STRING),
    **dict.fromkeys(("timestamptz", "timestamp_ntz", "timestamp_ltz", "timestamp_tz", "datetime"), TIMESTAMP),
    "bool": BOOLEAN,
}
_OF_DIGITS = ("decimal", "numeric", "number")
_PHYSICAL_FORM = re.compile(r"([a-z0-9_ ]+?) ?(?:\(([^()]*)\))?(?: with(?:out)?(?: local)? time zone)?")


def logical_type(column: ColumnType) -> str:
    """The standard's `logicalType` for a column type of ours. Several share one, so write `physicalType` beside it."""
    return _LOGICAL_OF[column.kind]


def column_type(logical: str | None, physical: str | None, path: str) -> ColumnType:
    """The column type that a property's `logicalType` and `physicalType` mean.

    `physical` decides where it is a type name of ours or SQL's (`decimal(18,2)`, `BIGINT`), else `logical`.

    Raises:
        ContractError: `logical` is none of the standard's, a decimal has no digits or impossible ones, or neither
            gives a type; the message begins with `path`, which names the property.
    """
    if logical is not None and logical not in _LOGICAL:
        raise ContractError(f"{path}: logicalType {logical!r} is unknown; use one of {', '.join(_LOGICAL)}.")
    try:
        decided = physical_type(physical or "")
    except ValueError as refused:
        raise ContractError(f"{path}: physicalType {refused}.") from refused
    if decided is not None:
        return decided
    if logical is None:
        raise ContractError(f"{path}: {_no_type(physical)} logicalType, one of {', '.join(_LOGICAL)}.")
    return _LOGICAL[logical]


def _no_type(physical: str | None) -> str:
    """Why a property without a `logicalType` has no type, and what to do before one is added."""
    if not physical:
        return "it has no type; add"
    meant = nearest(physical.partition("(")[0].strip(), (*_PHYSICAL, *_OF_DIGITS))
    ours = ", ".join(str(kind) for kind in Kind if kind not in {Kind.NULL, Kind.DECIMAL})
    types = meant or f"one of {ours}, decimal(18,2) or SQL's names for them"
    types += "(18,2)" if meant in _OF_DIGITS else ""
    return f"physicalType {physical} is not known; write {types}, or add"


def physical_type(text: str) -> ColumnType | None:
    """The type of this SQL name or name of ours, in any case; None for another.

    Raises:
        ValueError: a decimal has no digits or impossible ones.
    """
    found = _PHYSICAL_FORM.fullmatch(" ".join(text.casefold().split()))
    if found is None:
        return None
    name, digits = found[1], found[2]
    if name in {"decimal", "numeric"} and digits is None:
        raise ValueError(
            f"{text} does not say how many digits; write decimal(18,2)"
        )  # databases differ in what they take it for
    if name in _OF_DIGITS and digits is not None:
        precision, _, scale = digits.partition(",")
        return ColumnType.parse(f"decimal({precision.strip()},{scale.strip() or 0})")
    return _PHYSICAL.get(name)
