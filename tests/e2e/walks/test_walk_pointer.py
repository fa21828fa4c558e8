"""Every control of every page does something when it is clicked, and every link leads somewhere."""

from __future__ import annotations

from playwright.sync_api import Browser, Error, Page

from tests.support.pages import walk
from tests.support.pages.browser import Complaints
from tests.support.pages.walk import Control
from tests.support.records.furnished import Furnished


def is_clicked(control: Control) -> bool:
    """Links are followed by their address; what stands in a form goes with the form's own button."""
    if control.tag == "a":
        return (control.href.startswith("#") and control.href != "#main") or control.role in ("tab", "button")
    return control.tag in ("button", "summary") or (control.type == "checkbox" and not control.in_form)


def does_something(page: Page, control: Control) -> bool:
    """Whether a real click on it does."""
    element = walk.element_of(page, control)
    element.scroll_into_view_if_needed()
    element.hover()
    return walk.does_something(page, element.click)


def visit(page: Page, lab: Furnished, address: str) -> None:
    """Open a page again; what was clicked before may have logged this browser out."""
    if not page.context.cookies():
        page.goto(lab.login())
    walk.visit(page, address)


def clicked(
    page: Page, lab: Furnished, address: str, done: set[str], links: set[str]
) -> tuple[int, list[str]]:
    """Click one of each kind that is not yet `done` on the page as it comes; how many, and what is idle."""
    idle: list[str] = []
    redrawn: set[str] = set()
    number, is_fresh = 0, False
    while True:
        if not is_fresh:
            visit(page, lab, address)
        found = walk.controls(page)
        links |= {each.href for each in found if each.href.startswith("/")}
        control = next((each for each in found if is_clicked(each) and each.kind not in done), None)
        if not control:
            return number, idle
        try:
            if not does_something(page, control):
                idle.append(str(control))
        except Error as error:
            if "not attached" not in str(error) or control.kind in redrawn:
                raise
            redrawn.add(control.kind)  # a live page drew its row again under the pointer: once more
            is_fresh = False
            continue
        done.add(control.kind)
        number += 1
        is_fresh = control.tag == "summary"
        if is_fresh:  # what it opened is closed, and the page is as it was
            page.keyboard.press("Escape")


def test_every_button_does_something_and_every_link_leads_somewhere(
    browser: Browser, furnished: Furnished
) -> None:
    page = walk.opened(browser, furnished)
    complaints = Complaints(page)
    done: set[str] = set()
    links: set[str] = set()
    idle: dict[str, list[str]] = {}
    total = 0
    for name, address in walk.light_first(furnished.pages).items():
        number, found = clicked(page, furnished, address, done, links)
        total += number
        if found:
            idle[name] = found
    visit(page, furnished, "/")
    dead = [link for link in sorted(links) if page.request.get(link).status >= 400]
    page.context.close()

    assert idle == {}
    assert dead == []
    assert complaints.found == []
    assert total > 60
