"""The prediction cards of a run, page by page as one scrolls."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi.responses import HTMLResponse

from backend.db.session import reading_scope
from backend.evaluation import outcomes as predictions
from backend.evaluation.outcomes import PredictionItem
from backend.evaluation_page.contexts import PredictionCard, PredictionsPart
from backend.evaluation_page.failure_modes import MODES
from backend.lifecycle import service as runs
from backend.web.deps import Database, RunId
from backend.web.rendering import render
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, include_in_schema=False)

CARDS = 12


@router.get("/runs/{run_id}/predictions")
def prediction_cards(
    run_id: RunId,
    engine: Database,
    evaluation: int | None = None,
    failure_mode: str = "",
    cursor: str | None = None,
) -> HTMLResponse:
    """The next cards, and a link to those after them."""
    with reading_scope(engine) as session:
        run = runs.get(session, run_id)
        page = predictions.page(session, run_id, failure_mode or None, evaluation, CARDS, cursor)
    context = PredictionsPart(
        run=run,
        cards=[_card(item) for item in page.items],
        failure_mode=failure_mode,
        next_address=_address(run_id, evaluation, failure_mode, page.next_cursor),
    )
    return render(context)


def _address(run_id: str, evaluation: int | None, failure_mode: str, cursor: str | None) -> str | None:
    """Where the cards after these are; None if these are the last."""
    if cursor is None:
        return None
    asked = {"evaluation": evaluation, "failure_mode": failure_mode, "cursor": cursor}
    return f"/runs/{run_id}/predictions?{urlencode({key: value for key, value in asked.items() if value})}"


def _card(item: PredictionItem) -> PredictionCard:
    truth = item.truth.digits if item.truth else ""
    return PredictionCard(
        item=item,
        demonstrations=[
            (pair.input.digits, pair.output.digits)
            for pair in (item.task.demonstrations if item.task else ())
        ],
        test_input=item.test_input.digits if item.test_input else "",
        truth=truth,
        cells=len(item.truth.cells) if item.truth else 0,
        solved_at=next((each.rank for each in item.outcome.candidates if each.correct), None),
        meanings=MODES,
    )
