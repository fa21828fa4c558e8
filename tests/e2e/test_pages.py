"""Looking around in a real browser: table, charts, predictions, phone, keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, BrowserContext, Page, Route, expect
from sqlalchemy import Engine

from backend.alerts import queries as alarm_deliveries
from backend.alerts import service as alarms
from backend.db.session import session_scope
from backend.domain.records import Alarm
from tests.support.processes import eventually
from tests.support.records.recorded import record_run

ALARM = Alarm("starvation", 45, 0.02, 0.5, "Starvation: only 2 % of the encoder receives a gradient.")


@pytest.fixture(scope="module")
def recorded(database: Engine) -> str:
    """A finished run with an alarm, NaN and predictions."""
    return record_run(database, alarm=ALARM, nan_from=110, tasks=20, name="recorded")


def test_the_table_is_filtered_by_keyboard_and_runs_are_deleted(page: Page, database: Engine) -> None:
    for seed in range(3):
        record_run(database, points=4, seed=seed, name="to be deleted")
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type('name == "to be deleted"')
    page.keyboard.press("Enter")
    expect(page.locator("#rows tr")).to_have_count(3)

    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("#selection-count")).to_have_text("2 selected")
    page.locator("[data-bulk=delete]").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()

    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.get_by_text("Deleted 2 runs.")).to_be_visible()


def test_the_table_shows_a_new_run_and_its_status_by_itself(page: Page, context: BrowserContext) -> None:
    page.goto("/")
    page.wait_for_timeout(1500)  # the stream begins with what the page already shows
    made = context.request.post("/api/v1/runs/external", data={"name": "appeared"})
    row = page.locator(f"#run-{made.json()['id']}")

    expect(row).to_contain_text("running")
    context.request.post(
        f"/api/v1/runs/{made.json()['id']}/finish", data={"status": "failed", "cause": "too hot"}
    )
    expect(row).to_contain_text("too hot")


def test_a_curve_grows_while_one_looks_and_new_metrics_get_their_chart(
    page: Page, context: BrowserContext
) -> None:
    run_id = context.request.post("/api/v1/runs/external", data={"name": "growing"}).json()["id"]
    metrics = f"/api/v1/runs/{run_id}/metrics"
    page.goto(f"/runs/{run_id}")
    expect(page.locator("#no-curves")).to_be_visible()

    context.request.post(metrics, data={"step": [1, 2], "values": {"loss": [3, 2]}})
    chart = page.locator(".chart[data-panel=loss]")
    expect(chart).to_have_attribute("data-points", "2")
    context.request.post(metrics, data={"step": [3, 4], "values": {"loss": [1.5, "NaN"]}})
    expect(chart).to_have_attribute("data-points", "3")
    expect(chart.locator(".notes")).to_contain_text("1 NaN")
    expect(chart.locator(".legend")).to_contain_text("NaN")
    page.reload()
    expect(chart.locator(".legend")).to_contain_text("NaN")  # the same as what grew
    context.request.post(metrics, data={"step": [3], "values": {"loss": [9]}})  # written over
    told = re.compile(r"last: total 9\b")
    expect(chart.locator("[aria-label*=last]")).to_have_attribute("aria-label", told)
    expect(chart.locator(".legend")).to_contain_text("NaN")
    context.request.post(metrics, data={"step": [4], "values": {"loss": [1.5]}})
    expect(chart.locator(".legend")).to_contain_text("1.50")
    expect(chart.locator(".notes")).not_to_contain_text("NaN")
    context.request.post(metrics, data={"step": [5], "values": {"mine": [1]}})
    expect(page.locator(".chart[data-panel=other-mine]")).to_be_visible()


def test_points_that_come_while_a_chart_is_asked_for_are_drawn(page: Page, context: BrowserContext) -> None:
    script = {"name": "between", "heartbeat_seconds": 3600}  # no alarm, which has every chart read again
    run_id = context.request.post("/api/v1/runs/external", data=script).json()["id"]
    metrics = f"/api/v1/runs/{run_id}/metrics"
    context.request.post(metrics, data={"step": [1, 2], "values": {"loss": [3, 2]}})
    held: list[tuple[Route, APIResponse]] = []  # answers that are on their way
    late: list[Route] = []

    def hold(route: Route) -> None:
        if late:  # asked for after the points
            route.continue_()
        else:
            held.append((route, route.fetch()))

    page.route(f"**/runs/{run_id}/figures*", hold)
    page.goto(f"/runs/{run_id}")
    eventually(lambda: page.evaluate("true") and held, "a chart is asked for")
    context.request.post(metrics, data={"step": [3], "values": {"loss": [0.125]}})
    expect(page.locator("#run-head")).to_contain_text("0.125")  # the stream has told of it
    late += [route for route, _ in held]
    for route, answer in held:
        route.fulfill(response=answer)
    expect(page.locator(".chart[data-panel=loss]")).to_have_attribute("data-points", "3")


def test_alarms_and_nan_are_marked_on_the_curves(page: Page, recorded: str) -> None:
    page.goto(f"/runs/{recorded}")
    loss = page.locator(".chart[data-panel=loss]")

    expect(loss).to_contain_text("▲ starvation")
    expect(loss.locator(".notes")).to_contain_text("20 NaN")
    expect(loss.locator(".scatterlayer .points path")).to_have_count(10)
    page.get_by_role("tab", name="Encoder health").click()
    expect(page.locator(".verdict-text")).to_contain_text("The encoder is starving (alarm at step 45)")


def test_zoom_and_crosshair_are_shared_by_all_charts(page: Page, recorded: str) -> None:
    page.goto(f"/runs/{recorded}")
    first, second = (page.locator(f".chart[data-panel={name}]") for name in ("accuracy", "act"))
    expect(second).to_have_attribute("data-points", "120")
    box = first.locator(".plot").bounding_box()
    assert box

    page.mouse.move(box["x"] + 200, box["y"] + 80)
    expect(second.locator(".crosshair")).to_be_visible()
    expect(first.locator(".tooltip")).to_contain_text("step")

    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 80, steps=5)
    page.mouse.up()
    expect(page.locator("#reset-zoom")).to_be_visible()
    expect(second).to_have_attribute("data-points", re.compile(r"^[1-5]?\d$"))
    page.locator("#reset-zoom").click()
    expect(second).to_have_attribute("data-points", "120")

    page.locator("#axis").select_option("time")
    expect(first).to_contain_text(re.compile(r"\d (s|min)"))
    page.reload()
    expect(page.locator("#axis")).to_have_value("time")
    expect(first.locator("text.xtick, .xtick text").first).to_contain_text(re.compile(r"\d (s|min)"))


KEEP_PICTURE = """() => {
  const draw = Plotly.toImage;
  Plotly.toImage = (picture, how) => { window.picture = picture; return draw(picture, how); };
}"""


def test_a_chart_is_exported(page: Page, recorded: str) -> None:
    page.goto(f"/runs/{recorded}")
    chart = page.locator(".chart[data-panel=loss]")
    expect(chart).to_have_attribute("data-points", "110")
    starts = {
        "PNG": b"\x89PNG",
        "SVG, 3.5 in": b"<?xml",
        "PDF, 7 in": b"%PDF",
        "CSV": b"run,step,wall_time,loss,loss/prediction,loss/halting\r\n",
    }
    page.evaluate(KEEP_PICTURE)
    for kind, start in starts.items():
        chart.get_by_label("Loss terms: options").click()
        with page.expect_download() as waiting:
            chart.get_by_role("button", name=kind).click()
        content = Path(waiting.value.path()).read_bytes()
        assert content.startswith(start)
        ending, _, width = kind.lower().partition(", ")
        size = f"-{width.replace(' ', '')}" if width else ""
        assert waiting.value.suggested_filename == f"recorded-{recorded}-loss{size}.{ending}"
    assert content.count(b"\n") == 121
    assert b"NaN" in content
    foot = page.evaluate("() => picture.layout.annotations.at(-1).text")
    assert foot.startswith("Strong: moving average, decay 0.6 per point. Faint: as recorded.")


def test_a_phone_shows_the_whole_legend(page: Page, recorded: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/runs/{recorded}")
    legend = page.locator(".chart[data-panel=loss] .legend")
    legend.scroll_into_view_if_needed()
    expect(page.locator(".chart[data-panel=loss]")).to_have_attribute("data-points", "110")
    for side in ("Height", "Width"):
        assert legend.evaluate(f"list => list.scroll{side} - list.client{side}") == 0
    names = legend.locator(".legend-name")
    assert names.count() == 3
    assert names.evaluate_all("all => all.map((each) => each.scrollWidth - each.clientWidth)") == [0, 0, 0]


def test_predictions_are_filtered_blinked_and_recoloured(page: Page, recorded: str) -> None:
    page.goto(f"/runs/{recorded}#predictions")
    answer = page.locator("img.grid[data-against]").first
    look = "image => image.getAttribute('src') ?? ''"  # a grid that is not drawn has none
    eventually(lambda: answer.evaluate(look), "the grid")
    before = answer.evaluate(look)

    page.locator("#palette").select_option("distinct")
    expect(answer).to_have_attribute("data-drawn", "yes")  # grids are drawn a few each frame
    eventually(lambda: answer.evaluate(look) not in ("", before), "another palette")
    page.locator("#palette").select_option("official")
    eventually(lambda: answer.evaluate(look) == before, "the first palette again")

    page.locator("#failure-mode").select_option("wrong size")
    expect(page.locator(".card .status").first).to_contain_text("wrong size")
    wrong = page.locator("img.grid[data-against]").first
    expect(wrong).to_have_attribute("data-drawn", "yes")
    shown = wrong.evaluate(look)
    page.locator("#blink").click()
    eventually(lambda: wrong.evaluate(look) != shown, "the truth in the prediction's place")

    page.locator("#failure-mode").select_option("")
    expect(page.locator(".card")).to_have_count(12)
    page.locator("[data-more]").scroll_into_view_if_needed()
    expect(page.locator(".card")).to_have_count(20)


def test_a_run_can_be_deleted_from_its_page(page: Page, database: Engine) -> None:
    run_id = record_run(database, points=4, name="unwanted")
    page.goto(f"/runs/{run_id}")
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Delete run").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete run").click()

    page.wait_for_url("**/")
    expect(page.locator(f"#run-{run_id}")).to_have_count(0)


def test_sections_are_reached_by_keyboard_and_address(page: Page, recorded: str) -> None:
    page.goto(f"/runs/{recorded}#config")
    expect(page.locator("#config")).to_be_visible()
    page.get_by_role("tab", name="Config").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Reproduce")).to_be_focused()
    expect(page.locator("#reproduce")).to_be_visible()
    assert page.url.endswith("#reproduce")
    page.keyboard.press("1")
    expect(page.locator("#curves")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_an_alarm_says_whether_the_webhook_heard_of_it(page: Page, database: Engine) -> None:
    run = record_run(database, status="running", points=50, alarm=ALARM, name="alarmed")
    page.goto(f"/runs/{run}#encoder")
    expect(page.locator(".delivery")).to_contain_text("no webhook configured")  # as the lab finds out
    with session_scope(database) as session:
        (alarm,) = alarms.list(session, run)
        tried = {"delivery_attempts": 3, "delivery_error": "the webhook answered 503", "delivered_at": None}
        alarm_deliveries.change(session, alarm.id, **tried)
    expect(page.locator(".delivery")).to_contain_text(
        "not delivered: the webhook answered 503; given up, tried 3 times"
    )
