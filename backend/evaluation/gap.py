"""How much better weights are on tasks they were trained on than on tasks held out."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import Field
from sqlalchemy.orm import Session

from backend.domain.records import Score
from backend.domain.statistics import difference_of_shares, pass_at
from backend.kit.model import Model
from backend.runs.tables import Run
from backend.scores import queries as rows
from backend.scores.measured import PassView, passed
from backend.scores.standing import parts
from backend.scores.tables import Evaluation


class GapView(Model):
    """The same weights on trained-on and on held-out tasks."""

    k: int
    trained_set: str
    trained: PassView
    trained_evaluation: int
    held_out_set: str
    held_out: PassView
    held_out_evaluation: int
    difference: float = Field(description="Share trained on - share held out.")
    low: float = Field(description="Of Newcombe's 95 % interval.")
    high: float


def gap(session: Session, row: Evaluation, run: Run, k: int = 1) -> GapView | None:
    """Of this evaluation's tasks, those trained on against those held out.

    Where it has one kind alone, the other is of the newest evaluation with the same settings that has it;
    None without such a one.
    """
    found = [row, *rows.measured_alike(session, row)]
    kinds = list(zip(found, parts(session, run, found), strict=True))
    trained = next(((each, of.trained) for each, of in kinds if of.trained), None)
    held_out = next(((each, of.held_out) for each, of in kinds if of.held_out), None)
    if trained is None or held_out is None or row not in (trained[0], held_out[0]):
        return None
    scores = [_score(session, *each, k) for each in (trained, held_out)]
    difference = difference_of_shares(*scores)
    if difference is None:
        return None
    return GapView(
        k=k,
        trained_set=trained[0].set_name,
        trained=passed(k, scores[0].solved, scores[0].n),
        trained_evaluation=trained[0].id,
        held_out_set=held_out[0].set_name,
        held_out=passed(k, scores[1].solved, scores[1].n),
        held_out_evaluation=held_out[0].id,
        difference=difference.mean,
        low=difference.low,
        high=difference.high,
    )


def _score(session: Session, row: Evaluation, task_ids: Collection[str], k: int) -> Score:
    ranks = rows.truth_ranks(session, row.id)
    return pass_at({task_id: of for task_id, of in ranks.items() if task_id in task_ids}, k)
