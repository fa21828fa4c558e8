"""Who voted for what: one vote per view, the trace of a test input, and both as compact bytes.

A view is an augmented form of a test input; its vote is the grid it predicts with the augmentation undone.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from backend.domain.arc.grid import Grid

DIHEDRAL_NAMES = (
    "identity",
    "quarter turn left",
    "half turn",
    "quarter turn right",
    "left-right flip",
    "up-down flip",
    "transposed",
    "transposed the other way",
)
TRACED_GRIDS = 1000  # candidates of a test input whose grids a trace keeps, by rank; older traces: 50


class ViewVote(NamedTuple):
    """The vote of one view, in the colours and the orientation of the original."""

    view: int  # index of the augmentation; 0 is the identity
    dihedral: int
    colours: str  # ten digits, the images of 0 to 9
    grid: Grid
    halting_probability: float


@dataclass(frozen=True, slots=True)
class ActStep:
    """What the identity view shows after one ACT step; the first is step 1."""

    step: int
    grid: Grid
    halting_probability: float


@dataclass(frozen=True, slots=True)
class SearchPoint:
    """A moment of the search for the latent of the identity view."""

    step: int  # 0 is where the search starts
    loss: float  # mean prediction loss of the demonstrations under the latent of this step
    distance: float  # of that latent from the start: root mean square per number
    grid: Grid  # what the view would show if the search stopped here
    halting_probability: float
    held_out: float | None = None  # loss of the demonstration that is held out, where one is


@dataclass(frozen=True, slots=True)
class SearchLoss:
    """How badly a latent explains the demonstrations; None where that is not known."""

    demonstrations: float | None = None  # mean loss of those that the search follows
    held_out: float | None = None  # of the one that only selects, where one does


@dataclass(frozen=True)
class SearchTrace:
    """How the latents of a test input were searched. No search knows whether a grid is right."""

    points: tuple[SearchPoint, ...]  # of the identity view
    kept_step: int  # whose latent explained the demonstrations best
    decodes: int  # passes of a demonstration through the core, for all views; a way back counts as two more
    steps: int | None = None  # taken; None where an older version did not say, as below
    start: int | None = None  # the one that was kept, from 1
    before: SearchLoss = SearchLoss()  # at the first start
    after: SearchLoss = SearchLoss()  # under the latent that was kept


@dataclass(frozen=True, slots=True)
class AdaptationPoint:
    """A moment of what a model learned of a task."""

    step: int  # the first is 1
    loss: float  # mean prediction loss of the demonstrations asked since the point before


@dataclass(frozen=True)
class AdaptationTrace:
    """How a copy of the model learned a task before it answered. It is one for all test inputs of a task."""

    kind: str  # what learned, as `evaluation.adaptation.kind`
    steps: int  # optimiser steps
    decodes: int  # demonstrations decoded; a way back counts as two more
    learned: int  # numbers that learned
    points: tuple[AdaptationPoint, ...]
    seconds: float = field(compare=False)  # of this task, on the machine that computed it


@dataclass(frozen=True)
class QuestionVotes:
    """Votes on one test input: all of them, or those of one batch."""

    task_id: str
    test_index: int
    votes: tuple[ViewVote, ...]
    steps: tuple[ActStep, ...] = ()
    search: SearchTrace | None = None  # no points where the identity view is in another batch
    adaptation: AdaptationTrace | None = None


@dataclass(frozen=True, slots=True)
class RankedVote:
    """A vote by the rank of the candidate it went to."""

    view: int
    dihedral: int
    colours: str
    rank: int
    halting_probability: float


@dataclass(frozen=True)
class OutcomeTrace:
    """How a test input's candidates came about."""

    grids: tuple[Grid, ...]  # of the candidates of rank 1 to TRACED_GRIDS
    votes: tuple[RankedVote, ...]  # by view
    steps: tuple[ActStep, ...] = ()  # of the identity view; empty where they were not asked for
    search: SearchTrace | None = None  # None where nothing was searched
    adaptation: AdaptationTrace | None = None  # None where the checkpoint's own weights answered


def pack_votes(questions: Iterable[QuestionVotes]) -> bytes:
    """Exactly what `unpack_votes` gives back; equal grids are written once."""
    grids: dict[Grid, int] = {}

    def number(grid: Grid) -> int:
        return grids.setdefault(grid, len(grids))

    packed = [
        [
            each.task_id,
            each.test_index,
            [
                [vote.view, vote.dihedral, vote.colours, number(vote.grid), vote.halting_probability]
                for vote in each.votes
            ],
            [[step.step, number(step.grid), step.halting_probability] for step in each.steps],
            _search_content(each.search),
            _adaptation_content(each.adaptation),
        ]
        for each in questions
    ]
    return _packed({"questions": packed, "grids": [grid.digits for grid in grids]})


def unpack_votes(packed: bytes) -> list[QuestionVotes]:
    content = _unpacked(packed)
    grids = [Grid.from_digits(digits) for digits in content["grids"]]
    return [
        QuestionVotes(
            task_id,
            test_index,
            tuple(ViewVote(view, turn, colours, grids[at], p) for view, turn, colours, at, p in votes),
            tuple(ActStep(step, grids[at], p) for step, at, p in steps),
            _search_from(*refined[:1]),
            _adaptation_from(*refined[1:]),
        )
        for task_id, test_index, votes, steps, *refined in content["questions"]
    ]


def pack_trace(trace: OutcomeTrace) -> bytes:
    return _packed(
        {
            "grids": [grid.digits for grid in trace.grids],
            "votes": [
                [vote.view, vote.dihedral, vote.colours, vote.rank, vote.halting_probability]
                for vote in trace.votes
            ],
            "steps": [[step.step, step.grid.digits, step.halting_probability] for step in trace.steps],
            "search": _search_content(trace.search),
            "adaptation": _adaptation_content(trace.adaptation),
        }
    )


def unpack_trace(packed: bytes) -> OutcomeTrace:
    content = _unpacked(packed)
    return OutcomeTrace(
        tuple(Grid.from_digits(digits) for digits in content["grids"]),
        tuple(RankedVote(*vote) for vote in content["votes"]),
        tuple(ActStep(step, Grid.from_digits(digits), p) for step, digits, p in content["steps"]),
        _search_from(content.get("search")),
        _adaptation_from(content.get("adaptation")),
    )


def unpack_ballots(packed: bytes) -> tuple[list[str], list[tuple[int, float]]]:
    """Of a trace only what a vote counts, ten times as fast as `unpack_trace`: the digits of the candidates
    that it keeps, by rank, and (rank, halting probability) of every vote, by view."""
    content = _unpacked(packed)
    return content["grids"], [(rank, probability) for _, _, _, rank, probability in content["votes"]]


def _search_content(search: SearchTrace | None) -> dict[str, Any] | None:
    if search is None:
        return None
    points = [
        [p.step, p.loss, p.distance, p.grid.digits, p.halting_probability, p.held_out] for p in search.points
    ]
    return {
        "points": points,
        "kept": search.kept_step,
        "decodes": search.decodes,
        "steps": search.steps,
        "start": search.start,
        "losses": [[loss.demonstrations, loss.held_out] for loss in (search.before, search.after)],
    }


def _search_from(content: dict[str, Any] | None = None) -> SearchTrace | None:
    """What `_search_content` was made of; None as well where it was written before searches were kept."""
    if content is None:
        return None
    points = tuple(
        SearchPoint(step, loss, distance, Grid.from_digits(digits), p, *held_out)
        for step, loss, distance, digits, p, *held_out in content["points"]
    )
    before, after = (SearchLoss(*each) for each in content.get("losses", ((), ())))
    return SearchTrace(
        points,
        content["kept"],
        content["decodes"],
        content.get("steps"),
        content.get("start"),
        before,
        after,
    )


def _adaptation_content(adaptation: AdaptationTrace | None) -> dict[str, Any] | None:
    if adaptation is None:
        return None
    return {
        "kind": adaptation.kind,
        "steps": adaptation.steps,
        "decodes": adaptation.decodes,
        "learned": adaptation.learned,
        "points": [[point.step, point.loss] for point in adaptation.points],
        "seconds": adaptation.seconds,
    }


def _adaptation_from(content: dict[str, Any] | None = None) -> AdaptationTrace | None:
    """What `_adaptation_content` was made of; None as well where it was written before there was any."""
    if content is None:
        return None
    points = tuple(AdaptationPoint(*point) for point in content["points"])
    return AdaptationTrace(**content | {"points": points})


def cost_of_adaptation(traces: Iterable[OutcomeTrace | None]) -> dict[str, float]:
    """What learning the tasks took, from a trace of one test input of each; empty where none was learned.

    This is what says how many tasks were adapted: of TRM each of them has an embedding.
    """
    found = [trace.adaptation for trace in traces if trace is not None and trace.adaptation is not None]
    if not found:
        return {}
    return {
        "adapted_tasks": len(found),
        "adaptation_decodes": sum(each.decodes for each in found),
        "adaptation_seconds": sum(each.seconds for each in found),
    }


def trace_of(
    votes: Sequence[ViewVote],
    steps: Sequence[ActStep],
    ranked: Sequence[Grid],
    search: SearchTrace | None = None,
    adaptation: AdaptationTrace | None = None,
) -> OutcomeTrace:
    """The trace of votes on candidates that are `ranked` best first."""
    ranks = {grid: rank for rank, grid in enumerate(ranked, 1)}
    return OutcomeTrace(
        tuple(ranked[:TRACED_GRIDS]),
        tuple(
            RankedVote(each.view, each.dihedral, each.colours, ranks[each.grid], each.halting_probability)
            for each in votes
        ),
        tuple(steps),
        search,
        adaptation,
    )


Tally = list[list[int]]  # per dihedral: votes, those for the first candidate, those for the truth


def tally(traces: Iterable[tuple[OutcomeTrace, int | None]]) -> Tally:
    """How the views of each symmetry vote, over test inputs; with each trace comes the truth's rank."""
    found = [[0, 0, 0] for _ in DIHEDRAL_NAMES]
    for trace, truth_rank in traces:
        for vote in trace.votes:
            counts = found[vote.dihedral]
            counts[0] += 1
            counts[1] += vote.rank == 1
            counts[2] += vote.rank == truth_rank
    return found


def added(a: Tally, b: Tally) -> Tally:
    """Both tallies in one."""
    return [[x + y for x, y in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]


def _packed(content: dict[str, Any]) -> bytes:
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode())


def _unpacked(packed: bytes) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(zlib.decompress(packed))
    return content
