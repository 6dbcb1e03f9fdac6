"""The keys that the Open Data Contract Standard has at a document's top, at its schema object and at a property."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quarterlake.domain.errors import ContractError
from quarterlake.domain.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

_ELEMENT = (
    "id", "name", "physicalName", "physicalType", "logicalType", "description", "businessName", "deprecated", "synonyms", "context",
    "authoritativeDefinitions", "tags", "customProperties", "relationships", "quality", "properties",
)  # fmt: skip
OF_DOCUMENT = (
    "apiVersion", "kind", "id", "name", "version", "status", "tenant", "domain", "dataProduct", "description", "context", "schema",
    "servers", "support", "price", "team", "roles", "slaDefaultElement", "slaProperties", "tags", "authoritativeDefinitions",
    "customProperties", "contractCreatedTs",
)  # fmt: skip
"""Those of v3.0 to v3.2, the deprecated ones too."""
OF_OBJECT = (*_ELEMENT, "dataGranularityDescription")
OF_PROPERTY = (
    *_ELEMENT, "logicalTypeOptions", "required", "unique", "primaryKey", "primaryKeyPosition", "partitioned", "partitionKeyPosition",
    "classification", "encryptedName", "criticalDataElement", "semanticType", "enum", "examples", "transformSourceObjects",
    "transformLogic", "transformDescription", "items", "map",
)  # fmt: skip


def refuse_unknown_keys(document: Mapping[str, Any], where: str) -> None:
    """See that a document of the standard's form has keys of the standard alone at its top, its objects and their properties.

    Keys that begin with `x-`, by custom another program's own, pass.

    Raises:
        ContractError: it has another, which might be a slip; the message begins with `where`.
    """
    _check(document, OF_DOCUMENT, "the document's top", where)
    for at, content in enumerate(document["schema"]):
        place = f"schema[{at}]"
        _check(content, OF_OBJECT, f"{place} ({content['name']})", where)
        for number, item in enumerate(content.get("properties") or ()):
            _check(item, OF_PROPERTY, f"{place}.properties[{number}] ({item['name']})", where)


def _check(given: Mapping[Any, Any], known: tuple[str, ...], place: str, where: str) -> None:
    for key in given:
        if key in known or str(key).startswith("x-"):
            continue
        meant = nearest(str(key), known)
        instead = f"write {meant}" if meant else f"use one of {', '.join(known)}"
        raise ContractError(
            f"{where}: {place}: key {str(key)!r} is unknown; {instead}, or move what the standard has no key for to customProperties."
        )
