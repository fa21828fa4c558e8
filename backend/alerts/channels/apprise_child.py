"""The process that runs apprise for one message: JSON on stdin, JSON on stdout.

Addresses come from people. An audit hook refuses connections that may not be made, programs that some
services would start, and files: many services take the path of a template. It lasts as long as the process.
"""

from __future__ import annotations

import json
import logging
import mimetypes
import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

from backend.alerts.channels.reach import refusal

PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty")
OTHER_FILES = frozenset(map(os.path.realpath, (*mimetypes.knownfiles, "/dev/null", "/dev/urandom")))


class _Refused(OSError):
    pass


def guard(reaches_private: bool, installed: Path) -> None:
    """From here on, connect only where a message may go, start nothing, and open only what Python needs.

    `installed`: the folder in which apprise is.
    """
    libraries = tuple(f"{os.path.realpath(each)}{os.sep}" for each in _libraries(installed))

    def check(event: str, args: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            address = args[1]
            if address is None:  # it is connected already
                return
            why_not = refusal(address[0], reaches_private) if isinstance(address, tuple) else "no IP address"
            if why_not:
                log.warning(why_not)
                raise _Refused(why_not)
        elif event in PROGRAMS:
            raise _Refused("a message may not start a program")
        elif event == "open" and not isinstance(args[0], int):
            path = os.path.realpath(os.fsdecode(args[0]))
            if not path.startswith(libraries) and path not in OTHER_FILES:
                raise _Refused("a message may not open a file of the server")

    log = logging.getLogger("apprise")
    sys.addaudithook(check)


def _libraries(installed: Path) -> list[str]:
    """Folders of Python and of packages, apprise being `installed` in one; not that in which the lab was
    started, which may hold its settings."""
    packages = [each for each in sys.path if Path(each).name in ("site-packages", "dist-packages")]
    return [
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
        str(installed),
        *packages,
    ]


class _Lines(logging.Handler):
    """Keeps what apprise warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Check an address, or send to it where the job has a body."""
    import apprise

    lines = _Lines()
    logger = logging.getLogger("apprise")
    logger.addHandler(lines)
    logger.propagate = False
    service = apprise.Apprise.instantiate(job["url"], suppress_exceptions=True)
    if service is None:
        return {"problem": "is not an address that apprise knows, or a part of it is missing."}
    name = str(service.service_name)
    if "body" not in job:
        return {"service": name}
    guard(job["reaches_private"], Path(apprise.__file__).parents[1])
    arrived = service.notify(title=job["title"], body=job["body"], notify_type=apprise.NotifyType.INFO)
    return {"service": name, "arrived": bool(arrived), "log": lines.lines}


if __name__ == "__main__":
    print(json.dumps(run(json.load(sys.stdin))))
