"""Variations over their seeds on the same tasks."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import Engine

from backend.comparison import replicates, result_tables
from backend.comparison import service as compare
from backend.comparison.bars import bars_of
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import PRESETS
from backend.domain.experiment import OptimisationConfig
from backend.domain.intervals import wilson_interval
from backend.domain.records import EvaluationKey, EvaluationSummary, Score, TestOutcome
from backend.evaluation import outcomes as predictions
from tests.comparison.test_compare import TASKS, evaluate, queued


@pytest.fixture
def two(engine: Engine) -> list[str]:
    """Three seeds that solve 8, 9 and 10 of 12 tasks, and three of another encoder that solve 1, 1 and 2."""
    ids = [queued(engine, seed=seed) for seed in range(3)]
    iterative = PRESETS["quick_etrm_iterative"].make().model
    ids += [queued(engine, seed=seed, model=iterative) for seed in range(3)]
    for run_id, solved in zip(ids, (8, 9, 10, 1, 1, 2), strict=True):
        evaluate(engine, run_id, solved)
    return ids


def test_a_difference_is_judged_over_tasks_and_seeds(engine: Engine, two: list[str]) -> None:
    with reading_scope(engine) as session:
        variations = compare.variations(compare.chosen(session, two))
        found = replicates.replicates(session, variations, k=1)
        (pair,) = replicates.pairs(found, two[0])
        matrix = replicates.matrix(found, k=1)

    assert pair.view
    assert pair.view.difference.mean == pytest.approx((27 - 4) / 36)
    assert pair.view.verdict == "a"
    assert pair.view.more_a == list(TASKS[1:10])
    assert pair.view.more_b == []
    assert pair.words.startswith("baseline is better: 11.1")
    assert matrix.tasks[0].scores == {two[0]: 1.0, two[3]: 1.0}
    assert found[0].solved_by("task8") == 2
    assert found[0].mean("task8") == pytest.approx(2 / 3)


def test_a_later_evaluation_with_a_search_does_not_mix_with_those_without(
    engine: Engine, two: list[str]
) -> None:
    key = EvaluationKey("held-out", 100, "ema", 8, 4, TASKS, search='{"kind": "gradient"}')
    with session_scope(engine) as session:
        searched = predictions.start_evaluation(session, two[3], key)
        predictions.add_outcome(session, searched, TestOutcome("task0", 0, 8, 1, ()))
        predictions.finish_evaluation(session, searched, EvaluationSummary(key, {1: Score(12, 12)}))
        run = compare.chosen(session, [two[3]])[0]
        found = replicates.replicates(session, compare.variations(compare.chosen(session, two)), k=1)

    assert run.held_out
    assert run.held_out.measured_at == "step 100 · EMA weights · 8 views · 4 ACT steps · 12 tasks"
    assert [each.id for each in run.beside_headline] == [searched]
    assert searched not in [result.id for each in found for result in each.results.values()]
    assert len(found[1].scores) == 3


def test_of_many_variations_one_that_differs_by_luck_is_undecided(engine: Engine) -> None:
    base, *others = (queued(engine, optimisation=_rate(rate)) for rate in (1e-4, 2e-4, 3e-4, 4e-4, 5e-4))
    for run_id, solved in zip((base, *others), (4, 8, 4, 4, 4), strict=True):
        evaluate(engine, run_id, solved)

    with reading_scope(engine) as session:
        alone, among = (
            replicates.pairs(
                replicates.replicates(session, compare.variations(compare.chosen(session, ids)), k=1), base
            )
            for ids in ([base, others[0]], [base, *others])
        )

    assert alone[0].view
    assert (alone[0].view.verdict, alone[0].view.comparisons) == ("b", 1)
    assert 0.005 < alone[0].view.p_value < 0.05
    first = among[0].view
    assert first
    assert (first.p_value, first.comparisons) == (alone[0].view.p_value, 4)
    assert (first.p_adjusted, first.verdict) == (pytest.approx(4 * first.p_value), "undecided")
    assert "adjusted for 4 comparisons" in among[0].words


def _rate(rate: float) -> OptimisationConfig:
    return PRESETS["quick"].make().optimisation.model_copy(update={"learning_rate": rate})


def test_few_tasks_decide_nothing() -> None:
    """All of one, of two and of five tasks are solved by every seed of one configuration alone."""
    judged = {n: replicates.difference_of([[1.0] * n] * 3, [[0.0] * n] * 3) for n in (1, 2, 5, 6)}
    assert [each.mean for each in judged.values()] == [1.0] * 4
    assert [each.p_value for each in judged.values()] == [1.0, 0.5, 1 / 16, 1 / 32]
    assert (judged[1].low, judged[1].high) == (-1, 1)


def test_seeds_that_scatter_widen_the_interval() -> None:
    draw = np.random.default_rng(0)
    none = [[0.0] * 60] * 4
    steady = np.tile((draw.random(60) < 0.5).astype(float), (4, 1))
    scattered = steady * np.array([[0.2], [0.6], [1.4], [1.8]])  # the same mean

    calm, wide = (replicates.difference_of(each.tolist(), none) for each in (steady, scattered))
    assert calm.mean == pytest.approx(wide.mean)
    assert wide.high - wide.low > 1.5 * (calm.high - calm.low)
    equal = replicates.difference_of(steady.tolist(), steady.tolist())
    assert (equal.mean, equal.p_value) == (0, 1)
    assert (equal.low, equal.high) == pytest.approx((-0.060172, 0.060172), abs=1e-5)  # of 0 of 60 tasks


def test_a_seed_that_was_run_twice_counts_once(engine: Engine) -> None:
    """Two runs of one seed, the second cloned from the first, and another encoder: nobody solves anything."""
    iterative = PRESETS["quick_etrm_iterative"].make().model
    ids = [queued(engine, seed=0), queued(engine, seed=0), queued(engine, seed=0, model=iterative)]
    for run_id in ids:
        evaluate(engine, run_id, 0)
    with reading_scope(engine) as session:
        variations = compare.variations(compare.chosen(session, ids))
        first, other = result_tables.variation_rows(variations)
        (pair,) = replicates.pairs(replicates.replicates(session, variations, k=1), ids[1])

    assert [[run.id for run in each.runs] for each in variations] == [[ids[1]], [ids[2]]]  # the newer one
    assert compare.variation_of(variations, ids[0]) is variations[0]
    assert (first.runs, first.left_out, other.left_out) == (1, "seed 0 twice; counted once", "")
    assert pair.view
    assert (pair.view.a.seeds, pair.view.a.of, pair.view.a.left_out) == (1, 1, "seed 0 twice; counted once")
    # No task of twelve tells them apart: as far as twelve tasks can tell, and no farther.
    assert (pair.view.difference.mean, pair.view.said) == (0, "undecided: no task tells them apart")
    assert (pair.view.difference.low, pair.view.difference.high) == pytest.approx((-0.2425, 0.2425), abs=1e-4)


def test_more_seeds_are_not_more_tasks(engine: Engine) -> None:
    ids = [queued(engine, seed=seed) for seed in range(5)]
    for run_id in ids:
        evaluate(engine, run_id, 0)
    with reading_scope(engine) as session:
        (row,) = result_tables.variation_rows(compare.variations(compare.chosen(session, ids)))
        (bar,) = bars_of(compare.variations(compare.chosen(session, ids)), "pass@1")
    assert row.cells[0].mean
    assert row.cells[0].mean.high == pytest.approx(wilson_interval(0, 12)[1])
    assert bar.high == pytest.approx(wilson_interval(0, 12)[1])
