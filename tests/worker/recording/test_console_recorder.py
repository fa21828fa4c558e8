"""What a run says in a terminal."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from backend.domain.records import Alarm, EvaluationKey, EvaluationSummary, Progress, Score
from worker.recording.console import ConsoleRecorder, describe_score, time_left


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (Score(2, 16), "2/16 (12 %, 95 % interval 3-36 %)"),
        (Score(0.5, 4), "0.5/4 (12 %, 95 % interval 1-60 %)"),
        (Score(0, 0), "0/0 (nothing evaluated)"),
    ],
)
def test_a_score_is_never_shown_without_count_and_interval(score: Score, words: str) -> None:
    assert describe_score(score) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (0.2, "0:00 left"), (61.0, "1:01 left"), (3723.0, "1:02:03 left")]
)
def test_time_left_is_shown_as_a_clock(seconds: float | None, words: str) -> None:
    assert time_left(seconds) == words


def test_a_terminal_shows_numbers_alarms_and_results() -> None:
    out = StringIO()
    recorder = ConsoleRecorder(Console(file=out, width=200))
    recorder.metrics(5, {"loss": 1.23456, "accuracy/token": 0.5})
    recorder.progress(Progress("training", 5, 10, 61.0))
    recorder.log("a [bracket] is no markup")
    recorder.alarm(Alarm("collapse", 5, 0.0, 1e-3, "Collapse: all contexts are one."))
    key = EvaluationKey("arc-agi-1/evaluation", 10, "ema", 8, 4, ("a", "b"))
    recorder.evaluation_finished(EvaluationSummary(key, {1: Score(1, 2)}, {"collapsed": 1}))
    recorder.close()
    said = out.getvalue()
    assert "a [bracket] is no markup" in said
    assert "Step 5: Collapse: all contexts are one." in said
    assert "arc-agi-1/evaluation, 2 tasks, 8 views, EMA weights of step 10" in said
    assert "pass@1  1/2 (50 %, 95 % interval 9-91 %)" in said
    assert "wrong first attempts: 1 collapsed to one colour" in said
    assert "5/10" in said
    assert "1:01 left" in said
    assert "loss 1.235" in said
