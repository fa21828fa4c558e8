"""One evaluation, and the cards of what a run answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.evaluation.outcomes import PredictionItem
from backend.evaluation.views import EvaluationView, TestInputView
from backend.evaluation_page.pass_curve import PassCurve
from backend.evaluation_page.strata import StrataView
from backend.run_view.views import RunView
from backend.web.contexts import Context


@dataclass(frozen=True)
class EvaluationPage(Context):
    """One evaluation: what it measured, how, and what it cost. `inputs` are those scored so far."""

    template = "evaluation_page/page.html"
    nav = "runs"
    page = "evaluation"
    sheets = ("evaluation_page",)

    evaluation: EvaluationView
    curve: PassCurve | None
    inputs: Sequence[TestInputView]
    strata: StrataView
    meanings: Mapping[str, str]  # failure mode -> what it means
    plain: EvaluationView | None  # the same without its search and adaptation, where it was made

    @property
    def page_title(self) -> str:
        return f"Evaluation {self.evaluation.id} of {self.evaluation.run_name}"


@dataclass(frozen=True)
class PredictionCard:
    """One test input: what was shown, what was asked, what was answered. Grids as digits, "" for none."""

    item: PredictionItem
    demonstrations: Sequence[tuple[str, str]]
    test_input: str
    truth: str
    cells: int  # of the truth
    solved_at: int | None  # rank of the right candidate among those kept
    meanings: Mapping[str, str]  # failure mode -> what it means


@dataclass(frozen=True)
class PredictionsPart(Context):
    """Cards in a run page, without the frame around them."""

    template = "run_page/_predictions.html"
    page = "run"

    run: RunView
    cards: Sequence[PredictionCard]
    failure_mode: str
    next_address: str | None

    @property
    def page_title(self) -> str:
        return f"Predictions of {self.run.name}"
