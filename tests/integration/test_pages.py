"""The catalog pages as people meet them: in a real browser, with hostile names in the data."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.integration.browser import ACCESSIBILITY, CHROMIUM, CONTRAST, running_browser, watched_page
from tests.integration.conftest import LakeTarget
from tests.integration.lakes import Scene, contract_yaml, sales
from tests.integration.test_delivery import KEY, delivering, keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from playwright.sync_api import Browser

    from tests.integration.browser import Watched

HOSTILE = "sales_2026-01 <img src=x onerror=alert(1)> \"'&{{7*7}}.csv"
RELEASE = "sales@2026-Q1.2"
ENDS = """
async (shot) => {
  const bytes = Uint8Array.from(atob(shot), (character) => character.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const lightest = (x) => Math.max(...canvas.getImageData(x, 12, 1, image.height - 24).data.filter((_, place) => place % 4 === 0));
  return [4, image.width - 5].map((x) => lightest(x) < 240);
}
"""
"""Whether the left and the right end of a picture have no white between its round corners."""
PAGES = ("/", "/datasets/sales", f"/releases/{RELEASE}", "/releases/sales@2026-Q1.1", "/login")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"
)


@dataclass(frozen=True)
class Site:
    """A running server over a lake, and the scene that the lake was made from."""

    scene: Scene
    url: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two revisions of a quarter, rejects, a quarter that a gate stopped, one that waits, a file that cannot be read."""
    root = tmp_path_factory.mktemp("pages")
    scene = Scene(root, LakeTarget(str(root / "lake")))
    columns = [
        ("sale_id", "string"),
        ("sold_at", "timestamp"),
        ("store", "string"),
        ("amount", "decimal(10,2)"),
        ("email", "string"),
    ]
    contract = contract_yaml(
        columns,
        key=["sale_id"],
        gates=[("reject_ratio", "error", 0.2)],
        extra={"recordTime": "sold_at", "dimensions": "[store]"},
    )
    scene.declare(contract.replace("{name: email,", "{name: email, classification: pii,"))
    (root / "aggregates" / "sales").mkdir(parents=True)
    (root / "aggregates" / "sales" / "by_store.sql").write_text(
        "SELECT store, count(*) AS n, sum(amount) AS total, max(email) AS contact FROM sales GROUP BY store"
    )
    header = [name for name, _ in columns]

    def put(name: str, month: str, count: int = 20, bad: int = 0) -> None:
        rows = [(*row, f"{row[0]}@example.org") for row in sales(month, count)]
        rows += [(f"bad-{n}", f"{month}-01T00:00:00Z", "north", "secret words", "") for n in range(bad)]
        scene.put(name, rows, header)

    put(HOSTILE, "2026-01", bad=2)
    put("sales_2026-02.csv", "2026-02")
    put("sales_2026-03.csv", "2026-03")
    scene.run()
    put("sales_2026-02.csv", "2026-02", 26)
    put("sales_2025-10.csv", "2025-10", bad=15)
    put("sales_2025-11.csv", "2025-11")
    put("sales_2025-12.csv", "2025-12", 5)
    put("sales_2026-04.csv", "2026-04", 7)
    scene.put("sales_2026-05.csv", b"PAR1 and then nothing")
    scene.put("sales_2026-06.csv", b"secret words,2026-06-01T00:00:00Z,north,1.00,x@example.org\n" * 2)
    scene.run()
    with delivering(scene, "--open") as served, httpx.Client(base_url=served.url) as client:
        assert client.get(f"/releases/{RELEASE}").status_code == 200, client.get("/").text
        yield Site(scene, served.url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


def opened(browser: Browser, site: Site, **options: Any) -> AbstractContextManager[Watched]:
    return watched_page(browser, site.url, **options)


@needs_chromium
def test_a_walk_from_the_data_sets_to_a_release_and_its_file(browser: Browser, site: Site) -> None:
    with opened(browser, site) as watched:
        page = watched.page
        page.goto("/")
        page.get_by_role("link", name="sales", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("sales")
        expect(page.get_by_role("img", name="Records of sales by month")).to_be_visible()
        lacks = page.get_by_role("region", name="What the next release lacks")
        expect(lacks).to_contain_text("No records for 2026-05, 2026-06")
        expect(lacks).to_contain_text("reject_ratio")
        expect(lacks).to_contain_text("sales_2026-05.csv")
        page.get_by_role("link", name=RELEASE).last.click()
        expect(page).to_have_title(f"{RELEASE} · quarterlake")
        changes = page.get_by_role("region", name="What changed")
        expect(changes).to_contain_text("+6 records")
        expect(changes).to_contain_text("2026-02: 26 records, 20 before")
        expect(page.get_by_role("region", name="Quality report").first).to_contain_text("reject_ratio")
        expect(page.get_by_role("img", name="Histogram of amount")).to_be_visible()
        expect(page.get_by_role("img", name=f"Lineage of {RELEASE}")).to_contain_text("by_store")
        page.get_by_role("heading", name="Aggregate by_store").click()
        expect(page.get_by_role("img", name="Histogram of total")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name=re.compile(r"\.parquet$")).first.click()
        assert download.value.path().read_bytes()[:4] == b"PAR1"
        watched.assert_quiet()


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_read_by_everybody_at_any_width(browser: Browser, site: Site, scheme: Any) -> None:
    for width in (360, 1400):
        with opened(browser, site, color_scheme=scheme, viewport={"width": width, "height": 900}) as watched:
            for path in PAGES:
                watched.page.goto(path)
                watched.page.evaluate(
                    "document.querySelectorAll('details').forEach((one) => { one.removeAttribute('name'); one.open = true })"
                )
                assert watched.page.evaluate(ACCESSIBILITY) == [], path
                assert watched.page.evaluate(CONTRAST) == [], path
                assert watched.page.evaluate("document.documentElement.scrollWidth") <= width, path
            watched.assert_quiet()


@needs_chromium
def test_the_navigation_says_where_one_is(browser: Browser, site: Site) -> None:
    with opened(browser, site) as watched:
        for path, current in (("/", "page"), ("/datasets/sales", "true"), (f"/releases/{RELEASE}", "true")):
            watched.page.goto(path)
            link = watched.page.get_by_role("navigation", name="Site").get_by_role("link", name="Catalog")
            expect(link).to_have_attribute("aria-current", current)
        watched.page.goto("/login")
        expect(watched.page.locator("[aria-current]")).to_have_count(0)


@needs_chromium
def test_what_scrolls_sideways_has_a_shadow_where_it_goes_on(browser: Browser, site: Site) -> None:
    """Its right end at first, its left one when it was scrolled to the end."""
    with opened(browser, site, viewport={"width": 360, "height": 900}) as watched:
        page = watched.page
        page.goto("/datasets/sales")
        table = page.locator("section[aria-labelledby=releases] .scroll")
        assert table.evaluate("(one) => one.scrollWidth > one.clientWidth")
        before = table.screenshot()
        table.evaluate("(one) => one.scrollTo({ left: one.scrollWidth, behavior: 'instant' })")
        after = table.screenshot()
        ends = [page.evaluate(ENDS, base64.b64encode(shot).decode()) for shot in (before, after)]
        assert ends == [[False, True], [True, False]]


@needs_chromium
def test_light_and_dark_follow_the_system(browser: Browser, site: Site) -> None:
    seen = set()
    for scheme in ("light", "dark"):
        with opened(browser, site, color_scheme=scheme) as watched:
            watched.page.goto("/")
            seen.add(watched.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(seen) == 2


@needs_chromium
def test_the_keyboard_alone_reaches_everything(browser: Browser, site: Site) -> None:
    with opened(browser, site) as watched:
        page = watched.page
        page.goto(f"/releases/{RELEASE}")
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to the content")
        expect(page.locator(":focus")).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        reached = []
        for _ in range(80):
            page.keyboard.press("Tab")
            focus = page.locator(":focus")
            assert focus.evaluate("(one) => getComputedStyle(one).outlineStyle") != "none"
            reached.append(
                focus.evaluate("(one) => (one.getAttribute('aria-label') || one.textContent).trim()")
            )
            if reached[-1] == "DuckDB":
                break
        assert "sales@2026-Q1.1" in reached
        page.keyboard.press("Enter")
        expect(page.locator("#code-3")).to_be_visible()
        expect(page.locator("#code-1")).to_be_hidden()
        watched.assert_quiet()


@needs_chromium
def test_the_api_s_page_works_and_may_load_nothing_foreign(browser: Browser, site: Site) -> None:
    with opened(browser, site) as watched:
        answer = watched.page.goto("/docs")
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "frame-ancestors 'none'" in policy
        operation = watched.page.locator("#operations-data_sets-list_datasets")
        operation.get_by_role("button").first.click()
        operation.get_by_role("button", name="Try it out").click()
        operation.get_by_role("button", name="Execute").click()
        expect(operation.locator(".responses-table.live-responses-table")).to_contain_text(RELEASE)
        watched.assert_quiet()


@needs_chromium
def test_code_is_copied(browser: Browser, site: Site) -> None:
    with opened(browser, site, permissions=["clipboard-read", "clipboard-write"]) as watched:
        page = watched.page
        page.goto(f"/releases/{RELEASE}")
        page.get_by_role("button", name="Copy the code for pandas").click()
        expect(page.get_by_role("status")).to_have_text("Copied.")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator("#code-1").text_content()
        assert f'client.pandas("{RELEASE}")' in copied
        compile(copied, "snippet", "exec")
        watched.assert_quiet()


@needs_chromium
def test_without_a_script_nothing_is_missing(browser: Browser, site: Site) -> None:
    with opened(browser, site, java_script_enabled=False) as watched:
        page = watched.page
        for path in ("/", "/datasets/sales", f"/releases/{RELEASE}"):
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_role("button", name="Copy")).to_have_count(0)
        expect(page.get_by_role("img", name="Histogram of amount")).to_be_visible()
        page.get_by_text("Polars", exact=True).click()
        expect(page.locator("#code-2")).to_be_visible()
        watched.assert_quiet()


@needs_chromium
def test_names_of_files_are_shown_and_do_nothing(browser: Browser, site: Site) -> None:
    with opened(browser, site) as watched:
        for path in PAGES:
            watched.page.goto(path)
            assert watched.page.locator("img[src='x']").count() == 0
        watched.page.goto(f"/releases/{RELEASE}")
        watched.page.get_by_text("Every raw file with its hash").click()
        expect(watched.page.get_by_role("rowheader", name=HOSTILE).first).to_be_visible()
        expect(watched.page.get_by_role("region", name="Rejected records")).to_contain_text(HOSTILE)
        watched.assert_quiet()


@needs_chromium
def test_a_key_that_opens_nothing_is_seen_and_said_to_be_refused(browser: Browser, site: Site) -> None:
    with opened(browser, site) as watched:
        page = watched.page
        page.goto("/login")
        page.get_by_label("API key").fill(f"{KEY[:-1]}0")
        page.keyboard.press("Enter")
        refused = page.get_by_role("alert")
        expect(refused).to_have_text(
            "Not logged in. This key opens nothing: it is wrong, expired or revoked."
        )
        colours = [
            one.evaluate("(one) => getComputedStyle(one).color")
            for one in (refused, page.locator(".login > p").first)
        ]
        assert colours[0] != colours[1]
        expect(page.get_by_label("API key")).to_have_accessible_description(re.compile("opens nothing"))
        assert page.evaluate(ACCESSIBILITY) == []
        assert page.evaluate(CONTRAST) == []


@needs_chromium
def test_a_browser_logs_in_and_sees_what_its_key_opens(browser: Browser, site: Site) -> None:
    other = keys(site.scene, "create", "--name", "other", "--scope", "weather:read").split()
    foreign = next(word for word in other if word.startswith("ql_"))
    with delivering(site.scene) as served:
        with watched_page(browser, served.url) as watched:
            page = watched.page
            page.goto(f"/releases/{RELEASE}")
            page.get_by_label("API key").fill(KEY)
            page.keyboard.press("Enter")
            expect(page.get_by_role("heading", level=1)).to_contain_text(RELEASE)
            page.get_by_role("button", name="Log out").click()
            page.goto("/datasets/sales")
            expect(page.get_by_label("API key")).to_be_visible()
            watched.assert_quiet()
        with watched_page(browser, served.url) as watched:
            page = watched.page
            page.goto("/")
            page.get_by_label("API key").fill(foreign)
            page.keyboard.press("Enter")
            expect(page.get_by_text("There is nothing to see yet")).to_be_visible()
            expect(page.get_by_text("sales")).to_have_count(0)
            refused = page.goto(f"/releases/{RELEASE}")
            absent = page.goto("/releases/sales@2031-Q1.1")
            assert refused is not None
            assert absent is not None
            assert (refused.status, absent.status) == (403, 403)


def test_too_many_requests_get_a_page_that_says_when_to_come_back(site: Site) -> None:
    with delivering(site.scene, QUARTERLAKE_REQUESTS_PER_MINUTE="1") as served:
        answers = [httpx.get(served.url, headers={"Authorization": f"Bearer {KEY}"}) for _ in range(2)]
        # Pages know sessions, not keys.
        assert {answer.headers["location"] for answer in answers} == {"/login?target=/"}
        with httpx.Client(base_url=served.url) as client:
            client.post("/login", data={"key": KEY, "target": "/"})
            refused = [answer for _ in range(5) if (answer := client.get("/")).status_code == 429]
        assert refused
        assert refused[0].headers["content-type"] == "text/html; charset=utf-8"
        assert int(refused[0].headers["retry-after"]) > 0


def test_the_code_that_pages_show_loads_the_release(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """That for Spark needs Java and a minute; tests of Delta Sharing run the rest."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(site.scene.root / "cache"))
    monkeypatch.setenv("QUARTERLAKE_KEY", KEY)
    with delivering(site.scene) as served, httpx.Client(base_url=served.url) as client:
        client.post("/login", data={"key": KEY, "target": "/"})
        page = client.get(f"/releases/{RELEASE}").text
        assert page.count("--header &#34;Authorization: Bearer $QUARTERLAKE_KEY&#34;") == 1
        run_the_code_of(page)


def test_where_no_key_is_asked_for_the_code_has_none(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(site.scene.root / "open_cache"))
    monkeypatch.delenv("QUARTERLAKE_KEY", raising=False)
    page = httpx.get(f"{site.url}/releases/{RELEASE}").text
    assert "QUARTERLAKE_KEY" not in page
    assert "Authorization" not in page
    run_the_code_of(page)


def run_the_code_of(page: str) -> None:
    """Run the first three pieces of code that a release's page shows: they load its 3 rows."""
    codes = re.findall(r'<pre id="code-[0-9]+"[^>]*><code>(.*?)</code></pre>', page, re.DOTALL)
    assert len(codes) == 6
    for code in codes[:3]:
        names: dict[str, Any] = {}
        exec(unescape(code), names)  # noqa: S102 - it is ours
        loaded = names.get("frame", names.get("release"))
        assert loaded is not None
        assert loaded.shape[0] == 3
        names["client"].close()


def test_the_first_page_tells_what_waits_from_what_a_gate_stopped(site: Site) -> None:
    text = re.sub(r"<[^>]+>", " ", httpx.get(f"{site.url}/").text)
    words = " ".join(text.split())
    assert "stopped 2025-Q4 by reject_ratio" in words
    assert "waiting 2026-Q2" in words


def test_no_page_holds_a_rejected_text_or_a_value_of_pii(site: Site) -> None:
    with httpx.Client(base_url=site.url) as client:
        assert "sales_2026-06.csv has none of the columns" in client.get("/datasets/sales").text
        for path in PAGES:
            text = client.get(path).text
            assert "secret words" not in text
            assert "example.org" not in text


def test_pages_may_load_nothing_foreign_and_are_for_one_reader(site: Site) -> None:
    with httpx.Client(base_url=site.url) as client:
        for path in ("/", "/datasets/sales", f"/releases/{RELEASE}", "/datasets/none"):
            answer = client.get(path)
            assert answer.headers["content-security-policy"].startswith(
                "default-src 'none'; style-src 'self';"
            )
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert "public" not in answer.headers["cache-control"]
            assert not re.search(r"""\s(?:style|on[a-z]+)=["']""", answer.text)
        style = re.search(r'href="(/assets/style\.css\?[0-9a-f]+)"', client.get("/").text)
        assert style is not None
        assert "immutable" in client.get(style[1]).headers["cache-control"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/datasets/none", 404),
        ("/datasets/N%20o", 422),
        ("/datasets/%3Cscript%3E", 422),
        ("/releases/sales@2026-Q1.9", 404),
        ("/releases/" + "x" * 3000, 422),
        ("/releases/sales@2026-Q1.1%00", 422),
        ("/assets/..%2f..%2fapp.py", 404),
        ("/assets/nothing.js", 404),
        ("/datasets/sales/more", 404),
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(site: Site, path: str, status: int) -> None:
    answer = httpx.get(f"{site.url}{path}")
    assert answer.status_code == status
    assert "<script>alert" not in answer.text
    if not path.startswith("/assets"):
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
