"""What the candidates of an evaluation hold, whatever their rank: pass@k up to all of them."""

from __future__ import annotations

from itertools import chain

from pydantic import Field

from backend.domain.statistics import Ranks, pass_at
from backend.kit.model import Model
from backend.scores.measured import PassView, passed

ATTEMPTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class OracleView(Model):
    """How far an evaluation would get if something picked the right one among all its candidates."""

    score: PassView = Field(
        description="pass@k with as many attempts as there can be candidates: what no ranking can exceed."
    )
    attempts: list[PassView] = Field(description="pass@k at k = 1, 2, 5, 10, 20, … and at all candidates.")
    whole_tasks: int = Field(
        description="Tasks with the truth among the candidates of every one of their test inputs."
    )
    found: int = Field(description="Test inputs with the truth among their candidates.")
    test_inputs: int = Field(description="Test inputs whose truth is known.")
    deepest: int | None = Field(
        description="Largest rank of a truth: no further attempt solves more. null where none was found."
    )


def oracle_of(ranks: Ranks, candidates: int) -> OracleView | None:
    """The oracle of these truth ranks; `candidates` is the greatest number that a test input can have. None
    without tasks."""
    if not ranks:
        return None
    every = list(chain.from_iterable(ranks.values()))
    placed = [rank for rank in every if rank is not None]
    last = max(candidates, *placed, 1)
    curve = [
        passed(k, (score := pass_at(ranks, k)).solved, score.n)
        for k in (*(k for k in ATTEMPTS if k < last), last)
    ]
    return OracleView(
        score=curve[-1],
        attempts=curve,
        whole_tasks=sum(None not in of_task for of_task in ranks.values()),
        found=len(placed),
        test_inputs=len(every),
        deepest=max(placed, default=None),
    )
