"""Studies on both databases: fake trainings in place of real ones, and everything else as it is."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from sqlalchemy import Engine, update

from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.records import Checkpoint, EvaluationKey, EvaluationSummary, TestOutcome
from backend.domain.study import parse_study
from backend.evaluation import outcomes as predictions
from backend.evaluation import service as evaluations
from backend.kit.errors import Conflict, InvalidInput, NotFound
from backend.lifecycle import service as runs
from backend.queue import claims as queue
from backend.run_view.views import RunView
from backend.runs import checkpoints
from backend.runs.status import RunStatus
from backend.scores import queries as evaluation_rows
from backend.scores.transition import transition_evaluation
from backend.study import paper
from backend.study import service as studies
from backend.study.tables import StudyRow
from backend.study.views import StudyView

TASKS = [f"task{number:02}" for number in range(20)]
SOLVED = {"a": 19, "b": 1}  # of the answer as it is; a search solves them all


@pytest.fixture(autouse=True)
def _sets(engine: Engine) -> None:
    pair = {"input": [[1, 2]], "output": [[2, 1]]}
    with session_scope(engine) as session:
        for name in ("theirs", "mine"):
            tasks = {f"{name}-{key}": {"train": [pair], "test": [pair]} for key in TASKS}
            content = json.dumps(tasks).encode()
            datasets.import_files(session, name, [(content, f"{name}.json")])


def raw(**changes: Any) -> dict[str, Any]:
    return {
        "title": "Two claims",
        "scales": {
            "small": {
                "title": "small",
                "hours": 1,
                "at_once": 8,
                "overrides": {
                    "data": {"training_sets": ["theirs"], "first_tasks": 4},
                    "evaluation": {"sets": [{"name": "mine", "first_tasks": 20}], "views": 1},
                },
                "rounds": [{"seeds": 2, "tasks": 20}, {"seeds": 3, "tasks": 20}],
            }
        },
        "configurations": {
            "a": {"title": "A", "scales": {"small": {"seconds": 100}}},
            "b": {
                "title": "B",
                "overrides": {"model": {"reencode": False}},
                "scales": {"small": {"seconds": 100}},
            },
        },
        "measurements": {
            "gradient": {
                "title": "gradient search",
                "options": {"search": {"kind": "gradient", "steps": 5}},
                "seconds": {"small": 20},
            }
        },
        "claims": [
            {"name": "better", "claim": "A is better", "tests": [{"of": "a", "minus": "b"}]},
            {"name": "guided", "claim": "Search helps B", "tests": [{"of": "b/gradient", "minus": "b"}]},
        ],
    } | changes


def start(engine: Engine, **changes: Any) -> str:
    with session_scope(engine) as session:
        return studies.create(session, parse_study(raw(**changes)), "mine", "small").id


def read(engine: Engine, study_id: str) -> StudyView:
    with reading_scope(engine) as session:
        return studies.get(session, study_id)


def run_of(engine: Engine, run_id: str) -> RunView:
    with reading_scope(engine) as session:
        return runs.get(session, run_id)


def claimed(engine: Engine, run_id: str) -> queue.Claim:
    with session_scope(engine) as session:
        held = queue.claim(session, run_id, "host-1")
    assert held
    return held


def train(engine: Engine, run_id: str) -> None:
    """A worker trains the run to its end, and scores it as its config says."""
    run = run_of(engine, run_id)
    which = "b" if run.config["model"]["reencode"] is False else "a"
    held = claimed(engine, run_id)
    steps, act_steps = run.config["training"]["steps"], run.config["model"]["act"]["max_steps"]
    key = EvaluationKey("mine", steps, "ema", 1, act_steps, tuple(f"mine-{each}" for each in TASKS))
    with session_scope(engine) as session:
        checkpoints.add(session, run_id, Checkpoint(steps, f"{run_id}/{steps}", "0", 1))
        evaluation = predictions.start_evaluation(session, run_id, key)
        _solve(session, evaluation, key, SOLVED[which])
        queue.finish(session, held)


def score(engine: Engine, evaluation_id: int) -> None:
    """A worker computes the evaluation: with a search everything is solved."""
    with session_scope(engine) as session:
        evaluation = evaluation_rows.get(session, evaluation_id)
        assert evaluation
        transition_evaluation(session, evaluation, (RunStatus.QUEUED,), RunStatus.RUNNING)
        (key,) = [
            each.key
            for each in predictions.evaluations(session, evaluation.run_id)
            if each.id == evaluation_id
        ]
        _solve(session, evaluation_id, key, len(TASKS))


def _solve(session: Any, evaluation_id: int, key: EvaluationKey, solved: int) -> None:
    for number, task_id in enumerate(key.task_ids):
        outcome = TestOutcome(task_id, 0, 1, 1 if number < solved else None, ())
        predictions.add_outcome(session, evaluation_id, outcome)
    predictions.finish_evaluation(session, evaluation_id, EvaluationSummary(key, {}))


def to_the_end(engine: Engine, study_id: str) -> list[str]:
    """Workers do all that the study asks for; the runs, in the order in which they were queued."""
    made: list[str] = []
    for _ in range(50):
        done = studies.advance(engine)
        for run_id in done.queued:
            train(engine, run_id)
        for evaluation_id in done.evaluations:
            score(engine, evaluation_id)
        made += done.queued
        if read(engine, study_id).status != "running":
            return made
    raise AssertionError("the study did not end")


def test_a_study_runs_what_its_claims_need_and_ends_with_verdicts(engine: Engine) -> None:
    study_id = start(engine)
    made = to_the_end(engine, study_id)
    view = read(engine, study_id)

    assert len(made) == 4  # two configurations, two seeds: the first round decides both claims
    assert {claim.name: claim.verdict for claim in view.claims} == {
        "better": "supported",
        "guided": "supported",
    }
    assert (view.status, view.active, [each.rounds for each in view.claims]) == ("finished", 0, [1, 1])
    assert view.cause == "Every claim is decided or has had all its rounds."
    better = view.claims[0].tests[0]
    assert better.asks == "pass@1 of A minus B >\u202f0.0\u202fpoints"
    assert better.value == pytest.approx(18 / 20)
    assert [sample.values for sample in better.samples] == [[0.95, 0.95], [0.05, 0.05]]
    names = sorted(run_of(engine, run_id).name for run_id in made)
    assert names == [f"mine · {name} · seed {seed}" for name in "ab" for seed in (0, 1)]


def test_two_configurations_of_one_title_stay_two(engine: Engine) -> None:
    configurations = raw()["configurations"]
    configurations["b"]["title"] = "A"
    study_id = start(engine, configurations=configurations)
    studies.advance(engine)
    view = read(engine, study_id)
    assert [[run.configuration for run in runs] for runs in view.by_configuration] == [["a"] * 2, ["b"] * 2]
    assert paper.report(view).content.decode().count("\n| A | ") == 2


def test_the_trainings_own_evaluation_is_not_computed_again(engine: Engine) -> None:
    start(engine, claims=raw()["claims"][:1])
    for run_id in studies.advance(engine).queued:
        train(engine, run_id)
    assert studies.advance(engine).evaluations == []


def test_what_a_study_measures_by_another_protocol_is_no_result_of_the_run(engine: Engine) -> None:
    start(engine, claims=raw()["claims"][1:])
    trained = studies.advance(engine).queued
    for run_id in trained:
        train(engine, run_id)
    searched = studies.advance(engine).evaluations
    for evaluation_id in searched:
        score(engine, evaluation_id)
    assert len(searched) == len(trained) == 2
    for run_id in trained:  # B solves one task by itself, and all of them with a search
        assert ["gradient" in each.measured_at for each in run_of(engine, run_id).results] == [False]


def test_an_open_claim_gets_another_round_and_a_decided_one_does_not(engine: Engine) -> None:
    same = {"of": "a", "bar": 0.95, "comparison": ">"}  # right at the bar: no interval leaves it out
    claims = [*raw()["claims"][:1], {"name": "open", "claim": "At the bar", "tests": [same]}]
    study_id = start(engine, claims=claims)
    made = to_the_end(engine, study_id)
    view = read(engine, study_id)
    assert [run_of(engine, run_id).name for run_id in made][4:] == ["mine · a · seed 2"]
    assert [(each.verdict, each.rounds) for each in view.claims] == [("supported", 1), ("undecided", 2)]


def test_a_stopped_study_queues_nothing_and_continues_where_it_was(engine: Engine) -> None:
    study_id = start(engine)
    queued = studies.advance(engine).queued
    with session_scope(engine) as session:
        assert studies.stop(session, study_id).status == "stopped"
    for run_id in queued:
        train(engine, run_id)
    assert studies.advance(engine) == studies.Step()
    with session_scope(engine) as session:
        assert studies.resume(session, study_id, 2.0).hours == 2.0
        with pytest.raises(Conflict):
            studies.resume(session, study_id)
    assert to_the_end(engine, study_id) == []  # no run was made twice


def test_two_servers_that_look_at_once_queue_each_run_once(engine: Engine) -> None:
    study_id = start(engine)
    first = studies.advance(engine).queued
    assert len(first) == 4
    assert studies.advance(engine).queued == []
    assert len(read(engine, study_id).runs) == 4


def test_a_failed_run_says_so_and_the_study_continues_once_it_is_resumed(engine: Engine) -> None:
    study_id = start(engine, claims=raw()["claims"][:1])
    failing, *others = studies.advance(engine).queued
    with session_scope(engine) as session:
        held = queue.claim(session, failing, "host-1")
        assert held
        queue.fail(session, held, "out of memory", "Traceback …")
    for run_id in others:
        train(engine, run_id)
    studies.advance(engine)
    studies.advance(engine)
    view = read(engine, study_id)
    assert view.claims[0].trouble.startswith(f"Run {failing} (")
    assert "out of memory" in view.claims[0].trouble
    assert (view.status, view.claims[0].verdict) == ("finished", "undecided")
    assert "resume it, then continue the study" in view.cause
    with session_scope(engine) as session:
        runs.resume(session, failing)
        studies.resume(session, study_id)
    train(engine, failing)
    to_the_end(engine, study_id)
    assert read(engine, study_id).claims[0].verdict == "supported"


def test_a_spent_budget_stops_what_runs(engine: Engine) -> None:
    study_id = start(engine)
    queued = studies.advance(engine).queued
    with session_scope(engine) as session:
        row = session.get(StudyRow, study_id)
        assert row
        row.spent = 3600.0
    assert set(studies.advance(engine).stopped) == set(queued)
    view = read(engine, study_id)
    assert (view.status, view.cause) == (
        "finished",
        "The budget of hours is spent: give it more to continue.",
    )
    assert {run_of(engine, run_id).status for run_id in queued} == {"cancelled"}


def test_more_hours_resume_what_the_study_stopped_itself(engine: Engine) -> None:
    """A training and an evaluation are stopped as the hours are spent; a person cancelled another."""
    study_id = start(engine)
    a0, a1, b0, b1 = sorted(studies.advance(engine).queued, key=lambda each: run_of(engine, each).name)
    train(engine, b0)
    (searched,) = studies.advance(engine).evaluations
    with session_scope(engine) as session:
        runs.request_cancel(session, a1)
        row = session.get(StudyRow, study_id)
        assert row
        row.spent = 3600.0
    assert set(studies.advance(engine).stopped) == {a0, b1}
    spent = "The budget of hours is spent: give it more to continue."
    with reading_scope(engine) as session:
        assert evaluations.get(session, searched).status_cause == f"study {study_id}: {spent}"
    with session_scope(engine) as session:
        studies.resume(session, study_id)  # without more hours there is nothing to go on with
    assert studies.advance(engine).stopped == []

    with session_scope(engine) as session:
        assert studies.resume(session, study_id, 2.0).active == 3
    assert {each: run_of(engine, each).status for each in (a0, a1, b1)} == {
        a0: "queued",
        a1: "cancelled",
        b1: "queued",
    }
    for run_id in (a0, b1):
        train(engine, run_id)
    score(engine, searched)
    to_the_end(engine, study_id)
    better, guided = read(engine, study_id).claims
    assert guided.verdict == "supported"
    assert f"Run {a1} (a, seed 1): cancelled by the user" in better.trouble


def test_time_in_which_no_server_looked_is_not_spent(engine: Engine) -> None:
    study_id = start(engine)
    with session_scope(engine) as session:
        row = session.get(StudyRow, study_id)
        assert row
        row.looked_at = (row.looked_at or 0.0) - 7200.0
    assert read(engine, study_id).hours_spent == pytest.approx(60 / 3600, abs=0.01)


def test_time_is_spent_after_the_clock_was_set_back(engine: Engine) -> None:
    study_id = start(engine)
    studies.advance(engine)
    with session_scope(engine) as session:
        row = session.get(StudyRow, study_id)
        assert row
        row.looked_at = (row.looked_at or 0.0) + 7200.0
    studies.advance(engine)  # nothing is due, but the time has to count again from now on
    with reading_scope(engine) as session:
        row = session.get(StudyRow, study_id)
        assert row
        assert row.looked_at is not None
        assert row.looked_at <= time.time()


def test_a_study_that_this_release_cannot_read_holds_up_no_other(engine: Engine) -> None:
    broken, sound = start(engine), start(engine)
    with session_scope(engine) as session:
        session.execute(update(StudyRow).where(StudyRow.id == broken).values(id="0000000000", definition={}))
    assert len(studies.advance(engine).queued) == len(read(engine, sound).runs) == 4
    with reading_scope(engine) as session:
        assert {each.id for each in studies.find(session)} == {"0000000000", sound}


def test_what_cannot_be_started_names_the_field(engine: Engine) -> None:
    study = parse_study(raw())
    with session_scope(engine) as session, pytest.raises(InvalidInput) as error:
        studies.create(session, study, "mine", "smal")
    assert "Did you mean 'small'?" in str(error.value.problems[0])
    with session_scope(engine) as session, pytest.raises(InvalidInput) as error:
        studies.create(session, study, "mine", "small", hours=-1)
    assert error.value.problems[0].field == "hours"
    scales = raw()["scales"]
    scales["small"]["overrides"]["data"]["training_sets"] = ["their"]
    with session_scope(engine) as session, pytest.raises(InvalidInput) as error:
        studies.create(session, parse_study(raw(scales=scales)), "mine", "small")
    assert error.value.problems[0].field == "configurations.a"
    with reading_scope(engine) as session, pytest.raises(NotFound):
        studies.get(session, "nosuchstud")


def test_what_would_be_refused_after_hours_of_training_is_refused_at_the_start(engine: Engine) -> None:
    changed = raw()
    changed["measurements"]["gradient"]["options"] = {"search": {"kind": "gradient", "stepz": 5}}
    with session_scope(engine) as session, pytest.raises(InvalidInput) as error:
        studies.create(session, parse_study(changed), "mine", "small")
    (problem,) = error.value.problems
    assert (problem.field, problem.hint) == (
        "measurements.gradient.options.search.stepz",
        "Did you mean 'steps'?",
    )
    assert problem.message.startswith("for b: ")

    changed = raw()
    later = {"title": "C", "starts_from": {"configuration": "a"}, "scales": {"small": {"seconds": 100}}}
    changed["configurations"]["c"] = later | {"overrides": {"data": {"training_sets": ["their"]}}}
    with session_scope(engine) as session, pytest.raises(InvalidInput) as error:
        studies.create(session, parse_study(changed), "mine", "small")
    assert [problem.field for problem in error.value.problems] == ["configurations.c"]
    assert "unknown task set 'their'" in error.value.problems[0].message


def test_a_cancelled_evaluation_is_told_of(engine: Engine) -> None:
    study_id = start(engine, claims=raw()["claims"][1:])
    for run_id in studies.advance(engine).queued:
        train(engine, run_id)
    (evaluation_id, *_) = studies.advance(engine).evaluations
    with session_scope(engine) as session:
        evaluations.cancel(session, evaluation_id)
    assert f"Evaluation {evaluation_id} of b" in read(engine, study_id).claims[0].trouble
