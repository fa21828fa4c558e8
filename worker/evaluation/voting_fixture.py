"""Recorded votes of the published evaluation, checked against ours: crop, undo, vote, pass@k.

The JSON names the augmented views (`identifiers`), the tasks and the answers; the arrays hold one
prediction per row: `identifier`, `inputs` and `preds` (canvas tokens), `q_halt_logits`.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backend.domain.arc.grid import Grid
from backend.domain.arc.judging import Candidate
from worker.data.augment import parse_identifier
from worker.data.tokens import crop
from worker.evaluation.voting import Ballot, share_solved, truth_rank, vote

BLANK = "<blank>"  # the identifier of rows that only fill up a batch
ATTEMPTS = 2

Candidates = Mapping[str, Sequence[tuple[Candidate, ...]]]  # task id -> per test input


class VotingCheck(NamedTuple):
    """One recorded answer beside ours."""

    what: str
    expected: Any
    got: Any

    @property
    def passed(self) -> bool:
        if isinstance(self.expected, float):
            return math.isclose(self.expected, self.got, abs_tol=1e-12)
        return bool(self.expected == self.got)


def check_voting(json_path: Path, npz_path: Path) -> list[VotingCheck]:
    """Every recorded answer of the fixture beside ours. KeyError or ValueError if it is malformed."""
    spec = json.loads(json_path.read_text())
    with np.load(npz_path) as file:
        arrays = dict(file)
    candidates = _candidates(spec, arrays)
    return [
        *_check_crops(spec, arrays),
        *_check_attempts(spec, candidates),
        *_check_passes(spec, candidates),
    ]


def _candidates(spec: Mapping[str, Any], arrays: Mapping[str, Any]) -> Candidates:
    """The candidates of each test input; a row belongs to the test whose input it shows, undone."""
    side = math.isqrt(arrays["preds"].shape[1])
    ballots: dict[tuple[str, Grid], list[Ballot]] = defaultdict(list)
    for place, number in enumerate(arrays["identifier"]):
        if spec["identifiers"][number] == BLANK:
            continue
        task_id, view = parse_identifier(spec["identifiers"][number])
        shown = view.undo(crop(arrays["inputs"][place], side))
        predicted = view.undo(crop(arrays["preds"][place], side))
        probability = 1 / (1 + math.exp(-float(arrays["q_halt_logits"][place])))
        ballots[task_id, shown].append(Ballot(predicted, probability))
    return {
        task_id: [vote(ballots[task_id, Grid.of(test["input"])]) for test in task["test"]]
        for task_id, task in spec["tasks"].items()
    }


def _check_crops(spec: Mapping[str, Any], arrays: Mapping[str, Any]) -> Iterator[VotingCheck]:
    """The first predictions as they are read from the canvas, before any undoing."""
    side = math.isqrt(arrays["preds"].shape[1])
    for place, expected in enumerate(spec["expected_crops_of_first_predictions"]):
        got = crop(arrays["preds"][place], side).as_lists()
        yield VotingCheck(f"crop of prediction {place}", expected, got)


def _check_attempts(spec: Mapping[str, Any], candidates: Candidates) -> Iterator[VotingCheck]:
    """The first attempts at each test input; the first fills up where there are too few candidates."""
    for task_id, tests in spec["expected_attempts"].items():
        answered = [found for found in candidates[task_id] if found]
        for number, (expected, found) in enumerate(zip(tests, answered, strict=True), 1):
            grids = [candidate.grid.as_lists() for candidate in found[:ATTEMPTS]]
            grids += grids[:1] * (ATTEMPTS - len(grids))
            got = {f"attempt_{attempt}": grid for attempt, grid in enumerate(grids, 1)}
            yield VotingCheck(f"attempts at {task_id}, test {number}", expected, got)


def _check_passes(spec: Mapping[str, Any], candidates: Candidates) -> Iterator[VotingCheck]:
    """pass@k: the mean over the tasks of the share of test inputs solved."""
    ranks = {
        task_id: [
            truth_rank(found, Grid.of(test["output"]))
            for found, test in zip(candidates[task_id], task["test"], strict=True)
        ]
        for task_id, task in spec["tasks"].items()
    }
    for k, expected in spec["expected_pass_at_k"].items():
        got = sum(share_solved(of_task, int(k)) for of_task in ranks.values()) / len(ranks)
        yield VotingCheck(f"pass@{k}", expected, got)
