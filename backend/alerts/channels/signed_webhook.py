"""A webhook of a person's own: JSON, signed, so that the receiver knows that the lab sent it, and when."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from urllib.parse import urlsplit

from backend.alerts.channels.notice import Notice, Sent
from backend.alerts.channels.posting import post
from backend.kit.problems import invalid

TIMESTAMP, SIGNATURE = "ETRM-Timestamp", "ETRM-Signature"


def new_secret() -> str:
    """What signs the messages of a subscription."""
    return f"whsec_{secrets.token_urlsafe(32)}"


def shown(url: str) -> str:
    """What may be shown of an address: paths and queries of webhooks hold secrets. InvalidInput."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        parts, port = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise invalid(
            "The subscription was not saved.", "url", "must be http://… or https://…, without a name."
        )
    more = "/…" if parts.path.strip("/") or parts.query else ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{more}"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 of `TIMESTAMP.BODY`, as the header has it."""
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, "sha256").hexdigest()


def send(url: str, secret: str, notice: Notice, reaches_private: bool) -> Sent:
    """Post the notice."""
    body, timestamp = json.dumps(notice.payload).encode(), str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        TIMESTAMP: timestamp,
        SIGNATURE: signature(secret, timestamp, body),
    }
    return post(url, body, headers, reaches_private, "the webhook")
