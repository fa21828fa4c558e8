"""The evaluations of a run, as a table on its page."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.experiment.adaptation import FullAdaptation, adaptation_key
from backend.domain.experiment.search import search_key
from backend.domain.experiment.search.config import GradientSearch
from backend.domain.records import EvaluationKey, EvaluationSummary, FailureMode, Score
from backend.evaluation import outcomes as predictions
from tests.support.records.recorded import record_run


def test_the_table_of_evaluations_fits_a_window_whatever_they_were_measured_by(
    page: Page, database: Engine
) -> None:
    """1440 pixels wide, one evaluation with every option and each way to fail."""
    run_id = record_run(database, points=4, tasks=40, name="measured in every way")
    search = GradientSearch(optimiser="sign", starts=4, leave_one_out=True, selection="held_out")
    key = EvaluationKey(
        "arc-agi-1/evaluation", 75_000, "raw", 1000, 16, tuple(f"task{at}" for at in range(400)),
        search=search_key(search),
        adaptation=adaptation_key(FullAdaptation()), canvas="trimmed +2", distinct_views=True,
    )  # fmt: skip
    scores = {k: Score(123.5, 400) for k in (1, 2, 5)}
    modes = {mode.value: 30 for mode in FailureMode}
    with session_scope(database) as session:
        evaluation = predictions.start_evaluation(session, run_id, key)
        predictions.finish_evaluation(session, evaluation, EvaluationSummary(key, scores, modes, 40_000.0))

    page.goto(f"/runs/{run_id}#evaluations")

    frame = page.locator("#evaluation-table .table-frame").first
    expect(frame).to_contain_text("learns all weights")
    expect(frame).to_be_visible()
    inner, outer = frame.evaluate("each => [each.scrollWidth, each.clientWidth]")
    assert inner <= outer
