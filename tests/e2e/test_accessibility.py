"""No page keeps out who uses it by keyboard, by ear or with little contrast: axe, by day and by night."""

from __future__ import annotations

from collections.abc import Mapping

from playwright.sync_api import Browser, Page

from tests.support import walk
from tests.support.accessibility import violations
from tests.support.furnished import Furnished

COLOURS = "color-contrast"  # the one rule whose answer is another by night


def found_on(browser: Browser, lab: Furnished, pages: Mapping[str, str]) -> dict[str, list[str]]:
    """What is serious on each page, by day, and by night as far as colours matter."""
    context = browser.new_context(base_url=lab.url, reduced_motion="reduce")
    walk.prepare(context)
    page = context.new_page()
    page.goto(lab.login())
    found = {}
    for name, address in pages.items():
        page.emulate_media(color_scheme="light")
        walk.visit(page, address)
        wrong = violations(page)
        page.emulate_media(color_scheme="dark")
        wrong += [f"dark: {each}" for each in violations(page, COLOURS)]
        if wrong:
            found[name] = wrong
    context.close()
    return found


def test_axe_finds_nothing_serious(browser: Browser, furnished: Furnished) -> None:
    found = found_on(browser, furnished, furnished.pages)
    assert found == {}, found


def test_axe_finds_nothing_serious_in_an_empty_lab(browser: Browser, empty_lab: Furnished) -> None:
    assert found_on(browser, empty_lab, empty_lab.pages) == {}


def test_axe_is_really_asked(page: Page) -> None:
    page.goto("/queue")
    page.evaluate("document.getElementById('main').append(document.createElement('select'))")
    assert [each.partition(":")[0] for each in violations(page)] == ["select-name"]
    page.evaluate("document.querySelector('h1').style.cssText = 'color: #777; background: #666'")
    assert [each.partition(":")[0] for each in violations(page, COLOURS)] == [COLOURS]
