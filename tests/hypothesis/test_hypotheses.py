"""Hypotheses of runs: judged at the end, when an evaluation comes late, and when a baseline has one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine

from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import BarHypothesis, ExperimentConfig
from backend.domain.hypothesis.view import HypothesisView
from backend.domain.records import EvaluationKey, EvaluationSummary, MetricFrame, Ruling, Score, TestOutcome
from backend.domain.sweeps import parse_sweep
from backend.evaluation import outcomes as predictions
from backend.groups import service as groups
from backend.hypothesis import service as hypotheses
from backend.kit.errors import InvalidConfig, InvalidInput
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.lifecycle.service import RunView
from backend.metrics import service as series
from backend.queue import claims as queue
from backend.queue.claims import Claim
from backend.runs import events
from backend.runs.status import RunStatus
from backend.runs_table import search as run_search

SET = "arc-agi-1/evaluation"
QUICK: dict[str, Any] = {"preset": "quick", "evaluation": {"sets": [{"name": SET, "first_tasks": 32}]}}
TASKS = tuple(f"task{number:02}" for number in range(20))
HOPELESS = {
    "kind": "hopeless",
    "measure": "accuracy/token",
    "comparison": "<",
    "value": 0.2,
    "after_step": 100,
}


@pytest.fixture(autouse=True)
def _sets(engine: Engine) -> None:
    with session_scope(engine) as session:
        datasets.seed_built_in(session)


def stating(**hypothesis: Any) -> ExperimentConfig:
    stated = {"kind": "bar", "claim": "It generalises.", **hypothesis}
    return parse_experiment({**QUICK, "hypothesis": stated})


def started(engine: Engine, config: ExperimentConfig) -> Claim:
    with session_scope(engine) as session:
        run = runs.create(session, config)
        held = queue.claim(session, run.id, "host.1.1.1")
    assert held is not None
    return held


def evaluated(engine: Engine, run_id: str, solved: Sequence[bool], views: int | None = None) -> None:
    """A finished evaluation of as many tasks, measured as the config of `quick` says but for `views`."""
    config = parse_experiment(QUICK)
    key = EvaluationKey(
        SET,
        step=600,
        weights=config.evaluation.weights,
        views=views or config.evaluation.views,
        act_steps=config.evaluation.act_steps or config.model.act.max_steps,
        task_ids=TASKS[: len(solved)],
    )
    with session_scope(engine) as session:
        evaluation_id = predictions.start_evaluation(session, run_id, key)
        for task_id, right in zip(key.task_ids, solved, strict=True):
            predictions.add_outcome(
                session, evaluation_id, TestOutcome(task_id, 0, 8, 1 if right else None, ())
            )
        score = Score(sum(solved), len(solved))
        predictions.finish_evaluation(session, evaluation_id, EvaluationSummary(key, {1: score}))


def ended(engine: Engine, held: Claim) -> HypothesisView:
    with session_scope(engine) as session:
        queue.finish(session, held)
    return hypothesis_of(engine, held.run_id)


def hypothesis_of(engine: Engine, run_id: str) -> HypothesisView:
    found = view(engine, run_id).hypothesis
    assert found is not None
    return found


def view(engine: Engine, run_id: str) -> RunView:
    with reading_scope(engine) as session:
        return runs.get(session, run_id)


def found(engine: Engine, verdict: str) -> list[str]:
    with reading_scope(engine) as session:
        return [run.id for run in run_search.find(session, f'verdict == "{verdict}"').runs]


def test_a_run_is_open_until_it_ends_and_judged_by_the_evaluation_its_config_asks_for(
    engine: Engine,
) -> None:
    held = started(engine, stating(value=0.3))
    evaluated(engine, held.run_id, [True] * 15 + [False] * 5)
    evaluated(engine, held.run_id, [False] * 20, views=1)
    assert hypothesis_of(engine, held.run_id).verdict == "open"
    assert found(engine, "open") == [held.run_id]

    stated = ended(engine, held)
    assert (stated.verdict, stated.met, stated.excludes_bar) == ("supported", True, True)
    assert (stated.evidence[0].solved, stated.evidence[0].n) == (15, 20)
    assert found(engine, "supported") == [held.run_id]
    assert found(engine, "open") == []


def test_a_late_evaluation_is_judged_and_one_of_another_kind_changes_nothing(
    engine: Engine,
) -> None:
    held = started(engine, stating(value=0.3))
    first = ended(engine, held)
    assert first.verdict == "undecided"
    assert "No finished evaluation of pass@1 on arc-agi-1/evaluation" in first.reason
    evaluated(engine, held.run_id, [True] * 20, views=1)
    assert hypothesis_of(engine, held.run_id).verdict == "undecided"
    evaluated(engine, held.run_id, [False] * 20)
    assert hypothesis_of(engine, held.run_id).verdict == "refuted"


def test_a_stop_rule_ends_the_run_with_its_words_and_refutes(engine: Engine) -> None:
    held = started(engine, stating(stop=HOPELESS))
    text = "stopped at step 200 by its stop rule: accuracy/token 12.0 % < 20.0 %"
    ruling = Ruling(200, "refuted", "accuracy/token", 0.12, text)

    with session_scope(engine) as session:
        hypotheses.note_ruling(session, held.run_id, held.attempt, ruling)
    stated = ended(engine, held)
    run = view(engine, held.run_id)
    assert (run.status, run.status_cause) == (RunStatus.FINISHED, text)
    assert (stated.verdict, stated.value) == ("refuted", 0.12)
    with reading_scope(engine) as session:
        assert [each.kind for each in events.list(session, held.run_id)][-2:] == ["stop rule", "finished"]


def test_a_ruling_of_an_attempt_that_was_lost_is_forgotten(engine: Engine) -> None:
    held = started(engine, stating(stop=HOPELESS))

    with session_scope(engine) as session:
        hypotheses.note_ruling(
            session, held.run_id, held.attempt, Ruling(200, "refuted", "x", 0.1, "stopped")
        )
        queue.interrupt(session, held, "killed")
        again = queue.claim(session, held.run_id, "host.2.2.2")
    assert again is not None
    assert ended(engine, again).verdict == "undecided"
    assert view(engine, held.run_id).status_cause == ""


@pytest.mark.parametrize("how", ["failed", "cancelled"])
def test_a_run_that_does_not_come_to_its_end_is_undecided_until_it_goes_on(how: str, engine: Engine) -> None:
    held = started(engine, stating())
    with session_scope(engine) as session:
        if how == "failed":
            queue.fail(session, held, "out of memory", "")
        else:
            runs.request_cancel(session, held.run_id)
            queue.release(session, held, "")
    stated = hypothesis_of(engine, held.run_id)
    assert stated.verdict == "undecided"
    assert ("failed: out of memory" if how == "failed" else "cancelled") in stated.reason
    with session_scope(engine) as session:
        runs.resume(session, held.run_id)
    assert hypothesis_of(engine, held.run_id).verdict == "open"


def test_a_baseline_is_beaten_on_the_same_tasks_or_waited_for(engine: Engine) -> None:
    base = started(engine, parse_experiment(QUICK))
    better = started(engine, stating(kind="baseline", run_id=base.run_id))
    evaluated(engine, better.run_id, [True] * 15 + [False] * 5)
    waiting = ended(engine, better)
    assert (waiting.verdict, waiting.baseline_id) == ("undecided", base.run_id)
    assert f"run {base.run_id}, has no evaluation on {SET}" in waiting.reason

    evaluated(engine, base.run_id, [True] * 3 + [False] * 17)
    with session_scope(engine) as session:
        queue.finish(session, base)
    stated = hypothesis_of(engine, better.run_id)
    assert stated.verdict == "supported"
    assert stated.reason.startswith("15/20 against 3/20 of ")
    assert (stated.met, stated.excludes_bar) == (True, True)

    fewer = started(engine, stating(kind="baseline", run_id=base.run_id))
    evaluated(engine, fewer.run_id, [True] * 19)
    on_common = ended(engine, fewer)
    assert on_common.verdict == "supported"
    assert on_common.reason.startswith("19/19 against 3/19 of ")
    assert on_common.reason.endswith("On the 19 tasks that both evaluated, of 19 and 20.")


def test_a_baseline_measured_by_another_protocol_decides_nothing(engine: Engine) -> None:
    base = started(engine, parse_experiment(QUICK))
    evaluated(engine, base.run_id, [False] * 20, views=2)
    better = started(engine, stating(kind="baseline", run_id=base.run_id))
    evaluated(engine, better.run_id, [True] * 20)
    found = ended(engine, better)
    assert found.verdict == "undecided"
    assert f"Not comparable with the baseline, run {base.run_id}: different views (8 and 2)." in found.reason


def test_a_baseline_that_is_not_there_is_refused_with_the_nearest_id(engine: Engine) -> None:
    base = started(engine, parse_experiment(QUICK))
    nearly = base.run_id[:9] + ("a" if base.run_id[9] != "a" else "b")
    with session_scope(engine) as session, pytest.raises(InvalidConfig) as refused:
        runs.create(session, stating(kind="baseline", run_id=nearly))
    (problem,) = refused.value.problems
    assert (problem.field, problem.hint) == ("hypothesis.run_id", f"Did you mean '{base.run_id}'?")


def test_seeds_say_how_many_supported_it_and_stay_one_variation(engine: Engine) -> None:
    with session_scope(engine) as session:
        group = groups.create(session, stating(value=0.3), parse_sweep({"seeds": 3}))
        held = [queue.claim(session, run.id, "host.1.1.1") for run in group.runs]
    for each, right in zip(held, (15, 15, 0), strict=True):
        assert each is not None
        evaluated(engine, each.run_id, [True] * right + [False] * (20 - right))
        ended(engine, each)
    with reading_scope(engine) as session:
        (variation,) = groups.get(session, group.id).variations
    assert variation.verdict_words == "2 of 3 seeds supported, 1 refuted"
    assert len({view(engine, run.id).variation for run in group.runs}) == 1


def test_a_claim_changes_no_variation_but_a_stop_rule_does(engine: Engine) -> None:
    with session_scope(engine) as session:
        plain, stated, other, stopped = (
            runs.create(session, config).variation
            for config in (
                parse_experiment(QUICK),
                stating(),
                stating(claim="Another."),
                stating(stop=HOPELESS),
            )
        )
    assert plain == stated == other != stopped


def test_a_clone_keeps_the_hypothesis_and_is_judged_for_itself(engine: Engine) -> None:
    held = started(engine, stating(value=0.3))
    ended(engine, held)
    with session_scope(engine) as session:
        clone = runs.clone(session, held.run_id, {"hypothesis": {"value": 0.5}})
    assert clone.hypothesis is not None
    assert (clone.hypothesis.verdict, clone.hypothesis.claim) == ("open", "It generalises.")
    assert "50.0" in clone.hypothesis.bar


def test_an_external_run_is_judged_by_what_its_script_logged(engine: Engine) -> None:
    stated = BarHypothesis(claim="Mine learns.", measure="reward:max", value=5.0)
    with session_scope(engine) as session:
        run = external_runs.create(session, "mine", {"lr": 1}, stated)
        series.append(session, run.id, MetricFrame([1, 2], [1.0, 2.0], {"reward": [7.0, 1.0]}))
        over = external_runs.finish(session, run.id)
    assert over.hypothesis is not None
    assert (over.hypothesis.verdict, over.hypothesis.value) == ("supported", 7.0)
    assert over.config["lr"] == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [({"measure": "pass@1", "value": 0.5}, "hypothesis.measure"), ({"stop": HOPELESS}, "hypothesis.stop")],
)
def test_what_a_script_cannot_be_judged_by_is_refused(
    change: dict[str, Any], field: str, engine: Engine
) -> None:
    stated = BarHypothesis.model_validate({"claim": "x", "measure": "reward", **change})
    with session_scope(engine) as session, pytest.raises(InvalidInput) as refused:
        external_runs.create(session, "mine", {}, stated)
    assert refused.value.problems[0].field == field


def test_a_script_s_own_key_of_that_name_means_nothing(engine: Engine) -> None:
    with session_scope(engine) as session:
        run = external_runs.create(session, "mine", {"hypothesis": "it works"})
    assert run.hypothesis is None
