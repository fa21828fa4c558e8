"""Every page, full and empty: each control is reached by Tab, shows it, can be pointed at, and axe agrees.

What the controls do is walked in test_walk_pointer.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from playwright.sync_api import Browser, Page

from tests.support.pages import walk
from tests.support.pages.accessibility import violations_by_day_and_night
from tests.support.pages.browser import Complaints
from tests.support.records.furnished import Furnished

PHONE = {"width": 390, "height": 844}
MAX_SHIFT = 0.02  # CLS
ERROR_PAGES = ("no such page", "no such run", "login")  # Chromium writes their status into the console


def faults(page: Page, pages: Mapping[str, str]) -> dict[str, list[str]]:
    """What is wrong with each page for who has a keyboard alone, points, listens or sees little contrast."""
    complaints = Complaints(page)
    found = {}
    for name, address in pages.items():
        page.set_viewport_size(walk.WIDE)
        walk.visit(page, address)
        wrong = [f"wide: {each}" for each in walk.wrong_by_keyboard(page) + walk.wrong_by_pointer(page)]
        if walk.moved(page) >= MAX_SHIFT:
            wrong.append(f"it moves by {walk.moved(page):.3f}")
        wrong += violations_by_day_and_night(page)
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        back = walk.wrong_by_keyboard(page, back=True)
        wrong += [f"phone: {each}" for each in back + walk.wrong_by_pointer(page)]
        if page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
            wrong.append("wider than a phone")
        if name not in ERROR_PAGES:
            wrong += complaints.found
        complaints.found.clear()
        if wrong:
            found[name] = wrong
    return found


def test_every_control_of_every_page_is_reached_by_keyboard_and_by_pointer(
    browser: Browser, furnished: Furnished
) -> None:
    page = walk.opened(browser, furnished)
    assert faults(page, furnished.pages) == {}
    page.context.close()


def test_so_is_every_control_of_an_empty_lab(browser: Browser, empty_lab: Furnished) -> None:
    page = walk.opened(browser, empty_lab)
    assert faults(page, empty_lab.pages) == {}
    page.context.close()


SPOILED = {
    "find.tabIndex = -1": "no key leads there: button find",
    "find.style.cssText = 'outline: none; box-shadow: none'": "no visible focus: button find",
    "find.onkeydown = (event) => event.preventDefault()": "not reached by Tab: ",  # a trap
    "find.parentElement.append(document.createElement('button'))": "no name: button",
    "find.parentElement.prepend(find); find.tabIndex = 1": "not in the order of the page: ",
    "document.querySelector('.rail').style.cssText = 'font-size: 8px; line-height: 8px'; "
    "for (const each of document.querySelectorAll('.rail a')) each.style.padding = 0": "small: ",
    "const veil = document.createElement('div'); veil.style.cssText = 'position: fixed; inset: 0; "
    "z-index: 99'; document.body.append(veil)": "covered by div",
    "find.style.cssText = 'position: relative; left: 2000px'": "reached by scrolling sideways only: ",
}


def test_a_spoiled_page_is_told(browser: Browser, empty_lab: Furnished) -> None:
    page = walk.opened(browser, empty_lab)
    for spoiled, fault in SPOILED.items():
        walk.visit(page, "/queue")
        page.evaluate(f"() => {{ const find = document.getElementById('find'); {spoiled}; }}")
        wrong = walk.wrong_by_keyboard(page) + walk.wrong_by_pointer(page)
        assert any(each.startswith(fault) for each in wrong), (spoiled, wrong)
    page.context.close()
