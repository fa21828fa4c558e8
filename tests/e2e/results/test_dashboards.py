"""A dashboard in a real browser: made, arranged by mouse and by keyboard, shared, taken back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import Engine

from tests.e2e.results.test_charts import SHIFTS
from tests.support.lab import StartedLab
from tests.support.pages.browser import Complaints
from tests.support.processes import eventually
from tests.support.records.recorded import record_run


@pytest.fixture(scope="module")
def boarded(database: Engine) -> list[str]:
    return [
        record_run(database, points=40, tasks=4, seed=seed, name=f"on a board {seed}") for seed in range(2)
    ]


def layout(context: BrowserContext) -> list[tuple[str, int, int]]:
    """Kind, width and height of the panels, as they are saved."""
    panels = context.request.get("/api/v1/dashboards/for-tonight").json()["content"]["panels"]
    return [(each["kind"], each["width"], each["height"]) for each in panels]


def test_a_dashboard_is_made_and_arranged(page: Page, context: BrowserContext, boarded: list[str]) -> None:
    page.goto("/dashboards")
    page.get_by_label("Name of a new dashboard").fill("For tonight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/d/for-tonight?edit=1")  # loaded: what is clicked before is lost
    expect(page.locator("#edit-bar")).to_be_visible()
    page.locator("#choose-runs").click()
    page.locator("#runs-dialog [name=runs]").fill(",".join(boarded))
    page.locator("#runs-dialog [name=runs]").press("Enter")
    expect(page.locator("#choose-runs")).to_have_text("Runs: 2")

    for kind, field, value in (
        ("curves", "metric", "accuracy/token"),
        ("prose", "text", "Which *encoder*?"),
        ("bars", "measure", "pass@1"),
    ):
        page.locator("#add").click()
        page.locator("#panel-dialog [name=kind]").select_option(kind)
        entry = page.locator(f"#panel-dialog [name={field}]")
        entry.select_option(value) if field == "measure" else entry.fill(value)
        page.get_by_role("button", name="Save panel").click()
        expect(page.locator(f".panel.is-{kind}")).to_be_visible()
    expect(page.locator(".prose em")).to_have_text("encoder")
    expect(page.locator(".panel .scatterlayer")).to_be_visible()

    page.locator(".is-prose [data-tool=move]").focus()  # by keyboard: first, and half as wide
    page.keyboard.press("ArrowLeft")
    for _ in range(6):
        page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator("#saved")).to_have_text("Saved.")
    assert layout(context) == [("prose", 6, 3), ("curves", 6, 4), ("bars", 6, 4)]

    handle = page.locator(".is-bars [data-tool=move]")  # by mouse: before the curves, and wider
    handle.scroll_into_view_if_needed()
    start, target = handle.bounding_box(), page.locator(".panel.is-curves").bounding_box()
    assert start
    assert target
    page.mouse.move(start["x"] + 8, start["y"] + 8)
    page.mouse.down()
    page.mouse.move(target["x"] + 20, target["y"] + 20)
    page.mouse.up()
    eventually(lambda: [kind for kind, *_ in layout(context)] == ["prose", "bars", "curves"], "the new order")
    corner = page.locator(".is-bars [data-tool=resize]").bounding_box()
    assert corner
    page.mouse.move(corner["x"] + 8, corner["y"] + 8)
    page.mouse.down()
    page.mouse.move(corner["x"] + 8 - 220, corner["y"] + 8 + 90, steps=4)
    page.mouse.up()
    eventually(lambda: layout(context)[1][2] == 5, "a higher panel")

    page.locator(".is-bars [data-tool=remove]").click()
    expect(page.locator(".panel")).to_have_count(2)
    page.locator("#edit").click()
    page.reload()
    expect(page.locator(".panel")).to_have_count(2)
    expect(page.locator("#edit-bar")).to_be_hidden()


def test_a_shared_dashboard_is_live_on_a_phone_until_it_is_revoked(
    page: Page, lab: StartedLab, browser: Browser, boarded: list[str]
) -> None:
    page.goto("/d/encoder-variants")
    page.locator("#share").click()
    page.locator("#share-make").click()
    expect(page.locator("#share-url")).to_have_value(re.compile(r"http://\S+/s/\S{30,}"))
    url = page.locator("#share-url").input_value()

    stranger = browser.new_context(viewport={"width": 390, "height": 844})
    phone = stranger.new_page()
    complaints = Complaints(phone)
    phone.add_init_script(SHIFTS)
    phone.goto(url)
    expect(phone.locator("h1")).to_have_text("Encoder variants")
    expect(phone.locator(".panel .scatterlayer").first).to_be_visible()
    assert phone.locator(".rail").count() == 0
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    assert phone.evaluate("window.shifted") < 0.02
    assert complaints.found == []

    page.locator("[data-revoke]").first.click()
    expect(page.locator("#share-list")).to_contain_text("revoked")
    answer = phone.goto(url)
    assert answer
    assert answer.status == 404
    expect(phone.locator("main h2")).to_have_text("This link is invalid or was revoked.")
    phone.wait_for_load_state("networkidle")  # nothing on the page asks what only the lab's people may ask
    assert phone.url == url
    stranger.close()


def test_panels_become_files(page: Page, boarded: list[str]) -> None:
    page.goto("/d/encoder-variants")
    bars = page.locator(".panel.is-bars").first
    expect(bars).to_be_visible()
    starts = {"PNG": b"\x89PNG", "SVG, 7 in": b"<?xml", "PDF, 3.5 in": b"%PDF", "CSV": b"variation,"}
    for kind, start in starts.items():
        bars.locator(".export-menu summary").click()
        with page.expect_download() as waiting:
            bars.get_by_role("button", name=kind).click()
        assert Path(waiting.value.path()).read_bytes().startswith(start)
    curves = page.locator(".panel.is-curves").first
    for kind, start in {"PNG": b"\x89PNG", "SVG, 3.5 in": b"<?xml"}.items():
        curves.locator(".chart-menu summary").click()
        with page.expect_download() as waiting:
            curves.get_by_role("button", name=kind).click()
        assert Path(waiting.value.path()).read_bytes().startswith(start)
    page.get_by_label("More actions").click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Export as HTML", exact=True).click()
    assert b"<script" not in Path(waiting.value.path()).read_bytes()
