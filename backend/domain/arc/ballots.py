"""The vote: equal answers are counted together and ranked. One rule for one evaluation and for several."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Answer = TypeVar("Answer", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Standing(Generic[Answer]):
    """An answer with all its votes."""

    answer: Answer
    votes: int
    confidence: float  # mean halting probability of its votes


def ranked(ballots: Iterable[tuple[Answer, float]]) -> tuple[Standing[Answer], ...]:
    """All different answers, most votes first, then the surest; of equals the one that was seen first.

    A ballot is an answer with its halting probability.
    """
    probabilities: dict[Answer, list[float]] = {}
    for answer, probability in ballots:
        probabilities.setdefault(answer, []).append(probability)
    standings = [Standing(answer, len(ps), sum(ps) / len(ps)) for answer, ps in probabilities.items()]
    standings.sort(key=lambda standing: (standing.votes, standing.confidence), reverse=True)
    return tuple(standings)
