"""A play as people see it."""

from __future__ import annotations

from pydantic import Field

from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task
from backend.domain.arc.votes import OutcomeTrace, SearchTrace
from backend.domain.play import AnyRequest, BetweenRequest, Neighbours, PlayResult
from backend.domain.records import TestOutcome
from backend.domain.way import Reading, Way, readings
from backend.evaluation_page.traces import (
    AdaptationPointView,
    DihedralView,
    SearchPointView,
    StepView,
    by_dihedral,
    losses_of,
    points_of,
    steps_of,
)
from backend.kit.format import finite
from backend.kit.model import Model

GRID = 'Rows of digits joined by "/".'


class CandidateView(Model):
    """A grid that views voted for."""

    rank: int = Field(description="1 is the first attempt.")
    grid: str = Field(description=GRID)
    votes: int
    confidence: float | None = Field(description="Mean halting probability of its votes.")
    correct: bool | None = Field(description="null where the task does not give the output.")
    cell_accuracy: float | None
    failure_mode: str = Field(description="Why it is wrong; empty where it is right or nobody knows.")


class PlaySearch(Model):
    """How the latents of a test input were searched."""

    kept_step: int = Field(description="Whose latent explained the demonstrations best.")
    steps: int | None
    decodes: int = Field(description="Passes of a demonstration through the core, for all views.")
    loss_before: float | None
    loss_after: float | None
    points: list[SearchPointView]


class PlayAdaptation(Model):
    """How a copy of the model learned the task."""

    kind: str
    steps: int
    learned: int = Field(description="How many numbers learned.")
    seconds: float
    points: list[AdaptationPointView]


class AnswerView(Model):
    """What a checkpoint answers to one test input."""

    test_index: int
    views: int = Field(description="Votes cast.")
    agreement: float | None = Field(description="Share of the votes that the first candidate got.")
    truth_rank: int | None = Field(description="Rank of the task's own output; null without a vote for it.")
    note: str
    candidates: list[CandidateView] = Field(description="Most votes first.")
    by_dihedral: list[DihedralView]
    steps: list[StepView] = Field(description="The unchanged view after each ACT step.")
    search: PlaySearch | None
    adaptation: PlayAdaptation | None


class NeighbourView(Model):
    """A training task whose context lies near."""

    set: str
    task_id: str
    distance: float = Field(
        description="Root mean square difference of the contexts; 1 is the mean between two training tasks."
    )


class NeighboursView(Model):
    """Where the context lies among those of training tasks."""

    compared: int = Field(description="Training tasks that were compared.")
    nearest: list[NeighbourView]
    why_none: str = Field(description="Why there are none; else empty.")


class WayPointView(Model):
    """The answer under one context of the way."""

    share: float = Field(description="Of the way: 0 is the first task's own context, 1 the second's.")
    grid: str = Field(description=GRID)
    equals: Reading = Field(
        description="The answer under the first task's context, the second's, both, or neither."
    )
    cell_accuracy: float | None = Field(description="null where the truth is not known.")
    halting_probability: float | None


class WayView(Model):
    """A test input of the first task, answered under contexts from its own to the second task's."""

    asked: str = Field(description=f"The test input. {GRID}")
    truth: str | None = Field(description="null where it is not known.")
    points: list[WayPointView]


class CheckpointView(Model):
    """Which checkpoint answers."""

    run: str
    run_name: str
    variant: str
    step: int
    sha256: str


class PlayView(Model):
    """A task asked of a checkpoint, and the answer once it is there."""

    id: str
    status: str = Field(description="queued, running, finished, failed or cancelled")
    status_cause: str
    ahead: int | None = Field(description="How many are answered before it; null once a worker has it.")
    waiting_for: str = Field(description="What it waits for, in words; empty once a worker has it.")
    kept: bool = Field(description="Whether it stays; others are deleted after a day.")
    request: AnyRequest
    checkpoint: CheckpointView
    owner: str | None
    created_at: float
    waited_seconds: float | None = Field(description="From asking until the worker's process began with it.")
    seconds: float | None = Field(description="From there to the answer: loading and computing.")
    load_seconds: float | None = Field(
        description="To start the process and load the checkpoint; 0 where it was in memory."
    )
    compute_seconds: float | None = Field(description="To compute the answer.")
    device: str
    answers: list[AnswerView] = Field(description="One for each test input.")
    neighbours: NeighboursView | None = Field(description="null while they are not compared yet.")
    way: WayView | None = Field(description="Of what was asked between two contexts, in place of answers.")

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        if self.status == "finished":
            return self.neighbours is not None or isinstance(self.request, BetweenRequest)
        return self.status in ("failed", "cancelled")


def answers_of(result: PlayResult, task: Task, note: str = "") -> list[AnswerView]:
    """One for each test input; `note` is added to what each has to say."""
    return [_answer(each, task.tests[each.test_index].output, note) for each in result.outcomes]


def neighbours_view(found: Neighbours) -> NeighboursView:
    """The same for people."""
    return NeighboursView(
        compared=found.compared,
        nearest=[
            NeighbourView(set=each.set_name, task_id=each.task_id, distance=each.distance)
            for each in found.nearest
        ],
        why_none=found.why_none,
    )


def way_view(way: Way) -> WayView:
    """The same for people."""
    return WayView(
        asked=way.asked.digits,
        truth=None if way.truth is None else way.truth.digits,
        points=[
            WayPointView(
                share=each.share,
                grid=each.grid.digits,
                equals=equals,
                cell_accuracy=each.cell_accuracy,
                halting_probability=finite(each.halting_probability),
            )
            for each, equals in zip(way.points, readings([each.grid for each in way.points]), strict=True)
        ],
    )


def _answer(outcome: TestOutcome, truth: Grid | None, note: str) -> AnswerView:
    trace = outcome.trace or OutcomeTrace((), ())
    first = sum(vote.rank == 1 for vote in trace.votes)
    return AnswerView(
        test_index=outcome.test_index,
        views=outcome.views,
        agreement=first / len(trace.votes) if trace.votes else None,
        truth_rank=outcome.truth_rank,
        note="; ".join(filter(None, (outcome.note, note))),
        candidates=[
            CandidateView(
                rank=each.rank,
                grid=each.grid.digits,
                votes=each.votes,
                confidence=finite(each.confidence),
                correct=None if truth is None else each.correct,
                cell_accuracy=None if truth is None else each.cell_accuracy,
                failure_mode=each.failure_mode or "",
            )
            for each in outcome.candidates
        ],
        by_dihedral=by_dihedral(trace.votes, outcome.truth_rank, truth),
        steps=steps_of(trace, truth),
        search=_search(trace.search, truth),
        adaptation=_adaptation(trace),
    )


def _search(trace: SearchTrace | None, truth: Grid | None) -> PlaySearch | None:
    if trace is None:
        return None
    return PlaySearch(
        kept_step=trace.kept_step,
        steps=trace.steps,
        decodes=trace.decodes,
        loss_before=finite(trace.before.demonstrations),
        loss_after=finite(trace.after.demonstrations),
        points=points_of(trace, truth),
    )


def _adaptation(trace: OutcomeTrace) -> PlayAdaptation | None:
    learned = trace.adaptation
    if learned is None:
        return None
    return PlayAdaptation(
        kind=learned.kind,
        steps=learned.steps,
        learned=learned.learned,
        seconds=learned.seconds,
        points=losses_of(learned),
    )
