"""AblationView: an ablation as its page, the API and the command line show it; and a verification."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backend.domain.ablation.card import Against, LeakFacts, LeftOut, RowCost
from backend.domain.ablation.checking import Finding
from backend.kit.format import counted, rough_duration
from backend.kit.model import Model
from backend.scores.measured import PassView

Status = Literal["running", "finished", "failed"]


class AblationRow(Model):
    """One evaluation of the ablation."""

    name: str = Field(examples=["blank context"])
    part: str = Field(examples=["context"])
    about: str = Field(description="What is changed, in words.")
    evaluation: int
    reused: bool = Field(description="It was there before the ablation, which is not charged for it.")
    status: str
    share: float | None = Field(description="Of its work that is done, 0 to 1; null until that is known.")
    score: PassView | None = Field(description="pass@1; null until it is finished.")
    against: Against | None = Field(
        description="Held against the right context; null for that itself, and until both are finished."
    )
    cost: RowCost | None = Field(description="null until it is finished.")


class AblationView(Model):
    """One checkpoint with its context, demonstrations and settings changed one at a time."""

    id: int
    run_id: str
    run_name: str
    variant: str
    step: int
    set: str
    n: int = Field(description="Tasks asked.")
    status: Status
    words: str = Field(examples=["17 of 17 evaluations are finished."])
    share: float = Field(description="Of its evaluations that is done, 0 to 1.")
    verifies: bool = Field(description="It was asked for by a verification of a card.")
    weights: dict[str, str] = Field(description="ema and raw -> SHA-256 of the file.")
    leaks: LeakFacts
    rows: list[AblationRow] = Field(description="The right context first.")
    left_out: list[LeftOut] = Field(description="Rows that this checkpoint cannot have, and why.")
    seconds: float = Field(description="Of computing, all rows together but those reused.")
    forward_passes: int = Field(description="Of the same rows.")
    digest: str = Field(description="Of the card; empty until all rows are finished.")
    created_at: float

    @property
    def reused(self) -> list[str]:
        """Names of the rows that were there before."""
        return [row.name for row in self.rows if row.reused]

    @property
    def can_be_cancelled(self) -> bool:
        """Whether an evaluation that it queued waits or runs."""
        return any(row.status in ("queued", "running") and not row.reused for row in self.rows)


class AblationLine(Model):
    """An ablation in short."""

    id: int
    step: int
    set: str
    n: int = Field(description="Tasks asked.")
    status: Status
    words: str = Field(examples=["17 of 17 evaluations are finished."])
    verifies: bool = Field(description="It was asked for by a verification of a card.")
    evaluations: list[int]
    created_at: float


class AblationList(Model):
    """Ablations of a run, newest first."""

    ablations: list[AblationLine]


class AblationEstimate(Model):
    """What an ablation would queue."""

    rows: list[str] = Field(description="Their names, the right context first.")
    left_out: list[LeftOut] = Field(description="Rows that this checkpoint cannot have, and why.")
    reused: int = Field(description="Of the rows, those whose evaluation is there already.")
    seconds: float | None = Field(
        description="Of computing, of the others, but for those `unknown`; null where none of them is known."
    )
    unknown: list[str] = Field(description="Names of the rows that the run has no evaluation to time by.")

    @property
    def words(self) -> str:
        """`17 evaluations, 2 of them there already; about 12 min of computing.`"""
        number = counted(len(self.rows), "evaluation")
        if self.reused == len(self.rows):
            return f"{number}, all there already: nothing is computed."
        there = f", {self.reused:,} of them there already" if self.reused else ""
        if self.seconds is None:
            return f"{number}{there}."
        besides = f" Not timed yet: {', '.join(self.unknown)}." if self.unknown else ""
        return f"{number}{there}; about {rough_duration(self.seconds)} of computing.{besides}"


class VerificationView(Model):
    """Whether a card holds in this lab, field by field."""

    status: Literal["confirmed", "not confirmed", "running", "failed"] = Field(
        description="running: this lab computes the evaluations again; ask again for what comes of it. "
        "failed: some of these failed or were cancelled; resume the ablation, then ask again."
    )
    words: str
    ablation: int | None = Field(
        description="The one that computes it again here; null where none is needed."
    )
    exact: bool = Field(
        description="The same code computed it on the same kind of device, so that no number may differ."
    )
    findings: list[Finding]
