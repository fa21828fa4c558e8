"""What a score was measured on: no number is shown without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from pydantic import BaseModel, Field

from backend.domain.experiment import search_words
from backend.kit.format import counted

Way = tuple[object, ...]  # of measuring: what `Measured.alike` gives


class PassView(BaseModel):
    """pass@k of one evaluation, with its denominator and 95 % Wilson interval."""

    k: int
    solved: float = Field(description="Tasks solved; a task with two test inputs counts the share solved.")
    n: int = Field(description="Tasks evaluated.")
    share: float | None = Field(description="solved / n; null when nothing was evaluated.")
    low: float
    high: float


class Measured(BaseModel):
    """A scoring of a checkpoint: on what, how, and what came of it."""

    id: int
    set: str = Field(examples=["arc-agi-1/evaluation"])
    held_out: bool = Field(description="The set is not among the run's training sets.")
    step: int
    weights: str = Field(examples=["ema"])
    views: int
    act_steps: int
    search: str = Field("", description="The search's config as JSON; empty without one.")
    canvas: str = Field("", description='"trimmed +N": to N cells around the visible grids; empty: square.')
    tasks_digest: str = Field("", description="The same for evaluations of the same tasks.")
    n: int = Field(description="Tasks asked.")
    status: str = Field(examples=["finished"])
    passes: list[PassView]
    failure_modes: dict[str, int] = Field(description="Of the first attempts that are wrong.")
    finished_at: float | None

    def pass_at(self, k: int) -> PassView | None:
        """pass@k, or None where it was not measured."""
        return next((score for score in self.passes if score.k == k), None)

    @property
    def alike(self) -> Way:
        """The same for evaluations whose scores may be compared: all but the checkpoint."""
        return (
            self.set, self.tasks_digest, self.n, self.weights, self.views, self.act_steps, self.search,
            self.canvas,
        )  # fmt: skip

    @property
    def besides(self) -> str:
        """Search and canvas, where they are not the plain ones: ` · gradient 100 x 0.1`; else empty."""
        return besides(self.search, self.canvas)

    @property
    def how(self) -> str:
        """`step 75,000 · EMA weights · 8 views · 16 ACT steps · gradient 100 x 0.1 · 32 tasks`."""
        return f"step {self.step:,} · {self.conditions}"

    @property
    def conditions(self) -> str:
        """The same without the step."""
        views, steps, tasks = (
            counted(number, word)
            for number, word in ((self.views, "view"), (self.act_steps, "ACT step"), (self.n, "task"))
        )
        return f"{weights_name(self.weights)} weights · {views} · {steps}{self.besides} · {tasks}"


AnyMeasured = TypeVar("AnyMeasured", bound=Measured)


def common_way(of_runs: Iterable[Sequence[Measured]]) -> Way | None:
    """How most runs were measured, from each run's results; of several the way used last. None: no result."""
    runs: Counter[Way] = Counter()
    newest: dict[Way, int] = {}
    for results in of_runs:
        runs.update({result.alike for result in results})
        for result in results:
            newest[result.alike] = max(result.id, newest.get(result.alike, 0))
    return max(runs, key=lambda way: (runs[way], newest[way]), default=None)


def newest_by(way: Way | None, results: Sequence[AnyMeasured]) -> AnyMeasured | None:
    """Of a run's results the one of its newest checkpoint that was measured so; None without any."""
    alike = (each for each in results if each.alike == way)
    return max(alike, key=lambda each: (each.step, each.id), default=None)


def weights_name(weights: str) -> str:
    """`EMA`, or raw as it is."""
    return "EMA" if weights == "ema" else weights


def besides(search: str, canvas: str) -> str:
    """What an evaluation did that not every one does, to follow the rest of how it was made."""
    return "".join(f" · {each}" for each in (search_words(search), canvas) if each)
