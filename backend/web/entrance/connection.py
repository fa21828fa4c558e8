"""One connection of the web server: uvicorn's, with an end to what is sent by halves.

uvicorn waits for the rest of a request as long as the sender likes. Here its head has some seconds in all,
however slowly it drips; its body is timed where it is read (`backend.web.entrance.guard`).
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
INVALID = b"Invalid HTTP request received."
BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\n\r\n" % len(INVALID)
)


class Connection(H11Protocol):
    """A connection that is closed when a head, or a body that nobody reads any more, takes too long."""

    _cutting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, unless an answer has begun; nothing else is said after it.

        Not by way of h11, which counts the bytes of this answer by the request that turned out to be none.
        """
        answering = self.cycle if self.cycle is not None and not self.cycle.response_complete else None
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            is_head = answering is not None and answering.scope["method"] == "HEAD"
            self.transport.write(BAD_REQUEST + (b"" if is_head else INVALID))
        if answering is not None:
            answering.disconnected = True
            answering.message_event.set()
        self.transport.close()

    def _watch(self) -> None:
        """Start the clock while something is to come; it is not put back by what comes."""
        if self.transport.is_closing() or not self._is_awaited():
            self._stop_watching()
        elif self._cutting is None:
            self._cutting = self.loop.call_later(HEAD_SECONDS, self._cut_off)

    def _is_awaited(self) -> bool:
        answered = self.cycle is not None and self.cycle.response_complete
        return self.conn.their_state is h11.IDLE or (self.conn.their_state is h11.SEND_BODY and answered)

    def _stop_watching(self) -> None:
        if self._cutting is not None:
            self._cutting.cancel()
            self._cutting = None

    def _cut_off(self) -> None:
        self._cutting = None
        if self.transport.is_closing() or not self._is_awaited():
            return
        if self.conn.our_state is h11.IDLE:
            self.transport.write(TIMEOUT)
        self.transport.close()
