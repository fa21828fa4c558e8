"""`etrm up`: broker, database, web server and one worker, started together and stopped together."""

from __future__ import annotations

import http.client
import os
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from backend.db import revisions
from backend.embedded.signals import Signals, listening
from backend.embedded.supervisor import Service, Stopped, Supervisor
from backend.kit import output
from backend.kit.errors import Unavailable
from backend.settings import PREFIX, Settings
from backend.terminal import home, port
from backend.terminal.home import Holder
from backend.terminal.private import close_to_others

if TYPE_CHECKING:
    from sqlalchemy import Engine

WORKER_GRACE = 45.0  # seconds for the checkpoint of the running training


def up(settings: Settings, demo: bool = True) -> None:
    """Run the lab until Ctrl-C or SIGTERM. `demo`: queue the quick run if there is no run yet."""
    close_to_others(settings)
    home.prepare(settings.home)
    home.prepare(settings.artifacts)
    with (
        listening() as signals,
        home.held(settings.home) as lock,
        closing(port.bind(settings.host, settings.port)) as web_socket,
    ):
        try:
            _Lab(settings, web_socket, lock, signals).run(demo)
        except OSError as error:
            raise home.storage_error(error, settings.home) from error
        except Stopped:
            say("Stopped while starting.")


def say(text: str) -> None:
    """A remark for the user. Standard output is for the address alone."""
    print(text, file=sys.stderr, flush=True)


class _Lab:
    """One `etrm up`, from the first child to the last."""

    def __init__(self, settings: Settings, web_socket: socket.socket, lock: Path, signals: Signals) -> None:
        self._settings = settings
        self._web_socket = web_socket
        self._lock = lock
        self._url = port.address_of(*port.local_address(web_socket))
        self._supervisor = Supervisor(settings.home / "logs", signals, say)

    def run(self, demo: bool) -> None:
        try:
            self._start(demo)
            self._supervisor.watch()
            say("Stopping. A running training saves a checkpoint first; press Ctrl-C again to skip that.")
        finally:
            self._supervisor.stop()
        say("Stopped.")

    def _start(self, demo: bool) -> None:
        """Each part is started as soon as what it needs is there, not when the one before it answers."""
        url = self._settings.database_url
        broker_url = self._settings.broker_url or self._start_broker()
        os.environ.update(self._environment(broker_url))
        if self._settings.broker_url:
            check_broker(broker_url)
        is_ready = revisions.is_newest(url)
        wait = self._start_servers() if is_ready else None
        from backend.embedded import database  # SQLAlchemy is loaded while the others start

        engine = database.prepare(url)
        try:
            demo_run = database.queue_demo(engine) if demo else ""
            (wait or self._start_servers())(engine)
            home.announce(self._lock, Holder(os.getpid(), self._url, broker_url))
            login_url = database.login_address(engine, self._url)
            lab = {"url": self._url, "login_url": login_url, "pid": os.getpid()}
            if not output.announced(lab):
                say("Open this link in a browser to log in (works once, for ten minutes):")
                print(login_url, flush=True)
            if demo_run:
                say(
                    "A demo run trains now: minutes on two CPU cores. Runs that you queue wait for it. "
                    f"To stop it: etrm run cancel {demo_run}. To start without it: --no-demo."
                )
            say("Ctrl-C stops everything. Another login link: etrm login")
        finally:
            engine.dispose()

    def _environment(self, broker_url: str) -> dict[str, str]:
        """What this process's own services and every child read as their settings."""
        settings = self._settings
        values = {
            "HOME": str(settings.home),
            "HOST": settings.host,
            "PORT": str(self._web_socket.getsockname()[1]),
            "DATABASE_URL": settings.database_url,
            "BROKER_URL": broker_url,
            "ARTIFACTS": str(settings.artifacts),
        }
        return {PREFIX + name: value for name, value in values.items()}

    def _start_broker(self) -> str:
        from backend.embedded import valkey

        folder = self._settings.home / "broker"
        folder.mkdir(exist_ok=True)
        broker = valkey.Broker(folder)
        child = self._supervisor.start(Service("broker", broker.command, stdin=broker.config))
        self._supervisor.until(broker.answers, child)
        return broker.url

    def _start_servers(self) -> Callable[[Engine], None]:
        """Start web server and worker side by side; what waits until both answer."""
        say(f"Starting the web server and the worker; data and logs are in {self._settings.home}")
        descriptor = self._web_socket.fileno()
        command = [sys.executable, "-m", "backend.cli", "web", "--fd", str(descriptor)]
        web = self._supervisor.start(Service("web server", command, descriptors=(descriptor,)))
        command = [sys.executable, "-m", "worker", "worker"]
        worker = self._supervisor.start(Service("worker", command, grace=WORKER_GRACE))

        def wait(engine: Engine) -> None:
            from backend.embedded import database

            self._supervisor.until(lambda: _web_answers(self._web_socket), web)
            self._supervisor.until(lambda: database.has_heartbeat(engine, worker.process.pid), worker)

        return wait


def check_broker(url: str) -> None:
    """Unavailable unless the broker at `url` answers."""
    from backend.embedded.valkey import answers

    if not answers(url):
        raise Unavailable(
            f"The broker at {url.rpartition('@')[2]} is not responding.",
            "Start it, or unset ETRM_BROKER_URL to use the embedded one.",
        )


def _web_answers(web_socket: socket.socket) -> bool:
    """Whether the web server on this socket says that its pages can be used."""
    name, number = port.local_address(web_socket)
    connection = http.client.HTTPConnection(name, number, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
