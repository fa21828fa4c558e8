"""Errors as pages."""

from __future__ import annotations

from fastapi import Request, Response

from backend.kit.errors import EtrmError, NotFound, Unauthorised
from backend.lab.contexts import ErrorPage, LoginPage, OutsidePage
from backend.web.pages import SHARED
from backend.web.rendering import render

BEFORE_THE_DOOR = (SHARED, "/static/", "/login")  # pages for people without a login


def error_page(request: Request, error: EtrmError) -> Response:
    """What a browser sees of an error: what happened, why, what to do. Strangers see the login page, and
    of what is open to them only words: what the lab's own pages ask for would send them to the login."""
    path = request.scope["path"]
    if isinstance(error, Unauthorised) and path.startswith(SHARED):  # no login helps who mistyped a link
        error = NotFound("This link is invalid or was revoked.", "Ask the person who sent it for a new one.")
    if isinstance(error, Unauthorised):
        visited_before = any(name.startswith("etrm_session") for name in request.cookies)
        said = "Your session has ended." if visited_before else ""
        return render(LoginPage(problem=said, hint=""), error.status)
    if path.startswith(BEFORE_THE_DOOR):
        return render(OutsidePage(error=error), error.status)
    return render(ErrorPage(error=error), error.status)
