"""What is photographed: every page, with its sections, menus and dialogs, full and empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from playwright.sync_api import Page

from backend.comparison.contexts import TABS as COMPARE_TABS
from backend.run_page.contexts import TABS as RUN_TABS
from backend.web.pages import NAVIGATION
from backend.web.routing import Route

Act = Callable[[Page], None]
State = Literal["full", "empty"]


@dataclass(frozen=True)
class Shot:
    """One picture in four versions: light and dark, wide and narrow.

    `address` names places in braces, like {run}; a lab that lacks one of them is not photographed there.
    """

    name: str
    route: str  # as the application declares it
    address: str
    act: Act | None = None  # what is opened or pressed before
    state: State = "full"
    lab: State | None = None  # whose pages these are, where that is not the state
    stranger: bool = False  # seen by a browser that is not logged in
    answer: int = 200
    window_only: bool = False  # a dialog or a menu: no more of the page than a window shows

    @property
    def of(self) -> State:
        return self.lab or self.state

    def place(self, places: Mapping[str, str]) -> str | None:
        """Its address in a lab; None where that has no such place."""
        try:
            return self.address.format_map(places)
        except KeyError:
            return None


def _press(selector: str) -> Act:
    return lambda page: page.locator(selector).first.click()


def _key(*keys: str) -> Act:
    def press(page: Page) -> None:
        for key in keys:
            page.keyboard.press(key)

    return press


def _tick(number: int) -> Act:
    def tick(page: Page) -> None:
        for at in range(number):
            pick = page.locator("#rows input[type=checkbox]").nth(at)
            if pick.is_visible():  # a phone shows none
                pick.check()

    return tick


def _mistake(page: Page) -> None:
    """Two fields that cannot be: the launch is refused."""
    page.locator("[name='training.batch_size']").fill("0")
    page.locator("[name='optimisation.learning_rate']").fill("fast")
    page.locator("[name=action][value=launch]").click()
    page.locator("#problems").wait_for()


def _sweep(page: Page) -> None:
    page.locator("#sweep-seeds").fill("5")
    page.locator("[data-sweep-add]").click()
    page.locator("#sweep-rows > .sweep-row [name^='sweep.path']").fill("model.core.width")
    page.locator("#sweep-rows > .sweep-row [name^='sweep.values']").fill("64, 128")
    page.locator("#sweep-rows > .sweep-row [name^='sweep.values']").blur()
    page.get_by_role("button", name="Launch 10 runs").wait_for()


def _sweep_encoders(page: Page) -> None:
    page.locator("[data-sweep-add]").click()
    page.locator("#sweep-rows > .sweep-row [name^='sweep.path']").fill("model.encoder.kind")
    page.locator("#sweep-rows > .sweep-row [name^='sweep.values']").fill("deterministic, iterative, slots")
    page.locator("#sweep-rows > .sweep-row [name^='sweep.values']").blur()
    page.get_by_role("button", name="Launch 3 runs").wait_for()


def _search(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.locator("#finder-text").fill("arc")
    page.locator("#finder-hits li").first.wait_for()


def _new_link(page: Page) -> None:
    page.locator("#share").click()
    page.locator("#share-dialog").wait_for()


def _add_panel(page: Page) -> None:
    page.locator("#edit").click()
    page.locator("#add").click()


RUN = "/runs/{run_id}"
TASK = "/tasks/{set_name:path}/{task_id}"


def _navigation() -> Iterator[Shot]:
    """Every page of the navigation as one comes to it, full and empty."""
    for each in NAVIGATION:
        yield Shot(each.name, each.path, each.path)
        yield Shot(each.name, each.path, each.path, state="empty")


def _runs() -> Iterator[Shot]:
    yield Shot("runs-selected", "/", "/", _tick(4))
    yield Shot("runs-means", "/", "/?group=seed&sort=-pass1")
    yield Shot("runs-baseline", "/", "/?baseline={run}")
    yield Shot(
        "runs-columns",
        "/",
        "/?column=status&column=accuracy&column=pass1&column=loss:min",
        _press("#columns-menu summary"),
        window_only=True,
    )
    yield Shot("runs-views", "/", "/", _press("#views-menu summary"), window_only=True)
    yield Shot("runs-no-match", "/", "/?filter=encoder+%3D%3D+%22none%22", state="empty", lab="full")
    yield Shot("runs-wrong-filter", "/", "/?filter=encodr+%3D%3D+%22graph%22", answer=422, window_only=True)
    yield Shot("search", "/", "/queue", _search, window_only=True)
    yield Shot("shortcuts", "/", "/queue", _key("?"), window_only=True)


def _launch() -> Iterator[Shot]:
    yield Shot("launch-clone", "/runs/new", "/runs/new?from={queued}")
    yield Shot("launch-problems", "/runs/new", "/runs/new", _mistake, window_only=True)
    yield Shot("launch-sweep", "/runs/new", "/runs/new?preset=quick", _sweep)
    yield Shot("launch-encoders", "/runs/new", "/runs/new?preset=quick", _sweep_encoders)
    yield Shot("launch-json", "/runs/new", "/runs/new?preset=quick", _press(".modes label:nth-child(2)"))


def _run() -> Iterator[Shot]:
    for tab in RUN_TABS:
        yield Shot(f"run-{tab}", RUN, f"/runs/{{run}}#{tab}")
        yield Shot(f"run-{tab}", RUN, f"/runs/{{queued}}#{tab}", state="empty", lab="full")
    yield Shot("run-running", RUN, "/runs/{running}")
    yield Shot("run-failed", RUN, "/runs/{failed}")
    yield Shot("run-failed-log", RUN, "/runs/{failed}#log")
    yield Shot("run-collapsed", RUN, "/runs/{collapsed}#encoder")
    yield Shot("run-nan", RUN, "/runs/{diverged}")
    yield Shot("run-clone-config", RUN, "/runs/{queued}#config", _press("#only-changed"))
    yield Shot("run-menu", RUN, "/runs/{run}", _press("#run-actions summary"), window_only=True)
    yield Shot("run-chart-menu", RUN, "/runs/{run}", _press(".chart-menu summary"), window_only=True)
    yield Shot("run-evaluate", RUN, "/runs/{run}#evaluations", _press("#evaluate > summary"))
    yield Shot("learning", f"{RUN}/learning", "/runs/{run}/learning")
    yield Shot("learning", f"{RUN}/learning", "/runs/{queued}/learning", state="empty", lab="full")
    yield Shot("group", "/groups/{group_id}", "/groups/{group}")
    yield Shot("study", "/studies/{study_id}", "/studies/{study}")
    yield Shot("studies-outline", "/studies", "/studies", _press(".study-outline summary"))


def _compare() -> Iterator[Shot]:
    drawn = "/explore?x=created&y=accuracy/token&colour=encoder&symbol=seed"
    yield Shot("explore", "/explore", drawn)
    yield Shot("explore-means", "/explore", f"{drawn}&by=mean&axis=seed&low=1&high=&axis=accuracy/token")
    yield Shot("explore", "/explore", "/explore", state="empty")
    yield Shot("atlas-run", "/atlas", "/atlas?runs={run}")
    yield Shot("atlas-collapsed", "/atlas", "/atlas?runs={collapsed}")
    yield Shot("atlas-runs", "/atlas", "/atlas?runs={six}")
    told = "step=4500&colour=answer&task=arc-agi-1/training/00d62c1b"
    yield Shot("atlas-task", "/atlas", f"/atlas?runs={{collapsed}}&{told}")
    for tab in COMPARE_TABS:
        yield Shot(f"compare-{tab}", "/compare", f"/compare?runs={{several}}&by=seed#{tab}")
        yield Shot(f"compare-runs-{tab}", "/compare", f"/compare?runs={{six}}#{tab}")
    yield Shot(
        "compare-curves", "/compare", "/compare?runs={queued},{other_queued}", state="empty", lab="full"
    )


def _dashboards() -> Iterator[Shot]:
    yield Shot("dashboard", "/d/{slug}", "/d/encoder-variants")
    yield Shot("dashboard-own", "/d/{slug}", "/d/{board}")
    yield Shot("dashboard-edit", "/d/{slug}", "/d/{board}", _press("#edit"))
    yield Shot("dashboard-panel", "/d/{slug}", "/d/{board}", _add_panel, window_only=True)
    yield Shot("dashboard-share", "/d/{slug}", "/d/encoder-variants", _new_link, window_only=True)
    yield Shot("shared", "/s/{secret}", "/s/{share}", stranger=True)
    yield Shot("dashboard", "/d/{slug}", "/d/encoder-variants", state="empty")
    yield Shot("dashboard-own", "/d/{slug}", "/d/{board}", state="empty")
    yield Shot("shared", "/s/{secret}", "/s/{share}", state="empty", stranger=True)


def _puzzles() -> Iterator[Shot]:
    held_out = "set=arc-agi-1/evaluation"
    yield Shot("gallery-nearly", "/gallery", "/gallery?mode=nearly+right")
    yield Shot("gallery-side", "/gallery", f"/gallery?{held_out}&side=variants")
    yield Shot(
        "gallery-only-a", "/gallery", "/gallery?evaluation={evaluation}&evaluation={searched}&change=a_only"
    )
    yield Shot("gallery-table", "/gallery", "/gallery?view=table")
    yield Shot("gallery-no-match", "/gallery", "/gallery?task=zzzz", state="empty", lab="full")
    yield Shot("task", TASK, "/tasks/arc-agi-1/evaluation/{task}")
    yield Shot("task-act", TASK, "/tasks/arc-agi-1/evaluation/{task}?evaluation={evaluation}")
    yield Shot(
        "task-searched",
        TASK,
        "/tasks/arc-agi-1/evaluation/{task}?evaluation={searched}",
    )
    yield Shot("task", TASK, "/tasks/arc-agi-1/evaluation/00576224", state="empty")
    yield Shot("played", "/play/{play_id}", "/play/{played}")
    yield Shot("played", "/play/{play_id}", "/play/{unanswered}", state="empty", lab="full")
    yield Shot("evaluation", "/evaluations/{evaluation_id}", "/evaluations/{evaluation}")
    yield Shot("evaluation-running", "/evaluations/{evaluation_id}", "/evaluations/{evaluating}")
    yield Shot(
        "evaluation", "/evaluations/{evaluation_id}", "/evaluations/{waiting}", state="empty", lab="full"
    )


def _ablations() -> Iterator[Shot]:
    yield Shot("ablate", f"{RUN}/ablate", "/runs/{run}/ablate?first_tasks=60")
    yield Shot("ablate", f"{RUN}/ablate", "/runs/{queued}/ablate", state="empty", lab="full")
    route = "/ablations/{ablation_id}"
    yield Shot("ablation", route, "/ablations/{ablation}")
    yield Shot("ablation-running", route, "/ablations/{running_ablation}")
    yield Shot("ablation", route, "/ablations/{cancelled_ablation}", state="empty", lab="full")


def _rest() -> Iterator[Shot]:
    leaks = "/data?training=arc-agi-2/training&evaluated=arc-agi-1/evaluation#leaks"
    yield Shot("data-leaks", "/data", leaks)
    yield Shot("audit", "/settings/audit", "/settings/audit")
    nobody = "/settings/audit?person=nobody"
    yield Shot("audit-no-match", "/settings/audit", nobody, state="empty", lab="full")
    yield Shot("login", "/login", "/login", stranger=True)
    yield Shot("offline", "/offline", "/offline", stranger=True)
    yield Shot("api", "/api/docs", "/api/docs")
    yield Shot("error", "", "/runs/nosuchrunx", answer=404)


PARTS = (_navigation, _runs, _launch, _run, _compare, _dashboards, _puzzles, _ablations, _rest)
SHOTS = tuple(shot for part in PARTS for shot in part())

# Routes that answer with a part of a page, a file or a redirection: no pages of their own.
NO_PAGES = {
    "/favicon.ico": "a picture",
    "/compare/figures": "curves of a page",
    "/compare/tasks": "a section of a page",
    "/compare/significance": "a section of a page",
    "/compare/verdicts": "a section of a page",
    "/compare/ensemble": "a section of a page",
    "/explore/importance": "a section of a page",
    "/d/{slug}/figures": "curves of a page",
    "/d/{slug}/panels/{panel_id}.csv": "a file",
    "/d/{slug}/export.html": "a file",
    "/s/{secret}/figures": "curves of a page",
    "/s/{secret}/panels/{panel_id}.csv": "a file",
    "/s/{secret}/panels/{panel_id}/figure": "a file",
    "/s/{secret}/panels/{panel_id}/table": "a file",
    "/s/{secret}/paper": "a file",
    "/s/{secret}/series.csv": "a file",
    "/s/{rest:path}": "an error",
    "/runs/{run_id}/predictions": "a section of a page",
    "/runs/{run_id}/figures": "curves of a page",
}


def is_of_pages(route: Route) -> bool:
    """Whether the route belongs to a page or to what every page loads, and not to the API."""
    module = route.endpoint.__module__
    return module.endswith("pages") or module == "backend.web.assets"
