"""Runs side by side: over their seeds, field by field, task by task."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from backend.charts.view import ChartView
from backend.comparison import service as compare
from backend.comparison.board import Board
from backend.comparison.charts import styles_over_seeds
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import PRESETS
from backend.domain.records import EvaluationKey, EvaluationSummary, MetricFrame, Score, TestOutcome
from backend.evaluation import outcomes as predictions
from backend.kit.errors import InvalidInput, NotFound
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.metrics.service import Curve
from tests.support.records.rows import record

TASKS = tuple(f"task{number}" for number in range(12))


def queued(engine: Engine, **changes: Any) -> str:
    config = PRESETS["quick"].make().model_copy(update=changes)
    with session_scope(engine) as session:
        run = runs.new_run(config)  # the sets of the config need not exist here
        session.add(run)
    return run.id


def evaluate(engine: Engine, run_id: str, solved: int, views: int = 8) -> None:
    key = EvaluationKey("held-out", 100, "ema", views, 4, TASKS)
    with session_scope(engine) as session:
        evaluation_id = predictions.start_evaluation(session, run_id, key)
        for number, task_id in enumerate(TASKS):
            rank = 1 if number < solved else None
            predictions.add_outcome(session, evaluation_id, TestOutcome(task_id, 0, views, rank, ()))
        passes = {1: Score(solved, len(TASKS))}
        predictions.finish_evaluation(session, evaluation_id, EvaluationSummary(key, passes))


def curve(steps: list[int], values: list[float], start: float = 0.0) -> Curve:
    at = np.array(steps, dtype=np.int64)
    return Curve(at, start + at.astype(float), np.array(values), len(steps))


def test_runs_are_one_variation_if_only_their_seeds_differ(engine: Engine) -> None:
    wide = PRESETS["quick"].make().model.core.model_copy(update={"width": 128})
    model = PRESETS["quick"].make().model.model_copy(update={"core": wide})
    ids = [queued(engine, seed=0), queued(engine, seed=1, name="again"), queued(engine, model=model)]

    with reading_scope(engine) as session:
        found = compare.chosen(session, ids)
        first, second = compare.variations(found)
        rows = {row.path: row.values for row in compare.differing(found)}

    assert ([run.id for run in first.runs], [run.id for run in second.runs]) == (ids[:2], ids[2:])
    assert (first.label, second.label) == ("deterministic · width 64", "deterministic · width 128")
    assert rows["model.core.width"] == {ids[0]: 64, ids[1]: 64, ids[2]: 128}
    assert rows.keys() == {"model.core.width", "seed"}


def test_variations_of_a_variant_go_by_the_name_that_their_runs_share(engine: Engine) -> None:
    wide = PRESETS["quick"].make().model.core.model_copy(update={"width": 128})
    model = PRESETS["quick"].make().model.model_copy(update={"core": wide})
    ids = [
        queued(engine, seed=0, name="base · seed 0"),
        queued(engine, seed=1, name="base · seed 1"),
        queued(engine, model=model, name="wide"),
    ]

    with reading_scope(engine) as session:
        labels = [each.label for each in compare.variations(compare.chosen(session, ids))]

    assert labels == ["base", "wide"]


def test_every_task_and_every_pair(engine: Engine) -> None:
    good, bad, other = (queued(engine, seed=seed) for seed in range(3))
    none = queued(engine, seed=3)
    evaluate(engine, good, 11)
    evaluate(engine, bad, 1)
    evaluate(engine, other, 3, views=2)

    with reading_scope(engine) as session:
        found = compare.chosen(session, [good, bad, other, none])
        matrix = compare.matrix(session, found, 1)
        pairs = compare.pairs(session, found, good, 1)

    assert [row.task_id for row in matrix.tasks][:2] == ["task0", "task1"]
    assert matrix.tasks[1].scores == {good: 1.0, bad: 0.0, other: 1.0, none: None}
    assert [row.differs for row in matrix.tasks].count(True) == 10
    assert pairs[0].view
    assert pairs[0].view.verdict == "a"
    assert "different views (8 and 2)" in pairs[1].reason
    assert "no finished evaluation" in pairs[2].reason


def test_the_more_runs_are_compared_the_more_a_difference_has_to_show(engine: Engine) -> None:
    base, better, *alike = (queued(engine, seed=seed) for seed in range(5))
    evaluate(engine, base, 0)
    evaluate(engine, better, 6)
    for run_id in alike:
        evaluate(engine, run_id, 1)

    with reading_scope(engine) as session:
        (alone,) = compare.pairs(session, compare.chosen(session, [base, better]), base, 1)
        among = compare.pairs(session, compare.chosen(session, [base, better, *alike]), base, 1)

    assert alone.view
    assert (alone.view.p_adjusted, alone.view.comparisons, alone.view.verdict) == (2 / 64, 1, "b")
    assert alone.view.words.endswith("p = 0.031.")
    first = among[0].view
    assert first
    assert (first.p_value, first.p_adjusted, first.comparisons) == (2 / 64, 8 / 64, 4)
    assert (first.verdict, first.difference) == ("undecided", alone.view.difference)
    assert "p = 0.031, 0.12 adjusted for 4 comparisons" in first.words
    assert [pair.view.p_adjusted for pair in among[1:] if pair.view] == [1.0, 1.0, 1.0]


def test_runs_that_cannot_be_compared_are_no_comparisons(engine: Engine) -> None:
    base, better, other = (queued(engine, seed=seed) for seed in range(3))
    none = queued(engine, seed=3)
    evaluate(engine, base, 0)
    evaluate(engine, better, 6)
    evaluate(engine, other, 3, views=2)

    with reading_scope(engine) as session:
        found = compare.chosen(session, [base, better, other, none])
        first = compare.pairs(session, found, base, 1)[0].view

    assert first
    assert (first.comparisons, first.verdict) == (1, "b")


def test_an_unknown_run_and_none_at_all_are_told(engine: Engine) -> None:
    run_id = queued(engine)
    with reading_scope(engine) as session:
        with pytest.raises(NotFound, match="'zzzzzzzzzz' not found"):
            compare.chosen(session, [run_id, "zzzzzzzzzz"])
        with pytest.raises(InvalidInput) as refused:
            compare.chosen(session, [" "])
        found = compare.chosen(session, [run_id, run_id])
        with pytest.raises(InvalidInput):
            compare.baseline(found, "zzzzzzzzzz")
    assert refused.value.problems[0].field == "runs"
    assert len(found) == 1


def test_the_mean_over_seeds_reads_lines_between_their_points_and_not_beyond_their_ends() -> None:
    one = curve([0, 10, 20], [0.0, 10.0, 20.0], start=100.0)
    other = curve([0, 20, 40], [10.0, 30.0, 50.0], start=500.0)

    band = compare.over_seeds([one, other], [100.0, 500.0])

    assert band.mean.steps.tolist() == [0, 10, 20, 40]
    assert band.mean.values.tolist() == [5.0, 15.0, 25.0, 50.0]
    assert band.low.values.tolist() == [0.0, 10.0, 20.0, 50.0]
    assert band.high.values.tolist() == [10.0, 20.0, 30.0, 50.0]
    assert band.mean.wall_times.tolist() == [100.0, 110.0, 120.0, 140.0]
    assert band.numbers.tolist() == [2, 2, 2, 1]


def test_a_mean_says_how_many_of_the_seeds_it_is_of(engine: Engine) -> None:
    ids = [queued(engine, seed=seed) for seed in range(5)]
    with session_scope(engine) as session:
        record(session, ids[0], loss=3.0)  # to step 3
        series.append(session, ids[1], MetricFrame([1], [1.0], {"loss": [1.0], "only": [1.0]}))
    with reading_scope(engine) as session:
        board = Board(session, compare.chosen(session, ids), "seed")
        charts = board.charts([board.panel("loss"), board.panel("only")], ChartView())
        figures = {name: json.loads(chart.json)["data"] for name, chart in charts.items()}

    assert [line.label for line in board.legend(frozenset())] == ["deterministic (n = 2 of 5)"]
    assert {trace["name"] for trace in figures["only"][:2]} == {"deterministic (n = 1 of 5)"}
    loss = next(trace for trace in figures["loss"] if trace["meta"]["role"] == "raw")
    assert loss["name"] == "deterministic (n = 2 of 5)"
    assert loss["meta"]["seeds"] == {"label": "deterministic", "of": 5, "steps": [1, 2], "numbers": [2, 1]}


def test_means_are_told_apart_by_dashes_and_not_by_colour_alone(engine: Engine) -> None:
    quick = PRESETS["quick"].make()
    longer = [quick.training.model_copy(update={"steps": steps}) for steps in (700, 800, 900)]
    ids = [queued(engine, training=training, seed=seed) for training in longer for seed in (0, 1)]
    with reading_scope(engine) as session:
        found = compare.chosen(session, ids)
        styles = styles_over_seeds(compare.variations(found))
    assert len({style.dash for style in styles.values()}) == len(styles) == 3


def test_a_seed_of_nothing_but_nan_does_not_count() -> None:
    band = compare.over_seeds([curve([1, 2], [np.nan, np.nan]), curve([1, 2], [1.0, 3.0])], [0.0, 0.0])

    assert band.mean.values.tolist() == [1.0, 3.0]
    assert band.numbers.tolist() == [1, 1]
    empty = compare.over_seeds([curve([1], [np.nan])], [0.0])
    assert len(empty.mean.steps) == 0
