"""A web server on the other side of a webhook."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass(frozen=True)
class Posted:
    """A request as it came."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


class Receiver:
    """Answers with `status` as soon as it `may_answer`, and keeps what it was sent."""

    def __init__(self) -> None:
        self.status = 204
        self.location = ""  # of a redirect
        self.drips = False  # a line that never ends, a byte at a time
        self.posts: list[Posted] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.has_stopped = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.posts.append(Posted(self.path, headers, body))
                receiver.may_answer.wait(60)
                if receiver.drips:
                    self._drip()
                    return
                self.send_response(receiver.status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.end_headers()

            def _drip(self) -> None:
                with suppress(OSError):  # the other side has had enough
                    for byte in b"HTTP/1.1 200 " + 600 * b"O":
                        self.wfile.write(bytes([byte]))
                        if receiver.has_stopped.wait(0.1):
                            return

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was sent, as JSON."""
        return [json.loads(each.body) for each in self.posts]

    def stop(self) -> None:
        """No more answers; once."""
        self.may_answer.set()
        self.has_stopped.set()
        if self._thread.is_alive():
            self.server.shutdown()
            self._thread.join()
            self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def other_receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()
