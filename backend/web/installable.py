"""What makes the lab an application that a phone or a desktop can install: a manifest and a service worker.

The worker keeps one page, which says that the lab cannot be reached, and nothing of anybody's data.
"""

from __future__ import annotations

import json
from functools import cache

from fastapi import Response
from fastapi.responses import HTMLResponse

from backend.web.assets import STATIC, asset
from backend.web.contexts import OfflinePage
from backend.web.rendering import render
from backend.web.routing import OPEN, Router

router = Router(reads=OPEN, include_in_schema=False)
OFFLINE = "/offline"
SHEETS = "css/tokens+frame+controls+lab.css"
PAPER = "#ffffff"  # as in tokens.css


@router.get("/manifest.webmanifest")
def manifest() -> Response:
    """Name, icons and colours of the installed application."""
    described = {
        "id": "/",
        "name": "ETRM Lab",
        "short_name": "ETRM Lab",
        "description": "Train, watch and understand tiny recursive models",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": PAPER,
        "theme_color": PAPER,
        "icons": [
            _icon("app/icon-192.png", "192x192", "any"),
            _icon("app/icon-512.png", "512x512", "any"),
            _icon("app/icon-maskable-512.png", "512x512", "maskable"),
            {"src": asset("favicon.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "any"},
        ],
    }
    headers = {"Cache-Control": "no-cache"}
    return Response(json.dumps(described), media_type="application/manifest+json", headers=headers)


@router.get("/service-worker.js")
def service_worker() -> Response:
    """The worker of this release: another release has other addresses, and so another worker."""
    headers = {"Cache-Control": "no-cache"}
    return Response(_script(), media_type="text/javascript", headers=headers)


@router.get(OFFLINE)
def offline() -> HTMLResponse:
    """What an installed application shows where the lab cannot be reached."""
    return render(OfflinePage(style=asset(SHEETS)))


def _icon(path: str, sizes: str, purpose: str) -> dict[str, str]:
    return {"src": asset(path), "sizes": sizes, "type": "image/png", "purpose": purpose}


@cache
def _script() -> str:
    shell = [OFFLINE, asset(SHEETS), asset("favicon.svg")]
    head = (
        f"const OFFLINE = {json.dumps(OFFLINE)};\nconst SHELL = {json.dumps(shell)};\n"
        f"const ICON = {json.dumps(asset('app/icon-192.png'))};\n"
    )
    return head + (STATIC / "app" / "service_worker.js").read_text()
