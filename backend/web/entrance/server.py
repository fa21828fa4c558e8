"""uvicorn's server, which collects no garbage while it starts."""

from __future__ import annotations

import gc
import os
import socket

import uvicorn


class Server(uvicorn.Server):
    """What is loaded at the start stays to the end: looking through it again and again for garbage takes a
    tenth of the start, and later makes requests wait."""

    def __init__(self, config: uvicorn.Config) -> None:
        gc.disable()
        # Charts need no threads of a library of matrices: they hold memory, and spin before they sleep.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load the application, and open the sockets."""
        await super().startup(sockets)
        gc.freeze()
        gc.enable()
