"""A real Chromium for tests and screenshots: the system's, else the one that Playwright installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, Response, sync_playwright

SYSTEM_BROWSERS = (Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser"))
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HOW_TO_INSTALL = (
    "The browser tests need Chromium. Install it with one of: "
    ".venv/bin/playwright install --with-deps chromium · sudo apt-get install -y chromium"
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser that is closed at the end; a missing one is an error that says how to get it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(playwright), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def executable(playwright: Playwright) -> Path:
    """The browser's program."""
    own = Path(playwright.chromium.executable_path)
    found = next((path for path in (*SYSTEM_BROWSERS, own) if path.exists()), None)
    if found is None:
        raise RuntimeError(HOW_TO_INSTALL)
    return found


class Complaints:
    """What a page complained about: console errors, uncaught exceptions, failed requests."""

    def __init__(self, page: Page) -> None:
        self.found: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.found.append(f"uncaught: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def _said(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.found.append(f"console: {said.text} {said.location.get('url', '')}".rstrip())

    def _failed(self, request: Request) -> None:
        if "ERR_ABORTED" not in str(request.failure):  # a page that is left ends its own requests
            self.found.append(f"request failed: {request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.found.append(f"{response.status}: {response.url}")
