"""The atlas in a real browser: scrubbing asks the server for nothing, a dot leads to its task."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine, delete

from backend.db.session import session_scope
from backend.runs.tables import Checkpoint
from tests.support.records.contexts import STEPS, TASKS, record_contexts


@pytest.fixture(scope="module")
def collapsing(database: Engine) -> str:
    return record_contexts(database, collapses=True)


def width(page: Page) -> float:
    """How far apart the dots are drawn, as a share of the map."""
    places = page.locator("#atlas-map .dot").evaluate_all(
        "dots => dots.map(({ style }) => style.transform.match(/-?[\\d.]+/g).map(Number))"
    )
    across = [place[0] for place in places]
    return float(max(across) - min(across)) / 600


def test_scrubbing_shows_the_collapse_without_asking(page: Page, collapsing: str) -> None:
    page.goto(f"/atlas?runs={collapsing}")
    slider = page.get_by_role("slider", name="step")
    expect(page.locator("#atlas-moments")).to_contain_text("collapsed")
    assert width(page) < 0.01

    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    slider.focus()
    slider.press("Home")
    expect(page.locator("#atlas-at")).to_have_text("100")
    expect(page.locator("#atlas-moments")).to_contain_text("contexts differ")
    assert width(page) > 0.3
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "step 200")
    assert [url for url in requests if "atlas" in url] == []
    assert f"step={STEPS[1]}" in page.url
    told = page.locator("#atlas-map").get_attribute("aria-label")
    page.reload()
    expect(page.locator("#atlas-at")).to_have_text("200")
    expect(page.locator("#atlas-map")).to_have_attribute("aria-label", told or "")


def test_it_plays_to_the_end(page: Page, collapsing: str) -> None:
    page.goto(f"/atlas?runs={collapsing}&step=700")
    page.get_by_role("button", name="Play").click()
    expect(page.locator("#atlas-at")).to_have_text("1,000")
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_a_dot_leads_to_its_task_and_its_neighbours(page: Page, collapsing: str) -> None:
    page.goto(f"/atlas?runs={collapsing}&step=100")
    page.locator("#atlas-map .dot").first.click(force=True)
    chosen = page.locator("#atlas-chosen")
    expect(chosen).to_contain_text("Nearest")
    expect(chosen).to_contain_text("tokens right")
    name = chosen.get_by_role("link").first.inner_text()
    assert name in TASKS
    chosen.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(f"/tasks/arc-agi-1/training/{name}$"))


def test_a_task_is_chosen_by_keyboard_and_its_way_follows_the_steps(page: Page, collapsing: str) -> None:
    page.goto(f"/atlas?runs={collapsing}")
    page.get_by_role("combobox", name="task", exact=True).select_option(label=TASKS[3])
    expect(page.locator("#atlas-chosen")).to_contain_text(TASKS[3])
    expect(page.locator("#atlas-map .dot.is-chosen")).to_have_count(2)

    def steps_drawn() -> int:
        return len((page.locator("#atlas-map .trail").get_attribute("points") or "").split())

    assert steps_drawn() == len(STEPS)
    slider = page.get_by_role("slider", name="step")
    slider.focus()
    slider.press("Home")
    slider.press("ArrowRight")
    assert steps_drawn() == 2
    page.reload()
    expect(page.locator("#atlas-map .dot.is-chosen")).to_have_count(2)
    expect(page.get_by_role("combobox", name="task", exact=True)).to_have_value(
        f"arc-agi-1/training/{TASKS[3]}"
    )
    page.locator("#atlas-map .dot.is-chosen").first.dispatch_event("click")
    expect(page.locator("#atlas-map .dot.is-chosen")).to_have_count(0)


def test_runs_are_chosen_from_a_list(page: Page, collapsing: str) -> None:
    page.goto("/atlas")
    page.locator(f"input[value='{collapsing}']").check()
    page.get_by_role("button", name="Show on one map").click()
    expect(page.locator("#atlas-moments")).to_contain_text("collapsed")


def test_colours_and_their_key_change_together(page: Page, collapsing: str) -> None:
    page.goto(f"/atlas?runs={collapsing}")
    expect(page.locator("[data-legend=task]")).to_be_visible()
    page.get_by_label("colour by").select_option("solved")
    expect(page.locator("[data-legend=task]")).to_be_hidden()
    expect(page.locator("[data-legend=solved] li")).to_have_text(["right", "wrong"])
    tones = page.locator("#atlas-map .dot").evaluate_all("dots => dots.map((dot) => dot.classList[1])")
    assert set(tones) == {"k1", "k2"}
    assert "colour=solved" in page.url


def test_a_run_whose_weights_are_gone_says_so(page: Page, database: Engine) -> None:
    run_id = record_contexts(database, collapses=False, name="without weights")
    with session_scope(database) as session:
        session.execute(delete(Checkpoint).where(Checkpoint.run_id == run_id))
    page.goto(f"/atlas?runs={run_id}")
    between = page.locator("#atlas-between")
    expect(between.get_by_role("status")).to_contain_text("no checkpoint that could answer")
    expect(between.get_by_role("button", name="Decode between")).to_be_disabled()
