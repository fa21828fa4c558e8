"""Scores a reasoner on test inputs: views, ACT steps, undo, vote, judge; streamed one test input at a time.

The truth of a test input is read in `_judge` alone, after the vote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from backend.domain.experiment import ExperimentConfig
from backend.domain.failure_modes import cell_accuracy, failure_mode
from backend.domain.grid import Grid
from backend.domain.records import (
    TRUTH_UNKNOWN,
    EvaluationKey,
    EvaluationSummary,
    Prediction,
    Score,
    TestOutcome,
)
from backend.domain.task import Task, TestPair
from worker.batch import Batch
from worker.data.puzzles import PuzzleTable
from worker.data.tokens import crop
from worker.device import Device
from worker.evaluation.views import Question, QuestionView, batches, questions_by_canvas, views_of
from worker.evaluation.voting import Ballot, Candidate, share_solved, truth_rank, vote
from worker.models.reasoner import Reasoner

ATTEMPTS = (1, 2, 5, 10)  # the k of pass@k


class Stop(Protocol):
    """Asked between batches whether to end early."""

    @property
    def requested(self) -> bool: ...


def evaluate(
    reasoner: Reasoner,
    config: ExperimentConfig,
    key: EvaluationKey,
    tasks: Iterable[Task],
    puzzles: PuzzleTable,
    stop: Stop,
    already: Collection[tuple[str, int]] = (),
) -> Iterator[TestOutcome]:
    """One outcome per test input of `tasks` as soon as its views are done; a stop ends it between batches.

    `already` are (task id, test index) to skip: those an earlier, stopped evaluation has done. `key` says
    how many views and ACT steps. Test inputs that fit no canvas come first, as failed.
    """
    for side, questions in questions_by_canvas(tasks, config).items():
        wanted = [each for each in questions if (each.task.id, each.test_index) not in already]
        if side is None:
            yield from (_not_fitting(question, config) for question in wanted)
        elif wanted:
            yield from _evaluate_canvas(reasoner, config, key, wanted, puzzles, stop, side)


def summarise(key: EvaluationKey, outcomes: Iterable[TestOutcome], seconds: float) -> EvaluationSummary:
    """pass@k over the tasks evaluated, and why first attempts fail. Unknown truths do not count."""
    judged = [outcome for outcome in outcomes if outcome.note != TRUTH_UNKNOWN]
    ranks: dict[str, list[int | None]] = {}
    for outcome in judged:
        ranks.setdefault(outcome.task_id, []).append(outcome.truth_rank)
    firsts = (outcome.candidates[0].failure_mode for outcome in judged if outcome.candidates)
    return EvaluationSummary(
        key=key,
        passes={
            k: Score(sum(share_solved(of_task, k) for of_task in ranks.values()), len(ranks))
            for k in ATTEMPTS
        },
        failure_modes=dict(Counter(mode.value for mode in firsts if mode is not None)),
        seconds=seconds,
    )


@dataclass
class _Ballots:
    """The votes on one question so far."""

    views_left: int
    cast: list[Ballot] = field(default_factory=list)


def _evaluate_canvas(
    reasoner: Reasoner,
    config: ExperimentConfig,
    key: EvaluationKey,
    questions: Sequence[Question],
    puzzles: PuzzleTable,
    stop: Stop,
    side: int,
) -> Iterator[TestOutcome]:
    """The questions of one canvas; a batch may hold views of several of them."""
    views = {each: views_of(each, key.views, config.seed, puzzles) for each in questions}
    boxes = {each: _Ballots(views_left=len(of_question)) for each, of_question in views.items()}
    in_order = (view for of_question in views.values() for view in of_question)
    demonstrations = max(len(each.demonstrations) for each in questions)
    for group, batch in batches(in_order, config.evaluation.batch_size, demonstrations, side):
        if stop.requested:
            return
        predictions = _predict(reasoner, config, batch, key.act_steps, side)
        for view, (grid, probability) in zip(group, predictions, strict=True):
            box = boxes[view.question]
            box.cast += _ballots(view, grid, probability)
            box.views_left -= 1
            if not box.views_left:
                yield _judge(view.question, boxes.pop(view.question).cast, config, side)


def _predict(
    reasoner: Reasoner, config: ExperimentConfig, batch: Batch, act_steps: int, side: int
) -> list[tuple[Grid, float]]:
    """What each view of a batch shows after all ACT steps, and its halting probability."""
    weights = next(reasoner.parameters())
    device = Device(weights.device, config.training.precision)
    batch = batch.to(device.torch)
    was_training = reasoner.training
    reasoner.eval()
    try:
        with torch.inference_mode(), device.autocast():
            output = reasoner.run(batch, act_steps)
    finally:
        reasoner.train(was_training)
    tokens = output.logits.argmax(dim=-1).cpu().numpy()
    probabilities = output.halt_logits.double().sigmoid().tolist()
    return [(crop(row, side), probability) for row, probability in zip(tokens, probabilities, strict=True)]


def _ballots(view: QuestionView, grid: Grid, probability: float) -> list[Ballot]:
    """One vote per augmentation that looks like this view, each undone in its own way."""
    return [Ballot(augmented.undo(grid), probability) for augmented in view.augmentations]


def _judge(question: Question, ballots: Sequence[Ballot], config: ExperimentConfig, side: int) -> TestOutcome:
    """Vote, then compare with the truth."""
    candidates = vote(ballots)
    test = question.test
    kept = candidates[: config.evaluation.keep_candidates]
    return TestOutcome(
        task_id=question.task.id,
        test_index=question.test_index,
        views=len(ballots),
        truth_rank=None if test.output is None else truth_rank(candidates, test.output),
        candidates=tuple(_prediction(rank, candidate, test) for rank, candidate in enumerate(kept, 1)),
        note=_note(test, side),
    )


def _prediction(rank: int, candidate: Candidate, test: TestPair) -> Prediction:
    grid, truth = candidate.grid, test.output
    return Prediction(
        rank=rank,
        grid=grid,
        votes=candidate.votes,
        confidence=candidate.confidence,
        correct=grid == truth,
        cell_accuracy=0.0 if truth is None else cell_accuracy(grid, truth),
        failure_mode=None if truth is None else failure_mode(grid, truth, test.input),
    )


def _note(test: TestPair, side: int) -> str:
    """What a reader should know about a test input besides its candidates."""
    if test.output is None:
        return TRUTH_UNKNOWN
    needed = max(test.output.height, test.output.width)
    return f"the truth needs a canvas of {needed}, the task's has {side}" if needed > side else ""


def _not_fitting(question: Question, config: ExperimentConfig) -> TestOutcome:
    """A failed outcome, so that a task is never left out of the score."""
    largest = config.data.canvas_sizes[-1]
    note = f"does not fit: needs a canvas of {question.task.visible_side}, the largest has {largest}"
    if question.test.output is None:
        note = TRUTH_UNKNOWN
    return TestOutcome(question.task.id, question.test_index, 0, None, (), note)
