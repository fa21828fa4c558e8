"""Means over seeds in the table of runs."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from backend.comparison import service as compare
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick
from backend.domain.statistics import Mean
from backend.kit.format import NBSP
from backend.lifecycle import external_runs
from backend.runs_table import search as run_search
from backend.runs_table.cells import Cell, columns_of
from backend.runs_table.configurations import VariationRow, mean_text, told_apart, variations
from tests.comparison.test_compare import evaluate, queued
from tests.support.records.rows import add_run, record

WRITTEN = ("schema_version", "name", "seed")


def the_row(engine: Engine) -> tuple[VariationRow, Cell]:
    with reading_scope(engine) as session:
        (row,) = variations(session, "", "-created", columns_of(["pass1"]), baseline="")
    return row, row.cells[0]


def test_rows_differ_in_what_somebody_chose_and_not_in_how_their_configs_are_written(engine: Engine) -> None:
    """An older run beside one of today, and one from outside, whose config has neither name nor seed."""
    older = quick().model_dump(mode="json") | {"schema_version": 1}
    add_run(engine, "older", variant="deterministic", config=older, variation="a")
    changed = queued(engine, optimisation=quick().optimisation.model_copy(update={"learning_rate": 0.5}))
    with session_scope(engine) as session:
        theirs = external_runs.create(session, "theirs", {"lr": 0.1}).id
        found = told_apart(session, variations(session, "", "created", columns_of(["pass1"]), baseline=""))
    differs = {row.runs[0]: row.differs for row in found}
    assert set(differs) == {"older", changed, theirs}
    written = [each for of in differs.values() for each in of if each.split()[0] in WRITTEN]
    assert written == []
    with reading_scope(engine) as session:
        rows = compare.differing(compare.chosen(session, ["older", changed]))
    assert [row.path for row in rows] == ["optimisation.learning_rate"]


def test_a_mean_says_what_it_rests_on_and_there_is_none_of_what_was_measured_otherwise(
    engine: Engine,
) -> None:
    first, second = (queued(engine, seed=seed) for seed in (0, 1))
    evaluate(engine, first, 3)
    evaluate(engine, second, 6)

    row, cell = the_row(engine)
    assert list(row.runs) == [second, first]
    assert cell.text.startswith("37.5")
    assert cell.title == ("9 of 24 tasks solved · held-out · EMA weights · 8 views · 4 ACT steps · 12 tasks")

    evaluate(engine, second, 9, views=2)  # besides
    assert the_row(engine)[1] == cell

    evaluate(engine, queued(engine, seed=2), 6, views=2)  # and nothing else
    _, cell = the_row(engine)
    assert cell.text == "not comparable"
    assert cell.title == "different views (2 and 8)"


def test_a_seed_that_was_run_twice_is_one_of_the_mean(engine: Engine) -> None:
    for solved in (3, 3):
        evaluate(engine, queued(engine, seed=0), solved)
    row, cell = the_row(engine)
    assert (len(row.runs), row.repeats) == (2, "seed 0 twice; counted once")
    assert cell.title.startswith("3 of 12 tasks solved")


@pytest.mark.parametrize("by", ["pass1", "loss"])  # the second is ordered by the database
def test_rows_are_ordered_by_the_means_that_they_show(engine: Engine, by: str) -> None:
    """A seed that was run again counts once: by its newest run."""
    longer = quick().training.model_copy(update={"steps": 900})
    again = [(quick().training, seed, solved) for seed, solved in ((0, 6), (1, 0), (1, 6))]
    for training, seed, solved in (*again, (longer, 0, 5), (longer, 1, 5)):
        run_id = queued(engine, training=training, seed=seed)
        evaluate(engine, run_id, solved)
        with session_scope(engine) as session:
            record(session, run_id, loss=solved / 12)
    with reading_scope(engine) as session:
        rows = variations(session, "", f"-{by}", columns_of([by]), baseline="")
    assert [len(row.runs) for row in rows] == [3, 2], [row.cells[0].text for row in rows]


def test_a_mean_that_ends_at_a_bound_is_told_with_both_ends() -> None:
    """Student's interval of a difference of shares may end at 1: it is not symmetric then."""
    assert mean_text("reliance/cost", Mean(3, 0.808, 0.582, 1.0)) == f"0.808 [0.582{NBSP}to{NBSP}1.00], n=3"
    assert mean_text("loss", Mean(3, 2.0, 1.5, 2.5)) == f"2.00{NBSP}±{NBSP}0.500, n=3"


def test_scripts_share_a_row_by_their_name_and_never_across_names(engine: Engine) -> None:
    with session_scope(engine) as session:
        for name in ("mlp seed 0", "mlp seed 1", "mlp-wandb"):
            external_runs.create(session, name, {"lr": 0.1})
    for sort in ("-created", "loss"):  # the second is ordered by the database
        with reading_scope(engine) as session:
            rows = variations(session, "", sort, columns_of(["loss"]), baseline="")
        assert sorted((row.name, len(row.runs)) for row in rows) == [("mlp", 2), ("mlp-wandb", 1)]
    with reading_scope(engine) as session:
        found = compare.variations(compare.chosen(session, [run for row in rows for run in row.runs]))
        alone = next(row for row in rows if row.name == "mlp-wandb")
        assert [run.id for run in run_search.find(session, alone.only).runs] == list(alone.runs)
    assert sorted((each.label, len(each.runs)) for each in found) == [("mlp", 2), ("mlp-wandb", 1)]
