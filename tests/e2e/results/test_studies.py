"""A study in a real browser: stopped and continued in place, and followed while it adds runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.study.tables import StudyRun
from tests.support.pages.browser import Complaints
from tests.support.records.furnished import Furnished
from tests.support.records.studied import record_study


@pytest.fixture
def database(empty_lab: Furnished) -> Engine:
    """Of a lab without a worker, which would train the runs that wait for minutes each."""
    return empty_lab.engine


@pytest.fixture
def page(browser: Browser, empty_lab: Furnished) -> Iterator[Page]:
    context = browser.new_context(base_url=empty_lab.url, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    complaints = Complaints(page)
    page.goto(empty_lab.login())
    yield page
    assert complaints.found == []
    context.close()


def test_a_study_is_stopped_in_place_and_continued_with_a_budget(page: Page, database: Engine) -> None:
    page.goto(f"/studies/{record_study(database)}")
    expect(page.locator("#verdicts tbody tr")).to_have_count(2)
    expect(page.get_by_role("img", name="supported")).to_have_count(1)
    page.get_by_role("button", name="Stop the study").click()
    page.get_by_label("Budget, hours").fill("7")
    page.get_by_role("button", name="Continue the study").click()
    expect(page.locator(".group-facts")).to_contain_text("of 7 hours")
    page.get_by_role("button", name="Stop the study").click()
    expect(page.get_by_text("Stopped by the user.")).to_be_visible()


def test_a_claim_of_the_overview_leads_to_its_section(page: Page, database: Engine) -> None:
    page.goto(f"/studies/{record_study(database, 'stopped')}")
    page.get_by_role("link", name="A fresh context solves more than a cached one").click()
    expect(
        page.get_by_role("heading", name="A fresh context solves more than a cached one")
    ).to_be_in_viewport()


def test_a_run_that_the_study_added_appears(page: Page, database: Engine) -> None:
    study_id = record_study(database)
    page.goto(f"/studies/{study_id}")
    runs = page.locator("#study-runs tbody li")
    expect(runs).to_have_count(3)
    with session_scope(database) as session:
        session.add(StudyRun(study_id=study_id, configuration="cached", seed=1, run_id=None))
    expect(runs).to_have_count(4, timeout=60_000)
