"""What waits for one reader of a stream, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

from backend.web.live.packets import REFRESH

MAX_WAITING = 2_000_000  # bytes for a reader who reads too slowly; the first chunk of a queue may be larger

_numbers = count()


class Reader:
    """One open stream: who it is of, and what was not sent yet. Belongs to the event loop's thread."""

    def __init__(self, owner: str, credential: str) -> None:
        self.number = next(_numbers)
        self.owner = owner
        self.credential = credential
        self.drained: Callable[[], None] | None = None  # called once when everything so far has been taken
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._closed = False
        self._wake = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._waiting

    def put(self, chunk: bytes) -> None:
        """Send this next. Who falls too far behind is told so, and the stream ends: from its cursor it can
        catch up, and meanwhile it takes no room."""
        if self._closed or not chunk:
            return
        if self._waiting and self._bytes + len(chunk) > MAX_WAITING:
            self._waiting, self._bytes = [REFRESH], len(REFRESH)
            self.close()
            return
        self._waiting.append(chunk)
        self._bytes += len(chunk)
        self._wake.set()

    def close(self) -> None:
        """Nothing more will come; what waits is still sent."""
        self._closed = True
        self.drained = None
        self._wake.set()

    async def next(self) -> bytes | None:
        """All that waits, in order, as soon as there is something; None at the end."""
        while not self._waiting:
            if self._closed:
                return None
            self._wake.clear()
            if self.drained is not None:
                drained, self.drained = self.drained, None
                drained()
            await self._wake.wait()
        chunk = b"".join(self._waiting)
        self._waiting, self._bytes = [], 0
        return chunk
