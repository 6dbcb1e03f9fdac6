"""The page where a browser gives a key."""

from __future__ import annotations

from html import escape


def login_page(problem: str | None, target: str) -> str:
    """The login page's HTML; `problem` says why the last try failed, `target` is where to go afterwards."""
    said = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>quarterlake: log in</title></head><body><main><h1>quarterlake</h1>{said}
<form method="post" action="/login"><label for="key">API key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<input type="hidden" name="target" value="{escape(target)}"><button>Log in</button></form></main></body></html>
"""
