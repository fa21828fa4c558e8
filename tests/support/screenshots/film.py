"""The recorded walk of README and tour, made by `make screenshots ARGS=--film`: from a table of runs to a
conclusion that somebody else can open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.support.screenshots.camera import Camera
from tests.support.screenshots.palette import animated, pixels_of

FILM = Path("docs/images/walk.png")
WINDOW = (1360, 820)
LARGEST = 3_000_000  # bytes

# A strip with the caption at the foot of the window, above everything, dialogs included.
CAPTION = """(words) => {
  document.getElementById("caption")?.remove();
  const strip = Object.assign(document.createElement("div"), { id: "caption", textContent: words });
  strip.popover = "manual";
  strip.style.cssText = "position:fixed;inset:auto 0 0 0;width:auto;margin:0;padding:12px 24px;border:0;"
    + "background:#16191d;color:#fff;font:600 18px/1.35 system-ui;text-align:center";
  document.body.append(strip);
  strip.showPopover();
}"""


@dataclass(frozen=True)
class Scene:
    """One frame: where one is, what one does there, and what it shows."""

    caption: str
    address: str = ""  # "": the page of the scene before
    act: Callable[[Page], None] | None = None
    seconds: float = 3.2


def _click(selector: str) -> Callable[[Page], None]:
    return lambda page: page.locator(selector).first.click()


def _fill(selector: str, text: str) -> Callable[[Page], None]:
    return lambda page: page.locator(selector).first.fill(text)


def _enter(page: Page) -> None:
    with page.expect_navigation():
        page.keyboard.press("Enter")


def _sweep(page: Page) -> None:
    page.locator("#sweep-seeds").fill("5")
    page.locator("[data-sweep-add]").click()
    row = page.locator("#sweep-rows > .sweep-row")
    row.locator("[name^='sweep.path']").fill("model.encoder.kind")
    row.locator("[name^='sweep.values']").fill("deterministic, iterative, slots")
    row.locator("[name^='sweep.values']").blur()
    page.get_by_role("button", name="Launch 15 runs").wait_for()


SCENES = (
    Scene("Every run, live: status, accuracy, score with its interval, the verdict", "/"),
    Scene(
        "One box finds runs by anything known of them",
        act=_fill("#filter", 'alarm == "collapse"'),
        seconds=1.6,
    ),
    Scene("These collapsed", act=_enter, seconds=2.4),
    Scene("A run: does it learn, how good is it, what is wrong", "/runs/{collapsed}"),
    Scene("Why: every task gets nearly the same context", act=_click("#tab-encoder")),
    Scene("What it answers, beside the truth", "/runs/{run}#predictions"),
    Scene("The next question: three encoders, five seeds each", "/runs/new?preset=quick", _sweep),
    Scene("The queue says what runs, what waits, and for what", "/queue"),
    Scene("Compare: a line for each configuration, a band for its seeds", "/compare?runs={several}&by=seed"),
    Scene("Is the difference larger than chance?", act=_click("#tab-significance")),
    Scene(
        "Look: several encoders on the same test inputs", "/gallery?set=arc-agi-1/evaluation&side=variants"
    ),
    Scene("Show it: a live page, by a link that needs no account", "/d/encoder-variants", _click("#share")),
)


def write_film(camera: Camera, browser: Browser) -> None:
    """Walk through the scenes with one page, and save what it looks like after each."""
    shots = camera.film(((scene.address, scene.act, scene.caption) for scene in SCENES), WINDOW, CAPTION)
    film = animated([pixels_of(browser, shot) for shot in shots], [scene.seconds for scene in SCENES])
    FILM.write_bytes(film)
    print(f"{FILM}: {len(film) / 1000:.0f} kB")
