"""Photograph every page, wide and narrow, by day and by night, full and empty.

With nothing running it starts two labs of its own: one in which nothing was done, and one with made-up runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser

from tests.support.pages.browser import chromium
from tests.support.screenshots.camera import THEMES, WIDTHS, Camera, logged_in
from tests.support.screenshots.film import write_film
from tests.support.screenshots.guide import write_guide
from tests.support.screenshots.pages import SHOTS, Shot
from tests.support.screenshots.running import places
from tests.support.screenshots.studio import studio


def main() -> None:
    options = _options()
    started = time.monotonic()
    options.out.mkdir(parents=True, exist_ok=True)
    shots = [
        shot
        for shot in SHOTS
        if not options.only or any(part in shot.name for part in options.only.split(","))
    ]
    complaints = []
    with chromium() as browser:
        if options.url:
            complaints += _of_running(browser, options, shots)
        else:
            with tempfile.TemporaryDirectory() as temporary:
                complaints += _of_studios(browser, options, shots, options.home or Path(temporary))
    print(f"{options.out}/: {time.monotonic() - started:.0f} s", file=sys.stderr)
    for each in complaints:
        print(each, file=sys.stderr)
    if complaints:
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument(
        "--url", help="Photograph the lab that runs here instead: its address, or a link from `etrm login`."
    )
    parser.add_argument(
        "--only", default="", help="Pages whose name has one of these parts, separated by commas."
    )
    parser.add_argument("--themes", default=",".join(THEMES))
    parser.add_argument("--widths", default=",".join(map(str, WIDTHS)))
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    parser.add_argument("--home", type=Path, help="Keep the two labs here, and use those that are there.")
    parser.add_argument(
        "--guide",
        action="store_true",
        help="Only the pictures of README, guide and tour, into docs; with --url those of a real lab.",
    )
    parser.add_argument("--film", action="store_true", help="Only the recorded walk, into docs/images.")
    return parser.parse_args()


def _of_studios(browser: Browser, options: argparse.Namespace, shots: list[Shot], home: Path) -> list[str]:
    complaints = []
    for state in ("full",) if options.guide or options.film else ("full", "empty"):
        asked = [shot for shot in shots if shot.of == state]
        if not asked:
            continue
        with studio(home / state, full=state == "full") as lab:
            camera = Camera(browser, lab.url, logged_in(browser, lab.login()), lab.places)
            if options.guide:
                write_guide(camera, browser)
            if options.film:
                write_film(camera, browser)
            if not options.guide and not options.film:
                complaints += _all(camera, options, asked)
    return complaints


def _of_running(browser: Browser, options: argparse.Namespace, shots: list[Shot]) -> list[str]:
    login = options.url if "/login?" in options.url else _login_link()
    url = login.partition("/login")[0]
    cookies = logged_in(browser, login)
    camera = Camera(browser, url, cookies, places(browser, url, cookies))
    if options.guide:
        write_guide(camera, browser, is_kept=True)
        return []
    return _all(camera, options, [shot for shot in shots if shot.state == "full"])


def _all(camera: Camera, options: argparse.Namespace, shots: list[Shot]) -> list[str]:
    themes = [theme for theme in THEMES if theme in options.themes.split(",")]
    return [
        complaint
        for width in map(int, options.widths.split(","))
        for complaint in camera.take(shots, themes, width, options.out)
    ]


def _login_link() -> str:
    done = subprocess.run([sys.executable, "-m", "backend.cli", "login"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr.strip())
    return done.stdout.strip()


if __name__ == "__main__":
    main()
