"""HypothesisView: what API and pages say about the hypothesis of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from backend.domain.hypothesis.judge import Evidence, Judgement
from backend.domain.hypothesis.reading import hypothesis_of
from backend.domain.hypothesis.words import stop_words, success_words
from backend.kit.model import Model

OPEN = "Judged when the run ends."


class HypothesisView(Model):
    """What a run is to show, and the verdict once it is over."""

    claim: str
    bar: str = Field(description="What decides it, in words.", examples=["pass@1 ≥ 10.0 %"])
    stop: str = Field(description="When it stops before its last step, in words; empty without a rule.")
    verdict: Literal["open", "supported", "refuted", "undecided"]
    reason: str
    met: bool | None = Field(None, description="Whether the value itself meets the bar; null without one.")
    excludes_bar: bool | None = Field(
        None, description="Whether its whole 95 % interval is on one side of the bar; null without one."
    )
    value: float | None = None
    low: float | None = None
    high: float | None = None
    evidence: list[Evidence] = Field([])
    baseline_id: str | None = Field(None, description="The run to beat, where it is about one.")


def view_of(config: Mapping[str, Any], judgement: Mapping[str, Any]) -> HypothesisView | None:
    """Of a run's config and what was judged of it so far; None without a hypothesis."""
    hypothesis = hypothesis_of(config)
    if hypothesis is None:
        return None
    judged: dict[str, Any] = {"verdict": "open", "reason": OPEN}
    if judgement:
        judged = Judgement.model_validate(judgement).model_dump()
    return HypothesisView(
        claim=hypothesis.claim,
        bar=success_words(hypothesis),
        stop=stop_words(hypothesis.stop),
        baseline_id=hypothesis.run_id if hypothesis.kind == "baseline" else None,
        **judged,
    )
