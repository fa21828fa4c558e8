"""Hosts on one machine: network namespaces on a bridge, each of which can be cut off and joined again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

PREFIX = "10.214"  # of the bridges, each of which has a /24 of its own
AS_HOST = 'hostname "$0"; exec "$@"'


def why_not() -> str:
    """Why this machine can make no such hosts; empty: it can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "needs root on Linux, to make network namespaces"
    if missing := [name for name in ("ip", "unshare") if not shutil.which(name)]:
        return f"needs {' and '.join(missing)}, to make network namespaces"
    name = f"etr{os.getpid()}"
    try:
        ip("link", "add", name, "type", "bridge")
        ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        return f"needs network namespaces and bridges: {error.stderr.decode().strip()}"
    finally:
        for words in (("link", "del", name), ("netns", "del", name)):
            with suppress(subprocess.CalledProcessError):
                ip(*words)
    return ""


def ip(*words: str) -> str:
    """What `ip` prints; CalledProcessError where it refuses."""
    return subprocess.run(["ip", *words], check=True, capture_output=True).stdout.decode()


class Host:
    """A network namespace with one cable to the bridge."""

    def __init__(self, bridge: Bridge, name: str, number: int) -> None:
        self.name = name
        self._space = f"{bridge.name}-{name}"
        self._near, far = f"{bridge.name}n{number}", f"{bridge.name}f{number}"
        ip("netns", "add", self._space)
        ip("link", "add", self._near, "type", "veth", "peer", "name", far, "netns", self._space)
        ip("link", "set", self._near, "master", bridge.name)
        self.join()
        for command in (
            f"addr add {bridge.address(10 + number)}/24 dev {far}",
            f"link set {far} up",
            "link set lo up",
        ):
            ip("-n", self._space, *command.split())

    @property
    def prefix(self) -> Sequence[str]:
        """What starts a command on this host, with its name as the host's."""
        return ("ip", "netns", "exec", self._space, "unshare", "--uts", "sh", "-c", AS_HOST, self.name)

    def cut(self) -> None:
        """Pull the cable."""
        ip("link", "set", self._near, "down")

    def join(self) -> None:
        """Put the cable in."""
        ip("link", "set", self._near, "up")

    def lose(self, address: str) -> None:
        """From here one address is not reached any more."""
        ip("-n", self._space, "route", "add", "unreachable", f"{address}/32")

    def find(self, address: str) -> None:
        """It is reached again."""
        ip("-n", self._space, "route", "del", "unreachable", f"{address}/32")

    def remove(self) -> None:
        ip("link", "del", self._near)  # at once, and with it the far end: a dying process may hold the rest
        ip("netns", "del", self._space)


class Bridge:
    """A network in which this process has the addresses 1 and 2. Remove it after its hosts."""

    def __init__(self) -> None:
        self.name = f"et{os.getpid()}"
        taken = ip("-o", "-4", "addr")
        self._net = next(net for net in range(256) if f"{PREFIX}.{net}." not in taken)
        ip("link", "add", self.name, "type", "bridge")
        for number in (1, 2):
            ip("addr", "add", f"{self.address(number)}/24", "dev", self.name)
        ip("link", "set", self.name, "up")

    def address(self, number: int) -> str:
        return f"{PREFIX}.{self._net}.{number}"

    @property
    def network(self) -> str:
        return f"{self.address(0)}/24"

    def remove(self) -> None:
        ip("link", "del", self.name)
