"""A real HTTP server that answers as a test tells it, odd answers among them: a delivery API with its store."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RELEASE = "sales@2026-Q1.1"
PATH = "sales/summary/2026-Q1-one.parquet"


class Handler(BaseHTTPRequestHandler):
    """Gives each request to the server's script."""

    server: OddServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.seen.append((path, dict(self.headers)))
        self.server.counts[path] += 1
        for prefix, answer in self.server.script.items():
            if path.startswith(prefix):
                answer(self)
                return
        self.send(404, b"{}")

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)

    @property
    def start(self) -> int:
        """Where the range begins that was asked for."""
        asked = self.headers.get("Range", "bytes=0-")
        return int(asked.removeprefix("bytes=").partition("-")[0])

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_range(self, content: bytes, most: int | None = None) -> None:
        """The range that was asked for; of it no more than so many bytes, and then the connection is closed."""
        start = self.start
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        sent = content[start:] if most is None else content[start : start + most]
        self.server.sent += len(sent)
        self.wfile.write(sent)
        if most is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        pass


class OddServer(ThreadingHTTPServer):
    """`script` maps path prefixes to answers, `seen` has the requests, `sent` the bytes of files that were sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: dict[str, Callable[[Handler], None]] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.counts: Counter[str] = Counter()
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def offer(self, content: bytes, *, store: str | None = None, **changes: Any) -> None:
        """Publish a release of one file of this content, described with some changes; its URL is new each time it is asked for."""
        file = {
            "aggregate": "summary",
            "path": PATH,
            "rows": 1,
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "url": None,
            **changes,
        }

        def files(handler: Handler) -> None:
            number = self.counts[urlsplit(handler.path).path]
            url = file["url"] or f"{store or self.url}/store/one.parquet?signature=s3cret{number}"
            body = {"release": RELEASE, "files": [{**file, "url": url}]}
            handler.send(200, json.dumps(body).encode())

        self.script["/v1/releases/sales@2026-Q1.1/files"] = files
        self.script["/v1/datasets/sales/releases/latest"] = self.script["/v1/releases/"] = lambda handler: (
            handler.send(200, json.dumps(release()).encode())
        )
        self.script["/store/"] = lambda handler: handler.send_range(content)


def release(**changes: Any) -> dict[str, Any]:
    """The document of the release."""
    return {
        "name": RELEASE,
        "dataset": "sales",
        "period": "2026-Q1",
        "revision": 1,
        "published_at": "2026-05-03T09:00:00+00:00",
        **changes,
    }


@contextmanager
def odd_server() -> Iterator[OddServer]:
    """A server for as long as it is used."""
    server = OddServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
