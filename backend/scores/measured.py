"""A score with what it was measured on: no number is shown without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic import Field

from backend.domain.hypothesis.measure import ATTEMPTS
from backend.domain.measurement import COLUMNS, Protocol
from backend.domain.records import WITHOUT_EMBEDDING, Score
from backend.domain.statistics import Ranks, pass_at
from backend.domain.trained_on import Standing
from backend.kit.model import Model
from backend.scores.tables import Evaluation


class PassView(Model):
    """pass@k of one evaluation, with its denominator and 95 % Wilson interval."""

    k: int
    solved: float = Field(description="Tasks solved; a task with two test inputs counts the share solved.")
    n: int = Field(description="Tasks evaluated.")
    share: float | None = Field(description="solved / n; null when nothing was evaluated.")
    low: float
    high: float


class ProtocolView(Model):
    """How a score was measured, as the API says it; `protocol` is the same for everything else."""

    set: str = Field(examples=["arc-agi-1/evaluation"])
    weights: str = Field(examples=["ema"])
    views: int
    act_steps: int
    search: str = Field("", description="The search's config as JSON; empty without one.")
    canvas: str = Field("", description='"trimmed +N": to N cells around the visible grids; empty: square.')
    distinct_views: bool = Field(False, description="Views that look alike vote once.")
    adaptation: str = Field("", description="The adaptation's config as JSON; empty without one.")
    intervention: str = Field(
        "", description="What was taken from the model on purpose, by an ablation; empty: nothing."
    )
    tasks_digest: str = Field("", description="The same for evaluations of the same tasks.")
    n: int = Field(description="Tasks evaluated.")

    @property
    def protocol(self) -> Protocol:
        """What decides whether this score may be compared with another."""
        shared = {name: getattr(self, name) for name in COLUMNS if name != "set_name"}
        return Protocol(set_name=self.set, n=self.n, **shared)


def view_fields(protocol: Protocol) -> dict[str, Any]:
    """The values of a `ProtocolView`'s fields."""
    return {"set": protocol.set_name, "n": protocol.n} | {
        name: getattr(protocol, name) for name in COLUMNS if name != "set_name"
    }


class WithoutEmbedding(Model):
    """The tasks that TRM has no embedding for: it never learnt their demonstrations, so its answers to them
    say nothing, and its score does not count them."""

    n: int = Field(description="Tasks evaluated besides those that the score counts.")
    passes: list[PassView] = Field(description="What became of them, apart; empty until all are scored.")

    @property
    def words(self) -> str:
        """`8 without an embedding apart: 0/8`."""
        first = next((each for each in self.passes if each.k == 1), None)
        solved = f": {first.solved:g}/{first.n}" if first else ""
        return f"{self.n:,} without an embedding apart{solved}"


class Measured(ProtocolView):
    """A scoring of a checkpoint: on what, how, and what came of it."""

    id: int
    held_out: bool = Field(
        description="None of its tasks was trained on or is given away by one that was, and that is known."
    )
    trained_on: int | None = Field(
        None, description="Of its tasks; null for a run that did not record what it was trained on."
    )
    demonstrations_trained_on: int = Field(0, description="Of its tasks, those alone, as TRM may.")
    given_away: int = Field(0, description="Of the others: a training task holds a pair of theirs.")
    unknown: int = Field(
        0, description="Of the others: the run started from weights that may have been trained on them."
    )
    standing: str = Field("", description="The same in words.", examples=["held-out", "4 of 16 trained on"])
    without_embedding: WithoutEmbedding | None = Field(
        None, description="null where the model needs no embedding of a task, or has one of each."
    )
    step: int
    status: str = Field(examples=["finished"])
    passes: list[PassView]
    failure_modes: dict[str, int] = Field(description="Of the first attempts that are wrong.")
    finished_at: float | None

    @property
    def maybe_held_out(self) -> bool:
        """Held out as far as anybody knows."""
        return self.held_out or (self.unknown > 0 and not self.trained_on and not self.given_away)

    @property
    def caveat(self) -> str:
        """Its standing, where it does not say how well the run solves tasks it was never trained on."""
        return "" if self.held_out else self.standing

    def pass_at(self, k: int) -> PassView | None:
        """pass@k, or None where it was not measured."""
        return next((score for score in self.passes if score.k == k), None)

    @property
    def measured_at(self) -> str:
        """`step 75,000 · EMA weights · 8 views · 16 ACT steps · gradient 100 x 0.1 · 32 tasks`."""
        return f"step {self.step:,} · {self.protocol.conditions}"


def standing_fields(found: Standing) -> dict[str, Any]:
    """The values of the fields of a `Measured` that say how its tasks stand to the training."""
    return {
        "held_out": found.held_out,
        "trained_on": found.trained if found.recorded else None,
        "demonstrations_trained_on": found.shown,
        "given_away": found.given_away,
        "unknown": found.unknown,
        "standing": found.words,
    }


def embedding_fields(row: Evaluation) -> dict[str, Any]:
    """The value of a `Measured`'s field for the tasks that its score does not count."""
    apart = row.extras.get(WITHOUT_EMBEDDING)
    if not apart:
        return {}
    passes = [passed(int(k), *score) for k, score in apart.get("passes", {}).items()]
    return {"without_embedding": WithoutEmbedding(n=len(apart["tasks"]), passes=passes)}


AnyMeasured = TypeVar("AnyMeasured", bound=Measured)


def common_protocol(
    of_runs: Iterable[Sequence[Measured]], headlines: Iterable[Measured | None] = ()
) -> Protocol | None:
    """The protocol that most runs share, from each run's results.

    Of several, the one that most of the runs' `headlines` were measured by, and then the one used last: what
    all seeds were evaluated by besides does not take the place of their own evaluation.
    """
    runs: Counter[Protocol] = Counter()
    own = Counter(result.protocol for result in headlines if result)
    newest: dict[Protocol, int] = {}
    for results in of_runs:
        runs.update({result.protocol for result in results})
        for result in results:
            newest[result.protocol] = max(result.id, newest.get(result.protocol, 0))
    return max(runs, key=lambda protocol: (runs[protocol], own[protocol], newest[protocol]), default=None)


def newest_by(protocol: Protocol | None, results: Sequence[AnyMeasured]) -> AnyMeasured | None:
    """A run's result of its newest checkpoint that was measured by the protocol; None without any."""
    same = (result for result in results if result.protocol == protocol)
    return max(same, key=lambda result: (result.step, result.id), default=None)


def why_left_out(protocol: Protocol | None, of_runs: Iterable[Sequence[Measured]]) -> str:
    """`1 of 2 runs not comparable: different tasks (8 and 8)`: evaluated runs that lack the protocol.

    Empty where every evaluated run has it. Each run gives the differences of its newest result.
    """
    evaluated = [results for results in of_runs if results]
    left_out = [results for results in evaluated if newest_by(protocol, results) is None]
    if protocol is None or not left_out:
        return ""
    newest = [max(results, key=lambda result: (result.step, result.id)) for results in left_out]
    reasons = dict.fromkeys("; ".join(protocol.differences(result.protocol)) for result in newest)
    return f"{len(left_out)} of {len(evaluated)} runs not comparable: {' | '.join(reasons)}"


def passes_of(ranks: Ranks) -> list[PassView]:
    """pass@k at every k that an evaluation counts."""
    scores = {k: pass_at(ranks, k) for k in ATTEMPTS}
    return [passed(k, score.solved, score.n) for k, score in scores.items()]


def passed(k: int, solved: float, n: int) -> PassView:
    """pass@k with its share and interval."""
    low, high = Score(solved, n).interval
    return PassView(k=k, solved=solved, n=n, share=solved / n if n else None, low=low, high=high)
