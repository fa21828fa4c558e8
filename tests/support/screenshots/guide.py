"""The pictures of README and user guide, made by `make screenshots ARGS=--guide`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser

from tests.support.screenshots.camera import Camera, Theme
from tests.support.screenshots.pages import SHOTS
from tests.support.screenshots.palette import pack

IMAGES = Path("docs/images")


@dataclass(frozen=True)
class Picture:
    """A window of a page in the full lab."""

    file: str
    shot: str
    window: tuple[int, int] = (1440, 900)
    scroll_to: str = ""
    theme: Theme = "light"


PICTURES: tuple[Picture, ...] = (
    Picture("run.png", "run-curves", (1440, 1000)),
    Picture("runs.png", "runs"),
    Picture("compare.png", "compare-curves", theme="dark"),
    Picture("gallery.png", "gallery-side", (1440, 860), "#cards"),
    Picture("launch.png", "launch-sweep"),
    Picture("encoder.png", "run-collapsed", (1440, 860)),
    Picture("evaluation.png", "evaluation", (1440, 860)),
    Picture("task.png", "task-act", (1440, 860), "#votes"),
    Picture("queue.png", "queue"),
    Picture("data.png", "data-leaks", (1440, 900)),
    Picture("results.png", "compare-significance", (1440, 820)),
    Picture("dashboard.png", "dashboard"),
    Picture("phone.png", "shared", (390, 844)),
)


def write_guide(camera: Camera, browser: Browser) -> None:
    """Take each picture and pack it into few colours."""
    for each in PICTURES:
        (shot,) = [shot for shot in SHOTS if (shot.name, shot.state) == (each.shot, "full")]
        file = IMAGES / each.file
        camera.crop(shot, each.theme, each.window, each.scroll_to, file)
        before, after = pack(browser, file)
        print(f"{file}: {before / 1000:.0f} -> {after / 1000:.0f} kB")
