"""The verdict on a run's encoder, from what is known about the run."""

from __future__ import annotations

from dataclasses import asdict, replace

from pydantic import Field

from backend.domain import health
from backend.domain.experiment import HealthConfig
from backend.domain.health import Findings, Health, HeldOut
from backend.domain.metrics.names import EXACT
from backend.kit.boundary import Broken, shielded
from backend.kit.model import Model
from backend.run_view import learning
from backend.run_view.learning import LearningView
from backend.run_view.views import RunView

# What a verdict in a table needs: of many runs only these are fetched.
METRICS = (
    health.COVERAGE,
    health.SAMPLES,
    health.SCALE_FREE,
    health.NORM,
    health.COST,
    health.RETRIEVAL,
    health.PROBED,
    health.LOSS,
    health.LEFT_OUT,
    *learning.METRICS,
)


class EvidenceView(Model):
    """One measure: what it is now, what it should be, what that means."""

    topic: str = Field(examples=["starvation"])
    metric: str = Field(description="The series it is read off.", examples=[health.COVERAGE])
    title: str
    value: float | None
    text: str = Field(description="The value in words.", examples=["100 %"])
    threshold: float | None = Field(description="null where the measure is not judged.")
    expected: str = Field(description="The threshold in words.", examples=["≥ 50 %"])
    level: str = Field(description="good, warning, bad or quiet.")
    word: str
    about: str = Field(description="What the measure is, and how to read it.")


class HealthView(Model):
    """The verdict on a run's encoder and what it rests on, and whether the run learns."""

    level: str = Field(description="good, warning, bad or quiet; good only where the run generalises too.")
    word: str = Field(examples=["healthy"])
    sentence: str
    evidence: list[EvidenceView]
    learning: LearningView = Field(
        description="Whether the run fits its training tasks and solves held-out ones: the encoder may be "
        "healthy in a run that learns nothing."
    )


def of_run(run: RunView) -> Health:
    """What can be said about the run's encoder now, by the thresholds of its config or the default ones.

    Sound gradients alone are no good news: it is good only of a run that generalises, and quiet before.
    """
    made = shielded(f"the verdict on run {run.id}", lambda: _judged(run))
    return Health("quiet", "unknown", made.text) if isinstance(made, Broken) else made


def _judged(run: RunView) -> Health:
    result = run.surely_held_out
    score = result.pass_at(1) if result else None
    held_out = HeldOut(result.set, score.solved, score.n, score.high) if result and score else None
    found = health.judge(
        Findings(
            variant=run.variant,
            config=run.experiment.health if run.experiment else HealthConfig(),
            metrics=run.metrics,
            alarms=run.alarms,
            held_out=held_out,
            trained_on=run.trained_on.shortage if run.trained_on else None,
            exact=exact.mean if (exact := run.recent.get(EXACT)) else None,
        )
    )
    is_good = found.level != "good" or learning.of_run(run).level == "good"
    return found if is_good else replace(found, level="quiet")


def view(run: RunView) -> HealthView:
    """`of_run`, as the API gives it."""
    found = of_run(run)
    evidence = [EvidenceView(**asdict(each)) for each in found.evidence]
    return HealthView(
        level=found.level,
        word=found.word,
        sentence=found.sentence,
        evidence=evidence,
        learning=learning.view(run),
    )
