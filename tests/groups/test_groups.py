"""Groups of runs on both databases: made whole or not at all, read over seeds, cancelled."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select

from backend.data import queries as tasks
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick
from backend.domain.experiment import ExperimentConfig
from backend.domain.records import EvaluationKey, EvaluationSummary, MetricFrame, Score
from backend.domain.statistics import mean_of_shares
from backend.domain.sweeps import parse_sweep
from backend.evaluation import outcomes as predictions
from backend.groups import service as groups
from backend.groups.views import GroupView
from backend.kit.errors import InvalidConfig, InvalidInput, NotFound
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.queue import claims as queue
from backend.runs import events
from backend.runs.group_tables import RunGroup
from backend.runs.tables import Run
from backend.runs_table import search as run_search

HELD_OUT, TRAINED_ON = "arc-agi-1/evaluation", "arc-agi-1/training"
WIDTHS = {"model.core.width": [64, 128]}


@pytest.fixture(autouse=True)
def _sets(engine: Engine) -> None:
    """The names of the built-in sets."""
    with session_scope(engine) as session:
        for name in (HELD_OUT, TRAINED_ON):
            tasks.add_set_once(session, name, "built-in", time.time())


def make(engine: Engine, config: ExperimentConfig = quick(), name: str = "", **sweep: Any) -> GroupView:  # noqa: B008
    with session_scope(engine) as session:
        return groups.create(session, config, parse_sweep(sweep), name)


def read(engine: Engine, group_id: str) -> GroupView:
    with reading_scope(engine) as session:
        return groups.get(session, group_id)


def count(engine: Engine, table: type[Run] | type[RunGroup]) -> int:
    with reading_scope(engine) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def score(engine: Engine, run_id: str, set_name: str, solved: float, n: int, step: int = 600) -> None:
    key = EvaluationKey(set_name, step, "ema", 8, 4, tuple(f"t{i}" for i in range(n)))
    with session_scope(engine) as session:
        evaluation = predictions.start_evaluation(session, run_id, key)
        predictions.finish_evaluation(session, evaluation, EvaluationSummary(key, {1: Score(solved, n)}))


def learn(engine: Engine, run_id: str, accuracy: float) -> None:
    with session_scope(engine) as session:
        frame = MetricFrame([1, 2], [1.0, 2.0], {"accuracy/token": [0.1, accuracy]})
        series.append(session, run_id, frame)


def finish(engine: Engine, run_id: str) -> None:
    with session_scope(engine) as session:
        claim = queue.claim(session, run_id, "host-1")
        assert claim
        queue.finish(session, claim)


def test_every_run_of_a_sweep_is_queued_in_its_order_and_named_by_what_varies(engine: Engine) -> None:
    group = make(engine, seeds=2, grid=WIDTHS)
    assert group.name == "quick · width · 2 seeds"
    assert group.statuses == {"queued": 4}
    assert [(each.name, [run.seed for run in each.runs]) for each in group.variations] == [
        ("width 64", [0, 1]),
        ("width 128", [0, 1]),
    ]
    with reading_scope(engine) as session:
        listed = run_search.find(session, f'group == "{group.id}"', sort="created").runs
        assert [run.name for run in listed] == [run.name for run in group.runs]
        assert {(run.group.id, run.group.name) for run in listed if run.group} == {(group.id, group.name)}
        assert listed[2].config["model"]["core"]["width"] == 128
        assert "Queued in group" in events.list(session, listed[0].id)[0].text


def test_a_group_is_found_by_its_name_and_by_its_id_and_its_seeds(engine: Engine) -> None:
    mine = make(engine, name="  mine ", seeds=3)
    make(engine, seeds=2)
    with reading_scope(engine) as session:
        assert len(run_search.find(session, 'group == "mine"').runs) == 3
        (second,) = run_search.find(session, f'group == "{mine.id}" and seed == 1').runs
        assert second.name == "quick · seed 1"
        assert len(run_search.find(session, 'group != "mine"').runs) == 2
        with pytest.raises(InvalidInput, match="group is text"):
            run_search.find(session, "group == 3")


def test_nothing_is_made_if_one_run_is_not_valid(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="value 2: must be at least 8"):
        make(engine, grid={"model.core.width": [64, 1]})
    with pytest.raises(InvalidConfig, match="unknown task set 'arc-agi-1/trainin'"):
        make(engine, grid={"data.training_sets": [[TRAINED_ON], ["arc-agi-1/trainin"]]})
    with pytest.raises(InvalidInput, match="at most 120 characters"):
        make(engine, name="n" * 121, seeds=2)
    assert (count(engine, Run), count(engine, RunGroup)) == (0, 0)


def test_results_over_seeds_are_a_mean_with_its_interval_and_summed_tasks(engine: Engine) -> None:
    group = make(engine, seeds=3, grid=WIDTHS)
    narrow, wide = group.variations
    for run, solved, accuracy in zip(narrow.runs, (1, 2, 6), (0.4, 0.5, 0.9), strict=True):
        score(engine, run.id, HELD_OUT, solved, 16)
        learn(engine, run.id, accuracy)
    score(engine, narrow.runs[0].id, HELD_OUT, 3, 16, step=700)  # the newest evaluation counts
    score(engine, wide.runs[1].id, TRAINED_ON, 8, 16)

    narrow, wide = read(engine, group.id).variations

    (held_out,) = narrow.scores
    assert (held_out.set, held_out.held_out, held_out.solved, held_out.n) == (HELD_OUT, True, 11, 48)
    shares = mean_of_shares([3 / 16, 2 / 16, 6 / 16], 16)
    assert shares
    assert held_out.share.n == 3
    assert held_out.share.mean == pytest.approx(11 / 48)
    assert (held_out.share.low, held_out.share.high) == (shares.low, shares.high)
    assert narrow.token_accuracy is not None
    assert (narrow.token_accuracy.n, narrow.token_accuracy.mean) == (3, pytest.approx(0.6))
    assert wide.token_accuracy is None
    assert wide.held_out is None
    assert [(each.set, each.share.n, each.share.low) for each in wide.scores] == [(TRAINED_ON, 1, None)]


def test_seeds_in_the_grid_are_seeds_of_one_variation(engine: Engine) -> None:
    group = make(engine, grid={"seed": [3, 5], **WIDTHS})
    assert [(each.name, [run.seed for run in each.runs]) for each in group.variations] == [
        ("width 64", [3, 5]),
        ("width 128", [3, 5]),
    ]


def test_cancelling_a_group_stops_what_is_not_over_and_leaves_the_rest(engine: Engine) -> None:
    group = make(engine, seeds=4)
    done, running, *_ = group.runs
    finish(engine, done.id)
    with session_scope(engine) as session:
        assert queue.claim(session, running.id, "host-1")

    with session_scope(engine) as session:
        assert groups.cancel(session, group.id).statuses == {"finished": 1, "cancelling": 1, "cancelled": 2}
    with session_scope(engine) as session:
        again = groups.cancel(session, group.id)
    assert again.statuses == {"finished": 1, "cancelling": 1, "cancelled": 2}
    assert again.unfinished == 1


def test_a_run_knows_its_place_among_the_seeds_of_its_variation(engine: Engine) -> None:
    group = make(engine, seeds=3, grid=WIDTHS)
    with reading_scope(engine) as session:
        found = groups.place(session, runs.get(session, group.runs[4].id))
    assert found is not None
    assert (found.id, found.variation, found.position) == (group.id, "width 128", 2)
    assert [each.seed for each in found.siblings] == [0, 1, 2]


def test_a_run_without_a_group_has_no_place(engine: Engine) -> None:
    with session_scope(engine) as session:
        run = runs.create(session, quick())
        assert run.group is None
        assert groups.place(session, run) is None


def test_a_group_outlives_the_runs_that_are_deleted(engine: Engine) -> None:
    group = make(engine, seeds=2)
    for run in group.runs:
        finish(engine, run.id)
    with session_scope(engine) as session:
        runs.delete(session, group.runs[0].id)
    assert read(engine, group.id).statuses == {"finished": 1}
    with session_scope(engine) as session:
        runs.delete(session, group.runs[1].id)
    empty = read(engine, group.id)
    assert (empty.size, empty.variations) == (0, [])


def test_groups_are_listed_newest_first_in_pages(engine: Engine) -> None:
    ids = [make(engine, seeds=2, name=f"group {number}").id for number in range(3)]
    with reading_scope(engine) as session:
        first = groups.find(session, limit=2)
        rest = groups.find(session, limit=2, cursor=first.next_cursor)
        assert [each.id for each in (*first.groups, *rest.groups)] == ids[::-1]
        assert rest.next_cursor is None
        assert first.groups[0].statuses == {"queued": 2}
        with pytest.raises(InvalidInput, match="Invalid cursor"):
            groups.find(session, cursor="late")


def test_an_unknown_group_suggests_the_nearest(engine: Engine) -> None:
    group = make(engine, seeds=2)
    with pytest.raises(NotFound, match=f"Did you mean '{group.id}'"):
        read(engine, group.id[:-1])


def test_reading_a_large_group_takes_no_query_per_run(engine: Engine) -> None:
    group = make(engine, seeds=40)
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    read(engine, group.id)
    assert len([each for each in asked if each.startswith("SELECT")]) < 20
