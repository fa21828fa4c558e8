"""The installed application in a real browser: its worker keeps one page and nobody's data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect
from sqlalchemy import Engine

from backend.db.session import reading_scope
from backend.lifecycle import service as runs
from tests.support.lab import StartedLab
from tests.support.records.recorded import record_run

READY = "navigator.serviceWorker.ready.then((found) => found.active.state)"
CONTROLLED = "navigator.serviceWorker.controller !== null"
KEPT = """async () => {
  const kept = [];
  for (const name of await caches.keys())
    for (const request of await (await caches.open(name)).keys()) kept.push(new URL(request.url).pathname);
  return kept;
}"""
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def installed(lab: StartedLab, browser: Browser, session_file: Path) -> Iterator[BrowserContext]:
    """A phone's browser that lets the worker in."""
    context = browser.new_context(base_url=lab.url, storage_state=session_file, viewport=PHONE)  # type: ignore[arg-type]
    yield context
    context.close()


def test_without_a_connection_it_says_so_and_shows_nobody_s_data(installed: BrowserContext) -> None:
    page = installed.new_page()
    page.goto("/")
    page.evaluate(READY)
    page.wait_for_function(CONTROLLED)
    page.goto("/settings")
    page.goto("/queue")
    kept = page.evaluate(KEPT)
    assert "/offline" in kept
    assert [path for path in kept if path != "/offline" and not path.startswith("/static/")] == []

    installed.set_offline(True)
    page.reload()
    expect(page.get_by_role("heading", name="No connection to the lab")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.offline')).display") == "grid"
    assert page.url.endswith("/queue")
    installed.set_offline(False)
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()


def test_a_browser_finds_it_installable(installed: BrowserContext) -> None:
    page = installed.new_page()
    page.goto("/")
    page.evaluate(READY)
    session = installed.new_cdp_session(page)
    found = session.send("Page.getAppManifest")
    assert found["errors"] == []
    assert found["url"].endswith("/manifest.webmanifest")
    problems = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # A browser without windows, and one without a history of its own, installs nothing.
    assert [each for each in problems if each["errorId"] != "in-incognito"] == []


def test_a_run_is_cancelled_from_the_phone_after_a_question(
    installed: BrowserContext, database: Engine
) -> None:
    run = record_run(database, status="queued", points=0, dispatched_at=4e9)
    page = installed.new_page()
    page.goto(f"/runs/{run}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.locator("#confirm")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Keep").click()
    with reading_scope(database) as session:
        assert runs.get(session, run).status not in ("cancelling", "cancelled")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#run-head")).to_contain_text("cancelled by the user")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    with reading_scope(database) as session:
        assert runs.get(session, run).status == "cancelled"
