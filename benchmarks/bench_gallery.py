"""The gallery over 20,000 predictions: how soon it is complete, and whether scrolling stays smooth.

Prints one JSON line per measurement. Chromium on this machine, a real server, an SQLite file.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext

sys.path.insert(0, str(Path(__file__).parents[1]))

from backend.db.migrate import upgrade
from backend.db.session import make_engine, session_scope
from backend.domain.failure_modes import cell_accuracy, failure_mode
from backend.domain.grid import Grid
from backend.domain.records import EvaluationKey, EvaluationSummary, Prediction, Score, TestOutcome
from backend.domain.task import Task
from backend.services import accounts, datasets, predictions
from tests.support.browser import chromium
from tests.support.recorded import record_run
from tests.support.web import WebServer

EVALUATIONS, TASKS, KEPT = 25, 400, 2  # 20,000 predictions
SET = "arc-agi-1/evaluation"
LOADS = 7
PATHS = {
    "all": "/gallery",
    "rare mode": "/gallery?mode=collapsed",
    "side by side": "/gallery?side=variants",
    "table": "/gallery?view=table",
}

# Resolves once every grid in sight is drawn: milliseconds since the navigation began.
COMPLETE = """() => new Promise((resolve) => {
  const inSight = (each) => {
    const box = each.getBoundingClientRect();
    return box.top < innerHeight && box.bottom > 0;
  };
  const look = () => {
    const grids = [...document.querySelectorAll("canvas.grid")].filter(inSight);
    const rows = document.querySelectorAll(".gallery-card").length;
    if (rows && grids.every((each) => each.dataset.drawn)) resolve(performance.now());
    else requestAnimationFrame(look);
  };
  look();
})"""

# Scrolls for three seconds, 60 px a frame; the times between frames in milliseconds.
SCROLL = """() => new Promise((resolve) => {
  const gaps = [];
  let before = performance.now();
  const started = before;
  const step = (now) => {
    gaps.push(now - before);
    before = now;
    scrollBy(0, 60);
    if (now - started < 3000) requestAnimationFrame(step);
    else resolve(gaps.slice(1));
  };
  requestAnimationFrame(step);
})"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        url = f"sqlite:///{home / 'etrm.sqlite3'}"
        upgrade(url)
        fill(url)
        server = WebServer(home, {"ETRM_HOME": folder, "ETRM_DATABASE_URL": url})
        try:
            with chromium() as browser:
                measure(server, browser)
        finally:
            server.stop()


def fill(url: str) -> None:
    """Evaluations of 400 real tasks each, with answers of many kinds."""
    engine = make_engine(url)
    draw = random.Random(0)
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
        tasks = datasets.tasks(session, SET)[:TASKS]
    for number in range(EVALUATIONS):
        preset = ("quick", "quick_trm_arc1", "quick_lpn")[number % 3]
        run_id = record_run(engine, preset, points=2, seed=number, name=f"bench {number}")
        key = EvaluationKey(SET, 600, "ema", 100, 16, tuple(task.id for task in tasks))
        with session_scope(engine) as session:
            evaluation = predictions.start_evaluation(session, run_id, key)
            for task in tasks:
                predictions.add_outcome(session, evaluation, answered(task, draw))
            summary = EvaluationSummary(key, {1: Score(0, len(tasks))})
            predictions.finish_evaluation(session, evaluation, summary)
    engine.dispose()


def answered(task: Task, draw: random.Random) -> TestOutcome:
    truth = task.tests[0].output
    assert truth
    kept = []
    for rank in range(1, KEPT + 1):
        rows = truth.as_lists()
        for _ in range(draw.randrange(1, 1 + len(truth.cells) // 3 + 1)):
            rows[draw.randrange(truth.height)][draw.randrange(truth.width)] = draw.randrange(10)
        if draw.random() < 0.02:
            rows = [[0] * truth.width for _ in rows]
        grid = Grid.of(rows)
        mode = failure_mode(grid, truth, task.tests[0].input)
        kept.append(Prediction(rank, grid, 9 - rank, 0.5, grid == truth, cell_accuracy(grid, truth), mode))
    return TestOutcome(task.id, 0, 100, None, tuple(kept))


def measure(server: WebServer, browser: Browser) -> None:
    with session_scope(server.engine) as session:
        login = accounts.issue_login(session)
    context = browser.new_context(base_url=server.url)
    context.new_page().goto(f"{server.url}/login?token={login}")
    state = context.storage_state()
    context.close()
    tell("machine", cores=os.cpu_count(), load=round(os.getloadavg()[0], 1))
    for name, path in PATHS.items():
        times, sizes, requests = [], [], []
        for _ in range(LOADS):
            context = browser.new_context(  # a cold cache each time
                base_url=server.url, storage_state=state, viewport={"width": 1440, "height": 900}
            )
            took, size, number = load(context, path)
            times.append(took)
            sizes.append(size)
            requests.append(number)
            context.close()
        tell(
            "complete, cold",
            page=name,
            median_seconds=round(statistics.median(times) / 1000, 3),
            best_seconds=round(min(times) / 1000, 3),
            kilobytes=round(statistics.median(sizes) / 1000),
            requests=statistics.median(requests),
        )
    context = browser.new_context(
        base_url=server.url, storage_state=state, viewport={"width": 1440, "height": 900}
    )
    page = context.new_page()
    page.goto("/gallery")
    page.evaluate(COMPLETE)
    gaps = page.evaluate(SCROLL)
    cards = page.locator(".gallery-card").count()
    page.goto("about:blank")
    still = page.evaluate(SCROLL)
    tell("scroll", frames=len(gaps), over_50_ms=sum(gap > 50 for gap in gaps), cards=cards)
    tell("an empty page for comparison", frames=len(still), over_50_ms=sum(gap > 50 for gap in still))
    context.close()


def load(context: BrowserContext, path: str) -> tuple[float, int, int]:
    """(milliseconds until complete, bytes, requests) of one visit."""
    page = context.new_page()
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(int(answer.headers.get("content-length", 0))))
    page.goto(path, wait_until="commit")
    took: float = page.evaluate(COMPLETE)
    return took, sum(sizes), len(sizes)


def tell(what: str, **values: object) -> None:
    print(json.dumps({"benchmark": "gallery", "what": what, "at": round(time.time()), **values}), flush=True)


if __name__ == "__main__":
    main()
