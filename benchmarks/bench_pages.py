"""How fast the pages are in a real browser, on a database of a busy year.

2,000 runs, 50 of them with 10 metrics of 10,000 points, and 20,000 predictions; web server and Chromium on
this machine. Prints one JSON line per page: medians in milliseconds, bytes over the wire, requests.

visible      the first curve (or row, or card) is painted
interactive  the first chart answers the pointer; on pages without charts: the page has loaded
settled      every chart in view was taken over by Plotly

cold: a new browser profile, nothing cached. warm: the same page for the third time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import Engine, insert

from backend.db.migrate import upgrade
from backend.db.session import make_engine, session_scope
from backend.db.tables import Outcome, Prediction, Run
from backend.domain.presets import PRESETS
from backend.domain.records import EvaluationKey, EvaluationSummary, MetricFrame, Score
from backend.pages.assets import plotly_asset
from backend.services import accounts, datasets, predictions, series
from tests.support.browser import chromium
from tests.support.web import WebServer

RUNS, LONG_RUNS, POINTS = 2_000, 50, 10_000
METRICS = (
    "accuracy/token",
    "accuracy/exact",
    "loss",
    "loss/prediction",
    "loss/halting",
    "act_steps",
    "encoder/gradient_coverage",
    "encoder/scale_free_variance",
    "encoder/cross_sample_variance",
    "gradient_norm/all",
)
EVALUATED = 50  # runs; 400 outcomes each
VARIANTS = (
    "quick",
    "quick_etrm_iterative",
    "quick_etrm_variational",
    "quick_lpn",
    "quick_slots",
    "quick_graph",
)
LARGE = "arc-agi-1/evaluation"

# Runs in the page from its first moment: when was the first curve on the screen, when did it answer?
WATCH = """
window.seen = {};
const look = () => {
  const shape = document.querySelector('.still .lines path, .scatterlayer path, #rows tr, .card');
  if (shape && shape.getBoundingClientRect().height > 0 && !seen.visible) {
    requestAnimationFrame(() => setTimeout(() => (seen.visible ??= performance.now())));
  }
  if (!seen.visible) requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="Keep the database here, and use the one that is there.")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--pages", default="", help="Only these, separated by commas.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = options.home or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{home / 'pages.sqlite3'}"
        ids = filled(url, home / "ids.json")
        server = WebServer(home, {"ETRM_HOME": str(home), "ETRM_DATABASE_URL": url})
        try:
            wanted = {name for name in options.pages.split(",") if name}
            measure(server, ids, options.times, wanted)
        finally:
            server.stop()


def filled(url: str, remembered: Path) -> list[str]:
    """Ids of the long runs of the database, which is filled unless it is already."""
    if remembered.exists():
        ids: list[str] = json.loads(remembered.read_text())
        return ids
    started = time.perf_counter()
    upgrade(url)
    engine = make_engine(url)
    ids = add_runs(engine)
    add_points(engine, ids[:LONG_RUNS])
    add_predictions(engine, ids[:EVALUATED])
    engine.dispose()
    remembered.write_text(json.dumps(ids[:LONG_RUNS]))
    print(f"filled in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return ids[:LONG_RUNS]


def add_runs(engine: Engine) -> list[str]:
    """Newest first are the long ones."""
    now = time.time()
    rows: list[dict[str, Any]] = []
    for number in range(RUNS):
        config = PRESETS[VARIANTS[number // 5 % len(VARIANTS)]].make()
        config = config.model_copy(update={"seed": number % 5})
        rows.append(
            {
                "id": f"bench{number:05d}",
                "name": f"{config.variant} {number // 5}",
                "origin": "training",
                "variant": config.variant,
                "seed": config.seed,
                "status": "finished",
                "config": config.model_dump(mode="json"),
                "done": POINTS,
                "total": POINTS,
                "step": POINTS * 10,
                "created_at": now - 60 * number,
                "started_at": now - 60 * number,
                "finished_at": now - 60 * number + 50,
            }
        )
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
        for start in range(0, RUNS, 200):
            session.execute(insert(Run), rows[start : start + 200])
        few = np.arange(1, 11) * 10
        for row in rows[LONG_RUNS:]:
            values = {name: [0.5] * len(few) for name in METRICS[:4]}
            series.append(
                session, row["id"], MetricFrame(few.tolist(), (few + row["started_at"]).tolist(), values)
            )
    return [row["id"] for row in rows]


def add_points(engine: Engine, ids: list[str]) -> None:
    for number, run_id in enumerate(ids):
        draw = np.random.default_rng(number)
        steps = np.arange(1, POINTS + 1) * 10
        course = 1 - np.exp(-np.arange(POINTS) / 2_500)
        values: dict[str, Any] = {}
        for at, name in enumerate(METRICS):
            noise = draw.normal(0, 0.03, POINTS)
            curve = (2.5 - 2 * course if name.startswith("loss") else (0.4 + 0.04 * at) * course) + noise
            curve[int(draw.integers(POINTS))] += 0.5
            values[name] = np.abs(curve).astype(np.float32).astype(float).tolist()
        with session_scope(engine) as session:
            series.append(
                session, run_id, MetricFrame(steps.tolist(), (1.79e9 + steps * 0.1).tolist(), values)
            )
            series.compact(session, run_id)


def add_predictions(engine: Engine, ids: list[str]) -> None:
    """400 outcomes a run, each with one candidate."""
    with session_scope(engine) as session:
        tasks = datasets.tasks(session, LARGE)
        modes = ("wrong size", "nearly right", "collapsed", "structured but wrong")
        for number, run_id in enumerate(ids):
            key = EvaluationKey(LARGE, POINTS * 10, "ema", 8, 4, tuple(task.id for task in tasks))
            evaluation_id = predictions.start_evaluation(session, run_id, key)
            passes = {1: Score(number, len(tasks))}
            predictions.finish_evaluation(session, evaluation_id, EvaluationSummary(key, passes))
            given = {"evaluation_id": evaluation_id, "test_index": 0, "views": 8, "note": ""}
            session.execute(insert(Outcome), [{"task_id": task.id, **given} for task in tasks])
            kept = session.query(Outcome.id, Outcome.task_id).filter_by(evaluation_id=evaluation_id).all()
            grids = {task.id: task.tests[0].input.digits for task in tasks}
            answer = {"rank": 1, "votes": 5, "confidence": 0.4, "correct": False, "cell_accuracy": 0.5}
            answers = [
                {
                    "outcome_id": outcome_id,
                    "grid": grids[task_id],
                    "failure_mode": modes[at % len(modes)],
                    **answer,
                }
                for at, (outcome_id, task_id) in enumerate(kept)
            ]
            session.execute(insert(Prediction), answers)


def measure(server: WebServer, ids: list[str], times: int, wanted: set[str]) -> None:
    group = ",".join(ids[:20])
    pages: dict[str, tuple[str, str]] = {
        "run": (f"/runs/{ids[0]}", "charts"),
        "compare 20": (f"/compare?runs={group}", "charts"),
        "compare 50": (f"/compare?runs={','.join(ids[:50])}", "charts"),
        "runs": ("/", "rows"),
        "runs sorted": ("/?sort=-accuracy/token", "rows"),
        "runs filtered": ('/?filter=encoder == "iterative" and pass1 > 0', "rows"),
        "gallery": ("/gallery", "rows"),
    }
    with chromium() as browser:
        print(
            json.dumps(
                {"page": "Plotly alone, one chart", **medians([floor(browser, server) for _ in range(times)])}
            )
        )
        for name, (path, kind) in pages.items():
            if wanted and name not in wanted:
                continue
            served = [asked(server, path) for _ in range(times)]
            if None in served:
                print(json.dumps({"page": name, "skipped": "there is no such page"}))
                continue
            found = medians([visit(browser, server, path, kind) for _ in range(times)])
            server_ms = round(1000 * statistics.median(each or 0.0 for each in served))
            print(json.dumps({"page": name, "server_ms": server_ms, **found}), flush=True)


def asked(server: WebServer, path: str) -> float | None:
    """Seconds until the page is there, without a browser; None where there is no such page."""
    with server.client(headers={"Accept": "text/html"}) as client:
        start = time.perf_counter()
        response = client.get(path)
        return time.perf_counter() - start if response.status_code == 200 else None


def medians(found: list[dict[str, float | None]]) -> dict[str, int | None]:
    line: dict[str, int | None] = {}
    for key in found[0]:
        values = [each[key] for each in found]
        line[key] = (
            round(statistics.median(v for v in values if v is not None)) if None not in values else None
        )
    return line


def floor(browser: Browser, server: WebServer) -> dict[str, float | None]:
    """The least that a chart by Plotly takes in this browser now: its script and a line of 1,000 points."""
    found: dict[str, float | None] = {}
    context = browser.new_context(base_url=server.url)
    body = f"""<div id=a></div><script src="{plotly_asset()}"></script><script>
      const data = [{{y: Array.from({{length: 1000}}, Math.random)}}];
      Plotly.newPlot("a", data).then(() => (window.at = performance.now()));
    </script>"""
    context.route("**/floor", lambda route: route.fulfill(body=body, content_type="text/html"))
    for way in ("cold", "second", "warm"):
        page = context.new_page()
        page.goto("/floor")
        page.wait_for_function("() => window.at")
        found[f"{way}_interactive"] = page.evaluate("window.at")
        page.close()
    context.close()
    return found


def visit(browser: Browser, server: WebServer, path: str, kind: str) -> dict[str, float | None]:
    """One visit with nothing cached, and the same page again."""
    context = browser.new_context(base_url=server.url, viewport={"width": 1440, "height": 900})
    with session_scope(server.engine) as session:
        secret = accounts.log_in_with_token(session, server.token)
    port = server.url.rpartition(":")[2]
    context.add_cookies([{"name": f"etrm_session_{port}", "value": secret, "url": server.url}])
    context.add_init_script(WATCH)
    try:
        cold = look(context, path, kind)
        look(context, path, kind)  # the browser keeps compiled scripts from the second time on
        warm = look(context, path, kind)
    finally:
        context.close()
    names = ("visible", "interactive", "settled", "load", "bytes", "requests")
    return {f"{way}_{name}": found[name] for way, found in (("cold", cold), ("warm", warm)) for name in names}


def look(context: BrowserContext, path: str, kind: str) -> dict[str, float | None]:
    page = context.new_page()
    wire = Wire(context, page)
    page.goto(path)
    page.wait_for_function("() => window.seen.visible")
    found: dict[str, float | None] = {"interactive": None, "settled": None}
    if kind == "charts":
        page.wait_for_function(SETTLED, timeout=60_000)
        marks = page.evaluate("performance.getEntriesByName('chart').map((each) => each.startTime)")
        found |= {"interactive": marks[0], "settled": marks[-1]}
    found["visible"] = page.evaluate("window.seen.visible")
    found["load"] = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    found |= {"bytes": wire.bytes, "requests": wire.requests}
    page.close()
    return found


# No chart in view is still a drawing of the server's.
SETTLED = """() => {
  const inView = [...document.querySelectorAll('.chart .plot')].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.height > 0 && box.top < innerHeight && box.bottom > 0;
  });
  return inView.length > 0 && inView.every((each) => each.querySelector('.scatterlayer path'));
}"""


class Wire:
    """What a page costs over the network."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.bytes = self.requests = 0
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.loadingFinished", self._came)
        session.on("Network.requestWillBeSent", self._asked)

    def _came(self, event: dict[str, Any]) -> None:
        self.bytes += int(event["encodedDataLength"])

    def _asked(self, event: dict[str, Any]) -> None:
        self.requests += 1


if __name__ == "__main__":
    main()
