"""The metadata services of clouds: what they say of a spot machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from backend.settings import Cloud

NOTHING: dict[Cloud, tuple[int, str]] = {
    "aws": (404, "Not found"),
    "gcp": (200, "FALSE"),
    "azure": (200, json.dumps({"DocumentIncarnation": 1, "Events": [{"EventType": "Freeze"}]})),
}
NOTICE: dict[Cloud, tuple[int, str]] = {
    "aws": (200, json.dumps({"action": "terminate", "time": "2026-11-30T01:02:03Z"})),
    "gcp": (200, "TRUE"),
    "azure": (200, json.dumps({"DocumentIncarnation": 2, "Events": [{"EventType": "Preempt"}]})),
}
TOKEN = "aws-token"


class Metadata(ThreadingHTTPServer):
    """A cloud's metadata service: what it answers is changed by the test."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cloud = cloud
        self.answer = NOTHING[cloud]
        self.asked = threading.Semaphore(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        asks_for_a_token = (
            self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        )
        self._say(200 if asks_for_a_token else 400, TOKEN)

    def do_GET(self) -> None:
        server = cast(Metadata, self.server)
        right = {
            "aws": self.path == "/latest/meta-data/spot/instance-action"
            and self.headers["X-aws-ec2-metadata-token"] == TOKEN,
            "gcp": self.path == "/computeMetadata/v1/instance/preempted"
            and self.headers["Metadata-Flavor"] == "Google",
            "azure": self.path == "/metadata/scheduledevents?api-version=2020-07-01"
            and self.headers["Metadata"] == "true",
        }[server.cloud]
        self._say(*server.answer if right else (403, ""))
        server.asked.release()

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """The test's output is not for this."""


@contextmanager
def metadata(cloud: Cloud) -> Iterator[Metadata]:
    with Metadata(cloud) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
