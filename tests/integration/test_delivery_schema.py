"""The delivery API keeps to the OpenAPI schema that it gives, whatever is asked: schemathesis makes the requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene, sales
from tests.integration.test_delivery import KEY, RELEASE, delivering
from tests.integration.test_service import QUARTER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schemathesis import Case

    from tests.integration.test_service import Service

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 10
THERE: dict[str, object] = {
    "dataset": "sales",
    "name": RELEASE,
    "which": "latest",
    "number": 0,
    "share": "quarterlake",
    "schema": "sales",
    "table": "summary",
}


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root: Path = tmp_path_factory.mktemp("schema")
    scene = Scene(root, LakeTarget(str(root / "lake")))
    scene.put_months(*QUARTER)
    scene.run()
    scene.put("sales_2026-02.csv", sales("2026-02", 30))
    scene.run()
    with delivering(scene, QUARTERLAKE_REQUESTS_PER_MINUTE="0") as running:
        yield running


@pytest.mark.parametrize("hits", [False, True], ids=["any", "there"])
def test_no_answer_is_off_the_schema(delivery: Service, *, hits: bool) -> None:
    schema = schemathesis.openapi.from_url(f"{delivery.url}/openapi.json")
    seen = set()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        seen.add(operation.definition.raw["operationId"])
        _probe(operation, hits=hits)
    assert {"get_release_of", "preview_rows", "get_statistics", "list_files", "metrics", "livez"} <= seen


def _probe(operation: Any, *, hits: bool) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def probe(case: Case[Any]) -> None:
        if hits:
            # What is there is not found by chance.
            case.path_parameters = {
                **(case.path_parameters or {}),
                **{name: THERE[name] for name in (case.path_parameters or {}) if name in THERE},
            }
        case.call_and_validate(
            checks=CHECKS,
            headers={"Authorization": f"Bearer {KEY}"},
            allow_redirects=False,
        )

    probe()
