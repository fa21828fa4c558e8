"""An S3-compatible server of its own process."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest

from backend.artifacts import service as objects
from backend.artifacts.service import ObjectStore
from backend.settings import Settings
from tests.support.processes import eventually, kill


class S3Server:
    """moto's server, which can be paused, killed and started again: each keeps what is in it.

    While paused it takes connections and hangs whoever asks.
    """

    def __init__(self, log: Path, host: str = "127.0.0.1") -> None:
        self._log = log
        self._host = host
        with closing(socket.socket()) as free:
            free.bind((host, 0))
            self.port: int = free.getsockname()[1]
        self._numbers = count()
        self.process = self._started()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{self.port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def create_bucket(self) -> None:
        """Wait until it answers, which takes seconds to start."""
        eventually(lambda: self._answers("/bucket"), "the S3 server", every=0.2)

    def start(self) -> None:
        """Start it again on its port; returns once it answers."""
        self.process = self._started()
        self.create_bucket()

    def new_url(self) -> str:
        """A place of its own in the bucket."""
        return f"s3://bucket/lab-{next(self._numbers)}"

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It takes connections and answers nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        kill(self.process)

    def _started(self) -> subprocess.Popen[bytes]:
        requests = self._log.with_name(f"{self._log.name}-requests")
        with self._log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.support.lasting_s3", self._host, str(self.port), str(requests)],
                cwd=Path(__file__).parents[2],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _answers(self, path: str) -> bool:
        connection = http.client.HTTPConnection(self._host, self.port, timeout=60)
        try:
            connection.request("PUT", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3") / "log")
    try:
        server.create_bucket()
        yield server
    finally:
        server.stop()


@pytest.fixture
def s3_settings(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A lab's settings with an empty object store."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return Settings(home=tmp_path / "home", artifacts_url=s3_server.new_url(), min_free_gib=0)


@pytest.fixture
def store(s3_settings: Settings) -> ObjectStore:
    """The object store of `s3_settings`."""
    opened = objects.of(s3_settings, 60.0)
    assert opened is not None
    return opened
