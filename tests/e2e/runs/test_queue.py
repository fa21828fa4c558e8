"""The queue in a real browser: reordered by mouse and by keyboard, live, in two windows."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.evaluation import service as evaluations
from backend.queue import order as queue_order
from tests.support.records.recorded import record_evaluation_job, record_run


@pytest.fixture
def waiting(database: Engine) -> list[str]:
    """Five queued runs that the worker is not told of: as if sent in the future, no sweep sends them."""
    return [
        record_run(database, status="queued", points=0, name=f"job {at}", dispatched_at=4e9, age=100 - at)
        for at in range(5)
    ]


def names(page: Page) -> list[str]:
    return [row.get_attribute("data-name") or "" for row in page.locator("#waiting tbody tr").all()]


def test_the_queue_is_reordered_by_mouse_and_keyboard(
    page: Page, context: BrowserContext, waiting: list[str], database: Engine
) -> None:
    page.goto("/queue")
    rows = page.locator("#waiting tbody tr")
    expect(rows).to_have_count(5)

    rows.nth(4).drag_to(rows.nth(0), target_position={"x": 300, "y": 4})
    expect(rows.first).to_have_attribute("data-name", "job 4")
    expect(rows.first).to_have_attribute("data-place", "1")  # as the server has it
    rows.nth(1).focus()
    page.keyboard.press("Alt+ArrowDown")
    expect(rows.nth(2)).to_be_focused()
    expect(rows.nth(1)).to_have_attribute("data-name", "job 1")
    expect(rows.nth(2)).to_have_attribute("data-place", "3")
    assert names(page) == ["job 4", "job 1", "job 0", "job 2", "job 3"]
    rows.nth(1).get_by_label("Move job 1 up").click()
    expect(rows.first).to_have_attribute("data-name", "job 1")
    page.get_by_label("Priority of job 3").select_option("high")
    expect(rows.first).to_have_attribute("data-name", "job 3")
    page.reload()
    assert names(page) == ["job 3", "job 1", "job 4", "job 0", "job 2"]

    with session_scope(database) as session:  # somebody else, elsewhere
        queue_order.move(session, waiting[2], 1)
    expect(rows.nth(1)).to_have_attribute("data-name", "job 3")

    rows.nth(4).get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel run").click()
    expect(rows).to_have_count(4)
    ended = page.get_by_label("Ended without a result").get_by_role("row", name="job 0")
    ended.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("job 0 was queued again.")).to_be_visible()
    expect(page.locator("#queue-workers")).to_contain_text("1 of 1 online")
    for run in waiting:
        context.request.post(f"/api/v1/runs/{run}/cancel")


def test_evaluations_stand_in_the_queue_with_who_shares_them(page: Page, database: Engine) -> None:
    run = record_run(database, name="scored", points=20)
    running = record_evaluation_job(database, run, "elsewhere.1.22.3", views=32)
    waiting = record_evaluation_job(database, run, views=64)
    page.goto("/queue")
    shown = page.get_by_label("Evaluations", exact=True)
    row = shown.get_by_role("row", name=f"Evaluation {running} of scored")
    expect(row).to_contain_text("33 %")
    expect(row).to_contain_text("elsewhere (process 22) · 320 views, active")
    other = shown.get_by_role("row", name=f"Evaluation {waiting} of scored")
    expect(other).to_contain_text("a worker is idle and will start it within seconds")

    later = record_evaluation_job(database, run, views=100)  # asked for elsewhere
    third = shown.get_by_role("row", name=f"Evaluation {later} of scored")
    expect(third).to_contain_text("1 ahead in queue")
    other.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel evaluation").click()
    ended = page.get_by_label("Ended without a result").get_by_role("row", name=f"Evaluation {waiting} of")
    expect(ended).to_contain_text("cancelled by the user")
    ended.get_by_role("button", name="Retry").click()
    expect(page.get_by_text(f"Evaluation {waiting} was queued again.")).to_be_visible()
    expect(other).to_contain_text("queued")
    row.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel evaluation").click()
    expect(row.locator(".status")).to_have_text("cancelling")  # until its worker has let go

    with session_scope(database) as session:
        for each in (waiting, later):
            evaluations.cancel(session, each)
