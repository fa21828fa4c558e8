"""Charts in a real browser: drawn by the server, taken over by Plotly without a jump."""

from __future__ import annotations

import random

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect
from sqlalchemy import Engine

from backend.charts import scale
from backend.domain.records import Alarm
from backend.kit import format as server
from backend.web.assets import asset
from tests.support.records.recorded import record_run

ALARM = Alarm("starvation", 45, 0.02, 0.5, "Starvation: only 2 % of the encoder receives a gradient.")

# Where the ticks and the lines of every chart in view are: text, centre; and the boxes of the lines.
PLACES = """() => Object.fromEntries([...document.querySelectorAll('.chart')].filter((chart) => {
  const box = chart.getBoundingClientRect();
  return box.height > 0 && box.top < innerHeight;
}).map((chart) => {
  const texts = (query) => [...chart.querySelectorAll(query)].map((each) => {
    const box = each.getBoundingClientRect();
    return [each.textContent.trim(), box.left + box.width / 2, box.top + box.height / 2];
  });
  const boxes = [...chart.querySelectorAll('.still path.smooth, .scatterlayer .js-line')].map((each) => {
    const box = each.getBoundingClientRect();
    return [box.left, box.top, box.right, box.bottom];
  });
  return [chart.dataset.panel, {
    y: texts('.still text.y, .ytick text'), x: texts('.still text.x, .xtick text'), lines: boxes,
  }];
}))"""
# How far the label that reaches farthest to the left lies inside its chart, in pixels.
ROOM = """() => Math.min(...[...document.querySelectorAll('.still text.y, .ytick text')].map((each) => {
  return each.getBoundingClientRect().left - each.closest('.plot').getBoundingClientRect().left;
}))"""
# The style sheet is there: before it, nothing in the page is at its place.
STYLED = "() => document.styleSheets.length > 0"
SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def recorded(database: Engine) -> str:
    return record_run(database, alarm=ALARM, nan_from=110, name="charted")


def test_long_labels_are_not_cut_off(page: Page, context: BrowserContext) -> None:
    values = {
        "small": [1.00001e-4, 1.00002e-4, 1.00004e-4],
        "large": [123_456.2, 123_456.9, 123_456.5],
        "negative": [-0.000123451, -0.000123459, -0.000123455],
    }
    made = context.request.post("/api/v1/runs/external", data={"name": "long labels"})
    assert made.ok, made.text()
    run = made.json()["id"]
    logged = context.request.post(f"/api/v1/runs/{run}/metrics", data={"step": [0, 1, 2], "values": values})
    assert logged.ok, logged.text()

    held: list[Route] = []
    page.route("**/plotly.min.js", lambda route: held.append(route))
    page.goto(f"/runs/{run}", wait_until="commit")
    page.wait_for_function(STYLED)
    page.wait_for_function("() => document.querySelectorAll('.still text.y').length > 6")
    assert page.evaluate(ROOM) >= 0
    page.wait_for_function("() => document.querySelector('script[src*=plotly]')")
    for route in held:
        route.continue_()
    page.unroute("**/plotly.min.js")
    page.wait_for_function("() => document.querySelectorAll('.scatterlayer').length >= 3")
    assert page.evaluate(ROOM) >= 0


@pytest.mark.parametrize("view", ["", "?x=time&smooth=0.9", "?x=epoch&log=act&from=50&to=200"])
def test_what_the_server_draws_is_where_plotly_draws_it(
    page: Page, context: BrowserContext, recorded: str, view: str
) -> None:
    held: list[Route] = []
    page.add_init_script(SHIFTS)
    page.route("**/plotly.min.js", lambda route: held.append(route))
    page.goto(f"/runs/{recorded}{view}", wait_until="commit")
    page.wait_for_function(STYLED)
    expect(page.locator(".still").first).to_be_visible()
    page.wait_for_function("() => document.querySelectorAll('.still').length > 8")
    before = page.evaluate(PLACES)

    chart = page.locator(".chart[data-panel=accuracy]")
    expect(chart).to_have_attribute("data-answers", "yes")
    chart.locator(".plot").hover()  # what was drawn answers while Plotly is on its way
    expect(chart.locator(".tooltip")).to_contain_text("tokens")
    assert page.evaluate("window.Plotly") is None
    crosshair = chart.locator(".crosshair").bounding_box()
    page.mouse.move(0, 0)
    page.wait_for_function("() => document.querySelector('script[src*=plotly]')")
    for route in held:
        route.continue_()
    page.unroute("**/plotly.min.js")
    expect(page.locator(".chart[data-panel=accuracy] .scatterlayer")).to_be_visible()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.chart')].every((each) => "
        "each.getBoundingClientRect().top > innerHeight || !each.querySelector('.still'))"
    )
    after = page.evaluate(PLACES)
    chart.locator(".plot").hover()
    assert chart.locator(".crosshair").bounding_box() == pytest.approx(crosshair, abs=1.0)

    assert len(before) >= 4
    for panel, drawn in before.items():
        for axis in ("x", "y"):
            assert [each[0] for each in after[panel][axis]] == [each[0] for each in drawn[axis]], (
                panel,
                axis,
            )
            for (_, *was), (_, *then) in zip(drawn[axis], after[panel][axis], strict=True):
                assert then == pytest.approx(was, abs=1.0), (panel, axis)
        smooths = after[panel]["lines"][1::2]
        for was, then in zip(drawn["lines"], smooths, strict=True):
            assert then == pytest.approx(was, abs=1.5), panel
    assert page.evaluate("window.shifted") < 0.02


def test_the_browser_divides_time_as_the_server_does(page: Page) -> None:
    draw = random.Random(0)
    windows = [[low := draw.uniform(1, 2e9), low + 10 ** draw.uniform(0.5, 8)] for _ in range(300)]
    page.goto("/")
    texts, units = page.evaluate(
        """async ([address, windows]) => {
            const { Axis } = await import(address);
            const layouts = windows.map(([low, high]) => new Axis("wall").layout(low, high));
            const units = windows.map(([low, high]) => new Axis("time").unit(high - low));
            return [layouts.map((each) => each.tickvals.map((at, i) => [at, each.ticktext[i]])), units];
        }""",
        [asset("js/charts/axis.js"), windows],
    )
    for (low, high), text, unit in zip(windows, texts, units, strict=True):
        assert [list(each) for each in scale.x_ticks("wall", low, high)] == text
        assert list(scale.time_unit(high - low)) == unit


def test_the_browser_tells_shares_as_the_server_does(page: Page) -> None:
    draw = random.Random(0)
    shares = [0.0, -0.0, -1e-9, 5e-324, 9.1e-7, 9.99e-6, 1e-5, 0.0625, 0.125, 0.0996, 0.5, 1.0, 1e7]
    shares += [10 ** draw.uniform(-8, 2) for _ in range(300)]
    cases = [(share, digits) for share in shares for digits in (0, 1)]
    page.goto("/")
    told = page.evaluate(
        """async ([address, cases]) => {
            const { percent, finePercent } = await import(address);
            return cases.map(([share, digits]) => [percent(share, digits), finePercent(share, digits)]);
        }""",
        [asset("js/web/words.js"), cases],
    )
    wanted = [[server.percent(*case), server.fine_percent(*case)] for case in cases]
    assert wanted == told
