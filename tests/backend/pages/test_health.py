"""The verdict on an encoder follows from its evidence, and an alarm stays."""

from __future__ import annotations

from typing import Any

import pytest

from backend.domain.run import RunStatus
from backend.pages.health import COVERAGE, CROSS_SAMPLE, LOSS, NORM, SAMPLES, SCALE_FREE, health_of
from backend.pages.rendering import environment
from backend.services.run_view import AlarmView, MetricView, PassView, ProgressView, ResultView, RunView

HEALTHY = {COVERAGE: 1.0, SAMPLES: 1.0, SCALE_FREE: 0.36, CROSS_SAMPLE: 0.36, NORM: 1.2, LOSS: 0.8}


def run(metrics: dict[str, float | None], **changes: Any) -> RunView:
    values: dict[str, Any] = {
        "id": "k3v9x0q2ab",
        "name": "quick",
        "origin": "training",
        "variant": "deterministic",
        "seed": 0,
        "status": RunStatus.FINISHED,
        "status_cause": "",
        "waiting_reason": "",
        "progress": ProgressView(phase="", done=1, total=1, share=1.0, seconds_left=None),
        "step": 600,
        "config": {},
        "tags": [],
        "notes": "",
        "parent_id": None,
        "created_at": 0.0,
        "started_at": 0.0,
        "finished_at": 1.0,
        "duration": 1.0,
        "results": [],
        "metrics": {name: MetricView(last=v, min=v, max=v, step=600) for name, v in metrics.items()},
        "alarms": [],
        "checkpoint_step": 600,
        "worker_id": None,
        "traceback": "",
    }
    return RunView(**values | changes)


def held_out(solved: float, n: int) -> ResultView:
    score = PassView(k=1, solved=solved, n=n, share=solved / n, low=0.0, high=0.11)
    return ResultView(
        id=1,
        set="arc-agi-1/evaluation",
        held_out=True,
        step=600,
        weights="ema",
        views=8,
        act_steps=4,
        n=n,
        scored=n,
        status="finished",
        passes=[score],
        failure_modes={},
        seconds=1.0,
        finished_at=1.0,
    )


@pytest.mark.parametrize(
    ("change", "level", "word"),
    [
        ({}, "good", "healthy"),
        ({COVERAGE: 0.02}, "bad", "starving"),
        ({SAMPLES: 0.4}, "bad", "starving"),
        ({SCALE_FREE: 0.0005}, "bad", "collapsed"),
        ({SCALE_FREE: 0.01}, "warning", "nearly one context for all"),
        ({LOSS: None}, "bad", "diverged"),
    ],
)
def test_the_worst_measure_gives_the_verdict(change: dict[str, float | None], level: str, word: str) -> None:
    health = health_of(run(HEALTHY | change))

    assert (health.level, health.word) == (level, word)


def test_an_alarm_stays_the_verdict_though_the_last_point_is_fine() -> None:
    alarm = AlarmView(name="starvation", step=45, value=0.02, threshold=0.5, text="Starvation")

    health = health_of(run(HEALTHY, alarms=[alarm]))

    assert (health.level, health.word) == ("bad", "starving")
    assert "alarm at step 45" in health.sentence


def test_a_model_that_remembers_is_told_from_one_that_infers() -> None:
    remembers = run(HEALTHY | {"accuracy/exact": 0.6}, results=[held_out(0, 32)])
    infers = run(HEALTHY | {"accuracy/exact": 0.15}, results=[held_out(0, 32)])

    assert health_of(remembers).word == "memorising"
    assert health_of(infers).word == "healthy"


@pytest.mark.parametrize(
    ("metrics", "changes", "word"),
    [
        ({LOSS: 1.0}, {"variant": "trm"}, "no encoder"),
        ({}, {}, "no data yet"),
        ({LOSS: 1.0}, {"origin": "external", "variant": ""}, "no data yet"),
    ],
)
def test_nothing_is_judged_without_evidence(
    metrics: dict[str, float | None], changes: dict[str, Any], word: str
) -> None:
    health = health_of(run(metrics, **changes))

    assert (health.level, health.word) == ("quiet", word)
    assert health.sentence


def test_every_measure_has_its_explanation() -> None:
    told = environment().get_template("run/explanations.html").make_module().__dict__["ABOUT"]
    everything = run(
        HEALTHY | {LOSS: None, "gradient_norm/encoder": 0.4, "accuracy/exact": 0.5}, results=[held_out(1, 32)]
    )

    titles = [each.title for each in health_of(everything).evidence]
    assert len(titles) == 8
    assert set(titles) == set(told)
