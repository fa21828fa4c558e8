"""StudyView: what the API, the page and the export say about a study, its claims and their tests."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backend.domain.hypothesis.judge import Verdict
from backend.domain.hypothesis.measure import Comparison
from backend.kit.format import counted, percent
from backend.kit.model import Model

Status = Literal["running", "stopped", "finished"]


class SampleView(Model):
    """One side of a test, over its seeds."""

    sample: str = Field(description="CONFIGURATION, or CONFIGURATION/MEASUREMENT.", examples=["vae/gradient"])
    title: str
    mean: float | None = Field(description="null until a seed is measured.")
    low: float | None = Field(description="Of the 95 % interval over seeds; null where there is none.")
    high: float | None
    seeds: list[int]
    values: list[float] = Field(description="Of each of these seeds.")
    tasks: int | None = Field(description="That each seed was asked; null of a recorded series.")
    words: str = Field(examples=["94.3 % [73.0 to 99.0], 3 seeds of 100 tasks"])


class TestView(Model):
    """A number that is held against its bar."""

    measure: str = Field(examples=["pass@1"])
    of: str
    minus: str | None
    comparison: Comparison
    bar: float
    asks: str = Field(description="What has to hold, in words.")
    unit: Literal["points", "share", "number"]
    value: float | None = Field(description="A share, or a difference of shares; null until it is measured.")
    low: float | None = Field(description="Of the interval that judges it, at the claim's confidence.")
    high: float | None
    seeds: int = Field(description="That count: every sample of the test has them.")
    verdict: Verdict
    words: str = Field(examples=["+92.7 points [+88.1 to +97.2], 3 seeds"])
    samples: list[SampleView]


class PublishedView(Model):
    """A published result: measured by others, never mixed with what was measured here."""

    model: str
    words: str = Field(examples=["pass@1 0.00 %, pass@2 0.50 %, train accuracy 78.91 %"])
    caveats: list[str]


class ClaimView(Model):
    """A claim and what came of it."""

    name: str
    section: str
    claim: str
    about: str
    verdict: Verdict
    is_open: bool = Field(description="Whether more seeds or tasks could still decide it.")
    confidence: float = Field(
        description="Of the intervals that judge it: rounds and tests share the 5 % between them."
    )
    rounds: int = Field(description="Rounds that are complete, up to the one that decided.")
    of_rounds: int
    trouble: str = Field(description="Why its next round cannot be completed; else empty.")
    would_change: str = Field(description="What would change the verdict.")
    tests: list[TestView]
    published: list[PublishedView]

    @property
    def progress(self) -> str:
        """`decided after round 1 of 2`."""
        if self.verdict != "undecided":
            return f"decided after round {self.rounds} of {self.of_rounds}"
        if not self.rounds:
            return "round 1 is not complete"
        if self.rounds == self.of_rounds:
            return f"still undecided after {counted(self.rounds, 'round')}"
        return f"open after round {self.rounds} of {self.of_rounds}"

    @property
    def caveats(self) -> list[str]:
        """Of its published results, each once."""
        return list(dict.fromkeys(caveat for row in self.published for caveat in row.caveats))


class ClaimOutline(Model):
    """A claim before anything is measured for it."""

    name: str
    section: str
    claim: str
    about: str
    asks: list[str] = Field(
        description="What has to hold, all of it; refuted where one of them does not.",
        examples=[["pass@1 of deterministic encoder ≤ 5.0 %"]],
    )
    confidence: float = Field(description="Of the intervals that judge it.")
    would_change: str


class RoundOutline(Model):
    """What a round adds to those before it, were every claim still undecided when it begins."""

    words: str = Field(examples=["3 seeds of 100 tasks"])
    runs: int
    evaluations: int
    hours: float = Field(description="By the study's own estimates, with `at_once` workers.")

    @property
    def work(self) -> str:
        """`33 runs and 42 evaluations, about 0.9 hours`."""
        works = f"{counted(self.runs, 'run')} and {counted(self.evaluations, 'evaluation')}"
        return f"{works}, about {self.hours:.1f} hours"


class StudyOutline(Model):
    """A study at one of its scales before it is started."""

    name: str
    title: str
    about: str
    scale: str
    scales: list[str] = Field(description="All that it has.")
    scale_title: str
    scale_about: str
    hours: float = Field(description="Budget, by the clock.")
    at_once: int = Field(description="Most runs and evaluations at once.")
    rounds: list[RoundOutline] = Field(description="Those after the first are for undecided claims alone.")
    claims: list[ClaimOutline]


class StudyRunView(Model):
    """A run of the study."""

    configuration: str
    title: str
    seed: int
    run_id: str | None = Field(description="null where the run was deleted.")
    state: Literal["active", "finished", "failed"]
    seconds: float


class StudySummary(Model):
    """A study in a list. Times are seconds since the Unix epoch."""

    id: str
    name: str
    title: str
    scale: str
    status: Status
    cause: str = Field(description="Why it is not running; else empty.")
    hours: float = Field(description="Budget, by the clock.")
    hours_spent: float
    created_at: float
    ended_at: float | None

    @property
    def hours_words(self) -> str:
        """`0.4 of 1.5`: spent and allowed."""
        return f"{round(self.hours_spent, 2):g} of {self.hours:g}"


class StudyView(StudySummary):
    """A study at one of its scales, with the verdict on each claim as it stands now."""

    about: str
    scale_title: str
    scale_about: str
    rounds: list[str] = Field(examples=[["3 seeds of 100 tasks", "5 seeds of 100 tasks"]])
    claims: list[ClaimView]
    runs: list[StudyRunView]
    active: int = Field(description="Runs and evaluations that wait or run now.")

    @property
    def by_configuration(self) -> list[list[StudyRunView]]:
        """The runs of each configuration; two of them may have one title."""
        runs: dict[str, list[StudyRunView]] = {}
        for run in self.runs:
            runs.setdefault(run.configuration, []).append(run)
        return list(runs.values())

    @property
    def counts(self) -> dict[str, int]:
        """Verdict -> how many claims have it, the decided first."""
        order: tuple[Verdict, ...] = ("supported", "refuted", "undecided")
        listed = [claim.verdict for claim in self.claims]
        return {verdict: listed.count(verdict) for verdict in order if verdict in listed}

    @property
    def confidences(self) -> list[str]:
        """Of the intervals that judge its claims."""
        return [percent(each) for each in sorted({claim.confidence for claim in self.claims})]

    @property
    def words(self) -> str:
        """`running: 3 supported, 1 refuted, 5 undecided; 0.4 of 1.5 hours`."""
        claims = ", ".join(f"{number} {verdict}" for verdict, number in self.counts.items())
        return f"{self.status}: {claims}; {self.hours_words} hours, {counted(len(self.runs), 'run')}"
