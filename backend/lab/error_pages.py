"""Errors as pages."""

from __future__ import annotations

from fastapi import Request, Response

from backend.kit.errors import EtrmError, Unauthorised
from backend.lab.contexts import ErrorPage, LoginPage, OutsidePage
from backend.web.rendering import render

BEFORE_THE_DOOR = ("/s/", "/static/", "/login")  # pages for people without a login


def error_page(request: Request, error: EtrmError) -> Response:
    """What a browser sees of an error: what happened, why, what to do. Strangers see the login page, and
    of what is open to them only words: what the lab's own pages ask for would send them to the login."""
    if isinstance(error, Unauthorised):
        visited_before = any(name.startswith("etrm_session") for name in request.cookies)
        said = "Your session has ended." if visited_before else ""
        return render(LoginPage(problem=said, hint=""), error.status)
    if request.scope["path"].startswith(BEFORE_THE_DOOR):
        return render(OutsidePage(error=error), error.status)
    return render(ErrorPage(error=error), error.status)
