"""Which lab, and with which token: arguments, then the environment, then what `etrm login` stored."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

from etrm_lab.output import tell_once


def chosen(url: str | None = None, token: str | None = None) -> tuple[str, str]:
    """(address, token) of the lab; empty where none is known.

    ETRM_TOKEN belongs to ETRM_URL: it is not sent to another address that is given as an argument.
    """
    from_environment = os.environ.get("ETRM_URL", "").strip().rstrip("/")
    logins = _stored()
    given = (url or "").strip()
    address = (given or from_environment or (next(iter(logins)) if len(logins) == 1 else "")).rstrip("/")
    known = os.environ.get("ETRM_TOKEN", "") if address == (from_environment or address) else ""
    return address, (token or known or logins.get(address, "")).strip()  # a file's last line end is no token


def logins_file() -> Path:
    """Where `etrm login` stores tokens."""
    if sys.platform == "win32":
        folder = Path(os.environ.get("APPDATA", "~"))
    elif sys.platform == "darwin":
        folder = Path("~/Library/Application Support")
    else:
        folder = Path(os.environ.get("XDG_CONFIG_HOME", "~/.config"))
    return folder.expanduser() / "etrm" / "logins.json"


def _stored() -> dict[str, str]:
    file = logins_file()
    try:
        if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
            tell_once(f"others can read {file}, which holds tokens: it is not used. Run chmod 600 {file}.")
            return {}
        tokens = json.loads(file.read_text())
        return {str(url): str(token) for url, token in tokens.items()}
    except (OSError, ValueError, AttributeError):
        return {}
