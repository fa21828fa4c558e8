"""How a process that runs for weeks with many threads takes memory from the system."""

from __future__ import annotations

import ctypes

M_ARENA_MAX = -8  # of glibc's malloc.h
ARENAS = 2


def share() -> None:
    """Let threads share their free memory, where the C library is glibc; call it before there are threads.

    glibc gives every thread a pool of its own, up to eight for each core. What one thread has freed no other
    gets: a server with 20 threads that answers the same requests for ever takes more and more.
    """
    try:
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return
