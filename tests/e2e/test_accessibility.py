"""No page keeps out who uses it by keyboard, by ear or with little contrast: axe, by day and by night."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.records import Alarm
from backend.services import runs
from tests.support.accessibility import violations
from tests.support.lab import StartedLab
from tests.support.recorded import record_run

ALARM = Alarm("starvation", 45, 0.02, 0.5, "Starvation: only 2 % of the encoder receives a gradient.")


@pytest.fixture(scope="module")
def shown(database: Engine) -> Iterator[dict[str, str]]:
    """Addresses of pages that have something to show; what waits is gone before a worker takes it."""
    run = record_run(database, alarm=ALARM, tasks=12, name="shown")
    record_run(database, tasks=12, seed=1, name="beside it")
    record_run(database, status="failed", points=3, status_cause="out of memory", age=20)
    waits = record_run(database, status="queued", points=0, dispatched_at=4e9, age=10)
    yield {
        "runs": "/",
        "launch": "/runs/new",
        **{
            part: f"/runs/{run}#{part}"
            for part in ("curves", "encoder", "predictions", "evaluations", "config")
        },
        "gallery": "/gallery",
        "side by side": f"/gallery?set=arc-agi-1/evaluation&side=variants&run={run}",
        "table": "/gallery?view=table",
        "tasks": "/tasks?set=arc-agi-1/evaluation",
        "task": "/tasks/arc-agi-1/evaluation/0692e18c",
        "queue": "/queue",
        "data": "/data?training=arc-agi-1/training&evaluated=arc-agi-1/training",
        "settings": "/settings",
        "nothing": "/nowhere",
    }
    with session_scope(database) as session:
        runs.request_cancel(session, waits)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    lab: StartedLab,
    browser: Browser,
    session_file: Path,
    shown: dict[str, str],
    scheme: Literal["light", "dark"],
) -> None:
    context = browser.new_context(base_url=lab.url, storage_state=session_file, color_scheme=scheme)
    page = context.new_page()
    found = {}
    for name, address in shown.items():
        page.goto("about:blank")
        page.goto(address)
        page.wait_for_load_state("load")
        expect(page.locator("#main")).to_be_visible()
        found[name] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    context.close()

    assert {name: each for name, each in found.items() if each} == {}


def test_axe_is_really_asked(page: Page) -> None:
    page.goto("/queue")
    page.evaluate("document.getElementById('main').append(document.createElement('select'))")
    assert [each.partition(":")[0] for each in violations(page)] == ["select-name"]


def test_nothing_needs_more_than_a_phone_s_width(
    lab: StartedLab, browser: Browser, session_file: Path, shown: dict[str, str]
) -> None:
    context = browser.new_context(
        base_url=lab.url, storage_state=session_file, viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    wide = []
    for name, address in shown.items():
        page.goto("about:blank")
        page.goto(address)
        page.wait_for_load_state("load")
        if page.evaluate("document.documentElement.scrollWidth") != 390:
            wide.append(name)
    page.goto("/gallery")
    page.locator(".rail-more summary").click()
    page.locator(".rail-more").get_by_role("link", name="Data").click()
    expect(page.get_by_role("heading", name="Task sets")).to_be_visible()
    context.close()
    assert wide == []
