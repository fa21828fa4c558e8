"""One answer everywhere to whether scores are comparable: in tables, means, tests, pages, files, API, CLI."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.comparison import replicates
from backend.comparison import service as compare
from backend.comparison.api import compare_runs
from backend.comparison.bars import bars_of
from backend.comparison.result_tables import variation_rows
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import PRESETS
from backend.domain.records import EvaluationKey, EvaluationSummary, Score, TestOutcome
from backend.domain.sweeps import parse_sweep
from backend.evaluation import outcomes as predictions
from backend.gallery import service as gallery
from backend.groups import stats as group_stats
from backend.kit.errors import InvalidInput
from backend.lifecycle import service as runs
from backend.runs import queries as run_rows
from backend.runs_table import cells as runs_table
from backend.runs_table import configurations
from backend.runs_table import exports as run_exports
from tests.comparison.test_compare import queued

TASKS = tuple(f"task{number:02}" for number in range(16))
NONE_IN_COMMON = "different tasks (8 and 8, none in common)"
DIFFERENT_TASKS = "different tasks (8 and 8)"
PASSES = ("pass1", "pass2", "pass5")


def evaluated(
    engine: Engine, run_id: str, tasks: Sequence[str], solved: int, step: int = 100, **how: Any
) -> int:
    """Id of a finished held-out evaluation of which the first `solved` tasks are solved."""
    settings = {"set_name": "held-out", "weights": "ema", "views": 8, "act_steps": 4} | how
    key = EvaluationKey(step=step, task_ids=tuple(tasks), **settings)
    with session_scope(engine) as session:
        evaluation_id = predictions.start_evaluation(session, run_id, key)
        for number, task_id in enumerate(tasks):
            rank = 1 if number < solved else None
            predictions.add_outcome(session, evaluation_id, TestOutcome(task_id, 0, key.views, rank, ()))
        passes = {k: Score(solved, len(tasks)) for k in (1, 2, 5)}
        predictions.finish_evaluation(session, evaluation_id, EvaluationSummary(key, passes))
    return evaluation_id


@dataclass(frozen=True)
class Two:
    """Two runs of one config and their evaluations."""

    runs: list[str]
    evaluations: list[int]


@pytest.fixture
def apart(engine: Engine) -> Two:
    """Two seeds, 8 tasks each, none in common: all solved by one, half by the other."""
    ids = [queued(engine, seed=seed) for seed in (0, 1)]
    return Two(ids, [evaluated(engine, ids[0], TASKS[:8], 8), evaluated(engine, ids[1], TASKS[8:], 4)])


def cells_against(session: Session, run_id: str, baseline: str) -> dict[str, runs_table.Cell]:
    found = compare.chosen(session, [run_id, baseline])
    cells = runs_table.cells_of(session, found, runs_table.columns_of(PASSES), found[1])
    return cells[run_id]


def test_the_table_shows_no_difference_from_a_baseline_of_other_tasks(engine: Engine, apart: Two) -> None:
    with reading_scope(engine) as session:
        cells = cells_against(session, apart.runs[1], apart.runs[0])
    for name in PASSES:
        delta = cells[name].delta
        assert delta
        assert (delta.text, delta.sign) == (f"not comparable: {DIFFERENT_TASKS}", "none")


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"views": 2}, "different views (8 and 2)"),
        ({"weights": "raw"}, "different weights (EMA and raw)"),
        ({"act_steps": 16}, "different ACT steps (4 and 16)"),
        (
            {"search": '{"kind":"gradient"}'},
            "different searches (none and gradient 100 x 0.1, asked at ACT step 1)",
        ),
        (
            {"adaptation": '{"kind":"embedding"}'},
            "different adaptations (none and learns embedding 100 x 0.01, batch 16, 32 forms)",
        ),
        ({"canvas": "trimmed +1"}, "different canvases (square and trimmed +1)"),
        ({"set_name": "elsewhere"}, "different task sets (held-out and elsewhere)"),
    ],
)
def test_every_setting_is_named_alike_by_the_table_means_and_significance(
    engine: Engine, how: dict[str, Any], reason: str
) -> None:
    ids = [queued(engine, seed=seed) for seed in (0, 1)]
    evaluated(engine, ids[0], TASKS[:8], 8)
    evaluated(engine, ids[1], TASKS[:8], 4, **how)
    with reading_scope(engine) as session:
        delta = cells_against(session, ids[1], ids[0])["pass2"].delta
        (row,) = configurations.variations(session, "", "-created", runs_table.columns_of(["pass2"]), "")
        found = compare.chosen(session, ids)
        (pair,) = compare.pairs(session, found, ids[0], 1)
        matrix = compare.matrix(session, found, 1)
    assert delta
    assert delta.text == f"not comparable: {reason}"
    assert row.cells[0].text == "not comparable"
    assert reason.partition(" (")[0] in row.cells[0].title
    assert pair.view is None
    assert reason in pair.reason
    assert matrix.notes == {ids[1]: f"not comparable with the first: {reason}"}


def test_there_is_no_mean_over_seeds_of_other_tasks(engine: Engine, apart: Two) -> None:
    columns = runs_table.columns_of(PASSES)
    with reading_scope(engine) as session:
        (row,) = configurations.variations(session, "", "-pass1", columns, baseline="")
    for cell in row.cells:
        assert (cell.text, cell.title) == ("not comparable", DIFFERENT_TASKS)


def test_a_mean_over_seeds_is_not_held_against_one_of_other_tasks(engine: Engine, apart: Two) -> None:
    iterative = PRESETS["quick_etrm_iterative"].make().model
    other = queued(engine, seed=0, model=iterative)
    evaluated(engine, other, TASKS[:8], 2)
    alone = queued(engine, seed=0, name="slots", model=PRESETS["quick_slots"].make().model)
    evaluated(engine, alone, TASKS[8:], 2)
    columns = runs_table.columns_of(["pass1"])
    with reading_scope(engine) as session:
        rows = configurations.variations(session, "", "-created", columns, baseline=alone)
    deltas = {row.runs[0]: row.cells[0].delta for row in rows}
    assert deltas[alone] is None
    found = deltas[other]
    assert found
    assert found.text == f"not comparable: {DIFFERENT_TASKS}"


def test_significance_refuses_with_the_reason(engine: Engine, apart: Two) -> None:
    with reading_scope(engine) as session:
        (pair,) = compare.pairs(session, compare.chosen(session, apart.runs), apart.runs[0], 1)
        matrix = compare.matrix(session, compare.chosen(session, apart.runs), 1)
    assert pair.view is None
    assert NONE_IN_COMMON in pair.reason
    assert matrix.notes == {apart.runs[1]: f"not comparable with the first: {NONE_IN_COMMON}"}


def test_comparison_by_seeds_says_which_seed_does_not_count_and_why(engine: Engine, apart: Two) -> None:
    reason = f"1 of 2 runs not comparable: {DIFFERENT_TASKS}"
    iterative = PRESETS["quick_etrm_iterative"].make().model
    other = queued(engine, seed=0, model=iterative)
    evaluated(engine, other, TASKS[8:], 8)
    with reading_scope(engine) as session:
        found = compare.variations(compare.chosen(session, [*apart.runs, other]))
        (pair,) = replicates.pairs(replicates.replicates(session, found, 1), apart.runs[0])
        rows = variation_rows(found)
        (bar, _) = bars_of(found, "pass@1")
        matrix = replicates.matrix(replicates.replicates(session, found, 1), 1)
    assert pair.view
    assert (pair.view.a.seeds, pair.view.a.of, pair.view.a.left_out) == (1, 2, reason)
    assert reason in pair.words
    assert [(row.runs, row.left_out) for row in rows] == [(1, reason), (1, reason), (1, "")]
    assert bar.basis == "4/8, 1 of 2 seeds"
    assert matrix.notes == {apart.runs[0]: reason}


def test_a_variation_without_the_common_protocol_is_refused_with_the_reason(engine: Engine) -> None:
    ids = [queued(engine, seed=seed) for seed in (0, 1)]
    other = queued(engine, seed=0, model=PRESETS["quick_etrm_iterative"].make().model)
    for run_id in ids:
        evaluated(engine, run_id, TASKS[:8], 8)
    evaluated(engine, other, TASKS[8:], 4)
    with reading_scope(engine) as session:
        found = compare.variations(compare.chosen(session, [*ids, other]))
        (pair,) = replicates.pairs(replicates.replicates(session, found, 1), ids[0])
    assert pair.view is None
    assert pair.reason == f"No task has a known truth in both. 1 of 1 runs not comparable: {DIFFERENT_TASKS}."


def test_a_variation_on_some_of_the_tasks_is_paired_on_these_and_says_so(engine: Engine) -> None:
    ids = [queued(engine, seed=seed) for seed in (0, 1)]
    other = queued(engine, seed=0, model=PRESETS["quick_etrm_iterative"].make().model)
    for run_id in ids:
        evaluated(engine, run_id, TASKS[:12], 4)
    evaluated(engine, other, TASKS[8:], 8)
    with reading_scope(engine) as session:
        found = compare.variations(compare.chosen(session, [*ids, other]))
        (pair,) = replicates.pairs(replicates.replicates(session, found, 1), ids[0])
        by_run = compare.pairs(session, compare.chosen(session, [ids[0], other]), ids[0], 1)
    assert pair.view
    assert (pair.view.n, pair.view.a.mean, pair.view.b.mean) == (4, 0.0, 1.0)
    assert pair.view.verdict == "undecided"  # four tasks cannot decide
    assert pair.view.note == "On the 4 tasks that all seeds evaluated, of 12 and 8."
    assert pair.words.endswith(pair.view.note)
    assert by_run[0].view
    assert by_run[0].view.n == 4


def test_a_group_averages_one_protocol_and_says_what_it_leaves_out(engine: Engine, apart: Two) -> None:
    with reading_scope(engine) as session:
        found = compare.chosen(session, apart.runs)
        (variation,) = group_stats.variations(found, parse_sweep({"seeds": 2}))
    (score,) = variation.scores
    assert (score.share.n, score.solved, score.n) == (1, 4, 8)
    assert score.left_out == f"1 of 2 runs not comparable: {DIFFERENT_TASKS}"


def test_an_export_tells_protocols_apart_that_read_the_same(engine: Engine, apart: Two) -> None:
    file = run_exports.table(engine, "", (), "", "json")
    rows = json.loads(b"".join(file.parts))
    assert rows[0]["measured_on"] == rows[1]["measured_on"]
    assert rows[0]["protocol"] != rows[1]["protocol"]


def test_the_api_says_the_same(engine: Engine, apart: Two) -> None:
    view = compare_runs(engine, ",".join(apart.runs))
    assert view.not_comparable == {apart.runs[1]: f"not comparable with the first: {NONE_IN_COMMON}"}
    assert NONE_IN_COMMON in view.significance[0].reason


def test_the_gallery_says_why_b_is_not_comparable_and_refuses_another_set(engine: Engine, apart: Two) -> None:
    elsewhere = evaluated(engine, apart.runs[1], TASKS[:8], 0, set_name="elsewhere")
    first, second = apart.evaluations
    with reading_scope(engine) as session:
        assert gallery.obstacles_of(session, [first, second]) == {second: NONE_IN_COMMON}
        assert gallery.obstacles_of(session, [first]) == {}
        with pytest.raises(InvalidInput) as refused:
            gallery.page(session, gallery.Filter(evaluations=(first, elsewhere), change="a_only"))
    assert "different task sets (held-out and elsewhere)" in refused.value.problems[0].message


def test_what_was_fixed_since_an_earlier_checkpoint_is_asked_of_the_same_settings(engine: Engine) -> None:
    run_id = queued(engine)
    few, same, last = (
        evaluated(engine, run_id, tasks, 4, **how)
        for tasks, how in ((TASKS[:8], {"views": 1}), (TASKS[:7], {}), (TASKS[:8], {}))
    )
    with reading_scope(engine) as session:
        (source,) = gallery.sources(session, [last])
        found = [each.evaluation for each in gallery.earlier(session, source)]
    assert found == [same]
    assert few not in found


def test_tasks_in_common_are_paired_and_counted(engine: Engine) -> None:
    ids = [queued(engine, seed=seed) for seed in (0, 1)]
    evaluated(engine, ids[0], TASKS[:12], 10)
    evaluated(engine, ids[1], TASKS[4:16], 0)
    with reading_scope(engine) as session:
        (pair,) = compare.pairs(session, compare.chosen(session, ids), ids[0], 1)
        delta = cells_against(session, ids[1], ids[0])["pass1"].delta
        matrix = compare.matrix(session, compare.chosen(session, ids), 1)
    assert pair.view
    assert pair.view.n == 8
    assert (pair.view.a.score.solved, pair.view.a.score.n, pair.view.b.score.solved) == (6, 8, 0)
    assert pair.view.note == "On the 8 tasks that both evaluated, of 12 and 12."
    assert pair.view.words.endswith(pair.view.note)
    assert delta
    assert delta.text == "not comparable: different tasks (12 and 12)"
    assert matrix.notes == {}


def test_an_interval_over_seeds_stays_within_0_and_100_per_cent(engine: Engine) -> None:
    ids = [queued(engine, seed=seed) for seed in (0, 1)]
    evaluated(engine, ids[0], TASKS[:8], 8)
    evaluated(engine, ids[1], TASKS[:8], 0)
    with reading_scope(engine) as session:
        (row,) = configurations.variations(session, "", "-created", runs_table.columns_of(["pass1"]), "")
        found = compare.chosen(session, ids)
        (variation,) = group_stats.variations(found, parse_sweep({"seeds": 2}))
        (bar,) = bars_of(compare.variations(found), "pass@1")
        (results,) = variation_rows(compare.variations(found))
        (side,) = replicates.replicates(session, compare.variations(found), 1)
    assert row.cells[0].text.replace("\N{NARROW NO-BREAK SPACE}", " ") == "50.0 % [0.2 to 99.8], n=2"
    intervals = [variation.scores[0].share, bar, results.cells[0].mean, side.share(TASKS[:8])]
    for each in intervals:
        assert each
        assert each.low is not None
        assert each.high is not None
        assert 0 <= each.low < 0.01
        assert 0.99 < each.high <= 1


def test_scores_keep_their_protocol_with_the_run(engine: Engine, apart: Two) -> None:
    with reading_scope(engine) as session:
        stored = [run_rows.get(session, run_id) for run_id in apart.runs]
        views = runs.several(session, apart.runs)
    for row, view in zip(stored, views, strict=True):
        assert row
        assert view.held_out
        assert row.scores["protocol"]["tasks_digest"] == view.held_out.tasks_digest
