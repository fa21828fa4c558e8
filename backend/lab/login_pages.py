"""`/login`: the one-time link that the terminal prints, or a token pasted by hand; and `/logout`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from backend.db.session import session_scope
from backend.kit.errors import Unauthorised
from backend.lab.contexts import LoginPage
from backend.people import browsers, sessions
from backend.people import service as accounts
from backend.people.auth import forget_cookie, keep_session
from backend.web.deps import Database
from backend.web.rendering import render
from backend.web.routing import OPEN, VIEWER, Router, needs
from backend.web.visitor import who

router = Router(reads=OPEN, writes=OPEN, include_in_schema=False)


@router.get("/login")
def login_page(request: Request, engine: Database, token: str = "") -> Response:
    """With a one-time token: log in and go to the runs. Without: ask for a token."""
    if not token:
        return render(LoginPage(problem="", hint=""))
    try:
        with session_scope(engine) as session:
            secret = accounts.redeem_login(session, token, _browser(request))
    except Unauthorised as error:
        return _refused(error)
    return _welcome(request, secret)


@router.post("/login")
def log_in(request: Request, engine: Database, token: Annotated[str, Form(max_length=500)] = "") -> Response:
    """Log in with a pasted token: an API token, or the one-time token of the link (or the whole link)."""
    pasted = token.strip().rpartition("token=")[2]
    try:
        with session_scope(engine) as session:
            enter = (
                accounts.log_in_with_token
                if pasted.startswith(accounts.TOKEN_PREFIX)
                else accounts.redeem_login
            )
            secret = enter(session, pasted, _browser(request))
    except Unauthorised as error:
        return _refused(error)
    return _welcome(request, secret)


@router.post("/logout")
@needs(VIEWER)
def log_out(request: Request, engine: Database) -> Response:
    """End this browser's session and go to the login page."""
    with session_scope(engine) as session:
        sessions.log_out(session, who.get())
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    forget_cookie(request, response)
    return response


def _browser(request: Request) -> str:
    return browsers.in_words(request.headers.get("user-agent", ""))


def _welcome(request: Request, secret: str) -> Response:
    response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    keep_session(request, response, secret)
    return response


def _refused(error: Unauthorised) -> Response:
    hint = " ".join([error.hint, *(problem.hint for problem in error.problems)]).strip()
    return render(LoginPage(problem=error.message, hint=hint), HTTPStatus.UNAUTHORIZED)
