from __future__ import annotations

import json
from importlib import resources
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from open_data_contract_standard.model import OpenDataContractStandard

from quarterlake.domain.column_types import (
    BOOLEAN,
    DATE,
    FLOAT64,
    INT64,
    NULL,
    STRING,
    TIMESTAMP,
    ColumnType,
    Kind,
)
from quarterlake.domain.contract import RESERVED_COLUMNS, Column, Contract, GateRule, Severity
from quarterlake.domain.errors import ContractError
from quarterlake.domain.odcs import MAX_BYTES, from_yaml
from quarterlake.domain.odcs_writing import to_yaml

WHERE = "contracts/orders.odcs.yaml"
MONEY = ColumnType(Kind.DECIMAL, 18, 2)

TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "no",
        "off",
        "null",
        "~",
        "1.0",
        "2026-07-01",
        "a: b",
        "# x",
        "fileName",
        "<<",
        "=",
        " x ",
        "\ufeff",
        "\x85\u2028",
    ]
)
NAMES = TEXTS.filter(lambda text: text and text.casefold() not in RESERVED_COLUMNS)
DECIMALS = st.integers(1, 38).flatmap(
    lambda p: st.integers(0, p).map(lambda s: ColumnType(Kind.DECIMAL, p, s))
)
TYPES = st.sampled_from([NULL, BOOLEAN, INT64, FLOAT64, DATE, TIMESTAMP, STRING]) | DECIMALS
GATES = st.builds(
    GateRule, severity=st.none() | st.sampled_from(Severity), threshold=st.none() | st.floats(allow_nan=False)
)


FORMATS = {
    DATE: ["", "d/M/yyyy", "MMM d, yyyy"],
    TIMESTAMP: ["", "d/M/yyyy H:mm[:ss[.SSSSSS]][[ ]X]", "epoch_ms 1990-2099", "yyyy-MM-dd 'at' HH:mm"],
}


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique_by=str.casefold))
    kinds = [draw(TYPES) for _ in names]
    columns = tuple(
        Column(
            name=name,
            type=kind,
            format=draw(
                st.sampled_from(FORMATS.get(kind, ["", "1.234,56", "1 234"] if kind.is_number else [""]))
            ),
            nulls=draw(st.sampled_from([None, (), ("NA", "-")])),
            source=draw(st.just(name) | TEXTS),
            nullable=draw(st.booleans()),
            pii=draw(st.booleans()),
            description=draw(TEXTS),
        )
        for name, kind in zip(names, kinds, strict=True)
    )
    times = [column.name for column in columns if column.type in (DATE, TIMESTAMP)]
    some = st.lists(st.sampled_from(names), unique=True).map(tuple)
    key = draw(some)
    return Contract(
        dataset=draw(NAMES),
        columns=columns,
        version=draw(TEXTS),
        record_time=draw(st.sampled_from([None, *times])),
        timezone=draw(TEXTS),
        key=key,
        key_declared=bool(key) and draw(st.booleans()),
        key_scope=draw(st.sampled_from(["dataset", "month"])),
        sequence=draw(st.sampled_from([None, *names])),
        dimensions=draw(st.none() | some),
        gates=draw(st.dictionaries(NAMES, GATES, max_size=3)),
        inferred=draw(st.booleans()),
        notes=tuple(draw(st.lists(TEXTS, max_size=2))),
    )


def order_contract(**changes: Any) -> Contract:
    contract = Contract(
        dataset="orders",
        columns=(
            Column(name="order_id", type=INT64, source="Order ID", nullable=False),
            Column(name="ordered_at", type=TIMESTAMP, source="ordered_at"),
            Column(name="amount", type=MONEY, source="amount", description="In euros."),
            Column(name="email", type=STRING, source="email", pii=True),
        ),
        record_time="ordered_at",
        key=("order_id",),
        key_declared=True,
        gates={"reject_ratio": GateRule(severity=Severity.WARNING, threshold=0.02)},
    )
    return msgspec.structs.replace(contract, **changes)


def document(*properties: str, at_object: str = "", root: str = "") -> str:
    """A document as a person writes one; each property is the inside of a flow mapping."""
    head = "apiVersion: v3.1.0\nkind: DataContract\nid: orders-4711\nversion: 2.0.0\nstatus: active\n"
    lines = "".join(f"      - {{{item}}}\n" for item in properties)
    return f"{head}{root}schema:\n  - name: orders\n{at_object}    properties:\n{lines}"


def custom(name: str, value: str, indent: str = "    ") -> str:
    return f"{indent}customProperties:\n{indent}  - {{property: {name}, value: {value}}}\n"


def read_type(fields: str) -> ColumnType:
    return from_yaml(document(f"name: a, {fields}"), WHERE).column("a").type


def refusal(text: str) -> str:
    with pytest.raises(ContractError) as refused:
        from_yaml(text, WHERE)
    message = str(refused.value)
    assert message.startswith(f"{WHERE}: ")
    return message.removeprefix(f"{WHERE}: ")


@given(contracts())
def test_what_is_written_reads_back_equal(contract: Contract) -> None:
    assert from_yaml(to_yaml(contract), WHERE) == contract


@given(contracts())
def test_the_standards_model_takes_what_is_written(contract: Contract) -> None:
    written = yaml.safe_load(to_yaml(contract))
    model = OpenDataContractStandard.model_validate(written, strict=True)
    assert model.model_dump(by_alias=True, exclude_unset=True) == written  # it knows every field


@settings(deadline=None)
@given(contracts())
def test_the_standards_json_schema_takes_what_is_written(contract: Contract) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(resources.files("open_data_contract_standard").joinpath("schema.json").read_text())
    schema["required"].append("status")  # the schema is that of v3.2; v3.1 requires this too
    jsonschema.Draft201909Validator(schema).validate(yaml.safe_load(to_yaml(contract)))


def test_the_document_uses_the_standards_own_fields() -> None:
    text = to_yaml(order_contract())
    assert text.startswith("# A data contract")
    [content] = yaml.safe_load(text)["schema"]
    assert content["properties"] == [
        {
            "name": "order_id",
            "physicalName": "Order ID",
            "logicalType": "integer",
            "physicalType": "int64",
            "required": True,
            "primaryKey": True,
            "primaryKeyPosition": 1,
        },
        {"name": "ordered_at", "logicalType": "timestamp", "physicalType": "timestamp"},
        {
            "name": "amount",
            "description": "In euros.",
            "logicalType": "number",
            "physicalType": "decimal(18,2)",
        },
        {"name": "email", "logicalType": "string", "physicalType": "string", "classification": "pii"},
    ]
    assert content["customProperties"] == [{"property": "quarterlake.recordTime", "value": "ordered_at"}]
    assert content["quality"] == [
        {
            "type": "custom",
            "engine": "quarterlake",
            "severity": "warning",
            "implementation": {"gate": "reject_ratio", "threshold": 0.02},
        }
    ]


def test_a_hand_written_document_needs_nothing_of_ours() -> None:
    contract = from_yaml(
        document(
            "name: order_id, logicalType: integer, required: true, primaryKey: true",
            "name: ordered_at, physicalName: Ordered At, logicalType: timestamp, description: When.",
            "name: email, logicalType: string, tags: [PII], businessName: E-mail",
        ),
        WHERE,
    )
    assert contract == Contract(
        dataset="orders",
        columns=(
            Column(name="order_id", type=INT64, source="order_id", nullable=False),
            Column(name="ordered_at", type=TIMESTAMP, source="Ordered At", description="When."),
            Column(name="email", type=STRING, source="email", pii=True),
        ),
        version="2.0.0",
        record_time="ordered_at",
        key=("order_id",),
        key_declared=True,
    )


def standard_keys(*definitions: str) -> set[str]:
    """The keys that the standard's JSON schema (v3.2, which has all of v3.1) has in these of its definitions."""
    schema = json.loads(resources.files("open_data_contract_standard").joinpath("schema.json").read_text())
    found: set[str] = set()
    for name in definitions:
        part = schema["$defs"][name] if name else schema
        found.update(part["properties"])
        for rule in part.get("allOf", ()):
            found.update(rule.get("then", {}).get("properties", ()))
    return found


def test_every_key_of_the_standard_is_taken() -> None:
    item = dict.fromkeys(standard_keys("SchemaElement", "SchemaBaseProperty"))
    content = dict.fromkeys(standard_keys("SchemaElement", "SchemaObject"))
    whole = dict.fromkeys(standard_keys(""))
    item |= {"name": "a", "logicalType": "string", "x-owner": "sales"}
    content |= {"name": "orders", "properties": [item]}
    whole |= {"schema": [content]}
    assert {"items", "relationships", "physicalName"} < item.keys()
    assert from_yaml(yaml.safe_dump(whole), WHERE).dataset == "orders"


def test_the_least_document() -> None:
    contract = from_yaml(
        "\ufeffschema: [{name: orders, properties: [{name: a, logicalType: string}]}]", WHERE
    )
    assert contract == Contract(dataset="orders", columns=(Column(name="a", type=STRING, source="a"),))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("logicalType: string", STRING),
        ("logicalType: date", DATE),
        ("logicalType: timestamp", TIMESTAMP),
        ("logicalType: time", STRING),
        ("logicalType: number", FLOAT64),
        ("logicalType: integer", INT64),
        ("logicalType: boolean", BOOLEAN),
        ("logicalType: object", STRING),
        ("logicalType: array", STRING),
        ("physicalType: BIGINT", INT64),
        ("logicalType: number, physicalType: 'NUMERIC(18, 2)'", MONEY),
        ("logicalType: number, physicalType: 'Decimal (18,2)'", MONEY),
        ("physicalType: 'NUMBER(10)'", ColumnType(Kind.DECIMAL, 10, 0)),
        ("logicalType: number, physicalType: number", FLOAT64),
        ("logicalType: number, physicalType: BIGINT", INT64),
        ("physicalType: Double  Precision", FLOAT64),
        ("physicalType: VARCHAR(255)", STRING),
        ("physicalType: character varying(10)", STRING),
        ("physicalType: TIMESTAMP(6) WITH TIME ZONE", TIMESTAMP),
        ("physicalType: TIMESTAMPTZ", TIMESTAMP),
        ("physicalType: 'null', logicalType: string", NULL),
        ("physicalType: null, logicalType: date", DATE),
        ("physicalType: GEOGRAPHY, logicalType: string", STRING),
        ("physicalType: 'ARRAY<INT>', logicalType: array", STRING),
    ],
)
def test_types(fields: str, expected: ColumnType) -> None:
    assert read_type(fields) == expected


@pytest.mark.parametrize(
    "label", ["classification: pii", "classification: Personal", "tags: [x, pii]", "tags: [personal]"]
)
def test_personal_data(label: str) -> None:
    assert from_yaml(document(f"name: a, logicalType: string, {label}"), WHERE).columns[0].pii


def test_the_key_is_in_the_order_of_its_positions() -> None:
    written = [
        f"name: {name}, logicalType: string, primaryKey: true, primaryKeyPosition: {at}"
        for name, at in [("c", -1), ("b", 2), ("a", 1)]
    ]
    assert from_yaml(document(*written), WHERE).key == ("a", "b", "c")
    twice = document(
        *(f"name: {name}, logicalType: string, primaryKey: true, primaryKeyPosition: 1" for name in "ab")
    )
    assert "primaryKeyPosition 1 is given twice" in refusal(twice)


def test_an_inferred_key_is_not_declared_by_handing_it_back() -> None:
    text = to_yaml(order_contract(key_declared=False, inferred=True))
    assert "primaryKey:" not in text
    contract = from_yaml(text, WHERE)
    assert (contract.key, contract.key_declared) == (("order_id",), False)


def test_a_primary_key_added_to_an_inferred_contract_declares_it() -> None:
    text = to_yaml(order_contract(key_declared=False)).replace(
        "- name: amount", "- name: amount\n    primaryKey: true"
    )
    contract = from_yaml(text, WHERE)
    assert (contract.key, contract.key_declared) == (("amount",), True)


TWO_TIMES = ("name: a, logicalType: date", "name: b, logicalType: timestamp")


def test_the_record_time_of_a_hand_written_document() -> None:
    assert from_yaml(document(TWO_TIMES[0]), WHERE).record_time == "a"
    assert from_yaml(document("name: a, logicalType: string"), WHERE).record_time is None
    message = refusal(document(*TWO_TIMES))
    assert "a, b are all times" in message
    assert "quarterlake.recordTime" in message


@pytest.mark.parametrize(("value", "expected"), [("b", "b"), ("fileName", None), ("null", None)])
@pytest.mark.parametrize("at_root", [True, False])
def test_the_record_time_can_be_named(value: str, expected: str | None, *, at_root: bool) -> None:
    text = document(
        *TWO_TIMES,
        **{
            "root" if at_root else "at_object": custom(
                "quarterlake.recordTime", value, "" if at_root else "    "
            )
        },
    )
    assert from_yaml(text, WHERE).record_time == expected


def test_a_column_called_file_name_can_be_the_record_time() -> None:
    columns = (Column(name="fileName", type=DATE, source="fileName"),)
    for time in ("fileName", None):
        contract = Contract(dataset="orders", columns=columns, record_time=time)
        assert from_yaml(to_yaml(contract), WHERE) == contract


def test_gates() -> None:
    rules = """\
    quality:
      - {type: custom, engine: quarterlake, severity: off, implementation: {gate: row_count}}
      - {type: custom, engine: quarterlake, implementation: {gate: reject_ratio, threshold: 1}}
      - {type: custom, engine: soda, implementation: "x: 1"}
      - {metric: rowCount, mustBeGreaterThan: 3}
"""
    contract = from_yaml(document("name: a, logicalType: string", at_object=rules), WHERE)
    assert contract.gates == {
        "row_count": GateRule(severity=Severity.OFF),
        "reject_ratio": GateRule(threshold=1.0),
    }


A = "name: a, logicalType: string"


def gate(fields: str) -> str:
    return f"    quality: [{{type: custom, engine: quarterlake, {fields}}}]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            document(A, "name: amount, logicalType: numbr"),
            "schema[0].properties[1] (amount): logicalType 'numbr' is unknown; use one of string, ",
        ),
        (
            document("name: a, logicalType: numbr, physicalType: BIGINT"),
            "schema[0].properties[0] (a): logicalType 'numbr' is unknown",
        ),
        (
            document("name: a"),
            "schema[0].properties[0] (a): it has no type; add logicalType, one of string, ",
        ),
        (
            document("name: a, physicalType: BIGNIT"),
            "schema[0].properties[0] (a): physicalType BIGNIT is not known; write bigint, or add logicalType, one of ",
        ),
        (
            document("name: a, physicalType: 'DECMAL(18,2)'"),
            "schema[0].properties[0] (a): physicalType DECMAL(18,2) is not known; write decimal(18,2), or add ",
        ),
        (
            document("name: a, physicalType: GEOGRAPHY"),
            "schema[0].properties[0] (a): physicalType GEOGRAPHY is not known; write one of boolean, int64, ",
        ),
        (
            document("name: a, logicalType: integer, requird: true"),
            "schema[0].properties[0] (a): key 'requird' is unknown; write required, or move ",
        ),
        (
            document(A, "name: b, logicalType: string, clasification: pii"),
            "schema[0].properties[1] (b): key 'clasification' is unknown; write classification, ",
        ),
        (
            document("name: a, logicalType: string, PRIMARY_KEY: true"),
            "schema[0].properties[0] (a): key 'PRIMARY_KEY' is unknown; write primaryKey, ",
        ),
        (
            document(f"{A}, 1: 2"),
            "schema[0].properties[0]: Expected `str`",
        ),
        (
            document(A, at_object="    sensitivity: high\n"),
            "schema[0] (orders): key 'sensitivity' is unknown; use one of id, name, ",
        ),
        (
            document(A, root="customPropertys: []\n"),
            "the document's top: key 'customPropertys' is unknown; write customProperties, ",
        ),
        (
            document("name: a, physicalType: 'decimal(40,2)'"),
            "schema[0].properties[0] (a): physicalType decimal(40,2): a decimal has 1 to 38 digits",
        ),
        (
            document("name: a, physicalType: DECIMAL"),
            "schema[0].properties[0] (a): physicalType DECIMAL does not say how many digits",
        ),
        (
            document("name: no, logicalType: string"),
            "schema[0].properties[0].name: Expected `str`, got `bool`. Put text in quotes.",
        ),
        (
            document("name: '', logicalType: string"),
            "schema[0].properties[0].name: Expected `str` of length >= 1",
        ),
        (
            document("logicalType: string"),
            "missing required field `name`",
        ),
        (document(A, A), "Contract of orders: column a is named twice"),
        (document(), "Contract of orders: it names no column"),
        ("kind: DataContract", "missing required field `schema`"),
        ("", "the document: Expected `object`, got `null`"),
        ("- 1", "the document: Expected `object`, got `array`"),
        ("schema: []", "schema has 0 objects"),
        ("schema: [{name: a}, {name: b}]", "schema has 2 objects"),
        ("1: 2\nschema: []", "the document: Expected `str`. Put text in quotes."),
        (document(A).replace("v3.1.0", "v2.2.2"), "apiVersion is 'v2.2.2'"),
        (document(A).replace("DataContract", "DataProduct"), "kind is 'DataProduct'"),
        (
            document(A).replace("2.0.0", "2.0"),
            "version: Expected `str | null`, got `float`. Put text in quotes.",
        ),
        (
            document(A, at_object=custom("quarterlake.recordtime", "a")),
            "custom property 'quarterlake.recordtime' is unknown; use one of quarterlake.recordTime, ",
        ),
        (
            document(A, at_object=custom("quarterlake.keyScope", "months")),
            "quarterlake.keyScope: Invalid enum value 'months'",
        ),
        (
            document(A, at_object=custom("quarterlake.dimensions", "[a, 1]")),
            "quarterlake.dimensions[1]: Expected `str`, got `int`",
        ),
        (
            document(A, at_object=custom("quarterlake.dimensions", "[b]")),
            "Contract of orders: b is used as key, time or dimension but is no column",
        ),
        (
            document(A, at_object=custom("quarterlake.recordTime", "a")),
            "quarterlake.recordTime names 'a', which is no date or timestamp property",
        ),
        (
            document(
                A,
                at_object=custom("quarterlake.inferred", "true"),
                root=custom("quarterlake.inferred", "false", ""),
            ),
            "custom property quarterlake.inferred is given twice",
        ),
        (
            document(f"{A}, customProperties: [{{property: quarterlake.recordTime, value: true}}]"),
            "schema[0].properties[0] (a): quarterlake.recordTime has no effect at",
        ),
        (
            document(f"{A}, customProperties: [{{property: quarterlake.timezone, value: UTC}}]"),
            "schema[0].properties[0] (a): quarterlake.timezone has no effect at a property",
        ),
        (
            document(f"{A}, customProperties: [{{property: quarterlake.format, value: d/M}}]"),
            "schema[0].properties[0] (a): format d/M lacks a year, month or day",
        ),
        (
            document("name: a, logicalType: timestamp, logicalTypeOptions: {format: yyyy-QQ}"),
            "schema[0].properties[0] (a): format yyyy-QQ has QQ, which is not known",
        ),
        (
            document(f"{A}, customProperties: [{{property: quarterlake.nulls, value: NA}}]"),
            "schema[0].properties[0] (a): quarterlake.nulls",
        ),
        (
            document(f"{A}, quality: [{{engine: quarterlake}}]"),
            "schema[0].properties[0] (a): a gate has no effect at a property",
        ),
        (
            document(A, at_object=gate("severity: fatal, implementation: {gate: x}")),
            "schema[0].quality[0].severity: Invalid enum value 'fatal'",
        ),
        (
            document(A, at_object=gate("severity: on, implementation: {gate: x}")),
            "schema[0].quality[0].severity: Expected `str | null`, got `bool`",
        ),
        (
            document(A, at_object=gate("implementation: {gate: x, treshold: 1}")),
            "schema[0].quality[0].implementation: Object contains unknown field `treshold`",
        ),
        (
            document(A, at_object=gate("implementation: {gate: x, threshold: lots}")),
            "schema[0].quality[0].implementation threshold: Expected `float | null`, got `str`",
        ),
        (
            document(A, at_object=gate("severity: error")),
            "schema[0].quality[0].implementation: Expected `object`, got `null`",
        ),
        ("a: 1\n b: 2", "line 2, column 3: mapping values are not allowed"),
        ("a: [1}", "line 1, column 6: "),
        ("a: 1\nb: {c: 1, c: 2}", "line 2, column 11: key 'c' is given twice"),
        ("--- 1\n--- 2", "line 2, column 1: "),
        ("a: &x [1]\nb: *x", "line 2, column 4: aliases (*name) are not read"),
        ("a: &x [*x]", "line 1, column 8: aliases"),
        ("a: !!python/object:os.system {}", "line 1, column 4: could not determine a constructor"),
        ("? [1]\n: 2", "line 1, column 3: found unhashable key"),
        ("a: 2026-13-45", "not YAML: month must be in 1..12"),
        ("a: \x01", "not YAML: "),
        ("a: \ud800", "not YAML: "),
        ("[" * 100_000, "line 1, column 65: nested more than 64 deep"),
        ("{a: " * 1_000, "nested more than 64 deep"),
        ("#" * (MAX_BYTES + 1), "longer than 1,048,576 bytes"),
        ("#" + "ü" * (MAX_BYTES // 2), "longer than 1,048,576 bytes"),
    ],
)
def test_refusals_say_where_and_what(text: str, message: str) -> None:
    assert message in refusal(text)


def test_an_alias_bomb_is_refused_before_it_expands() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    assert "line 2, column 10: aliases" in refusal("\n".join(lines))


@given(st.text(max_size=200))
def test_any_text_is_a_contract_or_refused(text: str) -> None:
    with pytest.raises(ContractError):
        from_yaml(text, WHERE)
