"""`make screenshots`: photograph every page of the running lab, wide and narrow, by day and by night."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page

from tests.support.browser import chromium

OUT = Path("screenshots")
SIZES = {"wide": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
PAGES = {
    "launch": "/runs/new",
    "compare": "/compare",
    "dashboards": "/dashboards",
    "dashboard": "/d/encoder-variants",
    "gallery": "/gallery",
    "gallery-side-by-side": "/gallery?side=variants",
    "gallery-table": "/gallery?view=table",
    "tasks": "/tasks",
    "queue": "/queue",
    "data": "/data",
    "settings": "/settings",
}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main() -> None:
    """Log in with a fresh link (or the one given), visit each page, and write PNG files."""
    login = sys.argv[1] if len(sys.argv) > 1 else _login_link()
    OUT.mkdir(exist_ok=True)
    with chromium() as browser:
        cookies = _cookies(browser, login)
        for size, viewport in SIZES.items():
            for scheme in SCHEMES:
                context = browser.new_context(
                    base_url=login.partition("/login")[0],
                    storage_state=cookies,
                    viewport=viewport,
                    color_scheme=scheme,
                )
                _visit_all(context.new_page(), f"{size}-{scheme}")
                context.close()
        cookies.unlink()


def _login_link() -> str:
    done = subprocess.run([sys.executable, "-m", "backend.cli", "login"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr.strip())
    return done.stdout.strip()


def _cookies(browser: Browser, login: str) -> Path:
    file = OUT / ".cookies.json"
    context = browser.new_context()
    context.new_page().goto(login)
    context.storage_state(path=file)
    context.close()
    return file


def _visit_all(page: Page, kind: str) -> None:
    page.goto("/")
    _take(page, f"runs-{kind}")
    run = page.locator('a[href^="/runs/"]:not([href="/runs/new"])').first
    address = run.get_attribute("href") if run.count() else None
    shown = page.locator("tr[data-id]").evaluate_all("rows => rows.map((row) => row.dataset.id)")
    if len(shown) > 1:
        page.goto(f"/compare?runs={','.join(shown[:8])}")
        _take(page, f"compare-runs-{kind}")
    for name, path in PAGES.items():
        page.goto(path)
        _take(page, f"{name}-{kind}")
    page.goto("/gallery")
    task = page.locator(".gallery-card[data-address]").first
    if task.count():
        page.goto(task.get_attribute("data-address") or "")
        _take(page, f"task-{kind}")
    if address is None:
        return
    page.goto(address)
    for tab in page.locator("[role=tab]").all():
        tab.click()
        _take(page, f"run-{tab.get_attribute('aria-controls')}-{kind}")
    evaluation = page.locator('a[href^="/evaluations/"]').first
    if evaluation.count():
        page.goto(evaluation.get_attribute("href") or "")
        _take(page, f"evaluation-{kind}")


def _take(page: Page, name: str) -> None:
    """The whole page once nothing moves. Not `networkidle`: the event stream never ends.

    The window grows to the page's height, since a chart is drawn only once it is in sight.
    """
    page.wait_for_load_state("load")
    window = page.viewport_size
    assert window
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": window["width"], "height": max(window["height"], height)})
    page.wait_for_timeout(1500)
    page.screenshot(path=OUT / f"{name}.png")
    page.set_viewport_size(window)
    print(OUT / f"{name}.png")


if __name__ == "__main__":
    main()
