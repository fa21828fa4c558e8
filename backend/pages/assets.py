"""Style sheets, modules and Plotly's script, under addresses that change with their content."""

from __future__ import annotations

import gzip
import mimetypes
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request, Response

from backend.domain.errors import NotFound

FRONTEND = Path(__file__).parents[2] / "frontend"
STATIC = FRONTEND / "static"
PLOTLY = "plotly.min.js"
FOREVER = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


def asset(path: str) -> str:
    """Address of a file below frontend/static. Modules find one another by relative paths."""
    return f"/static/{_content_hash()}/{path}"


def plotly_asset() -> str:
    """Address of Plotly's script, which comes from the installed package."""
    return f"/static/plotly-{version('plotly')}/{PLOTLY}"


@router.get("/static/{version}/{path:path}")
def serve(request: Request, version: str, path: str) -> Response:
    """A static file, compressed where the browser takes it."""
    source = _plotly_file() if path == PLOTLY else _own_file(path)
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    current = version == _content_hash() or version.startswith("plotly-")
    if not current:  # an old page asks: it gets today's file, and must not keep it
        headers["Cache-Control"] = "no-cache"
    body, packed = _packed(source, source.stat().st_mtime_ns)
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = packed, "gzip"
    kind = mimetypes.guess_type(source.name)[0] or "application/octet-stream"
    return Response(body, media_type=kind, headers=headers)


@router.get("/favicon.ico")
def favicon() -> Response:
    """Browsers ask for it whatever the page says."""
    return Response((STATIC / "favicon.svg").read_bytes(), media_type="image/svg+xml")


def _own_file(path: str) -> Path:
    file = (STATIC / path).resolve()
    if not file.is_relative_to(STATIC.resolve()) or not file.is_file():
        raise NotFound(f"There is no file {path!r}.", "Reload the page: it may be older than the server.")
    return file


@cache
def _plotly_file() -> Path:
    """Found without importing Plotly: nothing of it is needed here but one file."""
    spec = find_spec("plotly")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise NotFound("Plotly is not installed.", "Run make install.")
    return Path(folders[0]) / "package_data" / PLOTLY


@cache
def _content_hash() -> str:
    digest = sha256()
    for file in sorted(STATIC.rglob("*")):
        if file.is_file():
            digest.update(str(file.relative_to(STATIC)).encode() + file.read_bytes())
    return digest.hexdigest()[:12]


@cache
def _packed(file: Path, _changed_at: int) -> tuple[bytes, bytes]:
    body = file.read_bytes()
    return body, gzip.compress(body, 6)
