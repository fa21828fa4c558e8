"""uvicorn's server, which collects no garbage while it starts."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Callable

import uvicorn


class Server(uvicorn.Server):
    """What is loaded at the start stays to the end: looking through it again and again for garbage takes a
    tenth of the start, and later makes requests wait. `ready` is called once it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        gc.disable()
        # Charts need no threads of a library of matrices: they hold memory, and spin before they sleep.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load the application, and open the sockets."""
        await super().startup(sockets)
        gc.freeze()
        gc.enable()
        if self.started:
            self._ready()
