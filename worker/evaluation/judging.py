"""From the votes on a test input to its outcome. The truth is read here alone, after the vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backend.domain.arc.judging import judged
from backend.domain.arc.task import TestPair
from backend.domain.arc.votes import ActStep, QuestionVotes, SearchTrace, trace_of
from backend.domain.experiment import ExperimentConfig
from backend.domain.records import TRUTH_UNKNOWN, TestOutcome
from worker.evaluation.views import Question
from worker.evaluation.voting import truth_rank, vote


def gathered(question: Question, parts: Sequence[QuestionVotes]) -> QuestionVotes:
    """All votes on a question, whatever batches they come from and in whatever order these were computed."""
    votes = sorted((each for part in parts for each in part.votes), key=lambda each: each.view)
    steps: tuple[ActStep, ...] = next((part.steps for part in parts if part.steps), ())
    searches = [part.search for part in parts if part.search is not None]
    adaptation = next((part.adaptation for part in parts if part.adaptation), None)
    return QuestionVotes(
        question.task.id, question.test_index, tuple(votes), steps, together(searches), adaptation
    )


def together(found: Sequence[SearchTrace]) -> SearchTrace | None:
    """The course of the identity view's search, and what those of all views cost."""
    if not found:
        return None
    first = next((each for each in found if each.points), found[0])
    return replace(first, decodes=sum(each.decodes for each in found))


def judge(question: Question, whole: QuestionVotes, keep: int, room: tuple[int, int]) -> TestOutcome:
    """Vote, then compare with the truth; `keep` candidates are kept. Votes come by view.

    `room` is the height and width of what can be answered on the question's canvas.
    """
    votes = whole.votes
    candidates = vote(votes)
    test = question.test
    return TestOutcome(
        task_id=question.task.id,
        test_index=question.test_index,
        views=len(votes),
        truth_rank=None if test.output is None else truth_rank(candidates, test.output),
        candidates=tuple(judged(rank, each, test) for rank, each in enumerate(candidates[:keep], 1)),
        note=_note(test, room),
        trace=trace_of(
            votes, whole.steps, [each.grid for each in candidates], whole.search, whole.adaptation
        ),
    )


def not_fitting(question: Question, config: ExperimentConfig) -> TestOutcome:
    """A failed outcome, so that a task is never left out of the score."""
    largest = config.data.canvas_sizes[-1]
    note = f"does not fit: needs a canvas of {question.task.visible_side}, the largest has {largest}"
    if question.test.output is None:
        note = TRUTH_UNKNOWN
    return TestOutcome(question.task.id, question.test_index, 0, None, (), note)


def _note(test: TestPair, room: tuple[int, int]) -> str:
    """What a reader should know about a test input besides its candidates."""
    if test.output is None:
        return TRUTH_UNKNOWN
    height, width = test.output.height, test.output.width
    if height <= room[0] and width <= room[1]:
        return ""
    if room[0] == room[1]:
        return f"the truth needs a canvas of {max(height, width)}, the task's has {room[0]}"
    return f"the truth is {height} x {width}, the task's canvas {room[0]} x {room[1]}"
