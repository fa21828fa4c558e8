"""Means over seeds in the table of runs."""

from __future__ import annotations

from sqlalchemy import Engine

from backend.db.session import reading_scope
from backend.runs_table.cells import Cell, columns_of
from backend.runs_table.configurations import VariationRow, variations
from tests.comparison.test_compare import evaluate, queued


def the_row(engine: Engine) -> tuple[VariationRow, Cell]:
    with reading_scope(engine) as session:
        (row,) = variations(session, "", "-created", columns_of(["pass1"]), baseline="")
    return row, row.cells[0]


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
