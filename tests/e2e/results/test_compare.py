"""Comparing runs in a real browser, by mouse and by keyboard."""

from __future__ import annotations

import time

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.records import MetricFrame
from backend.lifecycle import external_runs
from backend.metrics import service as series
from tests.e2e.results.test_charts import SHIFTS
from tests.support.lab import StartedLab
from tests.support.records.recorded import record_run

POINTS = 20_000
# What Plotly was given: by trace its greatest value, and how many points.
RAWS = """() => document.querySelector('.chart[data-panel=loss] .plot').data
  .filter((trace) => trace.meta.role === 'raw').map((trace) => [Math.max(...trace.y), trace.y.length])"""


@pytest.fixture(scope="module")
def spiky(database: Engine) -> list[str]:
    """20 runs of 20,000 points, each with one spike of one step."""
    draw = np.random.default_rng(5)
    steps = np.arange(POINTS)
    ids = []
    for number in range(20):
        values = 1.0 + 0.05 * draw.normal(size=POINTS)
        values[1 + int(draw.integers(POINTS - 2))] = 1.5
        with session_scope(database) as session:
            run_id = external_runs.create(session, f"spiky {number}", {}).id
            times = (time.time() + steps * 0.1).tolist()
            series.append(session, run_id, MetricFrame(steps.tolist(), times, {"loss": values.tolist()}))
            external_runs.finish(session, run_id)
        ids.append(run_id)
    return ids


@pytest.fixture(scope="module")
def recorded(database: Engine) -> list[str]:
    made = [record_run(database, points=60, tasks=8, seed=seed, name=f"seeded {seed}") for seed in range(3)]
    return [*made, record_run(database, preset="quick_etrm_iterative", points=40, tasks=5, name="iterates")]


def test_twenty_of_twenty_spikes_are_drawn_whatever_one_does(page: Page, spiky: list[str]) -> None:
    page.goto(f"/compare?runs={','.join(spiky)}")
    chart = page.locator(".chart[data-panel=loss]")
    expect(chart.locator(".scatterlayer")).to_be_visible()
    assert [top for top, _ in page.evaluate(RAWS)] == [1.5] * 20
    assert max(points for _, points in page.evaluate(RAWS)) <= 1000

    with page.expect_response("**/compare/figures?**smooth=0.95**"):
        page.locator("#smoothing").fill("0.95")
    expect(chart).to_have_attribute("data-smoothing", "0.95")
    assert [top for top, _ in page.evaluate(RAWS)] == [1.5] * 20

    box = chart.locator(".plot").bounding_box()
    assert box
    with page.expect_response("**/compare/figures?**from=**"):
        page.mouse.move(box["x"] + 50, box["y"] + 80)
        page.mouse.down()
        page.mouse.move(box["x"] + 50 + (box["width"] - 64) / 2, box["y"] + 80, steps=5)
        page.mouse.up()
    page.wait_for_function(
        "() => document.querySelector('.chart[data-panel=loss] .plot').data[0].x.at(-1) < 12000"
    )  # the left half, at a finer resolution
    low, high = page.evaluate(
        "(() => { const { data } = document.querySelector('.chart[data-panel=loss] .plot');"
        " return [data[0].x[0], data[0].x.at(-1)]; })()"
    )
    assert low <= 300
    assert 9_000 < high < 12_000
    with page.expect_response("**/compare/figures?**"):
        page.locator("#reset-zoom").click()
    page.wait_for_function(
        "() => document.querySelector('.chart[data-panel=loss] .plot').data[0].x.at(-1) > 19000"
    )
    assert [top for top, _ in page.evaluate(RAWS)] == [1.5] * 20


def test_runs_are_chosen_and_compared_by_keyboard(page: Page, recorded: list[str]) -> None:
    page.add_init_script(SHIFTS)
    page.goto("/compare")
    for run_id in recorded[:3]:
        page.locator(f"#choose-{run_id}").focus()
        page.keyboard.press("Space")
    page.get_by_role("button", name="Compare", exact=True).focus()
    page.keyboard.press("Enter")

    expect(page.locator("h1")).to_have_text("Compare 3 runs")
    line = page.locator(".line-toggle").first
    line.focus()
    page.keyboard.press("Space")
    expect(line).to_have_attribute("aria-pressed", "false")
    assert f"hide={recorded[2]}" in page.url or "hide=" in page.url
    page.keyboard.press("4")
    expect(page.locator("#significance-part")).to_contain_text("undecided")
    page.get_by_role("tab", name="Significance").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#matrix-count")).to_be_visible()
    page.reload()
    expect(page.locator("#matrix-count")).to_be_visible()
    expect(line).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("window.shifted") < 0.02

    page.keyboard.press("1")
    page.locator("#by").select_option("seed")
    page.wait_for_url("**by=seed**")
    expect(page.locator(".line-toggle")).to_have_count(1)
    page.go_back()
    expect(page.locator(".line-toggle")).to_have_count(3)


def test_a_wrong_task_is_found_by_who_solves_it(page: Page, recorded: list[str]) -> None:
    page.goto(f"/compare?runs={','.join(recorded)}#tasks")
    expect(page.locator("#matrix-count")).to_contain_text("among 8")
    page.locator("#only-differing").uncheck()
    expect(page.locator("#matrix-count")).to_have_text("8 of 8 tasks")
    page.locator("#solves").select_option(recorded[0])
    shown = page.locator(".matrix tbody tr:visible")
    expect(shown.first).to_contain_text("solved")
    page.reload()
    expect(page.locator("#solves")).to_have_value(recorded[0])
    expect(page.locator("#only-differing")).not_to_be_checked()


def test_a_comparison_fits_a_phone(
    lab: StartedLab, browser: Browser, session_file: str, recorded: list[str]
) -> None:
    context = browser.new_context(
        base_url=lab.url, storage_state=session_file, viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    for section in ("curves", "results", "encoder", "significance", "tasks", "config"):
        page.goto("about:blank")
        page.goto(f"/compare?runs={','.join(recorded)}#{section}")
        page.wait_for_load_state("load")
        assert page.evaluate("document.documentElement.scrollWidth") == 390, section
    context.close()


def test_a_comparison_of_runs_that_go_on_keeps_its_sections_and_its_charts(
    page: Page, database: Engine, recorded: list[str]
) -> None:
    going = record_run(database, status="queued", points=0, name="waits", dispatched_at=4e9)
    with page.expect_response(
        lambda answer: "/compare?" in answer.url and answer.request.resource_type == "fetch"
    ):
        page.goto(f"/compare?runs={recorded[0]},{going}")  # it looks again for what it may have missed
    chart = page.locator(".chart[data-panel=loss]")
    expect(chart.locator(".scatterlayer")).to_be_visible()
    page.get_by_role("tab", name="Results").click()
    expect(page.locator("#results")).to_be_visible()
    page.get_by_role("tab", name="Curves").click()
    expect(chart.locator(".scatterlayer")).to_be_visible()
    page.request.post(f"/api/v1/runs/{going}/cancel")


def test_the_archive_for_a_paper_shows_that_it_is_being_made(
    context: BrowserContext, recorded: list[str]
) -> None:
    page = context.new_page()  # one that may complain: a request fails
    held: list[Route] = []
    page.goto(f"/compare?runs={','.join(recorded)}")
    page.route("**/api/v1/compare/paper?**", lambda route: held.append(route))
    button, notes = page.locator("#paper"), page.locator("#toasts")
    with page.expect_request("**/api/v1/compare/paper?**"):
        button.click()
    expect(notes).to_contain_text("Drawing figures and tables. Keep this page open.")
    expect(button).to_be_disabled()

    held.pop().abort()
    expect(notes).to_contain_text("The server is not responding.")
    expect(notes).not_to_contain_text("Drawing figures")
    expect(button).to_be_enabled()

    page.route("**/api/v1/compare/paper?**", lambda route: route.fulfill(body=b"PK"))
    with page.expect_download() as waiting:
        button.click()
    assert waiting.value.suggested_filename == "Compare-4-runs-paper.zip"
    expect(button).to_be_enabled()
