"""A response that is an event stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from backend.web.live.reader import Reader

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # no proxy may hold it back
MAX_STALLED = 60.0  # seconds that a reader may take nothing at all


class EventStream(StreamingResponse):
    """Writes what a reader gets until its end, or until it disconnects; then calls `leave`."""

    media_type = "text/event-stream"

    def __init__(self, reader: Reader, leave: Callable[[Reader], None], status_code: int = 200) -> None:
        super().__init__((), status_code, HEADERS)
        self._reader = reader
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watching = asyncio.create_task(self._watch(receive))
        try:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            await self._write(send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:
            pass  # the connection broke while we wrote, or takes nothing more: a reader who leaves
        finally:
            watching.cancel()
            self._leave(self._reader)

    async def _write(self, send: Send) -> None:
        while (chunk := await self._reader.next()) is not None:
            async with asyncio.timeout(MAX_STALLED):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _watch(self, receive: Receive) -> None:
        """Close the reader once the other side is gone, or sends what it may not."""
        with suppress(Exception):
            while (await receive())["type"] != "http.disconnect":
                pass
        self._reader.close()
