"""Whether a text is HTML or XML, such as the error page that a server gave in place of a file."""

from __future__ import annotations

import re

_PROLOG = re.compile(rb"(?:\s++|<!--.*?-->|<\?(?!xml[\s?]).*?\?>)*+", re.DOTALL)
"""What may stand before and after the root: white space, comments, instructions."""
_DOCTYPE = re.compile(rb"<!DOCTYPE\s+([\w:.-]+)", re.IGNORECASE)
_DECLARED = re.compile(rb"<\?xml\s[^<>]*\?>", re.IGNORECASE)
_ATTRIBUTES = rb"""(?:\s(?:[^<>"']|"[^"<]*"|'[^'<]*')*)?"""
_ROOT = re.compile(rb"<([A-Za-z_][\w:.-]*)" + _ATTRIBUTES + rb"/?>")
_ELEMENT_NEXT = re.compile(rb"[ ]*(?:[\r\n]\s*)?<[!/A-Za-z]")
_HTML = b"html"

HTML = "an HTML page"
XML = "an XML document"
EITHER = "an HTML or XML document"


def markup_of(head: bytes, tail: bytes) -> str | None:
    """What HTML or XML a text is, by its first and last bytes without a byte order mark; None where it is none.

    A document type or an XML declaration says so, and `<html>` with another element in it. Any other element has to be around all of the
    text: a header or a value that begins with `<`, or is an element, makes no document of a table.
    """
    declared = _DECLARED.match(head, _skip(head, 0))
    start = _skip(head, declared.end() if declared else 0)
    if doctype := _DOCTYPE.match(head, start):
        return HTML if doctype[1].lower() == _HTML else XML
    root = _ROOT.match(head, start)
    if declared:
        rest = head[start:] if root is None else _after(head, root)
        return XML if not rest or rest.startswith(b"<") else None
    if root is None:
        return None
    if root[1].lower() == _HTML and _ELEMENT_NEXT.match(head, root.end()):
        return HTML
    if _after(head, root) in (None, b"") and _closes(root[1], tail):
        return HTML if root[1].lower() == _HTML else EITHER
    return None


def _skip(text: bytes, at: int) -> int:
    found = _PROLOG.match(text, at)
    return found.end() if found else at


def _after(text: bytes, root: re.Match[bytes]) -> bytes | None:
    """What follows an element, comments aside; None where it does not end in this text."""
    at, depth = root.start(), 0
    tags = re.compile(rb"<(/?)" + re.escape(root[1]) + _ATTRIBUTES + rb"/?>", re.IGNORECASE)
    for tag in tags.finditer(text, at):
        depth += -1 if tag[1] else not tag[0].endswith(b"/>")
        if depth <= 0:
            return text[_skip(text, tag.end()) :]
    return None


def _closes(name: bytes, tail: bytes) -> bool:
    """Whether a text ends with an element's end, or with that element where it is empty; comments may follow."""
    end = rb"(?:</" + re.escape(name) + rb"\s*>|<" + re.escape(name) + _ATTRIBUTES + rb"/?>)"
    return (
        re.search(end + rb"(?:\s++|<!--(?:(?!-->).)*+-->)*+\Z", tail, re.DOTALL | re.IGNORECASE) is not None
    )
