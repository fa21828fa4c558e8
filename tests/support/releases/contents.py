"""A small lab in which every kind of row exists: what is recorded."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from backend.alerts import service as alarms
from backend.dashboards import service as dashboards
from backend.data import service as datasets
from backend.db.session import session_scope
from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import BarHypothesis
from backend.domain.records import Alarm, MetricFrame
from backend.domain.sweeps import parse_sweep
from backend.groups import service as groups
from backend.lifecycle import external_runs
from backend.metrics import service as series
from backend.people import service as accounts
from backend.queue import claims as queue
from backend.runs import queries as run_rows
from backend.runs.tables import Run
from backend.runs_table import saved_views as views
from backend.scores.tables import Evaluation
from backend.workers.tables import EvaluationShare
from tests.support.records.furnished import PANELS
from tests.support.records.recorded import (
    curves_of,
    record_checkpoint,
    record_evaluation,
    record_evaluation_job,
    record_run,
)

NEVER = 4e9  # in 2096: leases that no sweep finds lapsed, messages that none finds lost
WORKER = "elsewhere.1.22.3"
POINTS, TASKS = 16, 8
LONG_AGO = 30 * 86_400.0  # seconds: nothing is recent on the day of the record and no longer on a later one
ENCODERS = (
    "quick_etrm_variational", "quick_etrm_iterative_trained", "quick_lpn", "quick_slots", "quick_graph",
)  # fmt: skip
HYPOTHESIS = {
    "kind": "bar",
    "claim": "Half the width solves as much.",
    "measure": "pass@1",
    "comparison": ">=",
    "value": 0.1,
}


def write(engine: Engine, artifacts: Path) -> str:
    """Fill the database; the secret of a share link, which is stored nowhere in clear."""
    first = _runs(engine)
    record_checkpoint(engine, artifacts, first, 40)
    waits = record_evaluation_job(engine, first, views=64)
    shared = record_evaluation_job(engine, first, WORKER, views=32)
    assert waits != shared
    with session_scope(engine) as session:
        session.execute(
            update(EvaluationShare).where(EvaluationShare.ended_at.is_(None)).values(lease_until=NEVER)
        )
        _group(session)
        _external(session)
        for column in (Evaluation.created_at, Evaluation.finished_at):
            session.execute(update(Evaluation).values({column: column - LONG_AGO}))
        return _rest(session)


def _runs(engine: Engine) -> str:
    """Three seeds of one encoder, two of others, TRM, and a run in each state; the id of the first."""
    alarm = Alarm("starvation", 45, 0.02, 0.5, "Starvation: only 2 % of the encoder receives a gradient.")
    record = partial(record_run, age=LONG_AGO)
    first = record(engine, points=POINTS, tasks=TASKS, name="first", tags=["paper", "kept"], notes="odd")
    for seed in (1, 2):
        record(engine, points=POINTS, tasks=TASKS, seed=seed, parent_id=first, tags=["paper"])
    for preset in ENCODERS:
        for seed in (0, 1):
            record(engine, preset, points=POINTS, tasks=TASKS, seed=seed)
    record(engine, "quick_trm_arc1", points=POINTS, name="a ceiling")
    record(engine, "quick_slots", points=POINTS, seed=7, alarm=alarm, nan_from=12, name="diverged")
    record(engine, points=POINTS, tasks=TASKS, seed=8, name="put away", archived_at=time.time())
    died = {"status_cause": "out of memory", "traceback": "Traceback (most recent call last):\n  MemoryError"}
    record(engine, status="failed", points=3, name="failed", **died)
    record(engine, "quick_graph", status="cancelled", points=5, status_cause="cancelled by the user")
    record(engine, status="running", points=6, name="live", worker_id=WORKER, lease_until=NEVER)
    for at in range(2):
        record(engine, status="queued", points=0, name=f"waits {at}", dispatched_at=NEVER, priority=at)
    return first


def _group(session: Session) -> None:
    """A sweep over a width with two seeds and a hypothesis: one half trained to its end and judged."""
    config = parse_experiment({"preset": "quick_slots", "hypothesis": HYPOTHESIS})
    sweep = parse_sweep({"seeds": 2, "grid": {"model.core.width": [config.model.core.width // 2, 128]}})
    group = groups.create(session, config, sweep, "widths")
    for number, run in enumerate(group.runs):
        row = run_rows.get(session, run.id)
        assert row
        row.dispatched_at = NEVER
        session.flush()
        if number < 2:
            _train(session, row, seed=number)


def _train(session: Session, row: Run, seed: int) -> None:
    """What a worker leaves of a run, from the claim to the verdict."""
    config = parse_experiment(row.config)
    began = time.time() - LONG_AGO
    claim = queue.claim(session, row.id, WORKER, began)
    assert claim
    series.append(session, row.id, curves_of(config, POINTS, began, seed))
    record_evaluation(session, row.id, config, TASKS, seed)
    alarms.raise_once(
        session, row.id, Alarm("collapse", 60, 0.9, 0.5, "The contexts of all tasks are alike.")
    )
    queue.finish(session, claim, began + 300)


def _external(session: Session) -> None:
    """A run of somebody's own script, with a hypothesis and a config of its own making."""
    bar = BarHypothesis(kind="bar", claim="It learns.", measure="loss", comparison="<=", value=0.5)
    config = {"lr": 0.1, "layers": [64, 64], "sampler": {"name": "none", "p": None}, "seed": 3}
    run = external_runs.create(session, "mine", config, bar)
    values = {"loss": [1.0, 0.5, 0.25], "val/acc": [0.1, None, 0.75]}
    series.append(session, run.id, MetricFrame([10, 20, 30], [1.7e9, 1.7e9 + 1, 1.7e9 + 2], values))
    external_runs.hear(session, run.id, step=30)
    external_runs.finish(session, run.id)


def _rest(session: Session) -> str:
    """A dashboard with a link, views, people, tokens, a set."""
    slug = dashboards.create(session, "For tonight", {"panels": PANELS}).slug
    first, _ = dashboards.share(session, slug, "Ines")
    dashboards.revoke(session, slug, first.id)
    _, secret = dashboards.share(session, slug)
    views.save(session, "Paper", "filter=tag+%3D%3D+%22paper%22&group=seed&sort=-pass1")
    accounts.add_person(session, "Ines", "editor")
    accounts.add_person(session, "Tomasz", "viewer")
    accounts.create_token(session, "cluster", "Ines")
    accounts.create_token(session, "notebook")
    accounts.revoke_token(session, "notebook")
    pair = [[0, 1], [1, 0]]
    task = {"train": [{"input": pair, "output": pair}] * 2, "test": [{"input": pair, "output": pair}]}
    datasets.import_files(session, "mine/easy", [(json.dumps({"one": task}).encode(), "one.json")])
    return secret
