"""A lab elsewhere: its API asked over HTTP, and its errors told as those of this machine are.

The token goes to the address that it was given for and nowhere else: redirects are not followed.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, Any, Protocol
from urllib.parse import quote

import httpx
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

from backend.kit.errors import EtrmError, FieldProblem, NotFound, Unauthorised, Unavailable
from backend.settings import Settings
from backend.terminal.logins import stored_token
from backend.web.errors import ErrorModel

API = "/api/v1"
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 150.0  # longer than the default of ETRM_DATABASE_STATEMENT
_Value = str | int | float | bool | None  # of a query, as httpx takes it
_PLACEHOLDER = re.compile(r"\{(\w+)(:path)?\}")

Copy = Callable[[IO[bytes]], None]
Headers = Mapping[str, str]


class Upload(Protocol):
    """What an endpoint takes as a form with files."""

    def form(self) -> dict[str, Any]:
        """`data` and `files` as httpx takes them."""


def chosen() -> RemoteLab:
    """The lab that --url or ETRM_URL names, with the token of --token, ETRM_TOKEN or `etrm login`."""
    settings = Settings.current()
    assert settings.url
    token = settings.token or stored_token(settings.url)
    if not token:
        raise Unauthorised(
            f"No token is known for {settings.url}.",
            f"Log in with etrm login {settings.url}, or set ETRM_TOKEN.",
        )
    return RemoteLab(settings.url, token)


@dataclass(frozen=True)
class RemoteLab:
    """A lab by its address and a token. What it refuses is raised in its own words: NotFound, Unauthorised,
    else EtrmError; Unavailable where it does not answer, or not as a lab does."""

    url: str
    token: str = field(repr=False)

    def view(self, route: APIRoute, values: Mapping[str, Any]) -> Any:
        """What a route answers, as the view that its endpoint returns."""
        with self._answer(route, values) as response:
            content = self._read(response)
        if route.response_model is None:
            return None
        try:
            return TypeAdapter(route.response_model).validate_json(content)
        except ValidationError as error:
            raise self._stranger("its answer has another form", response) from error

    @contextmanager
    def file(self, route: APIRoute, values: Mapping[str, Any]) -> Iterator[tuple[Headers, Copy]]:
        """The headers of a route's file, and what copies it into a file; its digest, if any, is checked."""
        with self._answer(route, values) as response:
            if "Content-Disposition" not in response.headers:
                raise self._stranger("it sends no file", response)

            def copy_to(file: IO[bytes]) -> None:
                digest = hashlib.sha256()
                with self._told():
                    for chunk in response.iter_bytes():
                        digest.update(chunk)
                        file.write(chunk)
                expected = response.headers.get("Repr-Digest", "")
                if expected and expected != _repr_digest(digest.digest()):
                    raise Unavailable("The file was damaged on its way here.", "Fetch it again.")

            yield response.headers, copy_to

    @contextmanager
    def _answer(self, route: APIRoute, values: Mapping[str, Any]) -> Iterator[httpx.Response]:
        (method,) = (route.methods or set()) - {"HEAD"}
        prefix = API if route.include_in_schema else ""  # pages are in no schema
        address = f"{self.url}{prefix}{_filled(route.path, values)}"
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        body, parameters = _body(route.dependant, values), _query(route.dependant, values)
        headers |= body.pop("headers", {})
        with ExitStack() as opened:
            for _, (_, file) in body.get("files", ()):
                if not isinstance(file, bytes):
                    opened.callback(file.close)
            client = opened.enter_context(httpx.Client(timeout=timeout, follow_redirects=False))
            with self._told():
                request = client.build_request(method, address, params=parameters, headers=headers, **body)
                response = client.send(request, stream=True)
            opened.callback(response.close)
            self._check(response)
            yield response

    def _check(self, response: httpx.Response) -> None:
        """Raise what the lab refuses, and what no lab answers."""
        if response.is_redirect:
            raise Unavailable(
                f"{self.url} sends to another address: {response.headers.get('Location', '')}.",
                "The token was not sent there. If that is the lab, give its address as --url or ETRM_URL.",
            )
        if response.is_success:
            return
        try:
            told = ErrorModel.model_validate_json(self._read(response)).error
        except ValidationError as error:
            raise self._stranger(f"it answers {response.status_code}", response) from error
        problems = [FieldProblem(each.field, each.message, each.hint) for each in told.fields]
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            message = f"{self.url} does not know the token: it is wrong, revoked or expired."
            raise Unauthorised(message, f"Log in again with etrm login {self.url}, or set ETRM_TOKEN.")
        kind = NotFound if response.status_code == HTTPStatus.NOT_FOUND else EtrmError
        refusal = kind(told.message, told.hint, problems)
        refusal.code, refusal.status = told.code, HTTPStatus(response.status_code)
        raise refusal

    def _read(self, response: httpx.Response) -> bytes:
        with self._told():
            return response.read()

    def _stranger(self, what: str, response: httpx.Response) -> Unavailable:
        kind = response.headers.get("Content-Type", "no content").partition(";")[0]
        return Unavailable(
            f"{self.url} does not answer as this version of ETRM Lab does: {what} ({kind}).",
            "Check the address, and that both are of the same version.",
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What is wrong with the connection, in words."""
        try:
            yield
        except httpx.ConnectTimeout as error:
            raise Unavailable(
                f"{self.url} did not answer within {CONNECT_SECONDS:.0f} s.",
                "Check the address and that this machine may reach it.",
            ) from error
        except httpx.TimeoutException as error:
            raise Unavailable(
                f"{self.url} said nothing for {SILENCE_SECONDS:.0f} s.",
                "Try again in a moment; a change may have been made: look before you repeat it.",
            ) from error
        except httpx.ConnectError as error:
            raise self._unreachable(error) from error
        except httpx.InvalidURL as error:
            said = f"{self.url} is not an address: {error}."
            raise Unavailable(said, "Check --url or ETRM_URL.") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Unavailable(
                f"The connection to {self.url} was lost: {error}.",
                "Try again; a change may have been made: look before you repeat it.",
            ) from error

    def _unreachable(self, error: httpx.ConnectError) -> Unavailable:
        causes: list[BaseException] = [error]
        while cause := causes[-1].__cause__ or causes[-1].__context__:
            causes.append(cause)
        refused = next((each for each in causes if isinstance(each, ssl.SSLCertVerificationError)), None)
        if refused is not None:
            return Unavailable(
                f"The certificate of {self.url} is not trusted: {refused.verify_message}.",
                "Set SSL_CERT_FILE to the certificate of the authority that signed it.",
            )
        if any(isinstance(each, ssl.SSLError) for each in causes):
            return Unavailable(f"{self.url} does not speak TLS.", "Check the address: is it http://?")
        return Unavailable(
            f"{self.url} cannot be reached: {error}.", "Check the address and that the lab is running."
        )


def _filled(path: str, values: Mapping[str, Any]) -> str:
    """A route's path with its values; only a `:path` keeps its slashes."""

    def value(match: re.Match[str]) -> str:
        return quote(str(values[match[1]]), safe="/" if match[2] else "")

    return _PLACEHOLDER.sub(value, path)


def _query(dependant: Dependant, values: Mapping[str, Any]) -> list[tuple[str, _Value]]:
    """The query of a request, with that of what the endpoint depends on."""
    found: list[tuple[str, _Value]] = []
    for each in dependant.query_params:
        value = values.get(each.name)
        several = value if isinstance(value, list | tuple) else [] if value is None else [value]
        found += [(each.alias, str(one)) for one in several]
    return found + [pair for each in dependant.dependencies for pair in _query(each, values)]


def _body(dependant: Dependant, values: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a request as httpx takes it: a model or bytes as JSON, or a form with files."""
    fields = [field.name for field in dependant.body_params]
    names = [*fields, *(each.name for each in dependant.dependencies if each.name)]
    given = next((values[name] for name in names if name in values), None)
    if given is None:
        return {}
    if not isinstance(given, bytes | BaseModel):
        form: dict[str, Any] = given.form()
        return form
    content = given if isinstance(given, bytes) else given.model_dump_json(exclude_unset=True).encode()
    return {"content": content, "headers": {"Content-Type": "application/json"}}


def _repr_digest(digest: bytes) -> str:
    import base64

    return f"sha-256=:{base64.b64encode(digest).decode()}:"
