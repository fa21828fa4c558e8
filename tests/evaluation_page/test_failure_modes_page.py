"""How first attempts fail over checkpoints."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from backend.evaluation_page.failure_modes import mode_courses
from backend.run_view.views import ResultView, RunView


def result(step: int, modes: dict[str, int], **changes: Any) -> ResultView:
    how = {"set": "held-out", "held_out": True, "weights": "ema", "views": 8, "act_steps": 4, "n": 9}
    rest = {"id": step, "scored": 9, "status": "finished", "passes": [], "seconds": 1.0, "finished_at": 1.0}
    return ResultView(step=step, failure_modes=modes, **(how | rest | changes))


def test_checkpoints_that_were_scored_alike_stand_side_by_side() -> None:
    results = [
        result(20, {"nearly right": 5, "collapsed": 1}),
        result(10, {"collapsed": 7}),
        result(30, {"empty": 9}, status="running"),
        result(10, {"empty": 2}, search='{"kind": "gradient"}'),  # alone with its search
    ]
    run = cast(RunView, SimpleNamespace(results=results))
    (course,) = mode_courses(run)

    assert [each.step for each in course.results] == [10, 20]
    assert course.counts == {"collapsed": [7, 1], "nearly right": [0, 5]}
    assert course.most == 7
