"""The verdict on a run's learning, from what is known about the run."""

from __future__ import annotations

from pydantic import Field

from backend.domain.learning import GAP, WORDS, Learning, Learnt, judge
from backend.domain.metrics.names import BASELINE, EXACT, TOKEN
from backend.domain.records import Score
from backend.kit.boundary import Broken, shielded
from backend.kit.format import finite
from backend.kit.model import Model
from backend.run_view.views import RunView

ACCURACIES = (TOKEN, EXACT)
METRICS = (*ACCURACIES, BASELINE)  # that it needs


class LearningView(Model):
    """The verdict on a run's learning."""

    level: str = Field(description="good, warning, bad or quiet.")
    word: str = Field(description=f"One of: {', '.join(WORDS)}.", examples=["fits but does not generalise"])
    sentence: str = Field(
        examples=[
            "Underfits: 9.5 % of training grids right over the last 12 points; "
            "0/16 held-out tasks solved; step 600 of 600."
        ]
    )


def of_run(run: RunView) -> Learning:
    """Does it fit its training tasks, and does it solve held-out ones?"""
    made = shielded(f"the verdict on the learning of run {run.id}", lambda: judge(_learnt(run)))
    return Learning("no data yet", made.text) if isinstance(made, Broken) else made


def _learnt(run: RunView) -> Learnt:
    score = run.surely_held_out.pass_at(1) if run.surely_held_out else None
    token, exact = (run.recent.get(name) for name in ACCURACIES)
    baseline = run.metrics.get(BASELINE)
    return Learnt(
        steps=run.step,
        planned=run.experiment.training.steps if run.experiment else None,
        is_over=run.status.is_over,
        token=token.mean if token else None,
        exact=exact.mean if exact else None,
        baseline=finite(baseline.last) if baseline else None,
        held_out=Score(score.solved, score.n) if score else None,
        largest_gap=run.experiment.health.largest_gap if run.experiment else GAP,
        points=max((recent.points for recent in (token, exact) if recent), default=1),
    )


def view(run: RunView) -> LearningView:
    """`of_run`, as the API gives it."""
    found = of_run(run)
    return LearningView(level=found.level, word=found.word, sentence=found.sentence)
