"""Web push to a browser: the optional extra `push`.

The lab has one key pair (VAPID), made when it is first asked for. The message is encrypted for the browser;
its push service only carries it.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from backend.alerts.channels.notice import Notice, Sent
from backend.alerts.channels.posting import post
from backend.kit.errors import InvalidInput
from backend.kit.problems import invalid
from backend.settings import Settings

KEY_FILE = "push-key.pem"  # in ETRM_HOME
VALID_SECONDS = 12 * 3600  # of a signature; services take up to a day
KEPT_SECONDS = 24 * 3600  # for which the push service keeps it for a phone that is off
MAX_TEXT = 2000  # characters: push services take 4 kB


def check_installed() -> None:
    """InvalidInput that names the extra."""
    if find_spec("pywebpush") is None:
        raise InvalidInput(
            "The package pywebpush is not installed where the lab runs.",
            "Install the extra push: pip install 'pywebpush>=2.0.3,<3', and restart the lab.",
        )


def public_key(home: Path) -> str:
    """The lab's key as browsers ask for it: an uncompressed point, base64url. InvalidInput: not installed."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    point = _key(home).public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def address_of(endpoint: str, p256dh: str, auth: str) -> tuple[str, str]:
    """(what is stored of a browser's subscription, what may be shown of it). InvalidInput."""
    check_installed()
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or ":" in parts.hostname:
        raise invalid("The subscription was not saved.", "push.endpoint", "must be https://…")
    for name, text, size in (("p256dh", p256dh, 65), ("auth", auth, 16)):
        if len(_decoded(text)) != size:
            raise invalid(
                "The subscription was not saved.", f"push.{name}", f"must be {size} bytes, base64url."
            )
    stored = {"endpoint": endpoint, "keys": {"p256dh": p256dh, "auth": auth}}
    return json.dumps(stored), parts.hostname


def send(address: str, notice: Notice, reaches_private: bool, settings: Settings) -> Sent:
    """Encrypt the notice for its browser and hand it to the push service."""
    try:
        check_installed()
    except InvalidInput as error:
        return Sent(False, str(error))
    from pywebpush import WebPusher

    browser: dict[str, Any] = json.loads(address)
    shown = {
        "title": notice.title,
        "body": notice.text[:MAX_TEXT],
        "url": notice.url or notice.payload.get("path"),
    }
    parts = urlsplit(browser["endpoint"])
    expires = int(time.time()) + VALID_SECONDS
    claims = {"aud": f"{parts.scheme}://{parts.netloc}", "sub": _contact(settings.public_url), "exp": expires}
    try:
        body = WebPusher(browser).encode(json.dumps(shown).encode(), content_encoding="aes128gcm")["body"]
    except ValueError:  # the key is no point of the curve
        return Sent(False, "the browser's keys cannot be used", is_gone=True)
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
        "TTL": str(KEPT_SECONDS),
        **_key(settings.home).sign(claims),
    }
    receiver = "the browser's push service"
    return post(browser["endpoint"], body, headers, reaches_private, receiver, gone=(404, 410))


def _contact(public_url: str | None) -> str:
    """Whom a push service may write to; it wants a mail address, which nobody has given the lab."""
    host = urlsplit(public_url or "").hostname or ""
    return f"mailto:lab@{host}" if "." in host else "mailto:lab@localhost"


def _key(home: Path) -> Any:
    """The lab's key pair, made if there is none."""
    check_installed()
    from py_vapid import Vapid02

    file = home / KEY_FILE
    if not file.exists():
        made = Vapid02()
        made.generate_keys()
        draft = home / f".{KEY_FILE}.{secrets.token_hex(4)}"
        with open(draft, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(made.private_pem())
        with suppress(FileExistsError):  # another process was first: its key counts
            os.link(draft, file)
        draft.unlink()
    return Vapid02.from_pem(file.read_bytes())


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
