"""A child process that never outlives its worker."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

PARENT_VARIABLE = "ETRM_WORKER_PID"  # set by the worker for its children
_PR_SET_PDEATHSIG = 1  # Linux: prctl(2)


def die_with_parent() -> None:
    """From now on this process is killed when the worker that started it dies; at once if it already has.

    Called by the child on itself: a hook between fork and exec is unsafe in a threaded worker. Nothing
    happens when no worker started this process. On Linux the kernel does it, bound to the worker's thread
    that started the child, which stays in `supervise` until the child is gone. Elsewhere a thread looks
    every half second.
    """
    parent = int(os.environ.get(PARENT_VARIABLE, "0"))
    if not parent:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_leave_after, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it died before the kernel was told
        os.kill(os.getpid(), signal.SIGKILL)


def _leave_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)
