"""Alarms: what a run recorded, judged by the thresholds of its config."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import pytest

from backend.domain.config.presets import quick
from backend.domain.experiment import EtrmModel, HealthConfig
from backend.domain.experiment.encoders.iterative import IterativeEncoder
from backend.domain.records import Alarm, EvaluationKey, EvaluationSummary, Score
from backend.kit.format import NBSP
from worker.training.health.alarms import Alarms

PATIENCE = HealthConfig().patience
HEALTHY = {
    "encoder/gradient_coverage": 1.0,
    "encoder/sample_coverage": 1.0,
    "encoder/scale_free_variance": 0.3,
    "gradient_norm/all": 1.0,
}


def alarms_of(points: Iterable[dict[str, float]], **thresholds: Any) -> list[Alarm]:
    alarms = Alarms(HealthConfig(**thresholds))
    return [alarm for step, point in enumerate(points) for alarm in alarms.check(step, HEALTHY | point)]


def test_a_healthy_run_raises_no_alarm() -> None:
    assert alarms_of([{}] * 100) == []


def test_an_encoder_without_any_gradient_is_reported_at_once_and_once() -> None:
    (alarm,) = alarms_of([{"encoder/gradient_coverage": 0.0}] * 30)
    assert (alarm.name, alarm.step, alarm.value, alarm.threshold) == ("starvation", 0, 0.0, 0.5)
    assert f"only 0{NBSP}% of the encoder" in alarm.text


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            EtrmModel(encoder=IterativeEncoder(detach_context=True)),
            "model.encoder.detach_context is true, which",
        ),
        (EtrmModel(reencode=False), "model.reencode is false, which"),
        (EtrmModel(), "a frozen part?"),
    ],
)
def test_starvation_names_the_field_that_cuts_the_encoder_off(model: EtrmModel, said: str) -> None:
    config = quick().model_copy(update={"model": model})
    (alarm,) = Alarms(config.health, config.gradient_cut).check(
        0, {"encoder/gradient_coverage": 0.0, "gradient_norm/all": 1.0}
    )
    assert said in alarm.text


def test_few_taught_samples_are_starvation_once_it_lasts() -> None:
    (alarm,) = alarms_of([{"encoder/sample_coverage": 0.06}] * 30)
    assert (alarm.name, alarm.step) == ("starvation", PATIENCE - 1)


def test_a_moment_of_sameness_is_no_collapse_but_a_lasting_one_is() -> None:
    same = {"encoder/scale_free_variance": 1e-5}
    assert alarms_of(([same] * (PATIENCE - 1) + [{}]) * 5) == []
    (alarm,) = alarms_of([same] * 30)
    assert (alarm.name, alarm.step) == ("collapse", PATIENCE - 1)


def test_a_jump_of_the_gradient_norm_is_an_explosion_and_slow_growth_is_not() -> None:
    assert alarms_of([{"gradient_norm/all": 1.1**step} for step in range(200)]) == []
    (alarm,) = alarms_of([{}] * 20 + [{"gradient_norm/all": 500.0}])
    assert (alarm.name, alarm.step, alarm.value) == ("gradient explosion", 20, 500.0)


def test_alarms_go_on_where_they_were_saved() -> None:
    same = {"encoder/scale_free_variance": 1e-5}
    before, after = Alarms(HealthConfig()), Alarms(HealthConfig())
    for step in range(PATIENCE - 1):
        assert list(before.check(step, HEALTHY | same)) == []
    after.load_state_dict(before.state_dict())
    assert [alarm.name for alarm in after.check(9, HEALTHY | same)] == ["collapse"]
    assert list(after.check(10, HEALTHY | same)) == []


def test_a_context_that_costs_nothing_to_swap_is_unused_once_probes_agree() -> None:
    unused, used = {"reliance/cost": 0.004}, {"reliance/cost": 0.3}
    between_probes = [{}] * 3
    assert alarms_of(([*between_probes, unused]) * (PATIENCE - 1) + [used] + [unused] * 3) == []
    (alarm,) = alarms_of(([*between_probes, unused]) * PATIENCE)
    assert (alarm.name, alarm.value, alarm.threshold) == ("unused context", 0.004, 0.01)
    assert "0.40 points" in alarm.text


def test_thresholds_are_those_of_the_config() -> None:
    thin = [{"encoder/scale_free_variance": 0.1}] * 3
    assert alarms_of(thin) == []
    (alarm,) = alarms_of(thin, least_variance=0.2, patience=3)
    assert (alarm.name, alarm.step, alarm.threshold) == ("collapse", 2, 0.2)
    half = [{"encoder/gradient_coverage": 0.4}] * 30
    assert alarms_of(half, least_coverage=0.3) == []
    jump = [*[{}] * 20, {"gradient_norm/all": 50.0}]
    assert alarms_of(jump) == []
    assert [alarm.threshold for alarm in alarms_of(jump, largest_jump=10)] == [10.0]


def summary(set_name: str, solved: float, n: int) -> EvaluationSummary:
    key = EvaluationKey(set_name, 20, "ema", views=4, act_steps=4, task_ids=("a",) * n)
    return EvaluationSummary(key, {1: Score(solved, n)})


@pytest.mark.parametrize(("exacts", "raised"), [([0.1] * 40 + [0.6], 0), ([0.6] * 40 + [0.1], 1)])
def test_one_lucky_or_unlucky_batch_does_not_decide_on_memorisation(exacts: list[float], raised: int) -> None:
    alarms, resumed = Alarms(HealthConfig()), Alarms(HealthConfig())
    for step, exact in enumerate(exacts):
        assert list(alarms.check(step, HEALTHY | {"accuracy/exact": exact})) == []
    resumed.load_state_dict(deepcopy(alarms.state_dict()))
    for rules in (alarms, resumed):
        assert len(list(rules.check_scores(40, [summary("held out", 0, 32)]))) == raised


def test_a_checkpoint_of_an_older_version_knows_the_newest_accuracy_alone() -> None:
    alarms = Alarms(HealthConfig())
    alarms.load_state_dict({"raised": [], "lasted": {}, "norms": [], "exact": 0.6})
    assert len(list(alarms.check_scores(40, [summary("held out", 0, 32)]))) == 1
    alarms.load_state_dict({"raised": [], "lasted": {}, "norms": [], "exact": None})
    assert list(alarms.check_scores(40, [summary("held out", 0, 32)])) == []


@pytest.mark.parametrize(
    ("solved", "raised"),
    [(0, True), (20, False)],
)
def test_a_gap_to_held_out_tasks_beyond_their_interval_is_memorisation(solved: int, raised: bool) -> None:
    alarms = Alarms(HealthConfig())
    assert list(alarms.check(20, HEALTHY | {"accuracy/exact": 0.6})) == []
    found = list(alarms.check_scores(20, [summary("held out", solved, 32)]))
    assert [alarm.name for alarm in found] == ["memorisation"] * raised
    if raised:
        assert found[0].value == pytest.approx(0.6 - Score(0, 32).interval[1])
        assert "0 of 32 held-out tasks" in found[0].text
    assert list(alarms.check_scores(40, [summary("held out", solved, 32)])) == []
