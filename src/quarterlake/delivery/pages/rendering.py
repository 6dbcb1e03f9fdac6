"""Templates, and the headers that every page carries."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from quarterlake import __version__
from quarterlake.delivery.pages import charts, wording
from quarterlake.domain.wording import count_of

if TYPE_CHECKING:
    from quarterlake.delivery.problems import Problem

ASSETS = Path(__file__).parent / "assets"
HEADERS = {
    # Nothing but our own files runs or is shown, whatever a file's name tries.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie, Authorization",
}


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates, in which everything is escaped and nothing may be missing."""
    made = Environment(
        loader=PackageLoader("quarterlake.delivery.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": wording.number,
        "size": wording.size,
        "instant": wording.instant,
        "value": wording.value,
        "ticked": wording.ticked,
        "segment": lambda text: quote(text, safe="@"),
    }
    made.globals |= {
        "share": wording.share,
        "saying": wording.saying,
        "count_of": count_of,
        "histogram": charts.histogram,
        "spark_path": charts.spark_path,
        "bar_chart": charts.bar_chart,
        "asset": asset_path,
        "version": __version__,
    }
    return made


@lru_cache(maxsize=8)
def asset_path(name: str) -> str:
    """The path of a file of ours, below the server's own; it changes with its bytes, so that browsers keep it for as long as it is the same."""
    return f"/assets/{name}?{sha256((ASSETS / name).read_bytes()).hexdigest()[:12]}"


def page(template: str, root: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page from its template; `root` is the path that all of the server's paths begin with, empty or such as `/data`."""
    return HTMLResponse(environment().get_template(template).render(root=root, **context), status, HEADERS)


def problem_page(problem: Problem, root: str) -> HTMLResponse:
    """What a browser sees of a problem; `root` as in `page`."""
    answer = page("problem.html", root, problem.status, problem=problem, caller=None, base="")
    answer.headers["Cache-Control"] = "no-store"
    answer.headers.update(problem.headers)
    return answer
