"""Whether those who opened a stream may still read it: its token or session still opens the lab."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from backend.people import auth
from backend.people import service as accounts
from backend.web.live.hub import Hub
from backend.web.live.response import EventStream
from backend.web.live.source import Source
from backend.web.visitor import who


def credential_of(request: Request) -> str:
    """What the request was let in by, without its secret."""
    of_token = auth.token_credential(request)
    return of_token or accounts.session_credential(request.cookies.get(auth.cookie_name(request), ""))


def still_valid(session: Session, credentials: Collection[str]) -> set[str]:
    """Those of the credentials that still open the lab, in a number of queries that does not grow. A removed
    person's tokens and sessions are gone with the person; every role may read every stream."""
    return accounts.valid_credentials(session, credentials)


class Streams:
    """Opens event streams for the one who asks."""

    def __init__(self, request: Request) -> None:
        self._hub: Hub = request.app.state.live
        self._credential = credential_of(request)

    async def open(self, source: Source[Any], key: Hashable, start: Hashable = None) -> Response:
        """The stream of what has this key, from `start`; `source` is used if nobody follows it yet."""
        reader = await self._hub.open(who.get().name, self._credential, key, lambda: source, start)
        return EventStream(reader, self._hub.leave)


async def _streams(request: Request) -> Streams:
    return Streams(request)


Live = Annotated[Streams, Depends(_streams)]
