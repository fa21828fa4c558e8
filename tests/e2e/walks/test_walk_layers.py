"""By keyboard alone: Enter presses every button, opens every menu and dialog; what stands in those is walked.

Tab reaches all of an open menu or dialog; Escape closes it and does not lose the focus.
"""

from __future__ import annotations

from playwright.sync_api import Browser, Page

from tests.support.pages import walk
from tests.support.pages.browser import Complaints
from tests.support.pages.walk import Control
from tests.support.records.furnished import Furnished

Path = tuple[str, ...]  # kinds of controls, each pressed where the one before it led
FOR_GOOD = "confirm-yes"  # takes away what pages show, so it is pressed last of all


def is_pressed(control: Control) -> bool:
    """What a form sends by its own button is left to the pages' own tests."""
    return control.tag == "summary" or (control.tag == "button" and control.type == "button")


class Walker:
    """Goes through pages with the keyboard; one of each kind of control is pressed, where it is met first."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.done: set[str] = set()
        self.wrong: list[str] = []
        self.layers: set[str] = set()
        self.left: list[tuple[str, Path]] = []

    def go(self, address: str) -> None:
        """Press what the page holds, then what lies in the menus and dialogs that this opened."""
        waiting = self._unpressed(self._opened(address, ()), ())
        while waiting:
            path = waiting.pop()
            if FOR_GOOD in path[-1]:
                self.left.append((address, path))
            else:
                waiting += self.press(address, path)

    def press(self, address: str, path: Path) -> list[Path]:
        """Press the last of the path; ways to what was never pressed in the menu or dialog it opened."""
        found = self._opened(address, path[:-1])
        control = next((each for each in found if each.kind == path[-1]), None)
        if not control:  # what was pressed before has changed the lab: perhaps another page has it
            self.done.discard(path[-1])
            return []
        if not walk.does_something(self.page, lambda: self._enter(control)):
            self.wrong.append(f"no key does anything: {control}")
        walk.settle(self.page)
        if not self.page.evaluate("walk.layer()"):
            return []
        self.layers.add(control.kind)
        known = {each.number for each in found}
        inside = [each for each in walk.controls(self.page) if each.number not in known]
        self._look_around(control, inside)
        return self._unpressed(inside, path)

    def _unpressed(self, inside: list[Control], path: Path) -> list[Path]:
        """Ways to those that were never pressed; from now on they count as pressed."""
        kinds = dict.fromkeys(each.kind for each in inside if is_pressed(each) and each.kind not in self.done)
        self.done |= kinds.keys()
        return [(*path, kind) for kind in kinds]

    def _opened(self, address: str, path: Path) -> list[Control]:
        """What is in sight once the page has come and each of the path was pressed."""
        walk.visit(self.page, address)
        found = walk.controls(self.page)
        for kind in path:
            self._enter(next(each for each in found if each.kind == kind))
            walk.settle(self.page)
            found = walk.controls(self.page)
        return found

    def _enter(self, control: Control) -> None:
        walk.element_of(self.page, control).focus()
        self.page.keyboard.press("ArrowRight" if "arrow keys" in control.name else "Enter")

    def _look_around(self, opener: Control, inside: list[Control]) -> None:
        """Tab through what has opened, and leave it by Escape."""
        stops = {each.number for each in inside if each.is_tab_stop}
        self.page.evaluate("walk.follow()")
        had = {self.page.evaluate("walk.focused()")}
        for _ in range(2 * len(stops) + 4):
            self.page.keyboard.press("Tab")
        had |= set(self.page.evaluate("walk.path"))
        self.wrong += [f"in {opener} no name: {each}" for each in inside if not each.name]
        self.wrong += [f"in {opener} not reached: {each}" for each in inside if each.number in stops - had]
        self.page.keyboard.press("Escape")
        if self.page.evaluate("walk.layer()"):
            self.wrong.append(f"Escape does not close what {opener} opens")
        elif self.page.evaluate("walk.focused()") is None:
            self.wrong.append(f"the focus is lost behind what {opener} opens")


def test_every_button_menu_and_dialog_is_used_by_keyboard_alone(
    browser: Browser, furnished: Furnished
) -> None:
    page = walk.opened(browser, furnished)
    complaints = Complaints(page)
    walker = Walker(page)
    for address in walk.light_first(furnished.pages).values():
        walker.go(address)
    for address, path in walker.left:
        walker.press(address, path)
    page.context.close()

    assert walker.wrong == []
    assert complaints.found == []
    assert len(walker.layers) > 8
    assert len(walker.left) == 1
