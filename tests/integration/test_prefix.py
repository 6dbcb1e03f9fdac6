"""The API below a path, behind a proxy that takes the path away and behind one that leaves it."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene
from tests.integration.test_delivery import KEY, RELEASE, delivering
from tests.integration.test_service import QUARTER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.test_service import Service

ROOT = "/data/of%20ours"
ADDRESS = f"https://example.org{ROOT}"
_LINK = re.compile(r'\s(?:href|src|action)="([^"#][^"]*)"')


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root: Path = tmp_path_factory.mktemp("prefix")
    scene = Scene(root, LakeTarget(str(root / "lake")))
    scene.put_months(*QUARTER)
    scene.run()
    with delivering(scene, QUARTERLAKE_DELIVERY_URL=f"{ADDRESS}/") as running:
        yield running


@pytest.fixture(params=["left", "taken away"])
def proxied(request: pytest.FixtureRequest, served: Service) -> Iterator[httpx.Client]:
    """A caller of paths as they are seen from outside."""

    def forward(asked: httpx.Request) -> None:
        if request.param == "taken away":
            asked.url = asked.url.copy_with(raw_path=asked.url.raw_path.removeprefix(ROOT.encode()) or b"/")

    with httpx.Client(base_url=served.url, event_hooks={"request": [forward]}, trust_env=False) as client:
        yield client


def test_a_browser_logs_in_and_every_link_leads_somewhere(proxied: httpx.Client) -> None:
    sent = proxied.get(f"{ROOT}/releases/{RELEASE}")
    assert sent.status_code == 303
    login = sent.headers["location"]
    assert login.startswith(f"{ROOT}/login?target=/releases/")
    form = proxied.get(login)
    assert f'action="{ROOT}/login"' in form.text
    begun = proxied.post(f"{ROOT}/login", data={"key": KEY, "target": f"/releases/{RELEASE}"})
    assert (begun.status_code, begun.headers["location"]) == (303, f"{ROOT}/releases/{RELEASE}")
    assert f"Path={ROOT};" in begun.headers["set-cookie"]
    cookie = {"Cookie": begun.headers["set-cookie"].partition(";")[0]}

    waiting, seen = [f"{ROOT}/", f"{ROOT}/datasets/none"], set()
    while waiting:
        path = waiting.pop()
        if path in seen or path == f"{ROOT}/logout":
            continue
        seen.add(path)
        answer = proxied.get(path, headers=cookie)
        expected = {404} if path.endswith("/none") else {307} if "/files/" in path else {200}
        assert answer.status_code in expected, path
        if answer.headers.get("content-type", "").startswith("text/html") and not path.endswith("/docs"):
            found = [unescape(link) for link in _LINK.findall(answer.text)]
            assert all(link.startswith(f"{ROOT}/") for link in found), path
            waiting += found
    assert {f"{ROOT}/datasets/sales", f"{ROOT}/releases/{RELEASE}", f"{ROOT}/docs"} <= seen
    ended = proxied.post(f"{ROOT}/logout", headers=cookie)
    assert ended.headers["location"] == f"{ROOT}/login"
    assert f"Path={ROOT};" in ended.headers["set-cookie"]


def test_programs_find_the_same_below_the_path(proxied: httpx.Client) -> None:
    given = {"Authorization": f"Bearer {KEY}"}
    assert proxied.get(f"{ROOT}/openapi.json").json()["servers"] == [{"url": ROOT}]
    [file] = proxied.get(f"{ROOT}/v1/releases/{RELEASE}/files", headers=given).json()["files"]
    assert file["url"].startswith(f"{ADDRESS}/v1/files/")
    got = proxied.get(file["url"].removeprefix("https://example.org"))
    assert got.content[:4] == b"PAR1"
    shares = proxied.get(f"{ROOT}/delta-sharing/shares", headers=given)
    assert shares.status_code == 200
    lost = proxied.get(f"{ROOT}/delta-sharing/nothing", headers=given)
    assert "errorCode" in lost.json()
    assert proxied.get(f"{ROOT}/livez").status_code == 200
    page = proxied.get(f"{ROOT}/releases/{RELEASE}", headers=given)
    assert page.status_code == 303  # pages take sessions alone


def test_a_path_that_only_begins_like_it_is_another(served: Service) -> None:
    assert httpx.get(f"{served.url}{ROOT}s/livez").status_code == 404
    assert httpx.get(f"{served.url}{ROOT}").status_code == 303
