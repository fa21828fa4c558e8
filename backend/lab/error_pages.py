"""Errors as pages."""

from __future__ import annotations

from fastapi import Request, Response

from backend.kit.errors import EtrmError, Unauthorised
from backend.lab.contexts import ErrorPage, LoginPage
from backend.web.rendering import render


def error_page(request: Request, error: EtrmError) -> Response:
    """What a browser sees of an error: what happened, why, what to do. Strangers see the login page."""
    if isinstance(error, Unauthorised):
        visited_before = any(name.startswith("etrm_session") for name in request.cookies)
        said = "Your session has ended." if visited_before else ""
        return render(LoginPage(problem=said, hint=""), error.status)
    return render(ErrorPage(error=error), error.status)
