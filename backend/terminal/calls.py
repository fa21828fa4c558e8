"""What commands ask of a lab: an endpoint of its API, called here on the database, or at the lab's URL.

Both give the same view, so a command prints the same whichever it was.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from backend.kit.errors import InvalidInput
from backend.settings import Settings

if TYPE_CHECKING:
    from fastapi import Request, Response
    from fastapi.dependencies.models import Dependant
    from fastapi.routing import APIRoute

    from backend.web.routing import Route

Answer = TypeVar("Answer")


class Written(NamedTuple):
    """A file that an endpoint gave, on this machine."""

    path: Path
    size: int  # bytes
    name: str  # as the lab calls it
    sha256: str  # empty where the lab does not say


def call(endpoint: Callable[..., Answer], **values: Any) -> Answer:
    """What an endpoint answers. `values` are its arguments by name, without those that FastAPI fills in; a
    value that is left out has its default. Errors are the endpoint's, and those of `RemoteLab`."""
    if Settings.current().url is None:
        return _called_here(endpoint, values)  # type: ignore[no-any-return]
    from backend.terminal.remote import chosen

    answer: Answer = chosen().view(_route(endpoint), values)
    return answer


def save(endpoint: Callable[..., Response], out: Path | None, **values: Any) -> Written:
    """Write the file that an endpoint answers; `out` None: under its own name, in the current folder.

    InvalidInput where it cannot be written. Nothing is left of a file that did not come to its end.
    """
    if Settings.current().url is None:
        response = _called_here(endpoint, values)
        return _kept(out, response.headers, lambda file: file.writelines(_chunks(response)))
    from backend.terminal.remote import chosen

    with chosen().file(_route(endpoint), values) as (headers, copy_to):
        return _kept(out, headers, copy_to)


def _called_here(endpoint: Callable[..., Any], values: dict[str, Any]) -> Any:
    from backend.db.session import make_engine
    from backend.terminal.lab import database_url, settings

    engine = make_engine(database_url())
    try:
        return _call(_route(endpoint).dependant, values, {"_engine": engine, "_settings": settings()})
    finally:
        engine.dispose()


def _call(dependant: Dependant, values: dict[str, Any], provided: dict[str, Any]) -> Any:
    """Call an endpoint, or what one depends on, as FastAPI would."""
    from fastapi import Response

    fields = (*dependant.path_params, *dependant.query_params, *dependant.body_params)
    given = {field.name: values[field.name] for field in fields if field.name in values}
    for each in dependant.dependencies:
        assert each.name
        assert each.call
        if each.name in values:
            given[each.name] = values[each.name]
        elif each.call.__name__ in provided:
            given[each.name] = provided[each.call.__name__]
        else:
            given[each.name] = _call(each, values, provided)
    if dependant.response_param_name:
        given[dependant.response_param_name] = Response()
    if dependant.request_param_name:
        given[dependant.request_param_name] = _request()
    assert dependant.call
    return dependant.call(**given)


def _request() -> Request:
    """A request to the address at which the lab of this machine answers."""
    from fastapi import Request

    from backend.terminal.lab import address

    parts = urlsplit(address())
    headers = [(b"host", parts.netloc.encode())]
    return Request({"type": "http", "scheme": parts.scheme, "path": "/", "headers": headers})


def _route(endpoint: Callable[..., Any]) -> APIRoute:
    routes: list[Route] = sys.modules[endpoint.__module__].router.routes
    return next(each for each in routes if each.endpoint is endpoint).api


def _chunks(response: Response) -> Iterator[bytes]:
    """A response's bytes, those of a file as they lie on the disk."""
    from fastapi.responses import FileResponse

    from backend.web.deps import InParts

    if isinstance(response, InParts):
        yield from response.parts
        return
    if not isinstance(response, FileResponse):
        yield bytes(response.body)
        return
    with open(response.path, "rb") as file:
        while chunk := file.read(2**20):
            yield chunk


def _kept(out: Path | None, headers: Any, copy_to: Callable[[IO[bytes]], Any]) -> Written:
    from email.message import Message

    disposition = Message()
    disposition["Content-Disposition"] = headers["Content-Disposition"]
    # The name alone: a lab elsewhere does not choose the folder, nor hide the file.
    name = Path(disposition.get_filename() or "").name.lstrip(".") or "download"
    path = out or Path(name)
    try:
        with _complete(path) as file:
            copy_to(file)
            size = file.tell() if file.seekable() else 0
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.", "Choose another file.") from error
    return Written(path, size, name, _sha256(headers.get("Repr-Digest", "")))


@contextmanager
def _complete(path: Path) -> Iterator[IO[bytes]]:
    """A file that stands at `path` only once it is complete; a device or a pipe is written to as it is."""
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _sha256(digest: str) -> str:
    """The hexadecimal SHA-256 of a `Repr-Digest` header; empty without one."""
    import base64

    return base64.b64decode(digest.removeprefix("sha-256=:").removesuffix(":")).hex()
