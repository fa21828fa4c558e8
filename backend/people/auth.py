"""Who is asking: an API token (`Authorization: Bearer etrm_…`) or a browser's session cookie.

What a request takes is declared by the route that answers it (`backend.web.routing`).
"""

from __future__ import annotations

import time

from anyio.to_thread import run_sync
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.db.session import reading_scope, write_in_passing
from backend.domain.people import OWNER, Identity, Need
from backend.kit.errors import Unauthorised
from backend.people import service as accounts
from backend.people.service import TokenView
from backend.web.routing import OPEN, Addresses
from backend.web.visitor import who

REMEMBERED = "remembered_credential"  # in the scope of a request let in by what was known of its token
REMEMBERED_SECONDS = 5.0
MAX_REMEMBERED = 1000  # tokens


class Authentication:
    """ASGI middleware: lets in who has a valid token or session whose role covers what the matched route
    needs; Unauthorised or Forbidden for the rest, before anything reads what they send.

    Endpoints that ask again when they write are reached with what was found out about the token up to five
    seconds ago: a script that logs often costs no query of its own each time.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._remembered: dict[str, tuple[float, Identity]] = {}  # by credential: until when, and who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            addresses: Addresses = request.app.state.addresses
            access = addresses.access(scope["method"], scope["path"])
            if access != OPEN:
                who.set(await self._identity(request, addresses, access))
        await self._app(scope, receive, send)

    async def _identity(self, request: Request, addresses: Addresses, access: Need) -> Identity:
        credential = ""
        if addresses.asks_again(request.method, request.scope["path"]):
            credential = token_credential(request)
            until, identity = self._remembered.get(credential, (0.0, OWNER))
            if time.monotonic() < until and identity.may(access):
                request.scope[REMEMBERED] = credential
                return identity
        identity = await run_sync(check, request, request.app.state.engine, access)
        if credential:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[credential] = time.monotonic() + REMEMBERED_SECONDS, identity
        return identity


def token_credential(request: Request) -> str:
    """What the API token of a request is known by; "" without one."""
    secret = _bearer(request)
    return "" if secret is None else accounts.token_credential(secret)


def check(request: Request, engine: Engine, needed: Need) -> Identity:
    """Who is asking. Unauthorised unless the request carries a token or a session that opens this lab,
    Forbidden if that person's role, or the token's scope, does not cover what is needed."""
    identity = _identify(request, engine)
    identity.check(needed)
    return identity


def _identify(request: Request, engine: Engine) -> Identity:
    secret = _bearer(request)
    if secret is not None:
        found = _token(engine, secret)
        if found is None:
            raise Unauthorised(
                "The token in the Authorization header is unknown, revoked or expired.",
                "Send Authorization: Bearer TOKEN; create a token with etrm token create NAME.",
            )
        return found.identity
    cookie = request.cookies.get(cookie_name(request))
    with reading_scope(engine) as session:
        identity = accounts.check_session(session, cookie) if cookie else None
        is_stale = bool(identity and cookie and accounts.seen_is_stale(session, cookie))
    if identity is None:
        raise Unauthorised(
            "Log in to use this lab.",
            "In a browser: open the link that etrm up prints, or log in with a token. "
            "From a program: send Authorization: Bearer TOKEN (etrm token create NAME).",
        )
    if cookie and is_stale:
        write_in_passing(engine, lambda session: accounts.note_seen(session, cookie))
    return identity


def _bearer(request: Request) -> str | None:
    """The secret of the token in the Authorization header, which may be empty; None without a token."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def _token(engine: Engine, secret: str) -> TokenView | None:
    with reading_scope(engine) as session:
        token = accounts.check_token(session, secret)
    if token and accounts.use_is_stale(token):
        write_in_passing(engine, lambda session: accounts.note_use(session, secret))
    return token


def cookie_name(request: Request) -> str:
    """One cookie per port: browsers share cookies between the ports of a host, two labs must not."""
    server = request.scope.get("server") or ("", None)
    return f"etrm_session_{server[1] or 0}"


def keep_session(request: Request, response: Response, secret: str) -> None:
    """Give the browser its session cookie."""
    response.set_cookie(
        cookie_name(request),
        secret,
        max_age=int(accounts.SESSION_SECONDS),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path="/",
    )


def forget_cookie(request: Request, response: Response) -> None:
    """Take back the cookie of a session that has ended."""
    response.delete_cookie(cookie_name(request), httponly=True, samesite="strict", path="/")
