"""What endpoints ask for: the engine, the settings, a raw body; how they give files and tell of commits."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Engine

from backend.kit.exports.table_files import File, LongFile
from backend.settings import Settings
from backend.web import notify
from backend.web.entrance.guard import LOOPBACK_NAMES


async def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _body(request: Request) -> bytes:
    return await request.body()


# Async, though they wait for nothing: FastAPI calls any other dependency in a thread.
Database = Annotated[Engine, Depends(_engine)]
Configured = Annotated[Settings, Depends(_settings)]
RawBody = Annotated[bytes, Depends(_body)]  # for endpoints that parse off the event loop, or in our words
RunId = Annotated[str, Path(description="Id of a run: ten letters and digits.", examples=["k3v9x0q2ab"])]

FigureFormat = Annotated[str, Query(max_length=40, description="pdf or svg.")]
FigureWidth = Annotated[str, Query(max_length=40, description="3.5 or 7 inches: one column, or both.")]
EvaluationId = Annotated[int, Path(ge=1, le=2**62, description="Id of an evaluation.", examples=[17])]
GroupId = Annotated[
    str, Path(description="Id of a group of runs: ten letters and digits.", examples=["w7c2m4k1zz"])
]


def json_body(schema: dict[str, Any], **examples: Any) -> dict[str, Any]:
    """OpenAPI description of a JSON body that the endpoint reads by itself."""
    named = {name.replace("_", " "): {"value": value} for name, value in examples.items()}
    content = {"application/json": {"schema": schema, "examples": named}}
    return {"requestBody": {"required": True, "content": content}}


def address_of(request: Request, settings: Settings) -> str:
    """The lab's address for others, without a slash at its end: ETRM_PUBLIC_URL, or that of the request."""
    return settings.public_url or str(request.base_url).rstrip("/")


def is_only_here(address: str) -> bool:
    """Whether only this machine opens the address."""
    return (urlsplit(address).hostname or "") in LOOPBACK_NAMES


def attached(file: File) -> Response:
    """A file to save."""
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, media_type=file.media_type, headers=headers)


class InParts(StreamingResponse):
    """A file to save that is made while it is sent: on threads, so that others need not wait."""

    def __init__(self, file: LongFile) -> None:
        self.parts = file.parts
        headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
        super().__init__(file.parts, media_type=file.media_type, headers=headers)


def announce(*run_ids: str) -> None:
    """Tell open pages about runs. After the commit: who looks must see it."""
    notify.changed(*run_ids)
