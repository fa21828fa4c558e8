"""What a user does with runs: make, cancel, clone, resume, edit, delete."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from backend.alerts import service as alarms
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick
from backend.domain.config.problems import parse_experiment
from backend.domain.records import Alarm, Checkpoint, MetricFrame
from backend.kit.errors import Conflict, InvalidConfig, InvalidInput, NotFound
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.queue import claims as queue
from backend.runs import checkpoints, events, logs
from backend.runs.status import RunStatus
from backend.runs.tables import Run
from backend.runs_table import search as run_search
from backend.settings import Settings
from backend.workers import service as workers
from backend.workers.service import WorkerBeat
from tests.support.records.rows import HELD_OUT, TRAINED_ON, create, end, evaluate, record

pytestmark = pytest.mark.usefixtures("set_names")


def test_a_new_run_is_queued_with_its_whole_config_and_a_name_from_variant_and_seed(engine: Engine) -> None:
    run = create(engine, name="", seed=7)
    assert (run.name, run.status, run.variant, run.seed) == (
        "deterministic-seed7",
        "queued",
        "deterministic",
        7,
    )
    assert len(run.id) == 10
    assert run.config == quick().model_copy(update={"name": "", "seed": 7}).model_dump(mode="json")
    assert run.progress.total == quick().training.steps
    assert run.progress.share == 0
    with reading_scope(engine) as session:
        assert [each.kind for each in events.list(session, run.id)] == ["queued"]


def test_a_set_that_does_not_exist_is_refused_with_its_field_and_the_right_name(engine: Engine) -> None:
    config = quick()
    wrong = config.model_copy(
        update={
            "data": config.data.model_copy(update={"training_sets": (TRAINED_ON, "arc-agi-1/trainin")}),
            "evaluation": config.evaluation.model_copy(
                update={"sets": (config.evaluation.sets[0].model_copy(update={"name": "zzz"}),)}
            ),
        }
    )
    with session_scope(engine) as session, pytest.raises(InvalidConfig) as caught:
        runs.create(session, wrong)
    first, second = caught.value.problems
    assert (first.field, first.hint) == ("data.training_sets.1", f"Did you mean '{TRAINED_ON}'?")
    assert second.field == "evaluation.sets.0.name"
    assert second.hint.startswith(f"Choose one of {HELD_OUT}, {TRAINED_ON}, procedural/")


def test_an_unknown_id_suggests_the_nearest_one(engine: Engine) -> None:
    run = create(engine)
    with reading_scope(engine) as session, pytest.raises(NotFound) as caught:
        runs.get(session, run.id[:-1] + "?")
    assert run.id in caught.value.hint


def test_a_view_tells_results_metrics_alarms_and_checkpoint(engine: Engine) -> None:
    run = create(engine)
    with session_scope(engine) as session:
        evaluate(session, run.id, TRAINED_ON, 600, solved=5, n=16)
        evaluate(session, run.id, HELD_OUT, 300, solved=2, n=16)
        evaluate(session, run.id, HELD_OUT, 600, solved=1, n=16)
        record(session, run.id, **{"accuracy/token": 0.9, "loss/prediction": 0.75})
        frame = MetricFrame([4], [4.0], {"loss/prediction": [math.nan]})
        series.append(session, run.id, frame)
        alarms.raise_once(session, run.id, Alarm("instability", 4, math.inf, 10.0, "The loss is not finite."))
        for step in (100, 200):
            checkpoints.add(session, run.id, Checkpoint(step, f"{run.id}/{step}", "00", 10))
        seen = runs.get(session, run.id)
    assert [(each.set, each.step, each.held_out) for each in seen.results] == [
        (TRAINED_ON, 600, False),
        (HELD_OUT, 300, True),
        (HELD_OUT, 600, True),
    ]
    assert seen.held_out
    score = seen.held_out.pass_at(1)
    assert score
    assert (seen.held_out.step, score.solved, score.n, score.share) == (600, 1, 16, 0.0625)
    assert score.low == pytest.approx(0.0111, abs=1e-4)
    assert score.high == pytest.approx(0.2833, abs=1e-4)
    assert seen.metrics["accuracy/token"].model_dump() == {"last": 0.9, "min": 0.3, "max": 0.9, "step": 3}
    assert seen.metrics["loss/prediction"].model_dump(mode="json") == {
        "last": "NaN",
        "min": 0.25,
        "max": 0.75,
        "step": 4,
    }
    assert [(each.name, each.value) for each in seen.alarms] == [("instability", None)]
    assert seen.checkpoint_step == 200


def test_a_queued_run_is_cancelled_at_once(engine: Engine) -> None:
    run = create(engine)
    with session_scope(engine) as session:
        cancelled = runs.request_cancel(session, run.id)
    assert (cancelled.status, cancelled.status_cause) == ("cancelled", "cancelled by the user")
    assert cancelled.finished_at
    with session_scope(engine) as session:
        assert queue.claim(session, run.id, "host-1") is None


def test_a_running_run_is_cancelled_only_when_its_worker_says_so(engine: Engine) -> None:
    run = create(engine)
    with session_scope(engine) as session:
        claim = queue.claim(session, run.id, "host-1")
        assert claim
        assert runs.request_cancel(session, run.id).status == "cancelling"
        assert runs.request_cancel(session, run.id).status == "cancelling"
        assert queue.renew(session, claim) is RunStatus.CANCELLING
        queue.cancelled(session, claim)
        assert runs.get(session, run.id).status == "cancelled"


@pytest.mark.parametrize("status", [RunStatus.FINISHED, RunStatus.FAILED])
def test_a_run_that_is_over_cannot_be_cancelled(engine: Engine, status: RunStatus) -> None:
    run = create(engine)
    end(engine, run.id, status)
    with session_scope(engine) as session, pytest.raises(Conflict, match=f"is {status} and cannot"):
        runs.request_cancel(session, run.id)


def test_a_clone_differs_only_in_its_overrides_and_names_its_parent(engine: Engine) -> None:
    parent = create(engine, seed=1)
    with session_scope(engine) as session:
        same = runs.clone(session, parent.id)
        changed = runs.clone(
            session, parent.id, {"seed": 2, "training": {"steps": 50}, "data.first_tasks": 8}
        )
    assert (same.config, same.parent_id, same.status) == (parent.config, parent.id, "queued")
    assert changed.seed == 2
    assert changed.config["training"] == parent.config["training"] | {"steps": 50}
    assert changed.config["data"]["first_tasks"] == 8


def test_a_clone_with_an_unknown_field_suggests_the_right_one(engine: Engine) -> None:
    parent = create(engine)
    with session_scope(engine) as session, pytest.raises(InvalidConfig) as caught:
        runs.clone(session, parent.id, {"training": {"stepz": 3}})
    assert caught.value.problems[0].field == "training.stepz"
    assert "steps" in caught.value.problems[0].hint


@pytest.mark.parametrize(("step", "said"), [(None, "starts at step 0"), (300, "resumes from step 300")])
def test_a_failed_run_is_resumed_and_says_from_where(engine: Engine, step: int | None, said: str) -> None:
    run = create(engine)
    end(engine, run.id, RunStatus.FAILED)
    with session_scope(engine) as session:
        if step:
            checkpoints.add(session, run.id, Checkpoint(step, "x", "00", 10))
        again = runs.resume(session, run.id)
    assert (again.status, again.finished_at, again.traceback) == ("queued", None, "")
    assert said in again.status_cause
    with session_scope(engine) as session:
        assert queue.claim(session, run.id, "host-2")


def test_a_run_is_resumed_from_an_older_checkpoint_and_gives_up_later_ones(engine: Engine) -> None:
    run = create(engine)
    end(engine, run.id, RunStatus.FAILED)
    with session_scope(engine) as session:
        for step in (100, 200, 300):
            checkpoints.add(session, run.id, Checkpoint(step, f"x/{step}", "00", 10))
    with session_scope(engine) as session, pytest.raises(NotFound, match="no checkpoint of step 150"):
        runs.resume(session, run.id, 150)
    with session_scope(engine) as session:
        again = runs.resume(session, run.id, 200)
        assert [each.step for each in checkpoints.list(session, run.id)] == [200, 100]
    assert "resumes from step 200" in again.status_cause
    with session_scope(engine) as session, pytest.raises(Conflict, match="is queued"):
        runs.resume(session, run.id, 100)
    with reading_scope(engine) as session:  # refused: nothing was given up
        assert [each.step for each in checkpoints.list(session, run.id)] == [200, 100]


def test_a_fork_starts_from_a_checkpoint_that_is_there(engine: Engine) -> None:
    run = create(engine)
    with session_scope(engine) as session:
        checkpoints.add(session, run.id, Checkpoint(100, "x", "00", 10))
        fork = runs.fork(session, run.id, 100, "raw", overrides={"training": {"steps": 7}})
    assert fork.parent_id == run.id
    assert fork.config["training"]["steps"] == 7
    assert fork.config["training"]["initialise_from"] == {
        "kind": "run", "run": run.id, "step": 100, "part": "all", "weights": "raw",
    }  # fmt: skip
    with session_scope(engine) as session:
        for step, source, field, said in (
            (90, run.id, "step", "It has 100."),
            (100, run.id[:-1] + "_", "run", f"Did you mean '{run.id}'?"),
        ):
            with pytest.raises(InvalidConfig) as caught:
                runs.create(session, parse_experiment(runs.forked(source, run.config, step)))
            assert caught.value.problems[0].field == f"training.initialise_from.{field}"
            assert caught.value.problems[0].hint == said


def test_a_queued_or_finished_run_cannot_be_resumed(engine: Engine) -> None:
    run = create(engine)
    with session_scope(engine) as session, pytest.raises(Conflict, match="is queued"):
        runs.resume(session, run.id)
    end(engine, run.id, RunStatus.FINISHED)
    with session_scope(engine) as session, pytest.raises(Conflict, match="is finished"):
        runs.resume(session, run.id)


def test_an_external_run_is_logged_into_and_ends_as_its_script_says(engine: Engine) -> None:
    with session_scope(engine) as session:
        run = external_runs.create(session, " mine ", {"any": ["thing", 1]})
        assert (run.name, run.origin, run.status, run.config) == (
            "mine",
            "external",
            "running",
            {"any": ["thing", 1]},
        )
        external_runs.check_logs_here(session, run.id)
        external_runs.hear(session, run.id, step=12)
        with pytest.raises(InvalidInput, match="must be one of"):
            external_runs.finish(session, run.id, RunStatus.RUNNING)
        ended = external_runs.finish(session, run.id, RunStatus.FAILED, "diverged")
        assert (ended.status, ended.status_cause, ended.step) == ("failed", "diverged", 12)
        for refused in (external_runs.finish, external_runs.check_logs_here, runs.resume, runs.clone):
            with pytest.raises(Conflict):
                refused(session, run.id)


def test_an_external_run_can_be_cancelled_since_no_process_of_ours_is_behind_it(engine: Engine) -> None:
    with session_scope(engine) as session:
        run = external_runs.create(session, "mine", {})
        assert runs.request_cancel(session, run.id).status == "cancelled"


def test_name_tags_and_notes_are_edited_one_by_one(engine: Engine) -> None:
    run = create(engine, name="before")
    with session_scope(engine) as session:
        runs.edit(session, run.id, name=" after ")
        runs.edit(session, run.id, tags=["a", " b ", "a"])
        seen = runs.edit(session, run.id, notes="why: *this*")
        assert (seen.name, seen.tags, seen.notes) == ("after", ["a", "b"], "why: *this*")
        for wrong in (
            {"name": " "},
            {"name": "x" * 121},
            {"tags": ["x" * 61]},
            {"tags": ["a", " "]},
            {"notes": "x" * 100_001},
        ):
            with pytest.raises(InvalidInput):
                runs.edit(session, run.id, **wrong)  # type: ignore[arg-type]


def test_a_run_that_is_over_is_deleted_with_rows_and_files(engine: Engine, tmp_path: Path) -> None:
    run = create(engine)
    with session_scope(engine) as session, pytest.raises(Conflict, match="Cancel it first"):
        runs.delete(session, run.id)
    (tmp_path / run.id).mkdir()
    (tmp_path / run.id / "weights.safetensors").write_bytes(b"x")
    with session_scope(engine) as session:
        record(session, run.id, loss=1.0)
        evaluate(session, run.id, HELD_OUT, 1, 0, 1)
        child = runs.clone(session, run.id)
        runs.request_cancel(session, run.id)
        runs.delete(session, run.id)
    runs.remove_artifacts(Settings(artifacts=tmp_path), run.id)
    with reading_scope(engine) as session:
        assert [each.id for each in run_search.find(session).runs] == [child.id]
        assert runs.get(session, child.id).parent_id is None
        assert series.names(session, run.id) == []
        assert logs.tail(session, run.id) == []
    assert list(tmp_path.iterdir()) == []


def test_a_waiting_run_says_why_it_waits(engine: Engine) -> None:
    first, second = create(engine), create(engine)
    with reading_scope(engine) as session:
        assert "no worker is online" in runs.get(session, first.id).waiting_reason
    with session_scope(engine) as session:
        beat = WorkerBeat("host-1", "host", 1, "cpu", "", 0, None, time.time())
        workers.beat(session, beat)
    with reading_scope(engine) as session:
        assert "a worker is idle" in runs.get(session, first.id).waiting_reason
        assert runs.get(session, second.id).waiting_reasons == ["1 ahead in queue"]
        assert [run.waiting_reason == "" for run in run_search.find(session).runs] == [False, False]


def test_a_duration_goes_on_until_the_run_ends(engine: Engine) -> None:
    run = create(engine)
    assert run.duration is None
    with session_scope(engine) as session:
        session.execute(update(Run).values(status="running", started_at=time.time() - 100))
        running = runs.get(session, run.id).duration
        session.execute(update(Run).values(status="finished", finished_at=time.time() - 50))
        session.expire_all()
        finished = runs.get(session, run.id).duration
    assert running == pytest.approx(100, abs=5)
    assert finished == pytest.approx(50, abs=5)
