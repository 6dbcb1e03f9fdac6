"""A service that speaks the services' language, and the environment that the DAGs need."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

TOKEN = "t0ken-of-the-tests-0123456789abcdef"  # noqa: S105 - it protects nothing
os.environ.setdefault("QUARTERLAKE_SERVICE_TOKEN", TOKEN)
Answer = Callable[[dict[str, Any]], tuple[int, list[dict[str, Any]]]]


@dataclass
class Service:
    """A server on a real port; `answer` decides, `asked` keeps what it was asked."""

    url: str = ""
    answer: Answer = lambda _body: (200, [{"event": "succeeded", "result": {}}])
    asked: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.asked.append(body)
            made.tokens.append(self.headers["Authorization"])
            status, events = made.answer(body)
            self.send_response(status)
            self.end_headers()
            for event in events:
                self.wfile.write(json.dumps(event).encode() + b"\n")

        def log_message(self, *_: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield made
        server.shutdown()
        thread.join()
