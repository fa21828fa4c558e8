"""GroupView: what the API and the pages say about a group of runs, its variations and their seeds."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from backend.domain.sweeps import Confound
from backend.kit.model import Model
from backend.kit.numbers import Number
from backend.runs.status import RunStatus

Statuses = dict[str, int]


def told(verdicts: Statuses, claims: int = 1) -> str:
    """`2 of 3 seeds supported, 1 undecided`, with how many claims where they differ; empty without any."""
    if not verdicts:
        return ""
    if sum(verdicts.values()) == 1:
        return next(iter(verdicts))
    others = [f"{count} {verdict}" for verdict, count in verdicts.items() if verdict != "supported"]
    what = "seeds" if claims == 1 else f"runs of {claims} claims"
    stated = f"{verdicts.get('supported', 0)} of {sum(verdicts.values())} {what} supported"
    return ", ".join([stated, *others])


class GroupRun(Model):
    """One run of a group, in short; `GET /api/v1/runs/{id}` says the rest."""

    id: str
    name: str = Field(examples=["quick · width 64 · seed 0"])
    seed: int | None
    status: RunStatus


class MeanView(Model):
    """A mean over runs that differ in their seed alone."""

    n: int = Field(description="Runs that have the value.")
    mean: Number = Field(description='"NaN" where a run\'s value is NaN.')
    low: float | None = Field(
        description="Of the 95 % interval, which stays within 0 to 1; null with one run, or where "
        "all have the same value and nothing is known of how they scatter."
    )
    high: float | None


class GroupScore(Model):
    """pass@1 on one set: each run's newest finished evaluation by the protocol that most runs share."""

    set: str = Field(examples=["arc-agi-1/evaluation"])
    held_out: bool = Field(description="No run was trained on any of its tasks.")
    maybe_held_out: bool = Field(
        False, description="No run is known to be: some started from weights trained on nobody knows what."
    )
    standing: str = Field("", description="How they stand to the training.", examples=["held-out"])
    conditions: str = Field(examples=["EMA weights · 8 views · 16 ACT steps · 32 tasks"])
    solved: float = Field(description="Tasks solved, summed over the runs.")
    n: int = Field(description="Tasks evaluated, summed over the runs.")
    share: MeanView = Field(description="Of the runs' own shares, 0 to 1.")
    left_out: str = Field(
        "",
        description="Runs that were evaluated by another protocol and do not count, and how it differs.",
        examples=["1 of 2 runs not comparable: different tasks (8 and 8)"],
    )


class VariationView(Model):
    """The runs of a group that differ in their seed alone."""

    name: str = Field(description="How it differs from the others.", examples=["width 64"])
    changes: dict[str, Any] = Field(examples=[{"model.core.width": 64}])
    runs: list[GroupRun]
    repeats: str = Field(
        "",
        description="Seeds that were run again: scores count each of them once. Else empty.",
        examples=["seed 0 twice; counted once"],
    )
    statuses: Statuses
    scores: list[GroupScore]
    verdicts: Statuses = Field(
        {}, description="How many runs have each verdict on their hypothesis; empty without one."
    )
    learning: Statuses = Field(
        {}, description="How many runs have each verdict on learning.", examples=[{"generalises": 3}]
    )
    token_accuracy: MeanView | None = Field(description="Of the last `accuracy/token` of each run.")

    @property
    def verdict_words(self) -> str:
        """`2 of 3 seeds supported, 1 undecided`; empty without a hypothesis."""
        return told(self.verdicts)

    @property
    def held_out(self) -> GroupScore | None:
        """The score that a table shows first: on the first set not trained on, or else not known to be."""
        sure = (score for score in self.scores if score.held_out)
        return next(sure, next((score for score in self.scores if score.maybe_held_out), None))


class GroupSummary(Model):
    """A group in a list. Times are seconds since the Unix epoch."""

    id: str
    name: str
    created_at: float
    statuses: Statuses = Field(description="How many runs have each status.", examples=[{"finished": 4}])

    @property
    def size(self) -> int:
        """How many runs there are."""
        return sum(self.statuses.values())

    @property
    def unfinished(self) -> int:
        """How many runs are queued or active."""
        return sum(count for status, count in self.statuses.items() if not RunStatus(status).is_over)


class GroupView(GroupSummary):
    """A group: what was swept over what, and what came of it."""

    sweep: dict[str, Any]
    config: dict[str, Any] = Field(description="What the sweep varied.")
    variations: list[VariationView]
    also_differs: list[Confound] = Field(
        [], description="Fields that differ between the configurations though nobody swept them."
    )

    @property
    def runs(self) -> list[GroupRun]:
        """Every run, variation by variation."""
        return [run for variation in self.variations for run in variation.runs]


class GroupPlace(Model):
    """Where a run stands in its group: among the runs that differ from it in their seed alone."""

    id: str
    name: str
    variation: str
    position: int = Field(description="Of the run, from 1.")
    siblings: list[GroupRun] = Field(description="The run itself among them.")

    @property
    def nearby(self) -> list[GroupRun]:
        """The run and up to five siblings on either side."""
        return self.siblings[max(0, self.position - 6) : self.position + 5]
