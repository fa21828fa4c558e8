"""`etrm login`, `logout` and `whoami`: by which token commands reach a lab elsewhere."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from backend.kit.errors import InvalidInput, NotFound
from backend.kit.output import answer

Url = Annotated[str, typer.Argument(metavar="[URL]", help="Address of a lab. Default: --url or ETRM_URL.")]


def login(url: Url = "") -> None:
    """Log in to the lab at URL: ask for an API token and store it in a private file.

    Without an address: print one that logs a browser in to the lab on this machine, once, within ten minutes.
    """
    from backend.people import api
    from backend.settings import Settings
    from backend.terminal import logins
    from backend.terminal.calls import call

    lab = _origin(url)
    if lab is None:
        _print_browser_login()
        return
    known = Settings.current()
    token = (known.token if known.url in (None, lab) else None) or _read_token(lab)  # never another lab's
    os.environ["ETRM_URL"] = lab
    os.environ["ETRM_TOKEN"] = token
    found = call(api.read_me)
    file = logins.store(lab, token)
    said = f"Logged in to {lab} as {found.name}, {found.role}; the token is stored in {file}."
    answer({"url": lab, **found.model_dump(), "stored_in": file}, said)


def logout(url: Url = "") -> None:
    """Remove the stored token of the lab at URL. It stays valid: etrm token revoke ends it."""
    from backend.terminal import logins

    lab = _origin(url)
    if lab is None:
        raise typer.BadParameter("is missing: give the address of a lab", param_hint="URL")
    if not logins.forget(lab):
        raise NotFound(f"No token of {lab} is stored.")
    answer({"url": lab}, f"Logged out of {lab}: its token is removed from this machine.")


def whoami() -> None:
    """Show as whom commands work with the lab, and what they may do."""
    from backend.people import api
    from backend.terminal.calls import call

    found = call(api.read_me)
    answer(found, f"{found.name}  role {found.role}  scope {found.scope}")


def _origin(url: str) -> str | None:
    """The address of the lab that is meant; None for that of this machine."""
    from backend.settings import Settings, origin_of

    try:
        return origin_of(url) if url else Settings.load().url
    except ValueError as error:
        raise InvalidInput(f"{url} is not the address of a lab: it {error}.") from error


def _read_token(lab: str) -> str:
    """The token that is typed without being shown, or comes through a pipe."""
    from getpass import getpass

    typed = getpass(f"API token of {lab}: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not typed.strip():
        raise InvalidInput("No token was given.", "Make one in the lab under Settings: API tokens.")
    return typed.strip()


def _print_browser_login() -> None:
    from backend.people import service as accounts
    from backend.terminal.home import holder_of
    from backend.terminal.lab import address, settings, writing

    found = settings()
    if holder_of(found.home) is None and "ETRM_DATABASE_URL" not in os.environ:
        raise NotFound(f"No lab is running on {found.home}.", "Start it with etrm up.")
    with writing() as session:
        link = f"{address()}/login?token={accounts.issue_login(session)}"
    answer({"login_url": link}, link)
