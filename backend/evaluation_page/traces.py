"""How the candidates of one test input came about: votes by view, ACT steps, search. Nothing here writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from sqlalchemy.orm import Session

from backend.data import queries as task_rows
from backend.domain.arc.failure_modes import cell_accuracy
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import TestPair
from backend.domain.arc.votes import (
    DIHEDRAL_NAMES,
    ActStep,
    AdaptationTrace,
    OutcomeTrace,
    RankedVote,
    SearchPoint,
    SearchTrace,
    unpack_trace,
)
from backend.kit.errors import NotFound
from backend.kit.format import finite
from backend.kit.model import Model
from backend.scores import queries as rows
from backend.scores.tables import Evaluation, Outcome

GRID = 'Rows of digits joined by "/".'


class VoteView(Model):
    """The vote of one view."""

    view: int = Field(description="Number of the augmentation; 0 is the unchanged form.")
    dihedral: int = Field(description="0 to 7; `by_dihedral` has their names.")
    colours: str = Field(description="Ten digits: what colour 0 to 9 is shown as.", examples=["0123456789"])
    candidate: int = Field(description="Rank of the candidate it votes for.")
    halting_probability: float | None


class VotedCandidate(Model):
    """A candidate with its voters."""

    rank: int
    grid: str | None = Field(description=f"{GRID} null beyond rank 1,000, or 50 in older evaluations.")
    votes: int
    confidence: float | None = Field(description="Mean halting probability of its votes.")
    correct: bool | None = Field(description="null where the truth or the grid is not known.")
    views: list[int]


class DihedralView(Model):
    """How the views of one symmetry vote."""

    dihedral: int
    name: str = Field(examples=["quarter turn left"])
    views: int
    agree: int = Field(description="That vote for the first candidate.")
    correct: int | None = Field(description="That vote for the truth; null where it is not known.")


class OfTestInput(Model):
    """Which test input of which evaluation, and what was asked."""

    evaluation: int
    task_id: str
    test_index: int
    input: str | None = Field(description=f"{GRID} null where the task has gone from its set.")
    truth: str | None


class VotesView(OfTestInput):
    """Every vote on one test input, with the augmentation undone."""

    truth_rank: int | None = Field(description="Among all candidates; null without a vote.")
    note: str
    views: int = Field(description="Votes cast.")
    agreement: float | None = Field(description="Share of the votes that the first candidate got.")
    candidates: list[VotedCandidate] = Field(description="By rank.")
    by_dihedral: list[DihedralView]
    votes: list[VoteView] = Field(description="By view.")


class ShownView(Model):
    """What the unchanged view shows at some moment, judged afterwards."""

    grid: str = Field(description=GRID)
    halting_probability: float | None
    correct: bool | None = Field(description="null where the truth is not known.")
    cell_accuracy: float | None


class StepView(ShownView):
    """After one ACT step."""

    step: int = Field(description="1 is the first.")


class StepsView(OfTestInput):
    """The unchanged view of one test input, ACT step by ACT step."""

    act_steps: int
    steps: list[StepView]


class SearchPointView(ShownView):
    """If the search for the latent stopped here."""

    step: int = Field(description="0 is where the search starts.")
    loss: float | None = Field(description="Mean loss of the demonstrations under the latent of this step.")
    distance: float | None = Field(
        description="Of that latent from the start: root mean square per number of it."
    )
    held_out: float | None = Field(
        description="Loss of the held-out demonstration, which selects and steers nothing; null without one."
    )


class SearchView(OfTestInput):
    """How the latents of one test input were searched."""

    search: str = Field(description="The search's config as JSON.")
    kept_step: int = Field(description="Whose latent explained the demonstrations best, and was decoded.")
    decodes: int = Field(
        description="Passes of a demonstration through the core, one for each ACT step, for all views; a way "
        "back counts as two more."
    )
    steps: int | None = Field(description="Steps taken; null where an older version did not record it.")
    start: int | None = Field(
        description="Which start the kept latent came from, 1 the first; null likewise."
    )
    loss_before: float | None = Field(description="Mean loss of the demonstrations at the first start.")
    loss_after: float | None = Field(description="The same with the latent that was kept.")
    held_out_before: float | None = Field(
        description="Loss of the held-out demonstration at the first start; null without one."
    )
    held_out_after: float | None = Field(description="The same with the latent that was kept.")
    points: list[SearchPointView] = Field(description="At most 21, evenly over the steps.")


class AdaptationPointView(Model):
    """While a task was learned."""

    step: int = Field(description="The first is 1.")
    loss: float | None = Field(
        description="Mean loss of the demonstrations asked since the point before; null where not finite."
    )


class AdaptationView(OfTestInput):
    """How a copy of the model learned the task of a test input before it answered."""

    adaptation: str = Field(description="The adaptation's config as JSON.")
    steps: int = Field(description="Optimiser steps taken.")
    learned: int = Field(description="How many numbers learned.")
    decodes: int = Field(description="Demonstrations decoded; a way back counts as two more.")
    seconds: float = Field(description="Of this task; its test inputs share them.")
    points: list[AdaptationPointView] = Field(description="At most 20, evenly over the steps.")


def votes(session: Session, evaluation_id: int, task_id: str, test_index: int) -> VotesView:
    """Who voted for what; NotFound where there is no such test input or its votes were not kept."""
    found = _traced(session, evaluation_id, task_id, test_index)
    outcome, trace, truth = found.outcome, found.trace, found.truth
    if trace is None and outcome.views:
        raise NotFound(
            f"The votes on {task_id}, test input {test_index}, were not saved.",
            "Evaluate the checkpoint again to record them.",
        )
    trace = trace or OutcomeTrace((), ())
    by_rank: dict[int, list[RankedVote]] = defaultdict(list)
    for vote in trace.votes:
        by_rank[vote.rank].append(vote)
    return VotesView(
        **found.asked,
        truth_rank=outcome.truth_rank,
        note=outcome.note,
        views=len(trace.votes),
        agreement=len(by_rank[1]) / len(trace.votes) if trace.votes else None,
        candidates=[
            candidate_of(rank, by_rank[rank], trace.grids, outcome.truth_rank, truth)
            for rank in sorted(by_rank)
        ],
        by_dihedral=by_dihedral(trace.votes, outcome.truth_rank, truth),
        votes=[
            VoteView(
                view=vote.view,
                dihedral=vote.dihedral,
                colours=vote.colours,
                candidate=vote.rank,
                halting_probability=finite(vote.halting_probability),
            )
            for vote in trace.votes
        ],
    )


def steps(session: Session, evaluation_id: int, task_id: str, test_index: int) -> StepsView:
    """The ACT steps of the unchanged view; NotFound where they were not recorded."""
    found = _traced(session, evaluation_id, task_id, test_index)
    trace, truth = found.trace, found.truth
    if trace is None or not trace.steps:
        raise NotFound(
            f"The ACT steps of {task_id}, test input {test_index}, were not recorded.",
            'Evaluate the checkpoint again with "Record ACT steps" (trace_steps) on.',
        )
    return StepsView(
        **found.asked,
        act_steps=found.evaluation.act_steps,
        steps=steps_of(trace, truth),
    )


def search(session: Session, evaluation_id: int, task_id: str, test_index: int) -> SearchView:
    """The search of the unchanged view, moment by moment; NotFound where nothing was searched."""
    found = _traced(session, evaluation_id, task_id, test_index)
    trace, truth = found.trace, found.truth
    if trace is None or trace.search is None:
        raise NotFound(
            f"No search was run for {task_id}, test input {test_index}.",
            "Evaluate the checkpoint again with a search.",
        )
    return SearchView(
        **found.asked,
        search=found.evaluation.search,
        kept_step=trace.search.kept_step,
        decodes=trace.search.decodes,
        steps=trace.search.steps,
        start=trace.search.start,
        loss_before=finite(trace.search.before.demonstrations),
        loss_after=finite(trace.search.after.demonstrations),
        held_out_before=finite(trace.search.before.held_out),
        held_out_after=finite(trace.search.after.held_out),
        points=points_of(trace.search, truth),
    )


def adaptation(session: Session, evaluation_id: int, task_id: str, test_index: int) -> AdaptationView:
    """How the task was learned; NotFound where the checkpoint's own weights answered it."""
    found = _traced(session, evaluation_id, task_id, test_index)
    if found.trace is None or found.trace.adaptation is None:
        raise NotFound(
            f"No model was adapted to {task_id}.", "Evaluate the checkpoint again with an adaptation."
        )
    trace = found.trace.adaptation
    return AdaptationView(
        **found.asked,
        adaptation=found.evaluation.adaptation,
        steps=trace.steps,
        learned=trace.learned,
        decodes=trace.decodes,
        seconds=trace.seconds,
        points=losses_of(trace),
    )


@dataclass(frozen=True)
class _Traced:
    """A test input with what was kept of it."""

    evaluation: Evaluation
    outcome: Outcome
    trace: OutcomeTrace | None
    test: TestPair | None  # None where the task has gone from its set

    @property
    def truth(self) -> Grid | None:
        return self.test.output if self.test else None

    @property
    def asked(self) -> dict[str, Any]:
        """The fields of `OfTestInput`."""
        return {
            "evaluation": self.evaluation.id,
            "task_id": self.outcome.task_id,
            "test_index": self.outcome.test_index,
            "input": self.test.input.digits if self.test else None,
            "truth": self.truth.digits if self.truth else None,
        }


def _traced(session: Session, evaluation_id: int, task_id: str, test_index: int) -> _Traced:
    evaluation = rows.get(session, evaluation_id)
    if evaluation is None:
        raise NotFound(f"Evaluation {evaluation_id} not found.")
    found = rows.outcome_with_trace(session, evaluation_id, task_id, test_index)
    if found is None:
        raise NotFound(
            f"Evaluation {evaluation_id} has no outcome of {task_id}, test input {test_index}.",
            "It may not have been evaluated yet." if evaluation.status != "finished" else "",
        )
    outcome, packed = found
    task = task_rows.find_task(session, evaluation.set_name, task_id)
    test = task.tests[test_index] if task and test_index < len(task.tests) else None
    return _Traced(evaluation, outcome, None if packed is None else unpack_trace(packed), test)


def steps_of(trace: OutcomeTrace, truth: Grid | None) -> list[StepView]:
    """What the unchanged view shows, step by step."""
    return [StepView(step=each.step, **_shown(each, truth)) for each in trace.steps]


def points_of(search: SearchTrace, truth: Grid | None) -> list[SearchPointView]:
    """The moments of a search."""
    return [
        SearchPointView(
            step=each.step,
            loss=finite(each.loss),
            distance=finite(each.distance),
            held_out=finite(each.held_out),
            **_shown(each, truth),
        )
        for each in search.points
    ]


def losses_of(adaptation: AdaptationTrace) -> list[AdaptationPointView]:
    """The moments of what a model learned of a task."""
    return [AdaptationPointView(step=each.step, loss=finite(each.loss)) for each in adaptation.points]


def _shown(moment: ActStep | SearchPoint, truth: Grid | None) -> dict[str, Any]:
    """The fields of `ShownView`."""
    return {
        "grid": moment.grid.digits,
        "halting_probability": finite(moment.halting_probability),
        "correct": None if truth is None else moment.grid == truth,
        "cell_accuracy": None if truth is None else cell_accuracy(moment.grid, truth),
    }


def candidate_of(
    rank: int, voters: Sequence[RankedVote], grids: Sequence[Grid], truth_rank: int | None, truth: Grid | None
) -> VotedCandidate:
    """A candidate with its voters."""
    return VotedCandidate(
        rank=rank,
        grid=grids[rank - 1].digits if rank <= len(grids) else None,
        votes=len(voters),
        confidence=finite(sum(vote.halting_probability for vote in voters) / len(voters)),
        correct=None if truth is None else rank == truth_rank,
        views=[vote.view for vote in voters],
    )


def by_dihedral(cast: Sequence[RankedVote], truth_rank: int | None, truth: Grid | None) -> list[DihedralView]:
    """How the views of each symmetry vote."""
    by_turn: dict[int, list[RankedVote]] = defaultdict(list)
    for vote in cast:
        by_turn[vote.dihedral].append(vote)
    return [
        DihedralView(
            dihedral=turn,
            name=DIHEDRAL_NAMES[turn],
            views=len(voters),
            agree=sum(vote.rank == 1 for vote in voters),
            correct=None if truth is None else sum(vote.rank == truth_rank for vote in voters),
        )
        for turn, voters in sorted(by_turn.items())
    ]
