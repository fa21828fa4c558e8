"""A walk over a page: every control in sight, by Tab and by pointer. What runs in the page is walk.js."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ElementHandle, Error, Page, Request, ViewportSize

from tests.support.records.furnished import Furnished

SCRIPT = Path(__file__).with_suffix(".js")
WIDE: ViewportSize = {"width": 1440, "height": 900}
PATIENCE = 3000  # milliseconds within which what one does must show
SPARE = 40  # stops that come and go with the focus: tools of a row


@dataclass(frozen=True)
class Control:
    """Something that can be operated. `kind` is the same for controls that differ in their row alone."""

    number: int
    kind: str
    name: str
    tag: str
    type: str
    role: str
    href: str
    is_tab_stop: bool
    is_by_arrows: bool
    comes_with_focus: bool  # stands in the row that has the focus, behind what leads into it
    in_form: bool

    def __str__(self) -> str:
        return f"{self.kind} “{self.name}”"


def prepare(context: BrowserContext) -> None:
    """Let every page of the context be walked."""
    context.add_init_script(path=SCRIPT)


def opened(browser: Browser, lab: Furnished) -> Page:
    """A window that is logged in and can be walked through; it may use the clipboard."""
    context = browser.new_context(base_url=lab.url, viewport=WIDE, reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    prepare(context)
    page = context.new_page()
    page.goto(lab.login())
    return page


def visit(page: Page, address: str) -> None:
    """Open a page again and wait until nothing is on its way."""
    try:
        page.goto("about:blank")  # or another #section of the same page would not load it again
        page.goto(address)
    except Error as error:  # what was clicked before leads elsewhere only now
        if "interrupted by another navigation" not in str(error):
            raise
        settle(page)
        page.goto("about:blank")
        page.goto(address)
    settle(page)


def light_first(pages: Mapping[str, str]) -> dict[str, str]:
    """Pages with charts last: what stands on every page is then used where a visit takes least."""
    return dict(
        sorted(pages.items(), key=lambda each: "curves" in each[1] or "/d/" in each[1] or "/s/" in each[1])
    )


def settle(page: Page) -> None:
    """Wait until the page has come, or the one that it leads to, and what it asked for is there."""
    while True:
        try:
            page.wait_for_function("() => walk.isSettled()")
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            page.wait_for_function("() => walk.isSettled()")
        except Error as error:
            if "context was destroyed" not in str(error):
                raise
        else:
            return


def controls(page: Page) -> list[Control]:
    """Every control in sight, in the order of the document."""
    return [Control(**each) for each in page.evaluate("walk.controls()")]


def wrong_by_keyboard(page: Page, back: bool = False) -> list[str]:
    """What hinders who has a keyboard alone: Tab must reach every control, in order, visibly, and come round.

    `back`: with Shift.
    """
    found = controls(page)
    stops = [each for each in found if each.is_tab_stop and not (back and each.comes_with_focus)]
    places = {each.number: at for at, each in enumerate(stops)}
    path = _tab_round(page, set(places), "Shift+Tab" if back else "Tab")
    still_there = {each.number for each in controls(page)}  # a list that grows loses its link to more
    order = [places[number] for number in dict.fromkeys(path) if number in places]
    if back:
        order.reverse()
    turns = sum(one > other for one, other in zip(order, [*order[1:], *order[:1]], strict=True))
    unseen: list[str] = page.evaluate("[...walk.unseen]")
    return [
        *(f"no name: {each}" for each in found if not each.name),
        *(f"not reached by Tab: {each}" for each in stops if each.number in still_there.difference(path)),
        *(f"no key leads there: {each}" for each in found if not each.is_tab_stop and not each.is_by_arrows),
        *([f"not in the order of the page: {order}"] if turns > 1 else []),
        *unseen,
    ]


def _tab_round(page: Page, wanted: set[int], key: str) -> list[int]:
    """The numbers of what has the focus in turn, until all that is wanted had it or there are too many."""
    page.evaluate("document.activeElement?.blur()")
    page.evaluate("walk.follow()")
    path: list[int] = []
    left = 2 * len(wanted) + SPARE
    while left > 0 and (missing := len(wanted.difference(path))):
        for _ in range(missing):
            page.keyboard.press(key)
        left -= missing
        path = page.evaluate("walk.path")
    return path


def does_something(page: Page, act: Callable[[], object]) -> bool:
    """Whether `act` changes the page, asks the server or leads elsewhere."""
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    settle(page)
    page.evaluate("walk.watch()")
    page.on("request", note)
    act()
    try:
        page.wait_for_function("() => walk.changed !== false", timeout=PATIENCE)
    except Error:
        return bool(asked)
    finally:
        page.remove_listener("request", note)
    return True


def element_of(page: Page, control: Control) -> ElementHandle:
    """The control in the page."""
    element = page.evaluate_handle("(number) => walk.find(number)", control.number).as_element()
    assert element, control
    return element


def wrong_by_pointer(page: Page) -> list[str]:
    """What hinders who points: controls that are covered, too small (WCAG 2.2, 2.5.8) or out of reach."""
    found: list[str] = page.evaluate("walk.pointed()")
    return found


def moved(page: Page) -> Any:
    """How much of the page has shifted without anybody's doing (CLS)."""
    return page.evaluate("walk.shifted")
