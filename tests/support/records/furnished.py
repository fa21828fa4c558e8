"""A lab in which every page has something to show, behind a real web server and without a worker.

Nothing that is pressed there starts a training, and what waits stays queued.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from backend.comparison.contexts import TABS as COMPARE_TABS
from backend.dashboards import service as dashboards
from backend.data import service as datasets
from backend.db.session import session_scope
from backend.domain.config.problems import parse_experiment
from backend.domain.provenance import Provenance
from backend.domain.records import Alarm
from backend.domain.sweeps.definition import parse_sweep
from backend.groups import service as groups
from backend.lifecycle import service as runs
from backend.people import service as accounts
from backend.run_page.contexts import TABS as RUN_TABS
from backend.runs import provenance
from backend.runs_table import queries as saved_views
from backend.web.pages import NAVIGATION
from backend.workers import service as workers
from tests.support.passing_time import keep_alive
from tests.support.processes import Lab
from tests.support.records.ablation_rows import record_ablation
from tests.support.records.contexts import add_contexts
from tests.support.records.played import record_play
from tests.support.records.recorded import (
    HELD_OUT,
    add_checkpoint_files,
    record_checkpoint,
    record_evaluation_job,
    record_run,
)
from tests.support.records.studied import record_study
from tests.support.records.subscribed import subscribe
from tests.support.web import WebServer

ALARM = Alarm("starvation", 45, 0.02, 0.5, "Starvation: only 2 % of the encoder receives a gradient.")
SET = "arc-agi-1/evaluation"
TASK = "0692e18c"  # the first small one of the set
WORKER = "elsewhere.1.22.3"
LATER = 3600.0  # seconds for which leases hold and the worker counts as alive
PANELS = [
    {"id": "one", "kind": "curves", "title": "Tokens", "width": 6, "height": 4, "metric": "accuracy/token"},
    {"id": "two", "kind": "bars", "title": "", "width": 6, "height": 4, "measure": "pass@1"},
    {"id": "three", "kind": "table", "title": "Printed", "width": 12, "height": 4, "table": "published"},
    {"id": "four", "kind": "grids", "title": "", "width": 6, "height": 4, "task": "", "most": 2},
    {"id": "five", "kind": "prose", "title": "", "width": 6, "height": 2, "text": "*One*, [a link](/)."},
]


@dataclass(frozen=True)
class Furnished:
    """Where the lab is, its database, and its pages by name."""

    url: str
    engine: Engine
    pages: dict[str, str]

    def login(self) -> str:
        """A link that logs one browser in."""
        with session_scope(self.engine) as session:
            return f"{self.url}/login?token={accounts.issue_login(session)}"


@contextmanager
def lab_without_worker(folder: Path, database_url: str) -> Iterator[Furnished]:
    """A server with its broker and the built-in sets, empty of everything else."""
    lab = Lab(folder, database_url)
    with session_scope(lab.engine) as session:
        datasets.seed_built_in(session)
    lab.start_broker()
    server = WebServer(folder, lab.environment)
    try:
        yield Furnished(server.url, lab.engine, EMPTY_PAGES)
    finally:
        server.stop()
        lab.stop()


NAVIGATED = {page.name: page.path for page in NAVIGATION}

EMPTY_PAGES = NAVIGATED | {
    "explore": "/explore",
    "dashboard without runs": "/d/encoder-variants",
    "tasks": "/tasks?set=arc-agi-1/evaluation&task=00",
    "task without answers": f"/tasks/{SET}/{TASK}",
    "no such page": "/nowhere",
    "no such run": "/runs/nowhere000",
    "login": "/login?token=used",
}


def _record_provenance(engine: Engine, *run_ids: str) -> None:
    """Of each run another commit, so that they differ where they are compared; with changes and a secret."""
    for number, run_id in enumerate(run_ids):
        found = Provenance(
            version="0.1.0",
            source=f"{number}" * 64,
            commit=f"{number}a" * 20,
            remote="https://git.example.org/lab/etrm.git",
            python="3.11.7",
            packages={"numpy": "2.2.0", "torch": "2.7.1"},
            processor="AMD EPYC",
            platform="Linux-6.8-x86_64",
            host="lab",
            command="python -m worker.service.train",
            sets={SET: "e" * 64, HELD_OUT: "f" * 64},
        )
        with session_scope(engine) as session:
            provenance.record(session, run_id, 1, found, "+KEY = 1\n+API_KEY = 'abcdefgh'\n")


def furnish(engine: Engine, artifacts: Path) -> dict[str, str]:
    """Record what every page shows; the addresses of the pages."""
    run = record_run(engine, alarm=ALARM, nan_from=110, tasks=13, name="first", tags=["kept"], notes="odd")
    add_checkpoint_files(engine, artifacts, run)
    record_checkpoint(engine, artifacts, run, 200)
    beside = record_run(engine, tasks=13, seed=1, name="second", parent_id=run)
    other = record_run(engine, "quick_etrm_iterative", tasks=13, name="third")
    _record_provenance(engine, run, beside)
    for each in (run, other):
        add_contexts(engine, each)
    failed = record_run(
        engine,
        status="failed",
        points=3,
        name="failed",
        status_cause="out of memory",
        traceback="Traceback (most recent call last):\n  MemoryError",
        age=20,
    )
    record_checkpoint(engine, artifacts, failed, 20)
    live = record_run(
        engine, status="running", points=40, name="live", worker_id=WORKER, lease_until=time.time() + LATER
    )
    for at in range(2):
        record_run(engine, status="queued", points=0, name=f"waits {at}", dispatched_at=4e9, age=9 - at)
    job = record_evaluation_job(engine, run, WORKER, views=32)
    record_evaluation_job(engine, beside, views=64)
    subscribe(engine, "http://127.0.0.1:9/hook", filter_text='owner == "Grace"')  # nobody listens
    solved = {"right context": 9, "raw weights": 8, "demonstration dropped": 7, "random context": 1}
    ablated = record_run(engine, name="ablated", age=5000)
    add_checkpoint_files(engine, artifacts, ablated)
    ablation = record_ablation(engine, artifacts, ablated, solved, first_tasks=12, act_steps=[1])
    group, slug, secret = _made(engine, run)
    return NAVIGATED | {
        "launch": f"/runs/new?from={run}",
        "means over seeds": "/?group=seed",
        "archive": "/?filter=archived == true",
        "a pinned run": f"/?baseline={beside}&column=status&column=loss:min&sort=-loss:min",
        **{f"run, {part}": f"/runs/{run}#{part}" for part in RUN_TABS},
        "failed run": f"/runs/{failed}#checkpoints",
        "live run": f"/runs/{live}#log",
        "clone's config": f"/runs/{beside}#config",
        "learning by task": f"/runs/{run}/learning",
        "group": f"/groups/{group}",
        "study": f"/studies/{record_study(engine)}",
        **{f"compare, {part}": f"/compare?runs={run},{beside},{other}#{part}" for part in COMPARE_TABS},
        "explore": "/explore?x=created&y=accuracy/token&colour=encoder&symbol=seed",
        "atlas": f"/atlas?runs={run},{other}",
        "dashboard": f"/d/{slug}",
        "edited dashboard": f"/d/{slug}?edit=1",
        "shared": f"/s/{secret}",
        "gallery": f"/gallery?run={run}",
        "side by side": f"/gallery?set={SET}&side=variants",
        "table": f"/gallery?view=table&run={run}",
        "tasks": f"/tasks?set={SET}&task=0a",
        "task": f"/tasks/{SET}/{TASK}?test=1",
        "data": "/data?training=mine/easy&evaluated=mine/easy",
        "evaluation": f"/evaluations/{_first_evaluation(engine, run)}",
        "evaluation under way": f"/evaluations/{job}",
        "ablate a checkpoint": f"/runs/{ablated}/ablate?first_tasks=12",
        "ablation": f"/ablations/{ablation}",
        "play": f"/play?run={run}&set={SET}&task={TASK}",
        "played": f"/play/{record_play(engine, run, SET, TASK)}",
        "play that failed": f"/play/{record_play(engine, run, SET, TASK, 'Out of memory.')}",
    }


def _first_evaluation(engine: Engine, run: str) -> int:
    with session_scope(engine) as session:
        return runs.get(session, run).results[0].id


def _made(engine: Engine, run: str) -> tuple[str, str, str]:
    """A group, a dashboard with a share link, a view, a person, a token, a set and a worker."""
    config = parse_experiment({"preset": "quick"})
    pair = [[0, 1], [1, 0]]
    task = {"train": [{"input": pair, "output": pair}] * 2, "test": [{"input": pair, "output": pair}]}
    with session_scope(engine) as session:
        group = groups.create(session, config, parse_sweep({"seeds": 2}), "pair").id
        slug = dashboards.create(session, "For tonight", {"panels": PANELS}).slug
        _, secret = dashboards.share(session, slug)
        saved_views.put(session, "mine", "sort=name", time.time())
        accounts.add_person(session, "Grace", "viewer")
        accounts.create_token(session, "for a script")
        datasets.import_files(session, "mine/easy", [(json.dumps({"one": task}).encode(), "one.json")])
        beat = workers.WorkerBeat(WORKER, "elsewhere", 22, "cuda", "NVIDIA H100", 80 << 30, None, time.time())
        workers.beat(session, beat)
        keep_alive(session, LATER)
    return group, slug, secret
