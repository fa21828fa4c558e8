"""What an evaluation found, to take along: a Kaggle submission, and tables as JSON, CSV or Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

from sqlalchemy.orm import Session

from backend.data import service as datasets
from backend.domain.arc.votes import unpack_trace
from backend.domain.statistics import pass_curve
from backend.evaluation import outcomes as predictions
from backend.evaluation_page import strata as by_stratum
from backend.kit.errors import NotFound
from backend.kit.exports.table_files import MEDIA_TYPES, File, Head, check, table_file
from backend.kit.format import finite
from backend.kit.problems import invalid
from backend.scores import queries as rows
from backend.scores.measured import PassView, passed
from backend.scores.oracle import oracle_of
from backend.scores.tables import Evaluation

What = Literal["predictions", "votes", "steps", "curve", "strata", "submission"]
ATTEMPTS = 2
NO_ANSWER = [[0]]  # Kaggle wants a grid for every attempt

PREDICTIONS: Head = {
    "task_id": "text",
    "test_index": "int",
    "views": "int",
    "truth_rank": "int",
    "note": "text",
    "rank": "int",
    "grid": "text",
    "votes": "int",
    "confidence": "float",
    "correct": "bool",
    "cell_accuracy": "float",
    "failure_mode": "text",
}
VOTES: Head = {
    "task_id": "text",
    "test_index": "int",
    "view": "int",
    "dihedral": "int",
    "colours": "text",
    "candidate": "int",
    "halting_probability": "float",
}
STEPS: Head = {
    "task_id": "text",
    "test_index": "int",
    "step": "int",
    "grid": "text",
    "halting_probability": "float",
}
SCORES: Head = {"k": "int", "solved": "float", "n": "int", "share": "float", "low": "float", "high": "float"}
STRATA: Head = {"dimension": "text", "stratum": "text", **SCORES}


def export(session: Session, evaluation_id: int, what: str, as_: str) -> File:
    """One kind of table of an evaluation in one format. InvalidInput names the field; NotFound."""
    evaluation = rows.get(session, evaluation_id)
    if evaluation is None:
        raise NotFound(f"Evaluation {evaluation_id} not found.")
    check("what", what, get_args(What))
    name = f"evaluation-{evaluation_id}-{what}"
    if what == "submission":
        if as_ != "json":
            raise invalid("Nothing was exported.", "format", "a submission is JSON.", "Leave the format out.")
        content = json.dumps(submission(session, evaluation)).encode()
        return File(f"{name}.json", MEDIA_TYPES["json"], content)
    return table_file(name, *_table(session, evaluation, what), as_)


def submission(session: Session, evaluation: Evaluation) -> dict[str, list[dict[str, list[list[int]]]]]:
    """Two attempts at every test input of every task asked, as Kaggle takes them.

    The first fills up for a missing second; what has no answer, or an empty one, is a single black cell.
    """
    found: dict[tuple[str, int], list[list[list[int]]]] = {}
    for outcome in predictions.outcomes(session, evaluation.id):
        grids = [each.grid.as_lists() or NO_ANSWER for each in outcome.candidates[:ATTEMPTS]]
        found[outcome.task_id, outcome.test_index] = grids
    asked = set(evaluation.task_ids)
    tasks = datasets.tasks(session, evaluation.set_name, pools=False)
    return {
        task.id: [_attempts(found.get((task.id, index), [])) for index in range(len(task.tests))]
        for task in sorted(tasks, key=lambda task: task.id)
        if task.id in asked
    }


def _attempts(grids: Sequence[list[list[int]]]) -> dict[str, list[list[int]]]:
    first = grids[0] if grids else NO_ANSWER
    second = grids[1] if len(grids) > 1 else first
    return {"attempt_1": first, "attempt_2": second}


def _table(session: Session, evaluation: Evaluation, what: str) -> tuple[Head, list[tuple[Any, ...]]]:
    if what == "predictions":
        return PREDICTIONS, list(_predictions(session, evaluation.id))
    if what == "curve":
        return SCORES, _curve(session, evaluation)
    if what == "strata":
        return STRATA, _strata(session, evaluation.id)
    traced = rows.traces_of(session, evaluation.id)
    table: list[tuple[Any, ...]] = []
    for outcome, packed in traced:
        trace, name = unpack_trace(packed), (outcome.task_id, outcome.test_index)
        if what == "votes":
            table += [
                (*name, each.view, each.dihedral, each.colours, each.rank, finite(each.halting_probability))
                for each in trace.votes
            ]
        else:
            table += [
                (*name, each.step, each.grid.digits, finite(each.halting_probability)) for each in trace.steps
            ]
    return (VOTES if what == "votes" else STEPS), table


def _curve(session: Session, evaluation: Evaluation) -> list[tuple[Any, ...]]:
    """pass@k at every k where it rises, then at as many attempts as there can be candidates."""
    ranks = rows.truth_ranks(session, evaluation.id)
    oracle = oracle_of(ranks, evaluation.views)
    rising = {k: passed(k, score.solved, score.n) for k, score in pass_curve(ranks).items()}
    return [_score(each) for each in (rising | {oracle.score.k: oracle.score}).values()] if oracle else []


def _strata(session: Session, evaluation_id: int) -> list[tuple[Any, ...]]:
    """A line for each stratum and k; the last k of each is all candidates."""
    return [
        (dimension.name, stratum.name, *_score(score))
        for dimension in by_stratum.strata(session, evaluation_id).dimensions
        for stratum in dimension.strata
        for score in (*stratum.passes, *([stratum.oracle.score] if stratum.oracle else []))
    ]


def _score(score: PassView) -> tuple[Any, ...]:
    return (score.k, score.solved, score.n, score.share, score.low, score.high)


def _predictions(session: Session, evaluation_id: int) -> Iterator[tuple[Any, ...]]:
    """A line for each kept candidate; a test input without one has a line without grid."""
    outcomes = predictions.outcomes(session, evaluation_id)
    for outcome in sorted(outcomes, key=lambda each: (each.task_id, each.test_index)):
        name = (outcome.task_id, outcome.test_index, outcome.views, outcome.truth_rank, outcome.note)
        for each in outcome.candidates:
            mode = each.failure_mode.value if each.failure_mode else None
            yield (
                *name, each.rank, each.grid.digits, each.votes, finite(each.confidence), each.correct,
                each.cell_accuracy, mode,
            )  # fmt: skip
        if not outcome.candidates:
            yield (*name, *[None] * 7)
