"""Takes the pictures: waits until a page stands still, and saves it as PNG."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page, StorageState
from playwright.sync_api import Error as PlaywrightError

from tests.support.pages.browser import Complaints
from tests.support.screenshots.pages import Shot

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
WIDTHS = {1440: 900, 390: 844}  # pixels; width and height of the window
TALLEST = 4_000  # pixels of a page that are shown

# Resolves once nothing has changed for a while, every chart is drawn by Plotly and every grid painted.
# Not `networkidle`: the event stream never ends.
STILL = """(most) => new Promise((resolve) => {
  const began = performance.now();
  let changed = began;
  const seen = new MutationObserver(() => (changed = performance.now()));
  seen.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  const open = (each) => {
    const box = each.getBoundingClientRect();
    const across = box.right > 0 && box.left < innerWidth - 16; // not scrolled away in a strip
    return box.height > 0 && across && box.top < innerHeight && box.bottom > 0;
  };
  const all = (selector, isDone) => [...document.querySelectorAll(selector)].filter(open).every(isDone);
  const look = () => {
    const now = performance.now();
    const taken = (plot) => plot.querySelector(".scatterlayer") || !plot.querySelector(".still .lines path");
    const drawn = all(".chart .plot", taken)
      && all("img.grid", (each) => each.dataset.drawn) && all("[data-part]", (each) => false);
    if ((drawn && now - changed > 150) || now - began > most) {
      seen.disconnect();
      resolve(drawn);
    } else setTimeout(look, 50);
  };
  look();
})"""


def logged_in(browser: Browser, login: str) -> StorageState:
    """Cookies of a browser that opened the link, which works once."""
    context = browser.new_context()
    context.new_page().goto(login)
    cookies = context.storage_state()
    context.close()
    return cookies


class Camera:
    """Visits the pages of one lab with one browser."""

    def __init__(self, browser: Browser, url: str, cookies: StorageState, places: Mapping[str, str]) -> None:
        self._browser, self._url, self._cookies, self._places = browser, url, cookies, places

    def take(self, shots: Iterable[Shot], themes: Sequence[Theme], width: int, folder: Path) -> list[str]:
        """Photograph each shot whose place there is, in each theme; what the pages complained about.

        A page is visited once and told that night falls: half the time, and what is open stays open.
        """
        inside, outside = (self._context(themes[0], width, logged_in) for logged_in in (True, False))
        complaints = []
        for shot in shots:
            address = shot.place(self._places)
            if address is None:
                print(f"{shot.name}: this lab has no {shot.address}", file=sys.stderr)
                continue
            page = (outside if shot.stranger else inside).new_page()
            noted = Complaints(page)
            name = f"{shot.name}--{shot.state}"
            try:
                problems = _photograph(
                    page, address, shot, {t: folder / f"{name}-{t}-{width}.png" for t in themes}
                )
            except PlaywrightError as error:  # the others are taken nevertheless
                problems = [str(error).partition("\n")[0]]
            expected = f"status of {shot.answer}"
            problems += [each for each in noted.found if shot.answer == 200 or expected not in each]
            complaints += [f"{name} at {width} px: {each}" for each in problems]
            page.close()
        for context in (inside, outside):
            context.close()
        return complaints

    def crop(self, shot: Shot, theme: Theme, window: tuple[int, int], scroll_to: str, file: Path) -> None:
        """One window of a page, from the element `scroll_to` on, for a text to show."""
        context = self._context(theme, window[0], not shot.stranger, window[1])
        page = context.new_page()
        _open(page, shot.place(self._places) or shot.address, shot)
        if scroll_to:
            page.locator(scroll_to).first.evaluate(
                "each => scrollTo(0, each.getBoundingClientRect().top + scrollY - 76)"
            )
            page.evaluate(STILL, 6_000)
        page.screenshot(path=file)
        context.close()

    def film(
        self,
        scenes: Iterable[tuple[str, Callable[[Page], None] | None, str]],
        window: tuple[int, int],
        show_caption: str,
    ) -> list[bytes]:
        """PNGs of one page that goes from scene to scene: an address ("": stay), what to do there, and a
        caption for the script `show_caption`."""
        context = self._context("light", window[0], True, window[1])
        page = context.new_page()
        shots = []
        for address, act, caption in scenes:
            if address:
                page.goto(address.format_map(self._places))
                page.wait_for_load_state("load")
                page.evaluate(STILL, 30_000)
            if act:
                act(page)
            page.wait_for_load_state("load")
            page.evaluate(show_caption, caption)
            page.evaluate(STILL, 30_000)
            shots.append(page.screenshot())
        context.close()
        return shots

    def _context(
        self, theme: Theme, width: int, logged_in: bool, height: int | None = None
    ) -> BrowserContext:
        context = self._browser.new_context(
            base_url=self._url,
            storage_state=self._cookies if logged_in else None,
            viewport={"width": width, "height": height or WIDTHS[width]},
            color_scheme=theme,
            reduced_motion="reduce",
        )
        context.set_default_timeout(10_000)
        return context


def _open(page: Page, address: str, shot: Shot) -> None:
    page.goto(address)
    page.wait_for_load_state("load")
    page.evaluate(STILL, 6_000)
    if shot.act:
        shot.act(page)
        page.evaluate(STILL, 6_000)


def _photograph(page: Page, address: str, shot: Shot, files: Mapping[Theme, Path]) -> list[str]:
    """The whole page by day and by night; what is wrong with it. The window grows where the page is longer,
    since a chart is drawn once it is in sight."""
    page.emulate_media(color_scheme=next(iter(files)))
    _open(page, address, shot)
    window = page.viewport_size
    assert window
    height = min(TALLEST, page.evaluate("document.documentElement.scrollHeight"))
    if height > window["height"] and not shot.window_only:
        page.set_viewport_size({"width": window["width"], "height": height})
    problems = []
    for theme, file in files.items():
        page.emulate_media(color_scheme=theme)
        if not page.evaluate(STILL, 8_000):
            problems.append("something was still being drawn")
        page.screenshot(path=file)
    wide = page.evaluate("document.documentElement.scrollWidth") - window["width"]
    return problems + ([f"{wide} px too wide"] if wide > 0 else [])
