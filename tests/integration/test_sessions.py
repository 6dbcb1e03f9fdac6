"""Sessions of browsers: begun with a key, ended with it, of no use to other sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene
from tests.integration.test_delivery import KEY, delivering, eventually, keys
from tests.integration.test_service import QUARTER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.test_service import Service

COOKIE = "quarterlake_session"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    root: Path = tmp_path_factory.mktemp("sessions")
    made = Scene(root, LakeTarget(str(root / "lake")))
    made.put_months(*QUARTER)
    made.run()
    return made


@pytest.fixture(scope="module")
def delivery(scene: Scene) -> Iterator[Service]:
    with delivering(scene) as running:
        yield running


@pytest.fixture
def browser(delivery: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=delivery.url, trust_env=False) as client:
        yield client


def login(browser: httpx.Client, key: str, target: str = "/", **headers: str) -> httpx.Response:
    return browser.post("/login", data={"key": key, "target": target}, headers=headers)


def test_a_key_begins_a_session_that_can_read(browser: httpx.Client) -> None:
    assert browser.get("/v1/datasets").status_code == 401
    way = browser.get("/")
    assert (way.status_code, way.headers["Location"]) == (303, "/login?target=/")
    answer = login(browser, KEY, "/v1/datasets?limit=1")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/v1/datasets?limit=1")
    cookie = answer.headers["Set-Cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/", "max-age="))
    assert KEY.split("_")[2] not in cookie
    assert browser.get("/v1/datasets").status_code == 200
    assert browser.get("/").status_code == 200


def test_a_wrong_key_begins_none(browser: httpx.Client) -> None:
    for key in ("", "wrong", KEY[:-1] + "0"):
        answer = login(browser, key)
        assert answer.status_code == 401
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example", "/\\evil.example", "//[x", "/\t/evil.example", "", "x"],
)
def test_it_leads_nowhere_else(browser: httpx.Client, target: str) -> None:
    assert login(browser, KEY, target).headers["Location"] == "/"


@pytest.mark.parametrize(
    "header",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://["},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_refused(browser: httpx.Client, header: dict[str, str]) -> None:
    assert login(browser, KEY, "/", **header).status_code == 403
    assert browser.post("/logout", headers=header).status_code == 403


def test_a_proxy_may_pass_on_another_host(scene: Scene) -> None:
    with (
        delivering(scene, QUARTERLAKE_DELIVERY_URL="https://data.example") as behind,
        httpx.Client(base_url=behind.url, trust_env=False) as browser,
    ):
        for headers in ({"Origin": "https://data.example"}, {"Sec-Fetch-Site": "same-origin"}):
            assert login(browser, KEY, "/", Host="inside:8080", **headers).status_code == 303
        assert login(browser, KEY, "/", Origin="https://evil.example").status_code == 403


def test_what_is_no_form_of_ours_is_refused(browser: httpx.Client) -> None:
    assert browser.post("/login", data={f"field{n}": "x" for n in range(9)}).status_code == 422
    for content in (b"", b"\xff\xfe", b"key=" + b"x" * 5000, b"key=%ff%00&target=%00"):
        assert browser.post("/login", content=content).status_code == 401
    assert browser.post("/login", content=b"x" * (1 << 22)).status_code == 413


def test_a_cookie_that_was_changed_opens_nothing(browser: httpx.Client) -> None:
    login(browser, KEY)
    key_id, end, signature = browser.cookies[COOKIE].split(".")
    for changed in (
        f"{key_id}.{int(end) + 1}.{signature}",
        f"{'9' * 12}.{end}.{signature}",
        f"{key_id}.{end}",
        f"{key_id}.x.{signature}",
        "",
        "..",
    ):
        headers = {"Cookie": f"{COOKIE}={changed}"}
        assert (
            httpx.get(f"{browser.base_url}/v1/datasets", headers=headers, trust_env=False).status_code == 401
        )


def test_a_session_ends_with_its_key_and_with_logout(browser: httpx.Client, scene: Scene) -> None:
    key = keys(scene, "create", "--name", "person")
    login(browser, key)
    assert browser.get("/v1/datasets").status_code == 200
    keys(scene, "revoke", key.split("_")[1])
    eventually(lambda: browser.get("/v1/datasets").status_code == 401)
    login(browser, KEY)
    assert browser.post("/logout").status_code == 303
    assert COOKIE not in browser.cookies
    assert browser.get("/v1/datasets").status_code == 401


def test_a_key_may_be_sent_as_a_password(browser: httpx.Client) -> None:
    assert browser.get("/v1/datasets", auth=("anybody", KEY)).status_code == 200
    assert browser.get("/v1/datasets", auth=("anybody", "wrong")).status_code == 401
    for given in ("Basic %%%", "Basic", "Basic //79/Q==", "Digest x", "Bearer", "Bearer x y"):
        assert browser.get("/v1/datasets", headers={"Authorization": given}).status_code == 401
