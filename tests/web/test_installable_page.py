"""The installed application: manifest, icons and service worker, all without a login."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import httpx
import pytest

from backend.web.assets import FRONTEND
from tests.support.web import WebServer

ROOT = Path(__file__).parents[2]
ICONS = sorted((FRONTEND / "static" / "app").glob("*.png"))


@pytest.fixture
def manifest(server: WebServer) -> dict[str, object]:
    with server.stranger() as stranger:
        answer = stranger.get("/manifest.webmanifest")
    assert answer.headers["content-type"] == "application/manifest+json"
    found: dict[str, object] = answer.json()
    return found


def test_the_manifest_names_icons_that_are_there(server: WebServer, manifest: dict[str, object]) -> None:
    assert manifest["name"] == "ETRM Lab"
    assert (manifest["start_url"], manifest["scope"], manifest["display"]) == ("/", "/", "standalone")
    icons = manifest["icons"]
    assert isinstance(icons, list)
    assert {(each["sizes"], each["purpose"]) for each in icons} >= {
        ("192x192", "any"),
        ("512x512", "any"),
        ("512x512", "maskable"),
    }
    with server.stranger() as stranger:
        for each in icons:
            answer = stranger.get(each["src"])
            assert answer.headers["content-type"] == each["type"]
            if each["type"] == "image/png":
                width, height = struct.unpack(">II", answer.content[16:24])
                assert each["sizes"] == f"{width}x{height}"


def test_every_page_names_the_manifest(client: httpx.Client) -> None:
    page = client.get("/", headers={"Accept": "text/html"}).text
    assert '<link rel="manifest" href="/manifest.webmanifest">' in page
    assert len(re.findall(r'<meta name="theme-color" media=', page)) == 2


def test_the_service_worker_is_of_this_release_and_keeps_open_files_alone(server: WebServer) -> None:
    with server.stranger() as stranger:
        answer = stranger.get("/service-worker.js")
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.headers["cache-control"] == "no-cache"  # browsers ask for the newest
        (listed,) = re.findall(r"^const SHELL = (.+);$", answer.text, re.MULTILINE)
        shell = json.loads(listed)
        assert shell[0] == "/offline"
        for path in shell:
            assert stranger.get(path).status_code == 200
        styles = re.findall(r'href="(/static/[^"]+\.css)"', stranger.get("/offline").text)
    assert set(styles) <= set(shell)
    assert re.search(r"/static/[0-9a-f]{12}/", shell[1])  # another release, other addresses, another cache


def pixels(png: bytes) -> bytes:
    """The lines of a PNG, whichever compressor wrote it."""
    data, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += length + 12
    return zlib.decompress(data)


def test_the_icons_are_those_that_the_script_draws(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / ".ci/icons", tmp_path], check=True)
    assert [each.name for each in ICONS] == sorted(each.name for each in tmp_path.iterdir())
    for icon in ICONS:
        assert pixels(icon.read_bytes()) == pixels((tmp_path / icon.name).read_bytes())
