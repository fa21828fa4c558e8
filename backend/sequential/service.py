"""Duels: two checkpoints evaluated with more and more views while it is undecided which solves more."""

from __future__ import annotations

import time
from functools import partial
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from backend.domain.evaluation_request import EvaluationRequest
from backend.evaluation import comparison
from backend.evaluation import service as evaluations
from backend.kit.errors import EtrmError, NotFound
from backend.kit.problems import invalid
from backend.scores import queries as evaluation_rows
from backend.scores.tables import Duel
from backend.sequential import queries as rows

_invalid = partial(invalid, "The sequential comparison was not started.")

LADDER = (32, 100, 400)
MAX_LIMIT = 200


class DuelRequest(BaseModel):
    """Two runs, what is asked of both, and how many views at most."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a: str = Field(description="Id of a run.", examples=["k3v9x0q2ab"])
    b: str = Field(description="Id of another run, or of the same at another step.")
    step_a: int | None = Field(None, ge=0, description="Of a's checkpoint; null means the newest.")
    step_b: int | None = Field(None, ge=0)
    k: int = Field(1, ge=1, le=comparison.MAX_K, description="Attempts.")
    views: tuple[int, ...] = Field(
        LADDER, min_length=1, max_length=8, description="Of each round, ascending; the last is the most."
    )
    evaluation: EvaluationRequest = Field(
        EvaluationRequest(), description="Options of both evaluations; step and views are ignored."
    )


class RoundView(BaseModel):
    """Both evaluations at one number of views."""

    views: int
    evaluation_a: int
    evaluation_b: int
    words: str = Field(description="What the comparison says; empty until both are finished.")


class DuelView(BaseModel):
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


def request(session: Session, asked: DuelRequest) -> tuple[DuelView, list[tuple[int, int]]]:
    """Start a duel; its view, and (evaluation, workers) to send to the workers after the commit.

    What was already evaluated is taken as it is. Errors as `evaluations.request`.
    """
    if list(asked.views) != sorted(set(asked.views)) or not 1 <= asked.views[0] <= asked.views[-1] <= 10_000:
        raise _invalid("views", "must ascend, each 1 to 10000.", "For example 32, 100, 400.")
    if (asked.a, asked.step_a) == (asked.b, asked.step_b):
        raise _invalid("b", "is the same checkpoint as a.", "Name another run or another step.")
    both = [
        asked.evaluation.model_copy(update={"step": step}).model_dump(mode="json")
        for step in (asked.step_a, asked.step_b)
    ]
    duel = Duel(
        run_a=asked.a, run_b=asked.b, requests=both, ladder=list(asked.views), rounds=[], k=asked.k,
        status="running", created_at=time.time(),
    )  # fmt: skip
    started = _next_round(session, duel)
    rows.add(session, duel)
    return _view(duel), started


def get(session: Session, duel_id: int) -> DuelView:
    duel = rows.get(session, duel_id)
    if duel is None:
        raise NotFound(f"Sequential comparison {duel_id} not found.", "GET /api/v1/duels lists them.")
    return _view(duel)


def find(session: Session, limit: int = 50) -> list[DuelView]:
    """Duels, newest first."""
    return [_view(duel) for duel in rows.newest(session, limit)]


def advance(session: Session) -> list[tuple[int, int]]:
    """Judge every round that is over and start the next one where it is undecided.

    Returns (evaluation, workers) to send to the workers after the commit.
    """
    started: list[tuple[int, int]] = []
    for duel in rows.running(session):
        try:
            started += _advanced(session, duel)
        except EtrmError as error:
            _end(duel, "failed", str(error))
    session.flush()
    return started


def _advanced(session: Session, duel: Duel) -> list[tuple[int, int]]:
    a, b, _ = duel.rounds[-1]
    statuses = [evaluation_rows.status_of(session, each) for each in (a, b)]
    ended = [
        f"evaluation {each} is {status}"
        for each, status in zip((a, b), statuses, strict=True)
        if status in ("failed", "cancelled")
    ]
    if ended:
        _end(duel, "failed", f"{'; '.join(ended)}.")
        return []
    if statuses != ["finished", "finished"]:
        return []
    found = comparison.compare(session, str(a), str(b), duel.k)
    duel.rounds = [*duel.rounds[:-1], [a, b, found.words]]
    if found.verdict != "undecided":
        _end(duel, "decided", found.words)
    elif len(duel.rounds) == len(duel.ladder):
        _end(duel, "undecided", found.words)
    else:
        return _next_round(session, duel)
    return []


def _next_round(session: Session, duel: Duel) -> list[tuple[int, int]]:
    """Ask both for as many views as the next rung has."""
    views = duel.ladder[len(duel.rounds)]
    ids, started = [], []
    for run_id, raw in zip((duel.run_a, duel.run_b), duel.requests, strict=True):
        asked = EvaluationRequest.model_validate(raw | {"views": views})
        existing = evaluations.existing(session, run_id, asked)
        if existing is None:
            view = evaluations.request(session, run_id, asked)
            existing = view.id
            started.append((view.id, asked.workers))
        ids.append(existing)
    if not duel.rounds:  # a run that trains on writes newer checkpoints
        duel.requests = [
            raw | {"step": evaluation_rows.step_of(session, each)}
            for raw, each in zip(duel.requests, ids, strict=True)
        ]
    duel.rounds = [*duel.rounds, [*ids, ""]]
    return started


def _end(duel: Duel, status: str, words: str) -> None:
    duel.status, duel.words, duel.finished_at = status, words, time.time()


def _view(duel: Duel) -> DuelView:
    return DuelView.model_validate(
        {
            "id": duel.id,
            "a": duel.run_a,
            "b": duel.run_b,
            "k": duel.k,
            "views": duel.ladder,
            "status": duel.status,
            "words": duel.words,
            "rounds": [
                {"views": views, "evaluation_a": a, "evaluation_b": b, "words": words}
                for views, (a, b, words) in zip(duel.ladder, duel.rounds, strict=False)
            ],
            "created_at": duel.created_at,
            "finished_at": duel.finished_at,
        }
    )
