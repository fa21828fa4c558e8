"""What is chosen on a page stands in its address: reload, back button and a pasted address restore it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.pages import view, walk
from tests.support.pages.browser import Complaints
from tests.support.records.furnished import Furnished

PATIENCE = 120_000  # milliseconds; only what never comes takes so long
Change = Callable[[Page], Any]


def choose(field: str, value: str) -> Change:
    """Choose an option of a list, or move a slider."""
    return lambda page: (
        page.locator(field).fill(value) if field == "#smoothing" else page.locator(field).select_option(value)
    )


def press(selector: str) -> Change:
    return press_all(selector)


def type_in(field: str, text: str) -> Change:
    def change(page: Page) -> None:
        page.locator(field).fill(text)
        page.locator(field).press("Enter")

    return change


def press_all(*selectors: str) -> Change:
    """A menu, and things in it."""

    def change(page: Page) -> None:
        for selector in selectors:
            page.locator(selector).first.click()

    return change


def check_for_leaks(page: Page) -> None:
    page.locator("[name=evaluated]").select_option("arc-agi-2/evaluation")
    page.get_by_role("button", name="Check for leaks").click()


def zoom(page: Page) -> None:
    """Drag over the first half of a chart."""
    box = page.locator(".chart .plot").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + 80, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 80, steps=4)
    page.mouse.up()
    page.wait_for_url("**from=**")


# By page: what is chosen there, one after another.
CHANGES: dict[str, list[Change]] = {
    "runs": [
        type_in("#filter", 'status == "finished"'),
        press("#runs th:nth-child(4) .sort"),
        press("#runs th:nth-child(4) .sort"),
        press_all("#columns-menu summary", "#columns-menu [value=encoder]", "#columns-menu .is-primary"),
        press("[data-pick]"),
    ],
    "means over seeds": [press("#runs .sort"), press("#group-seeds")],
    "run, curves": [
        choose("#axis", "samples"),
        choose("#smoothing", "0.9"),
        press_all(".chart .chart-menu summary", ".chart [data-chart=log]"),
        zoom,
        press("#tab-machine"),
    ],
    "run, predictions": [choose("#failure-mode", "wrong size")],
    "run, config": [press("#only-changed")],
    "compare, curves": [
        choose("#by", "seed"),
        press(".line-toggle"),
        choose("#smoothing", "0"),
        choose("#k", "2"),
        press("#tab-results"),
    ],
    "compare, tasks": [press("#only-differing"), choose("#solves", "first"), choose("#fails", "third")],
    "dashboard": [choose("#axis", "time"), press("#edit")],
    "shared": [choose("#axis", "epoch"), choose("#smoothing", "0.3")],
    "gallery": [
        choose("[name=mode]", "wrong size"),
        choose("[name=size]", "small"),
        press(".facet[aria-current]"),
        press("[data-view=table]"),
    ],
    "side by side": [choose("[name=change]", "both"), press("[data-view=table]")],
    "tasks": [type_in("[name=task]", "0b"), choose("[name=size]", "medium")],
    "task": [press("text=Show votes"), press("[data-step='3']")],
    "data": [check_for_leaks],
    "evaluation": [choose("#failure-mode", "wrong size")],
}


@pytest.fixture
def opened(browser: Browser, furnished: Furnished) -> Page:
    context = browser.new_context(base_url=furnished.url, viewport={"width": 1440, "height": 900})
    walk.prepare(context)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(furnished.login())
    return page


def pasted(context: BrowserContext, address: str) -> dict[str, Any]:
    """What a browser of somebody else who is let in shows under the address."""
    assert context.browser
    other = context.browser.new_context(
        storage_state={"cookies": context.cookies(), "origins": []},  # type: ignore[typeddict-item]
        viewport={"width": 1440, "height": 900},
    )
    walk.prepare(other)
    page = other.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    seen = view.of(page)
    other.close()
    return seen


@pytest.mark.parametrize("name", CHANGES)
def test_a_view_is_restored(opened: Page, furnished: Furnished, name: str) -> None:
    page = opened
    complaints = Complaints(page)
    walk.visit(page, furnished.pages[name])
    plain = view.of(page)
    before = plain
    for change in CHANGES[name]:
        address = page.url
        change(page)
        page.wait_for_function("(before) => location.href !== before", arg=address)
        seen = view.of(page)
        assert seen != before, "nothing changed"
        before = seen

    page.reload()
    assert view.differences(view.of(page), seen) == []
    assert view.differences(pasted(page.context, page.url), seen) == []

    page.goto("/queue")
    page.go_back()
    assert view.differences(view.of(page), seen) == []
    page.go_forward()
    page.wait_for_url("**/queue")
    assert complaints.found == []
    page.context.close()
