"""Answers as gzip, by ISA-L: of curves in a third of zlib's time, and no larger."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from isal import isal_zlib
from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware, GZipResponder
from starlette.types import Receive, Scope, Send

LEVEL = 1  # of ISA-L's 0 to 3, which differ little
GZIP_FORMAT = 16 + isal_zlib.MAX_WBITS


class Compression(GZipMiddleware):
    """Starlette's, with another compressor."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "gzip" not in Headers(scope=scope).get("Accept-Encoding", ""):
            await super().__call__(scope, receive, send)
            return
        responder = _Responder(
            self.app,
            self.minimum_size,
            thread_minimum_size=self.thread_minimum_size,
            exclude_content_types=self.exclude_content_types,
        )
        await responder(scope, receive, send)


class _Responder(GZipResponder):
    @cached_property
    def compressor(self) -> Any:
        return isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, GZIP_FORMAT)
