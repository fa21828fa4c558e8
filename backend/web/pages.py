"""Every page once: navigation, search, routes, README's table, screenshots and walks come from here."""

from __future__ import annotations

import re
from dataclasses import dataclass

SHARED = "/s/"  # share links: whoever has the rest of the address may read


@dataclass(frozen=True)
class Page:
    """A page that a browser can open.

    `path` is written as its route declares it. `about` continues the title in search and in README.
    A page with an `icon` (a symbol of icons.svg) stands in the navigation. `module` holds its `router`; the
    one page without is the API's.
    """

    name: str
    path: str
    title: str
    about: str
    module: str = ""
    icon: str = ""

    @property
    def is_static(self) -> bool:
        """Whether its address is always the same, so that it can be found without naming anything."""
        return "{" not in self.path

    @property
    def address(self) -> str:
        """The path for a reader: `/tasks/SET/TASK` for `/tasks/{set_name:path}/{task_id}`."""
        return re.sub(
            r"\{(\w+?)(?:_id|_name)?(?::path)?\}", lambda parameter: parameter[1].upper(), self.path
        )


# In the order of the navigation, whose first four stand in a phone's bar. Routes are tried in this order:
# /runs/new stands before /runs/{run_id}, which would take it for an id.
PAGES = (
    Page(
        "runs",
        "/",
        "Runs",
        "all runs, live: status, progress, results; one filter box",
        "backend.runs_table.pages",
        "runs",
    ),
    Page(
        "launch",
        "/runs/new",
        "New run",
        "launch a run or a sweep: presets, every field explained and checked as you type",
        "backend.launch.pages",
        "new",
    ),
    Page(
        "run",
        "/runs/{run_id}",
        "Run",
        "curves that grow as it trains, encoder health, predictions, evaluations, config, log",
        "backend.run_page.pages",
    ),
    Page(
        "learning",
        "/runs/{run_id}/learning",
        "Learning by task",
        "what each evaluated checkpoint of a run made of each task: gained, kept, lost",
        "backend.gallery.learning_pages",
    ),
    Page(
        "group",
        "/groups/{group_id}",
        "Group",
        "the runs of a sweep, with means over their seeds",
        "backend.groups.pages",
    ),
    Page(
        "compare",
        "/compare",
        "Compare",
        "any runs side by side: curves, results, encoder health, significance, tasks, ensembles, config",
        "backend.comparison.pages",
        "compare",
    ),
    Page(
        "explore",
        "/explore",
        "Explore",
        "any set of runs: scatter, parallel coordinates, which config fields go with a result",
        "backend.explore.pages",
    ),
    Page(
        "dashboards",
        "/dashboards",
        "Dashboards",
        "saved, live pages of panels",
        "backend.dashboards.pages",
        "boards",
    ),
    Page(
        "dashboard",
        "/d/{slug}",
        "Dashboard",
        "its panels; shared by a read-only link, exported as one file",
        "backend.dashboards.pages",
    ),
    Page(
        "studies",
        "/studies",
        "Studies",
        "every claim of a paper put to the test",
        "backend.study.pages",
        "check",
    ),
    Page(
        "study",
        "/studies/{study_id}",
        "Study",
        "each claim with its verdict, its numbers with intervals, and what would change it",
        "backend.study.pages",
    ),
    Page(
        "atlas",
        "/atlas",
        "Atlas",
        "contexts of runs on one map, over their steps: collapse, clusters, drift",
        "backend.atlas.pages",
        "atlas",
    ),
    Page(
        "shared",
        f"{SHARED}{{secret}}",
        "Shared dashboard",
        "what a share link shows, without an account",
        "backend.dashboards.pages",
    ),
    Page(
        "evaluation",
        "/evaluations/{evaluation_id}",
        "Evaluation",
        "one scoring of a checkpoint: pass@k over k, failure modes, where views disagree, cost",
        "backend.evaluation_page.pages",
    ),
    Page(
        "ablate",
        "/runs/{run_id}/ablate",
        "Ablate a checkpoint",
        "which tasks and parts an ablation asks, how many evaluations that is and about how long they take",
        "backend.ablations.pages",
    ),
    Page(
        "ablation",
        "/ablations/{ablation_id}",
        "Ablation",
        "what a checkpoint leans on: context, demonstrations, weights, views, steps; a card to verify",
        "backend.ablations.pages",
    ),
    Page(
        "gallery",
        "/gallery",
        "Gallery",
        "predictions beside the truth; several evaluations side by side",
        "backend.gallery.pages",
        "gallery",
    ),
    Page("tasks", "/tasks", "Tasks", "the puzzles of each set", "backend.gallery.task_pages", "task"),
    Page(
        "task",
        "/tasks/{set_name:path}/{task_id}",
        "Task",
        "what each run made of a puzzle, and the votes behind an answer",
        "backend.gallery.task_pages",
    ),
    Page(
        "play",
        "/play",
        "Playground",
        "draw a task, ask any checkpoint, break it and see how the answer moves",
        "backend.playground.pages",
        "play",
    ),
    Page(
        "played",
        "/play/{play_id}",
        "Asked task",
        "a task that was asked in the playground, with the answer: what a link to it shows",
        "backend.playground.pages",
    ),
    Page(
        "queue",
        "/queue",
        "Queue",
        "what runs, what waits and why, the workers",
        "backend.queue.pages",
        "queue",
    ),
    Page(
        "data",
        "/data",
        "Data",
        "task sets, import, leak check between any two sets",
        "backend.data.pages",
        "data",
    ),
    Page(
        "settings",
        "/settings",
        "Settings",
        "people with roles, tokens, storage",
        "backend.lab.settings_pages",
        "settings",
    ),
    Page(
        "audit",
        "/settings/audit",
        "Audit trail",
        "who did what, by which token: for admins",
        "backend.audit.pages",
    ),
    Page("login", "/login", "Log in", "for a browser that has no session", "backend.lab.login_pages"),
    Page("api", "/api/docs", "API", "everything the pages do, as JSON, with a token"),
)

NAVIGATION = tuple(page for page in PAGES if page.icon)


def named(name: str) -> Page:
    """The page called `name`; KeyError if there is none."""
    return _BY_NAME[name]


def search(text: str) -> list[Page]:
    """The pages with `text` in their title, in any case, that can be opened without naming anything."""
    return [page for page in PAGES if page.is_static and text.strip().lower() in page.title.lower()]


_BY_NAME = {page.name: page for page in PAGES}
