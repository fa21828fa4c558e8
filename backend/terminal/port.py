"""The web port: bound once by the supervisor, so that a restarted web server finds it still its own."""

from __future__ import annotations

import errno
import os
import socket

from backend.kit.errors import Conflict, EtrmError, Unavailable

_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # "every address" as this machine reaches it


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket bound to `host`:`port` (0: any free one), not yet listening, for a child to inherit."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Unavailable(
            f"{host!r} is not an address of this machine: {error}.", "Set ETRM_HOST to 127.0.0.1."
        ) from error
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _cannot_bind(error, host, port) from error
    bound.set_inheritable(True)
    return bound


def local_address(bound: socket.socket) -> tuple[str, int]:
    """Host and port by which this machine reaches a bound socket."""
    host, port = bound.getsockname()[:2]
    return _LOCAL.get(host, host), port


def address_of(host: str, port: int) -> str:
    """`http://host:port` as a browser on this machine writes it."""
    host = _LOCAL.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def free_local_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with bind("127.0.0.1", 0) as probe:
        return int(probe.getsockname()[1])


def _cannot_bind(error: OSError, host: str, port: int) -> EtrmError:
    if error.errno == errno.EADDRINUSE:
        owner = _owner(port)
        by = f" by {owner}" if owner else ""
        return Conflict(
            f"Port {port} on {host} is taken{by}.",
            f"Choose another: etrm up --port {port + 1 if port < 65535 else 8000}, or set ETRM_PORT.",
        )
    if error.errno == errno.EACCES:
        return Unavailable(
            f"Port {port} needs administrator rights.", "Choose one above 1023 with --port or ETRM_PORT."
        )
    reason = os.strerror(error.errno or 0)
    return Unavailable(f"Cannot serve on {host}:{port}: {reason}.", "Set ETRM_HOST to 127.0.0.1.")


def _owner(port: int) -> str:
    """Name and process id of who listens on `port`, where this user may see it; else empty."""
    import psutil

    try:
        listening = [
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid
        ]
        return f"{psutil.Process(listening[0]).name()} (process {listening[0]})" if listening else ""
    except psutil.Error:
        return ""
