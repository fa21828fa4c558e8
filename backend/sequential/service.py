"""Sequential comparisons: more and more views while it is undecided which of two checkpoints solves more."""

from __future__ import annotations

import time
from functools import partial
from typing import Literal

from pydantic import ConfigDict, Field
from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.domain.evaluation_request import EvaluationRequest
from backend.evaluation import comparison
from backend.evaluation import service as evaluations
from backend.kit.errors import EtrmError, NotFound
from backend.kit.model import Model
from backend.kit.problems import invalid
from backend.scores import queries as evaluation_rows
from backend.scores.paired import judged
from backend.scores.tables import SequentialComparison
from backend.sequential import queries as rows

_invalid = partial(invalid, "The sequential comparison was not started.")

VIEW_BUDGETS = (32, 100, 400)
MAX_LIMIT = 200


class SequentialRequest(Model):
    """Two runs, what is asked of both, and how many views at most."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=False)  # a body: see web.inputs

    a: str = Field(description="Id of a run.", examples=["k3v9x0q2ab"])
    b: str = Field(description="Id of another run, or of the same at another step.")
    step_a: int | None = Field(None, ge=0, description="Of a's checkpoint; null means the newest.")
    step_b: int | None = Field(None, ge=0)
    k: int = Field(1, ge=1, le=comparison.MAX_K, description="Attempts.")
    views: tuple[int, ...] = Field(
        VIEW_BUDGETS,
        min_length=1,
        max_length=8,
        description="Of each round, ascending; the last is the most.",
    )
    evaluation: EvaluationRequest = Field(
        EvaluationRequest(), description="Options of both evaluations; step and views are ignored."
    )


class RoundView(Model):
    """Both evaluations at one number of views."""

    views: int
    evaluation_a: int
    evaluation_b: int
    words: str = Field(description="What the comparison says; empty until both are finished.")


class SequentialView(Model):
    """Two checkpoints and the rounds so far."""

    id: int
    a: str
    b: str
    k: int
    views: list[int]
    status: Literal["running", "decided", "undecided", "failed"]
    words: str
    rounds: list[RoundView]
    created_at: float
    finished_at: float | None


def request(session: Session, asked: SequentialRequest) -> tuple[SequentialView, list[tuple[int, int]]]:
    """Start one; its view, and (evaluation, workers) to send to the workers after the commit.

    What was already evaluated is taken as it is. Errors as `evaluations.queue`.
    """
    if list(asked.views) != sorted(set(asked.views)) or not 1 <= asked.views[0] <= asked.views[-1] <= 10_000:
        raise _invalid("views", "must ascend, each 1 to 10000.", "For example 32, 100, 400.")
    if (asked.a, asked.step_a) == (asked.b, asked.step_b):
        raise _invalid("b", "is the same checkpoint as a.", "Name another run or another step.")
    both = [
        asked.evaluation.model_copy(update={"step": step}).model_dump(mode="json")
        for step in (asked.step_a, asked.step_b)
    ]
    sequential = SequentialComparison(
        run_a=asked.a, run_b=asked.b, requests=both, view_budgets=list(asked.views), rounds=[], k=asked.k,
        status="running", created_at=time.time(),
    )  # fmt: skip
    started = _next_round(session, sequential)
    rows.add(session, sequential)
    subject = Subject("sequential comparison", str(sequential.id), f"runs {asked.a} and {asked.b}")
    audit.note(session, Action.LAUNCHED, subject)
    return _view(sequential), started


def get(session: Session, comparison_id: int) -> SequentialView:
    sequential = rows.get(session, comparison_id)
    if sequential is None:
        raise NotFound(f"Sequential comparison {comparison_id} not found.", "GET /api/v1/duels lists them.")
    return _view(sequential)


def find(session: Session, limit: int = 50) -> list[SequentialView]:
    """Sequential comparisons, newest first."""
    return [_view(sequential) for sequential in rows.newest(session, limit)]


def advance(session: Session) -> list[tuple[int, int]]:
    """Judge every round that is over and start the next one where it is undecided.

    Returns (evaluation, workers) to send to the workers after the commit.
    """
    started: list[tuple[int, int]] = []
    for sequential in rows.running(session):
        try:
            started += _advanced(session, sequential)
        except EtrmError as error:
            _end(sequential, "failed", str(error))
    session.flush()
    return started


def _advanced(session: Session, sequential: SequentialComparison) -> list[tuple[int, int]]:
    a, b, _ = sequential.rounds[-1]
    statuses = [evaluation_rows.status_of(session, each) for each in (a, b)]
    ended = [
        f"evaluation {each} is {status}"
        for each, status in zip((a, b), statuses, strict=True)
        if status in ("failed", "cancelled")
    ]
    if ended:
        _end(sequential, "failed", f"{'; '.join(ended)}.")
        return []
    if statuses != ["finished", "finished"]:
        return []
    found = comparison.compare(session, str(a), str(b), sequential.k)
    looks = len(sequential.view_budgets)  # each may decide: Bonferroni, which needs no order of the rounds
    found = judged(found, min(1.0, looks * found.p_value), looks)
    sequential.rounds = [*sequential.rounds[:-1], [a, b, found.words]]
    if found.verdict != "undecided":
        _end(sequential, "decided", found.words)
    elif len(sequential.rounds) == len(sequential.view_budgets):
        _end(sequential, "undecided", found.words)
    else:
        return _next_round(session, sequential)
    return []


def _next_round(session: Session, sequential: SequentialComparison) -> list[tuple[int, int]]:
    """Ask both for as many views as the next rung has."""
    views = sequential.view_budgets[len(sequential.rounds)]
    ids: list[int] = []
    started: list[tuple[int, int]] = []
    for run_id, raw in zip((sequential.run_a, sequential.run_b), sequential.requests, strict=True):
        asked = EvaluationRequest.model_validate(raw | {"views": views})
        [(evaluation_id, is_new)] = evaluations.ensure(session, run_id, [asked])
        started += [(evaluation_id, asked.workers)] * is_new
        ids.append(evaluation_id)
    if not sequential.rounds:  # a run that trains on writes newer checkpoints
        sequential.requests = [
            raw | {"step": evaluation_rows.step_of(session, each)}
            for raw, each in zip(sequential.requests, ids, strict=True)
        ]
    sequential.rounds = [*sequential.rounds, [*ids, ""]]
    return started


def _end(sequential: SequentialComparison, status: str, words: str) -> None:
    sequential.status, sequential.words, sequential.finished_at = status, words, time.time()


def _view(sequential: SequentialComparison) -> SequentialView:
    return SequentialView.model_validate(
        {
            "id": sequential.id,
            "a": sequential.run_a,
            "b": sequential.run_b,
            "k": sequential.k,
            "views": sequential.view_budgets,
            "status": sequential.status,
            "words": sequential.words,
            "rounds": [
                {"views": views, "evaluation_a": a, "evaluation_b": b, "words": words}
                for views, (a, b, words) in zip(sequential.view_budgets, sequential.rounds, strict=False)
            ],
            "created_at": sequential.created_at,
            "finished_at": sequential.finished_at,
        }
    )
