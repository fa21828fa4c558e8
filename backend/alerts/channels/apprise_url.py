"""Slack, Discord, Teams, ntfy, e-mail and more by an apprise URL: the optional extra `notify`.

Apprise runs in a process of its own, for one message: it takes its time there without taking the server's,
is ended when it takes too long, and connects only to machines that may be reached.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote

from backend.alerts.channels.notice import Notice, Sent
from backend.kit.errors import InvalidInput
from backend.kit.problems import invalid

PATIENCE = 20.0  # seconds for an answer; a slow machine takes some to load apprise
MIN_SECRET = 5  # characters of a part of the address that is taken out of what apprise says


def check_installed() -> None:
    """InvalidInput that names the extra."""
    if find_spec("apprise") is None:
        raise InvalidInput(
            "The package apprise is not installed where the lab runs.",
            "Install the extra notify: pip install 'apprise>=1.9.4,<3', and restart the lab.",
        )


def shown(url: str) -> str:
    """The service that an address is of, and nothing of its secrets. InvalidInput."""
    check_installed()
    answer = _child({"url": url})
    if "service" not in answer:
        raise invalid(
            "The subscription was not saved.",
            "url",
            answer["problem"],
            "The addresses of each service are listed at https://appriseit.com/services/.",
        )
    return f"{answer['service']} ({url.partition(':')[0].lower()}://…)"


def send(url: str, notice: Notice, reaches_private: bool) -> Sent:
    """Hand the notice to the service."""
    try:
        check_installed()
    except InvalidInput as error:
        return Sent(False, str(error))
    answer = _child(
        {"url": url, "title": notice.title, "body": notice.text, "reaches_private": reaches_private}
    )
    if "service" not in answer:
        return Sent(False, answer["problem"])
    if answer["arrived"]:
        return Sent(True, f"{answer['service']} took it")
    why = "; ".join(answer["log"]) or "no reason given"
    return Sent(False, f"{answer['service']} did not take it: {without_secrets(why, url)}")


def without_secrets(text: str, url: str) -> str:
    """The text without any part of the address that may be one."""
    parts = {part for each in (url, unquote(url)) for part in re.split(r"[/:@?&=,]+", each)}
    for part in sorted((each for each in parts if len(each) >= MIN_SECRET), key=len, reverse=True):
        text = text.replace(part, "***")
    return text


def _child(job: dict[str, Any]) -> dict[str, Any]:
    """What the process answers: `service` and, after a try, `arrived` and `log`; or a `problem`."""
    command = [sys.executable, "-m", "backend.alerts.channels.apprise_child"]
    try:
        done = subprocess.run(
            command, input=json.dumps(job), capture_output=True, text=True, timeout=PATIENCE
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"problem": f"got no answer within {PATIENCE:.0f} s"}
    except ValueError:  # it ended without an answer; what it printed may hold the address
        return {"problem": "apprise ended without an answer"}
    return answer
