"""What docs/delivery.md says is what the API and the settings have; operation ids stay what they are."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.routing import APIRoute

from quarterlake.delivery import gateway, health
from quarterlake.delivery.app import create_app
from quarterlake.delivery.keystore import open_keystore
from quarterlake.delivery.rest import routers
from quarterlake.delivery.sharing import listing, tables
from quarterlake.lake.location import open_lake
from quarterlake.settings import read_settings
from quarterlake.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text()
STABLE = {
    "list_datasets",
    "get_dataset",
    "list_releases",
    "get_release_of",
    "get_release",
    "diff_releases",
    "list_files",
    "download_file",
    "download_release",
    "get_signed_file",
    "preview_rows",
    "get_statistics",
    "get_quality",
    "get_ledger",
    "get_lineage",
    "get_contract",
    "get_croissant",
    "get_key",
    "list_accesses",
    "livez",
    "readyz",
    "metrics",
}


AT_ONCE = {
    "get_dataset",
    "get_key",
    "get_release",
    "get_release_of",
    "get_share",
    "get_signed_file",
    "head_signed_file",
    "list_shares",
    "livez",
    "readyz",
}
"""What keeps other requests waiting, since it takes no longer for a large contract, release or list."""


@pytest.fixture
def schema(tmp_path: Path) -> Iterator[dict[str, Any]]:
    settings = read_settings({"QUARTERLAKE_LAKE": str(tmp_path)}, {})
    keys = open_keystore(settings.delivery.database)
    with open_lake(settings.lake, settings.s3) as lake:
        app = create_app(lake.aggregated, settings.delivery, keys, is_open=True)
        yield app.openapi()
        app.state.parts.catalog.close()
        app.state.parts.keyring.close()
    keys.close()


def test_every_path_is_documented(schema: dict[str, Any]) -> None:
    for path in schema["paths"]:
        assert path.startswith("/delta-sharing/") or f"`{path}`" in TEXT, path


def test_every_setting_of_delivery_is_documented() -> None:
    ours = re.compile("QUARTERLAKE_(DELIVERY|URL_SECONDS|REQUESTS|S3_PUBLIC|S3_SIGNING)")
    for variable in VARIABLES:
        assert not ours.match(variable.name) or f"`{variable.name}`" in TEXT, variable.name


def test_operation_ids_are_stable_and_unique(schema: dict[str, Any]) -> None:
    ids = [operation["operationId"] for path in schema["paths"].values() for operation in path.values()]
    assert len(set(ids)) == len(ids)
    assert set(ids) >= STABLE


def test_every_operation_is_described_and_says_what_it_takes(schema: dict[str, Any]) -> None:
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            assert "security" in operation, path
            refused = {status for status in operation["responses"] if status >= "400"}
            for status in refused:
                assert operation["responses"][status].get("content"), (path, status)


def test_what_may_take_long_holds_up_no_other_request() -> None:
    served = (*routers, gateway.router, health.router, listing.router, tables.router)
    routes = [route for router in served for route in router.routes]
    waited_for = {
        route.operation_id
        for route in routes
        if isinstance(route, APIRoute) and inspect.iscoroutinefunction(route.endpoint)
    }
    assert waited_for == AT_ONCE
