"""Pictures of README and user guide, and the tour, docs/tour.md: made by `make screenshots ARGS=--guide`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser

from tests.support.screenshots.camera import Camera, Theme
from tests.support.screenshots.film import FILM
from tests.support.screenshots.pages import SHOTS
from tests.support.screenshots.palette import pack

IMAGES = Path("docs/images")
TOUR = Path("docs/tour.md")


@dataclass(frozen=True)
class Picture:
    """A window of a page in the full lab; the tour shows it under `title` with a sentence.

    One with `is_kept` shows what a real lab came to: it is taken there, with `--guide --url`, and kept.
    """

    file: str
    shot: str
    title: str
    sentence: str
    window: tuple[int, int] = (1440, 900)
    scroll_to: str = ""
    theme: Theme = "light"
    is_kept: bool = False


PICTURES: tuple[Picture, ...] = (  # in the order of the tour
    Picture(
        "launch.png",
        "launch-sweep",
        "Launch",
        "A preset or a clone is the start; every field says what it means, a sweep lists its runs as "
        "you type, and the cost "
        "comes from runs that were measured.",
    ),
    Picture(
        "queue.png",
        "queue",
        "Wait",
        "The queue names everything that keeps a run waiting, the most decisive first, and which "
        "worker does what.",
    ),
    Picture(
        "runs.png",
        "runs",
        "Keep an eye on all",
        "Every run is a row with its status and cause, accuracy, score with interval, and the "
        "verdict on its "
        "learning and its encoder.",
    ),
    Picture(
        "run.png",
        "run-curves",
        "Watch one",
        "A run's page begins with its hypothesis and the verdict on it, and its curves grow as it "
        "trains, with every spike.",
        (1440, 1000),
    ),
    Picture(
        "encoder.png",
        "run-collapsed",
        "Find out why",
        "Encoder health says in words what is wrong, when it began, and each measure with its threshold.",
        (1440, 860),
    ),
    Picture(
        "atlas.png",
        "atlas-runs",
        "See it happen",
        "The atlas puts the contexts of runs on one map and moves them through training: six encoders "
        "agree on which tasks are alike, and one of them ends as a point.",
        (1440, 960),
    ),
    Picture(
        "evaluation.png",
        "evaluation",
        "Score it",
        "An evaluation shows pass@k over k, the gap to tasks trained on, why first attempts fail, "
        "and the protocol "
        "that decides what it may be compared with.",
        (1440, 860),
    ),
    Picture(
        "gallery.png",
        "gallery-side",
        "Look at the answers",
        "The gallery puts the answers of several encoders to the same test input side by side; a "
        "white corner "
        "marks each wrong cell.",
        (1440, 860),
        "#cards",
    ),
    Picture(
        "task.png",
        "task-act",
        "Follow one task",
        "A task's page has the candidates of an answer with their votes, which augmentations "
        "disagree, and the answer after "
        "each ACT step.",
        (1440, 860),
        "#votes",
    ),
    Picture(
        "play.png",
        "played",
        "Break it",
        "In the playground a task that was drawn, pasted or picked is answered by any checkpoint while one "
        "waits, and each change of the task shows how the answer moves.",
        (1440, 940),
    ),
    Picture(
        "ablation.png",
        "ablation",
        "Ask what it leans on",
        "An ablation evaluates a checkpoint again with one thing changed at a time, each tested against the "
        "right context; another lab verifies its card.",
        (1440, 1000),
    ),
    Picture(
        "compare.png",
        "compare-curves",
        "Compare",
        "Thirty runs become six lines: the mean of five seeds each, with a band from the smallest to "
        "the largest.",
        theme="dark",
    ),
    Picture(
        "results.png",
        "compare-significance",
        "Decide",
        "Significance says of each difference, on the same tasks, whether it is larger than chance, "
        "or that this "
        "cannot be told yet.",
        (1440, 820),
    ),
    Picture(
        "study.png",
        "study",
        "Put a paper to the test",
        "A study trains and evaluates what the claims of a paper need until each is supported, refuted, or "
        "its budget is spent. This one is real: all of it is in [the study of ETRM's "
        "discussion](study-discussion.md).",
        (1440, 1000),
        is_kept=True,
    ),
    Picture(
        "data.png",
        "data-leaks",
        "Know the data",
        "The leak check finds the tasks of one set that training on another would give away, in any "
        "rotation, flip "
        "and recolouring.",
        (1440, 900),
    ),
    Picture(
        "dashboard.png",
        "dashboard",
        "Write it down",
        "A dashboard is a live page of panels and text, exported as one file or shared by a link.",
    ),
    Picture(
        "phone.png",
        "shared",
        "Show it",
        "Whoever has the link sees the dashboard without an account, also on a phone.",
        (390, 844),
    ),
)


def tour() -> str:
    """The text of docs/tour.md."""
    head = (
        "# A tour\n\nFrom a question to an answer that somebody else can open, in one picture each. "
        "The runs are made up. "
        "To try it yourself, follow "
        "the\n[tutorial](user-guide.md#tutorial-from-a-first-run-to-a-conclusion); the "
        "[user guide](user-guide.md) has the details.\n\n"
        "![The walk in moving pictures: find a collapsed run, see why, launch a sweep, compare, "
        f"share](images/{FILM.name})\n"
    )
    parts = [
        f"## {at}. {each.title}\n\n{each.sentence}\n\n{_shown(each)}\n" for at, each in enumerate(PICTURES, 1)
    ]
    foot = (
        "`make screenshots ARGS=--guide` writes this page and its pictures, "
        "`make screenshots ARGS=--film` the walk.\n"
    )
    return "\n".join([head, *parts, foot])


def _shown(picture: Picture) -> str:
    width = picture.window[0]
    if width < 1000:
        return f'<img src="images/{picture.file}" alt="{picture.title}" width="300">'
    return f"![{picture.title}](images/{picture.file})"


def write_guide(camera: Camera, browser: Browser, is_kept: bool = False) -> None:
    """Take each picture, or each that is kept, and pack it into few colours; write the tour."""
    for each in PICTURES:
        if each.is_kept is not is_kept:
            continue
        (shot,) = [shot for shot in SHOTS if (shot.name, shot.state) == (each.shot, "full")]
        file = IMAGES / each.file
        camera.crop(shot, each.theme, each.window, each.scroll_to, file)
        before, after = pack(browser, file)
        print(f"{file}: {before / 1000:.0f} -> {after / 1000:.0f} kB")
    TOUR.write_text(tour())
