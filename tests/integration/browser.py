"""A real browser: Debian's Chromium, headless, that may ask nothing but one server."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Dialog, Page

CHROMIUM = shutil.which("chromium")
_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

ACCESSIBILITY = """
() => {
  const problems = [];
  const say = (what, element) => problems.push(what + ": " + element.outerHTML.slice(0, 120));
  const named = (element) => (element.textContent || "").trim() || element.getAttribute("aria-label");
  if (!document.documentElement.lang) problems.push("the page says no language");
  for (const landmark of ["header", "main", "footer", "nav"])
    if (!document.querySelector(landmark)) problems.push("no landmark " + landmark);
  if (document.querySelectorAll("main").length !== 1 || document.querySelectorAll("h1").length !== 1)
    problems.push("there is not one main and one h1");
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  ids.filter((id, place) => ids.indexOf(id) !== place).forEach((id) => problems.push("twice the id " + id));
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const here = Number(heading.tagName[1]);
    if (here > level + 1) say("a heading that skips a level", heading);
    level = here;
  }
  document.querySelectorAll("table").forEach((table) => table.caption || say("a table without a caption", table));
  document.querySelectorAll("th").forEach((head) => head.scope || say("a heading of a table without a scope", head));
  document.querySelectorAll("img").forEach((image) => image.hasAttribute("alt") || say("an image without alt", image));
  document.querySelectorAll("a, button, summary").forEach((one) => named(one) || one.hidden || say("a control without a name", one));
  document.querySelectorAll("input:not([type=hidden], [hidden])").forEach((one) => one.labels.length || say("an input without a label", one));
  document.querySelectorAll("svg").forEach((svg) => {
    const ids = (svg.getAttribute("aria-labelledby") || "").split(" ");
    if (svg.getAttribute("aria-hidden") !== "true" && !(svg.getAttribute("role") === "img" && ids.every((id) => document.getElementById(id))))
      say("a picture without words", svg);
  });
  document.querySelectorAll("[aria-labelledby]").forEach((one) => one.getAttribute("aria-labelledby").split(" ")
    .forEach((id) => document.getElementById(id) || say("named by what is not there", one)));
  document.querySelectorAll(".scroll").forEach((one) => {
    if (one.scrollWidth > one.clientWidth && one.tabIndex !== 0) say("a region that the keyboard cannot scroll", one);
  });
  return problems;
}
"""
"""What keeps somebody with a screen reader or a keyboard from using a page."""

CONTRAST = """
() => {
  const parts = (colour) => (colour.match(/[0-9.]+/g) || []).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = parts(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const problems = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.getClientRects().length || element.closest(".unseen, title, desc, script")) continue;
    const style = getComputedStyle(element);
    const shape = element.closest("g")?.querySelector("rect");
    const ink = parts(element instanceof SVGElement ? style.fill : style.color).slice(0, 3);
    const paper = shape && element instanceof SVGElement ? parts(getComputedStyle(shape).fill).slice(0, 3) : behind(element);
    const [high, low] = [light(ink), light(paper)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) problems.add(ratio.toFixed(2) + " for " + element.outerHTML.slice(0, 100));
  }
  return [...problems];
}
"""
"""Texts with less contrast than WCAG 2.2 asks for (1.4.3, AA)."""


@dataclass
class Watched:
    """What a page did that it should not: messages on the console, and requests that left its server."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    def dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(dialog.message)
        dialog.dismiss()

    def assert_quiet(self) -> None:
        assert (self.complaints, self.strays) == ([], []), (self.complaints, self.strays)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser for as long as it lasts."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def watched_page(browser: Browser, server: str, **options: Any) -> Iterator[Watched]:
    """A page of a browser without history, watched."""
    context = browser.new_context(base_url=server, **options)
    page = context.new_page()
    watched = Watched(page)
    page.on("console", lambda message: watched.complaints.append(message.text))
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on("dialog", watched.dismiss)
    page.on(
        "request",
        lambda request: None if request.url.startswith(f"{server}/") else watched.strays.append(request.url),
    )
    try:
        yield watched
    finally:
        context.close()
