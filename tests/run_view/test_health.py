"""The verdict on an encoder follows from its evidence, and an alarm stays."""

from __future__ import annotations

from typing import Any

import pytest

from backend.domain.health import (
    COST,
    COVERAGE,
    CROSS_SAMPLE,
    LEFT_OUT,
    LOSS,
    NORM,
    PROBED,
    RANK,
    RETRIEVAL,
    SAMPLES,
    SCALE_FREE,
    SHARE,
)
from backend.domain.trained_on import Shortage
from backend.kit.format import NBSP
from backend.run_view import health
from backend.run_view.health import of_run
from backend.run_view.views import (
    AlarmView,
    MetricView,
    ProgressView,
    ResultView,
    RunView,
    TrainedOnView,
)
from backend.runs.status import RunStatus
from backend.scores.measured import PassView

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
        "waiting_reasons": [],
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
        ({}, "quiet", "healthy"),
        ({COVERAGE: 0.02}, "bad", "starving"),
        ({SAMPLES: 0.4}, "bad", "starving"),
        ({SCALE_FREE: 0.0005}, "bad", "collapsed"),
        ({SCALE_FREE: 0.01}, "warning", "near collapse"),
        ({COST: 0.3}, "quiet", "healthy"),
        ({COST: 0.004}, "warning", "context hardly used"),
        ({LOSS: None}, "bad", "diverged"),
    ],
)
def test_the_worst_measure_gives_the_verdict(change: dict[str, float | None], level: str, word: str) -> None:
    verdict = of_run(run(HEALTHY | change))

    assert (verdict.level, verdict.word) == (level, word)


def test_an_alarm_stays_the_verdict_though_the_last_point_is_fine() -> None:
    alarm = AlarmView(name="starvation", step=45, value=0.02, threshold=0.5, text="Starvation")

    verdict = of_run(run(HEALTHY, alarms=[alarm]))

    assert (verdict.level, verdict.word) == ("bad", "starving")
    assert "alarm at step 45" in verdict.sentence


def test_a_model_that_remembers_is_told_from_one_that_infers() -> None:
    remembers = run(HEALTHY | {"accuracy/exact": 0.6}, results=[held_out(0, 32)])
    infers = run(HEALTHY | {"accuracy/exact": 0.15}, results=[held_out(0, 32)])

    assert of_run(remembers).word == "memorising"
    assert of_run(infers).word == "healthy"


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
    verdict = of_run(run(metrics, **changes))

    assert (verdict.level, verdict.word) == ("quiet", word)
    assert verdict.sentence


def test_a_trm_that_remembers_is_said_to_though_it_has_no_encoder() -> None:
    verdict = of_run(run({LOSS: 0.2, "accuracy/exact": 0.9}, variant="trm", results=[held_out(3, 32)]))

    assert (verdict.level, verdict.word) == ("warning", "memorising")
    assert verdict.sentence.startswith("The model is memorising")


def alarm(name: str, threshold: float = 0.0) -> AlarmView:
    return AlarmView(name=name, step=45, value=0.0, threshold=threshold, text=name)


def test_a_small_value_stands_beside_its_threshold_in_one_unit() -> None:
    found = of_run(run(HEALTHY | {SCALE_FREE: 0.0003, COVERAGE: 0.0004}))
    told = {each.metric: (each.text.replace(NBSP, " "), each.expected) for each in found.evidence}
    assert told[SCALE_FREE] == ("0.03 %", "≥ 0.1 %")
    assert told[COVERAGE] == ("0.04 %", f"≥ 50{NBSP}%")
    assert f"0.03{NBSP}% of context variance" in found.sentence


@pytest.mark.parametrize(
    ("name", "value", "threshold", "said"),
    [
        ("collapse", 3e-4, 1e-3, "0.03 % against a threshold of 0.1 %"),
        ("unused context", 0.004, 0.01, "0.40 points against a threshold of 1.0 points"),
        ("gradient explosion", 150.0, 100.0, "150 against a threshold of 100"),
        ("my own", 0.5, None, "0.500 against a threshold of –"),
    ],
)
def test_an_alarm_has_value_and_threshold_in_one_unit(
    name: str, value: float, threshold: float | None, said: str
) -> None:
    raised = AlarmView(name=name, step=45, value=value, threshold=threshold, text=name)
    assert raised.against.replace(NBSP, " ") == said


@pytest.mark.parametrize(
    ("tasks", "chance", "rank", "word"),
    [
        (16, "chance 3.2 %", "at most 31", "as asked for"),
        (2, "chance 33 %", "at most 3", "fewer than the 16 asked for"),
    ],
)
def test_chance_is_that_of_the_tasks_that_the_run_probes(
    tasks: int, chance: str, rank: str, word: str
) -> None:
    found = of_run(run(HEALTHY | {PROBED: float(tasks), RETRIEVAL: 0.4, RANK: 2.0, COST: 0.3}))
    told = {each.metric: each for each in found.evidence}
    assert told[RETRIEVAL].expected.replace(NBSP, " ") == chance
    assert told[RANK].expected == rank
    assert (told[PROBED].text, told[PROBED].word) == (f"{tasks} tasks", word)


def test_probes_with_too_few_tasks_say_so() -> None:
    found = of_run(run(HEALTHY | {PROBED: 1.0}))
    (probed,) = (each for each in found.evidence if each.topic == "decoder reliance")
    assert (probed.text, probed.expected) == ("1 task", "≥ 2 tasks")
    assert "too few to probe" in probed.word
    assert found.word == "healthy"


def test_thresholds_are_those_of_the_run() -> None:
    config = {"health": {"least_coverage": 0.95, "thin_variance": 0.5, "least_reliance": 0.4}}
    found = of_run(run(HEALTHY | {COVERAGE: 0.9, COST: 0.3}, config=config))

    told = {each.metric: (each.value, each.threshold, each.level) for each in found.evidence}
    assert told[COVERAGE] == (0.9, 0.95, "bad")
    assert told[SCALE_FREE] == (0.36, 0.5, "warning")
    assert told[COST] == (0.3, 0.4, "warning")


def test_a_decoder_that_has_learned_to_use_its_context_is_forgiven() -> None:
    then = of_run(run(HEALTHY | {COST: 0.002}, alarms=[alarm("unused context", 0.01)]))
    now = of_run(run(HEALTHY | {COST: 0.41, RETRIEVAL: 0.71}, alarms=[alarm("unused context", 0.01)]))

    assert (then.level, then.word) == ("bad", "context unused")
    assert "does not use it: another task's context costs 0.20 points" in then.sentence
    assert (now.level, now.word) == ("quiet", "healthy")
    assert f"nearest neighbours 71{NBSP}% of the time" in now.sentence
    assert "The decoder uses it: another task's context costs 41 points" in now.sentence


def test_a_run_without_a_record_says_how_many_training_tasks_overlapped() -> None:
    clean = of_run(run(HEALTHY | {LEFT_OUT: 2.0}))

    assert (clean.word, clean.evidence[-1].topic, clean.evidence[-1].word) == (
        "healthy",
        "leak",
        "2 left out",
    )


@pytest.mark.parametrize(
    ("tasks", "level", "word"),
    [(1, "warning", "47 of 48 left out"), (39, "quiet", "healthy"), (38, "warning", "10 of 48 left out")],
)
def test_a_run_that_lost_more_than_a_fifth_of_its_tasks_is_not_called_healthy(
    tasks: int, level: str, word: str
) -> None:
    left_out = {"overlap": 48 - tasks}
    words = f"trained on {tasks} of 48 tasks: {48 - tasks} left out as overlapping the evaluation"
    found = TrainedOnView.of(Shortage(tasks, 48, 0, left_out))
    judged = of_run(run(HEALTHY | {LEFT_OUT: 48.0 - tasks}, trained_on=found))

    assert (judged.level, judged.word) == (level, word)
    assert found.words == words
    (evidence,) = (each for each in judged.evidence if each.topic == "leak")
    assert words.endswith(evidence.text)


def test_every_topic_has_its_number_and_every_measure_its_explanation() -> None:
    probed = ("effective_rank", "pairwise_cosine", "between_within", "retrieval")
    everything = run(
        HEALTHY
        | {LOSS: None, SHARE: 0.4, COST: 0.3, LEFT_OUT: 2.0, "accuracy/exact": 0.5}
        | dict.fromkeys((f"encoder/{name}" for name in probed), 0.5),
        results=[held_out(1, 32)],
    )

    found = health.view(everything)
    titles = [each.title for each in found.evidence]
    assert len(titles) == len(set(titles)) == 14
    assert all(len(each.about) > 40 for each in found.evidence)
    assert {each.topic for each in found.evidence} == {
        "loss",
        "starvation",
        "collapse",
        "instability",
        "memorisation",
        "decoder reliance",
        "leak",
    }
    judged = [each for each in found.evidence if each.level != "quiet" and each.topic != "loss"]
    assert all(each.value is not None and each.text and each.expected for each in judged)
