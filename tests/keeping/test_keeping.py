"""What needs a checkpoint keeps it, whoever would let it go; on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine

from backend.dashboards import service as dashboards
from backend.db.session import reading_scope, session_scope
from backend.domain.experiment import EvaluationConfig, EvaluationSet
from backend.domain.records import Checkpoint
from backend.keeping import service as keeping
from backend.kit.errors import Conflict
from backend.lab import storage
from backend.lifecycle import service as runs
from backend.runs import checkpoints
from backend.runs.status import RunStatus
from backend.settings import Settings
from tests.support.records.rows import HELD_OUT, create, end, evaluate

STEPS = (100, 200, 300, 400, 500)


pytestmark = pytest.mark.usefixtures("set_names")


@pytest.fixture
def run(engine: Engine, set_names: None) -> str:
    """A run that is over, whose score rose to its second checkpoint and fell."""
    asked = EvaluationConfig(sets=(EvaluationSet(name=HELD_OUT),), views=8, act_steps=4)  # as recorded here
    made = create(engine, evaluation=asked).id
    end(engine, made, RunStatus.FAILED)
    with session_scope(engine) as session:
        for step, solved in zip(STEPS, (2, 4, 3, 2, 1), strict=True):
            checkpoints.add(session, made, Checkpoint(step, f"{made}/{step}", "00", 10))
            evaluate(session, made, HELD_OUT, step, solved, 32)
    return made


def steps(engine: Engine, run: str) -> list[int]:
    with reading_scope(engine) as session:
        return [each.step for each in checkpoints.list(session, run)]


def test_a_clean_up_leaves_the_newest_the_best_and_what_is_needed(engine: Engine, run: str) -> None:
    with session_scope(engine) as session:
        keeping.set_alias(session, run, "paper", 300)
        fork = runs.fork(session, run, 400).id
        (of_run,) = storage.read(session, Settings(artifacts=Path("/nowhere"), min_free_gib=0)).runs
        assert of_run.spare == 1
        assert storage.forget_old(session, [run]) == [f"{run}/100"]
    assert steps(engine, run) == [500, 400, 300, 200]
    with session_scope(engine) as session:
        kept = {each.row.step: each.verdict.reasons for each in keeping.kept_of(session, run)}
        assert kept[400] == ("one of the 3 newest", f"fork {fork}")
        assert f"fork {fork} (step 400)" in str(_refused(lambda: runs.delete(session, run)))
        keeping.remove_alias(session, run, "paper")
        runs.request_cancel(session, fork)
        runs.delete(session, fork)
        runs.delete(session, run)


def test_what_a_dashboard_shows_by_name_is_kept_while_it_does(engine: Engine, run: str) -> None:
    content = {"source": {"runs": [run]}, "panels": [{"id": "a", "kind": "table", "at": "all"}]}
    with session_scope(engine) as session:
        board = dashboards.create(session, "Board", content)
        assert storage.forget_old(session, [run]) == []
        assert "dashboard Board" in str(_refused(lambda: keeping.remove(session, run, 100)))
        content["panels"] = [{"id": "a", "kind": "curves"}]
        dashboards.save(session, board.slug, board.version, "Board", content)
        assert keeping.remove(session, run, 100) == f"{run}/100"
        dashboards.delete(session, board.slug)
        runs.delete(session, run)


def test_a_training_lets_nothing_go_that_was_named_meanwhile(engine: Engine, run: str) -> None:
    paths = [f"{run}/{step}" for step in (100, 200, 300)]
    named, released = threading.Event(), threading.Event()
    going: list[str] = []

    def release() -> None:
        named.wait(30)
        with session_scope(engine) as session:
            keeping.run_rows.hold(session, run)
            going.extend(keeping.release(session, run, [*paths, f"{run}/of-no-row"]))
        released.set()

    thread = threading.Thread(target=release)
    thread.start()
    with session_scope(engine) as session:
        keeping.set_alias(session, run, "paper", 300)
        named.set()
        assert not released.wait(0.3)  # it waits for what may need one of them
    thread.join(30)
    assert going == [f"{run}/100", f"{run}/200", f"{run}/of-no-row"]
    assert steps(engine, run) == [500, 400, 300]


def test_best_moves_by_itself(engine: Engine, run: str) -> None:
    with session_scope(engine) as session:
        assert [(each.name, each.step) for each in keeping.aliases_of(session, run)] == [("best", 200)]
        evaluate(session, run, HELD_OUT, 500, 9, 32)
        assert keeping.find(session, run, "best").step == 500


def _refused(work: object) -> Conflict:
    assert callable(work)
    with pytest.raises(Conflict) as caught:
        work()
    return caught.value
