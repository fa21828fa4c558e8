"""The real web server as a child process, and a client that speaks to it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from backend.db.session import make_engine, session_scope
from backend.people import service as accounts

# Only what hangs takes so long: a busy machine is slow, not broken.
START_SECONDS = 300.0
SILENCE_SECONDS = 120.0


class WebServer:
    """`etrm web` with the settings in `environment`, on a free port unless it is given one."""

    def __init__(self, folder: Path, environment: Mapping[str, str], port: int = 0) -> None:
        self.log = folder / "web.log"
        self.engine = make_engine(environment["ETRM_DATABASE_URL"])
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "backend.cli", "web", "--port", str(port)],
                env=os.environ | dict(environment),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            self.url = self._address()
        except BaseException:  # told to end meanwhile
            self.process.kill()
            self.process.wait()
            self.close()
            raise
        with session_scope(self.engine) as session:
            self.token = accounts.create_token(session, f"test-{self.process.pid}")

    def client(self, **options: Any) -> httpx.Client:
        """A client with the server's token."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return httpx.Client(base_url=self.url, headers=headers, timeout=SILENCE_SECONDS, **options)

    def stranger(self, **options: Any) -> httpx.Client:
        """A client without a token."""
        return httpx.Client(base_url=self.url, timeout=SILENCE_SECONDS, **options)

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self.process.terminate()
        self.process.wait(timeout=START_SECONDS)
        self.close()

    def close(self) -> None:
        """Let go of what is open for a server that has ended."""
        assert self.process.stdout
        self.process.stdout.close()
        self.engine.dispose()

    def _address(self) -> str:
        """The address the server prints, once it answers there."""
        assert self.process.stdout
        readable, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline() if readable else ""
        if "http://" not in line:
            raise AssertionError(f"the web server did not start: {line} {self.log.read_text()}")
        address = line.split()[-1]
        transport = httpx.HTTPTransport(retries=10)  # bound already, but it may not listen yet
        with httpx.Client(transport=transport, timeout=START_SECONDS) as client:
            client.get(f"{address}/healthz")
        return address


@dataclass(frozen=True)
class Event:
    """A server-sent event."""

    kind: str
    data: Any
    id: str


def events_of(response: httpx.Response) -> Iterator[Event]:
    """The events of a stream as they come, without comments and heartbeats; a minute of these alone fails."""
    fields: dict[str, str] = {}
    deadline = time.monotonic() + SILENCE_SECONDS
    for line in response.iter_lines():
        assert time.monotonic() < deadline, "nothing but heartbeats"
        if line:
            key, _, value = line.partition(": ")
            fields[key] = value
        elif fields.get("event") == "heartbeat":
            fields = {}
        elif "event" in fields:
            yield Event(fields["event"], json.loads(fields["data"]), fields.get("id", ""))
            fields = {}
            deadline = time.monotonic() + SILENCE_SECONDS
        else:
            fields = {}
