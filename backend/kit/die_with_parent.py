"""`python die_with_parent.py PARENT COMMAND…`: become COMMAND, and be killed when process PARENT dies.

A program of its own and not a hook between fork and exec, which is unsafe where threads are. Only Linux
has the parent-death signal; it outlives exec. Elsewhere nothing is promised after a `kill -9` of the parent.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """Tie this process to its parent, then replace it by the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    tie(parent)
    os.execv(command[0], command)


def tie(parent: int) -> None:
    """Let the kernel kill this process when `parent` dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was told
        sys.exit(f"the parent process {parent} is gone")


if __name__ == "__main__":
    main()
