"""The list that is read by the database's driver alone is the list of the views, for every kind of run."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import session_scope
from backend.domain.experiment import BarHypothesis
from backend.domain.records import MetricFrame
from backend.lifecycle import external_runs, heartbeat
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.runs import brief
from backend.runs import queries as run_rows
from tests.comparison.test_compare import queued
from tests.scores.test_headlines import OWN
from tests.scores.test_protocols import TASKS, evaluated
from tests.support.commands import typed
from tests.support.passing_time import elapse
from tests.support.records.furnished import furnish
from tests.support.records.recorded import HELD_OUT, record_run

CLAIM = BarHypothesis(claim="It learns.", measure="last(loss)", comparison="<", value=1.0)
SILENT = 3600.0  # seconds


def change(engine: Engine, run_id: str, **columns: object) -> None:
    """Set columns of a run as nothing but its row knows them."""
    with session_scope(engine) as session:
        row = run_rows.get(session, run_id)
        assert row
        for name, value in columns.items():
            setattr(row, name, value)


def logged(engine: Engine, name: str, hypothesis: BarHypothesis | None = None) -> str:
    """A run that a script logs."""
    with session_scope(engine) as session:
        run_id = external_runs.create(session, name, {"lr": 1}, hypothesis).id
        series.append(session, run_id, MetricFrame([1], [1.0], {"loss": [0.5]}))
    return run_id


def every_kind(engine: Engine) -> dict[str, str]:
    """What a furnished lab lacks, by what it is."""
    kinds = {
        "lost": logged(engine, "lost"),
        "judged": logged(engine, "judged", CLAIM),
        "open": logged(engine, "open", CLAIM),
        "scored by a script": logged(engine, "scored by a script"),
        "unknown whether held out": queued(engine),
        "not scored as its config asks": queued(engine),
        "as old as another": queued(engine),
        "trained on what it is scored on": record_run(engine, name="trained on it", tasks=3),
        "unreadable": queued(engine),
        "stopping": record_run(engine, status="cancelling", points=3),
        "ahead of its total": queued(engine),
        "archived": queued(engine),
    }
    with session_scope(engine) as session:
        external_runs.finish(session, kinds["judged"])
        runs.edit(session, kinds["archived"], archived=True)
    evaluated(engine, kinds["scored by a script"], TASKS[:4], 1, set_name=HELD_OUT)
    evaluated(engine, kinds["unknown whether held out"], TASKS[:12], 5, **OWN)
    evaluated(engine, kinds["not scored as its config asks"], TASKS[:12], 5, **OWN | {"views": 999})
    evaluated(engine, kinds["not scored as its config asks"], TASKS[:12], 7, **OWN)
    evaluated(engine, kinds["trained on what it is scored on"], TASKS[:3], 3, set_name="arc-agi-1/training")
    change(engine, kinds["unreadable"], config={"training": {"steps": "many"}})
    change(engine, kinds["ahead of its total"], done=7, total=3, phase="training", created_at=5.0)
    change(engine, kinds["as old as another"], created_at=5.0)
    elapse(engine, SILENT)
    with session_scope(engine) as session:
        assert kinds["lost"] in heartbeat.mark_lost(session)
    return kinds


def test_every_kind_of_run_is_listed_as_its_view_is(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    """An order, even the usual one, makes the list from the views."""
    here = {"ETRM_DATABASE_URL": database_url}
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
    furnish(engine, tmp_path / "artifacts")
    kinds = every_kind(engine)
    assert brief.newest(database_url, 1000)
    for limit in ("3", "1000"):
        plain = typed(tmp_path, "runs", "--limit", limit, **here)
        ordered = typed(tmp_path, "runs", "--sort", "-created", "--limit", limit, **here)
        assert (plain.stdout, plain.stderr) == (ordered.stdout, ordered.stderr)
    assert kinds["archived"] not in plain.stdout
    for kind, shown in (
        ("lost", " lost "),
        ("judged", " undecided "),
        ("open", " open "),
        ("unknown whether held out", " 5/12 42%"),
        ("not scored as its config asks", " 7/12 58%"),
        ("ahead of its total", " 233% training"),
    ):
        assert re.search(f"^{kinds[kind]} .*{shown}", plain.stdout, re.MULTILINE), (kind, plain.stdout)
