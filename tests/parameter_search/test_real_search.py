"""A small search over real trainings, with two web servers of which one is killed in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from backend.db.session import reading_scope
from backend.parameter_search import service as searches
from backend.parameter_search.views import ParameterSearchView
from backend.runs.tables import Run
from tests.support.databases import SqliteFiles
from tests.support.processes import eventually
from tests.support.records.tiny_runs import tiny_raw
from tests.support.servers import started_lab
from tests.support.web import WebServer

pytest.importorskip("optuna")
pytestmark = pytest.mark.faults

RATE = "optimisation.learning_rate"
SEARCH = {
    "fields": {RATE: {"low": 1e-4, "high": 1e-1, "log": True}},
    "objective": "loss:min",
    "trials": 3,
    "seeds": 2,
    "at_once": 2,
}


def test_a_search_survives_the_server_that_began_it(tmp_path: Path, sqlite_files: SqliteFiles) -> None:
    with started_lab(tmp_path, sqlite_files.new()) as lab:
        lab.start_worker()
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
        first, second = (WebServer(tmp_path / name, lab.environment) for name in ("one", "two"))
        try:
            with first.client() as client:
                body = {"config": tiny_raw(steps=21), "search": SEARCH}
                answer = client.post("/api/v1/parameter-searches", json=body)
                assert answer.status_code == 201, answer.text
                group_id = answer.json()["id"]

            def view() -> ParameterSearchView:
                with reading_scope(lab.engine) as session:
                    return searches.get(session, group_id)

            eventually(lambda: view().trials, "the first trial")
            first.process.kill()
            first.process.wait()
            found = eventually(lambda: each if (each := view()).status == "finished" else None, "the end")
        finally:
            second.stop()
            first.close()
        with reading_scope(lab.engine) as session:
            made = session.scalar(select(func.count()).select_from(Run).where(Run.group_id == group_id))
    assert [trial.number for trial in found.trials] == [1, 2, 3]
    assert {trial.status for trial in found.trials} <= {"complete", "pruned"}, found
    assert made == found.runs_made
    assert all(1 <= len(trial.runs) <= 2 for trial in found.trials)
    assert found.best_trial
    assert found.best_trial.estimate
    assert found.best_trial.estimate.seeds == 2
