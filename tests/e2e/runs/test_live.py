"""Live runs in two windows, one of them a phone, and in one whose network goes away and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from sqlalchemy import Engine

from backend.web.assets import asset
from tests.support.lab import StartedLab
from tests.support.records.recorded import record_run

WITHIN = 1000.0  # milliseconds between two windows that show the same point

# When the curve of the loss first had each number of points, by the clock that both windows share.
NOTE_POINTS = """() => {
    window.shownAt = {};
    const note = () => {
        const points = document.querySelector('.chart[data-panel=loss]')?.dataset.points;
        if (points) window.shownAt[points] ??= performance.timeOrigin + performance.now();
    };
    new MutationObserver(note).observe(document.body, {
        subtree: true, childList: true, attributes: true, attributeFilter: ['data-points'],
    });
    note();
    window.shifted = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
    }).observe({ type: 'layout-shift' });
}"""


@pytest.fixture
def live(context: BrowserContext) -> str:
    """A run that a script logs into, at its first step."""
    run: str = context.request.post("/api/v1/runs/external", data={"name": "watched"}).json()["id"]
    log(context, run, [1])
    return run


@pytest.fixture
def other_page(lab: StartedLab, browser: Browser, session_file: Path) -> Iterator[Page]:
    """A phone, with a session of its own."""
    phone = {"width": 390, "height": 844}
    context = browser.new_context(base_url=lab.url, storage_state=session_file, viewport=phone)  # type: ignore[arg-type]
    yield context.new_page()
    context.close()


def log(context: BrowserContext, run: str, steps: list[int]) -> None:
    values = {"loss": [1 / step for step in steps]}
    answer = context.request.post(f"/api/v1/runs/{run}/metrics", data={"step": steps, "values": values})
    assert answer.ok, answer.text()


def steps_shown(page: Page) -> list[int]:
    """The steps of the loss as they stand in the chart."""
    plotted: list[int] = page.evaluate(
        "document.querySelector('.chart[data-panel=loss] .js-plotly-plot').data[0].x"
    )
    return plotted


def test_two_windows_on_a_live_run_show_the_same_points_within_a_second(
    page: Page, other_page: Page, context: BrowserContext, live: str
) -> None:
    windows = (page, other_page)
    for window in windows:
        window.goto(f"/runs/{live}")
        expect(window.locator(".chart[data-panel=loss]")).to_have_attribute("data-points", "1")
        window.evaluate(NOTE_POINTS)
    for step in range(2, 7):
        log(context, live, [step])
        for window in windows:
            expect(window.locator(".chart[data-panel=loss]")).to_have_attribute("data-points", str(step))
    here, there = (window.evaluate("window.shownAt") for window in windows)
    apart = {step: abs(here[step] - there[step]) for step in map(str, range(2, 7))}
    assert max(apart.values()) < WITHIN, apart
    assert [window.evaluate("window.shifted") < 0.02 for window in windows] == [True, True]


def test_new_runs_and_what_they_do_move_nothing_in_the_table(
    page: Page, other_page: Page, context: BrowserContext, live: str
) -> None:
    windows = (page, other_page)
    for window in windows:
        window.goto("/")
        expect(window.locator(f"#run-{live}")).to_be_visible()
        window.evaluate(NOTE_POINTS)
    log(context, live, [2, 3])
    started = context.request.post("/api/v1/runs/external", data={"name": "next"}).json()
    log(context, started["id"], [1, 2])
    for window in windows:
        expect(window.locator(f"#run-{started['id']}")).to_contain_text("running")
        assert window.evaluate("window.shifted") < 0.02


def test_a_lost_network_is_said_and_loses_no_point(
    lab: StartedLab, browser: Browser, session_file: Path, context: BrowserContext, live: str
) -> None:
    cut_off = browser.new_context(base_url=lab.url, storage_state=session_file)
    page = cut_off.new_page()
    page.goto(f"/runs/{live}")
    chart = page.locator(".chart[data-panel=loss]")
    expect(chart).to_have_attribute("data-points", "1")
    log(context, live, [2])
    expect(chart).to_have_attribute("data-points", "2")  # the stream is there

    cut_off.set_offline(True)
    log(context, live, [3, 4])
    note = page.locator("#connection")
    expect(note).to_be_visible()
    expect(note).to_contain_text("Reconnecting… No updates will be lost.")
    log(context, live, [5])
    expect(chart).to_have_attribute("data-points", "2")

    cut_off.set_offline(False)
    expect(chart).to_have_attribute("data-points", "5")
    expect(note).to_be_hidden()
    log(context, live, [6])
    expect(chart).to_have_attribute("data-points", "6")
    assert steps_shown(page) == [1, 2, 3, 4, 5, 6]
    cut_off.close()


def test_a_finished_run_says_at_once_that_the_browser_is_offline(
    lab: StartedLab, browser: Browser, session_file: Path, database: Engine
) -> None:
    run = record_run(database, points=3)
    cut_off = browser.new_context(base_url=lab.url, storage_state=session_file)
    page = cut_off.new_page()
    page.goto(f"/runs/{run}")
    expect(page.locator("#workers-line")).to_contain_text("busy")
    cut_off.set_offline(True)
    strip = page.locator("#system-strip")
    expect(strip).to_have_text("This browser is offline. What the page shows may be old.", timeout=6000)
    expect(page.locator("#workers-line")).to_have_text("not connected")
    cut_off.set_offline(False)
    expect(strip).to_be_hidden()
    cut_off.close()


def test_a_stream_that_falls_silent_is_opened_again(
    lab: StartedLab, page: Page, context: BrowserContext, live: str
) -> None:
    page.clock.install()
    page.goto(f"/runs/{live}")
    chart = page.locator(".chart[data-panel=loss]")
    expect(chart).to_have_attribute("data-points", "1")
    log(context, live, [2])
    expect(chart).to_have_attribute("data-points", "2")  # the stream is there
    server = lab.child(" web")

    server.suspend()  # its connections stay open, and nothing comes
    try:
        page.clock.fast_forward(25_000)
        expect(page.locator("#connection")).to_be_visible()
    finally:
        server.resume()
    page.clock.fast_forward(2_000)
    log(context, live, [3])
    expect(chart).to_have_attribute("data-points", "3")
    expect(page.locator("#connection")).to_be_hidden()


def test_a_page_over_the_limit_of_live_pages_says_so_and_comes_back(context: BrowserContext) -> None:
    """What the page makes of 429; that the server answers it is a test in tests/run_page."""
    page = context.new_page()  # whose console may complain
    page.clock.install()
    stream = "**/api/v1/events?*"
    page.route(stream, lambda route: route.fulfill(status=429, headers={"Retry-After": "30"}, body="{}"))
    page.goto("/")
    note = page.locator("#connection")
    expect(note).to_contain_text("Live updates paused: too many open pages.")
    page.unroute(stream)
    page.clock.fast_forward(30_000)
    expect(note).to_be_hidden()


def test_what_changes_during_a_look_is_looked_at_after_it(page: Page) -> None:
    """Else a page shows "cancelling" until something else happens."""
    page.goto("/")
    looks = page.evaluate(
        """async (address) => {
            const { throttled } = await import(address);
            let state = "before";
            const looks = [];
            return new Promise((resolve) => {
                const look = throttled(async () => {
                    looks.push(state);
                    if (looks.length === 2) resolve(looks);
                    state = "after";
                    look();
                    await new Promise((done) => setTimeout(done, 10));
                }, 0);
                setTimeout(() => resolve(looks), 5000);
                look();
            });
        }""",
        asset("js/web/live.js"),
    )
    assert looks == ["before", "after"]


def test_an_older_look_that_comes_late_changes_nothing(
    page: Page, context: BrowserContext, live: str
) -> None:
    page.goto(f"/runs/{live}")
    held: list[Route] = []
    page.route(f"**/runs/{live}", lambda route: held.append(route))
    for _ in range(2):
        with page.expect_request(f"**/runs/{live}"):
            page.evaluate(
                """async (address) => {
                    const { refresh } = await import(address);
                    (window.looks ??= []).push(refresh());
                }""",
                asset("js/web/live.js"),
            )
    page.evaluate("0")  # by now both are held
    older = held[0].fetch()
    assert context.request.post(f"/api/v1/runs/{live}/finish", data={"status": "finished"}).ok
    held[1].fulfill(response=held[1].fetch())
    page.evaluate("window.looks[1]")
    expect(page.locator("#run-head .status").first).to_have_text("finished")
    held[0].fulfill(response=older)
    page.evaluate("window.looks[0]")
    expect(page.locator("#run-head .status").first).to_have_text("finished", timeout=1)
