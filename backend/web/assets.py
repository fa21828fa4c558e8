"""Style sheets, modules and Plotly's script, under addresses that change with their content.

`css/a+b.css` and `js/a+b.js` are several as one (`bundles.py`).
"""

from __future__ import annotations

import gzip
import mimetypes
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from os.path import normpath
from pathlib import Path

from anyio.to_thread import run_sync
from fastapi import Request, Response

from backend.kit.errors import NotFound
from backend.web import bundles
from backend.web.routing import OPEN, Router, needs

FRONTEND = Path(str(files("frontend")))  # a folder of the clone, or of the installed wheel
STATIC = FRONTEND / "static"
PLOTLY = "plotly.min.js"
MAX_KEPT = 500  # addresses; there are some hundred, unless somebody makes up bundles
ADDRESSES = "/static/{version}/{path:path}"
FOREVER = "public, max-age=31536000, immutable"

router = Router(reads=OPEN, include_in_schema=False)


def asset(path: str) -> str:
    """Address of a file below frontend/static, or of several as one."""
    return f"/static/{_content_hash()}/{path}"


def plotly_asset() -> str:
    """Address of Plotly's script, which comes from the installed package."""
    return f"/static/plotly-{version('plotly')}/{PLOTLY}"


@needs(OPEN)
async def serve(request: Request) -> Response:
    """A static file, compressed where the browser takes it."""
    version, path = request.path_params["version"], request.path_params["path"]
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    current = version == _content_hash() or version.startswith("plotly-")
    if not current:  # an old page asks: it gets today's file, and must not keep it
        headers["Cache-Control"] = "no-cache"
    kept = _KEPT.get(path)
    body, packed = kept if kept else await run_sync(_packed, path)
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = packed, "gzip"
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return Response(body, media_type=kind, headers=headers)


@router.get("/favicon.ico")
def favicon() -> Response:
    """Browsers ask for it whatever the page says."""
    return Response((STATIC / "favicon.svg").read_bytes(), media_type="image/svg+xml")


def _sources(path: str) -> list[Path]:
    """The files that an address names. Names of scripts are unique, whichever feature's folder holds them."""
    if path == PLOTLY:
        return [_plotly_file()]
    folder, _, name = path.rpartition("/")
    stem, dot, kind = name.rpartition(".")
    return [_own_file(folder, f"{each}{dot}{kind}") for each in stem.split("+")]


def _own_file(folder: str, name: str) -> Path:
    file = _scripts().get(name) if folder == "js" else Path(normpath(STATIC.resolve() / folder / name))
    if file is None or not file.is_relative_to(STATIC.resolve()) or not _is_file(file):
        raise NotFound(f"File {name[:200]!r} not found.", "Reload the page: it may be older than the server.")
    return file


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than the file system's names
        return False


@cache
def _scripts() -> Mapping[str, Path]:
    """Our modules by name."""
    return {file.name: file.resolve() for file in (STATIC / "js").rglob("*.js")}


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


def prepare() -> None:
    """Compress Plotly before a page asks for it: it takes a good part of a second."""
    _packed(PLOTLY)


_KEPT: dict[str, tuple[bytes, bytes]] = {}


def _packed(path: str) -> tuple[bytes, bytes]:
    """The bytes of an address, plain and compressed, and from now on in memory."""
    sources = _sources(path)
    if path.endswith(".css"):
        body = bundles.style_sheet(sources)
    elif path.endswith(".js") and "+" in path:
        body = bundles.module(sources, STATIC / "js")
    else:
        body = sources[0].read_bytes()
    if len(_KEPT) >= MAX_KEPT:
        _KEPT.clear()
    _KEPT[path] = body, gzip.compress(body, 6)
    return _KEPT[path]
