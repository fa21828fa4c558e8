"""The lab over HTTP. Imported where something is sent: it takes longer to import than all the rest."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO, Any

from etrm_lab.exit_codes import ExitCode

SEND_SECONDS = 30.0
ENDING = (404, 409)  # the run is over or deleted, where the lab itself says so
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


class Away(Exception):
    """The lab cannot be reached or cannot answer now; the same request may succeed later."""

    def __init__(self, text: str, exit_code: ExitCode = ExitCode.UNAVAILABLE) -> None:
        super().__init__(text)
        self.exit_code = exit_code  # of a command that ends for this


class Refused(Exception):
    """The lab does not take this request, and says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token goes to the address that it was given for, and nowhere else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


class Lab:
    """A lab by its address and a token."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"url must be the address of a lab such as https://lab.example, not {url!r}.")
        if not (token.isascii() and token.isprintable()):  # http.client would name it in its error
            raise ValueError("The token has characters that no token has. Set ETRM_TOKEN again.")
        self._token = token
        here = parts.hostname in LOOPBACK
        proxies = urllib.request.ProxyHandler({}) if here else urllib.request.ProxyHandler()
        self._opener = urllib.request.build_opener(proxies, _NoRedirect())

    def get(self, path: str, **query: Any) -> Any:
        """What `GET /api/v1PATH` answers; query parameters that are None or empty are left out."""
        asked = {name: value for name, value in query.items() if value not in (None, "")}
        return self.ask("GET", f"{path}?{urllib.parse.urlencode(asked)}" if asked else path)

    def ask(self, method: str, path: str, body: Any = None, timeout: float = SEND_SECONDS) -> Any:
        """The JSON that the lab answers. Away or Refused where it does not."""
        headers = {"Accept": "application/json", "User-Agent": "etrm-lab-client"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            try:
                data = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
            except ValueError:  # of one record: it must not hold back all after it
                raise Refused(422, "A number in it is NaN or infinite.") from None
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data, headers, method=method)
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error) from None
        except (OSError, HTTPException) as error:  # URLError, time-outs and closed connections among them
            raise Away(f"{self.url} does not answer: {getattr(error, 'reason', error)}.") from None
        try:
            return json.loads(content) if content else None
        except ValueError:
            raise Away(f"{self.url} does not answer as ETRM Lab does.") from None

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        status = error.code
        if status in (401, 403):
            text = f"{self.url} does not accept the token: {_message(error) or f'HTTP {status}.'}"
            return Away(text, ExitCode.NOT_ALLOWED)
        if 300 <= status < 400:
            where = error.headers.get("Location", "")
            return Away(f"{self.url} sends to another address, {where}: give that one as url or ETRM_URL.")
        if status in (408, 425, 429) or status >= 500:
            return Away(f"{self.url} answers {status}.")
        message = _message(error)
        if status in ENDING and not message:  # a proxy says this while the lab starts again
            return Away(f"{self.url} answers {status}, and not as ETRM Lab does.")
        return Refused(status, message or f"HTTP {status}.")


def _message(error: urllib.error.HTTPError) -> str:
    """What the lab says is wrong, with the fields; empty where this is no answer of a lab."""
    try:
        told = json.loads(error.read())["error"]
        fields = [
            f"{each['field']}: {each['message']} {each['hint']}".strip() for each in told.get("fields", ())
        ]
        return " ".join([str(told["message"]), *(fields or [told.get("hint", "")])]).strip()
    except (ValueError, LookupError, TypeError, OSError, HTTPException):
        return ""
