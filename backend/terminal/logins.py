"""Tokens of labs elsewhere, by their URL, in a file of this user's that nobody else can read."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import typer

from backend.kit.errors import InvalidInput
from backend.terminal.private import OTHERS

NAME = "logins.json"


def logins_file() -> Path:
    """Where the tokens are: in the user's folder of configurations, such as ~/.config/etrm."""
    return Path(typer.get_app_dir("etrm")) / NAME


def stored_token(url: str) -> str | None:
    """The token that was stored for a lab; None without one."""
    return _read().get(url)


def store(url: str, token: str) -> Path:
    """Remember a lab's token; the file that holds it."""
    return _write(_read() | {url: token})


def forget(url: str) -> bool:
    """Remove a lab's token; whether there was one."""
    tokens = _read()
    had_one = tokens.pop(url, None) is not None
    if had_one:
        _write(tokens)
    return had_one


def _read() -> dict[str, str]:
    file = logins_file()
    try:
        if stat.S_IMODE(file.stat().st_mode) & OTHERS:
            raise InvalidInput(
                f"Others can read {file}, which holds tokens.",
                f"Run chmod 600 {file}, and make new tokens if somebody may have read it.",
            )
        tokens = json.loads(file.read_text())
        return {str(url): str(token) for url, token in tokens.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise InvalidInput(f"{file} cannot be read.", "Remove it and log in again.") from error


def _write(tokens: dict[str, str]) -> Path:
    file = logins_file()
    part = file.with_name(f"{NAME}.{os.getpid()}.part")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            json.dump(tokens, opened, indent=2)
        part.replace(file)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}.") from error
    return file
