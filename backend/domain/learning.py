"""The verdict on learning: does a run fit what it is trained on, and does it solve what it never saw?

Health says whether gradients and contexts are sound (`backend.domain.health`). A sound encoder may still
learn nothing, or learn its tasks by heart; only accuracies and the held-out score can say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backend.domain.experiment import HealthConfig
from backend.domain.health.measures import gap
from backend.domain.records import Score
from backend.kit.format import NBSP, percent, solved

Word = Literal[
    "no data yet",
    "too early",
    "cannot be told",
    "not learning",
    "underfits",
    "fits",
    "fits but does not generalise",
    "barely generalises",
    "generalises",
]
LEVELS: dict[Word, Literal["good", "warning", "bad", "quiet"]] = {
    "no data yet": "quiet",
    "too early": "quiet",
    "cannot be told": "quiet",
    "not learning": "bad",
    "underfits": "warning",
    "fits": "quiet",
    "fits but does not generalise": "warning",
    "barely generalises": "warning",
    "generalises": "good",
}
WORDS = tuple(LEVELS)

EARLY = 0.25  # of the planned steps: before them a poor accuracy says nothing
FITS = 0.5  # of whole training grids right
SOME = 0.02  # of whole training grids right, or of tokens above the baseline: more than nothing
PROVEN = 0.01  # lower end of the held-out interval: one task may be luck, and none is no success
CLEARLY = 0.1  # lower end from which it is more than a few tasks
GAP = HealthConfig().largest_gap  # of exact training accuracy above the held-out interval, by default


@dataclass(frozen=True)
class Learnt:
    """What is known of a run's learning. Accuracies are shares of training samples, None where not logged.

    They are means over the last points of their curves: one point is one batch, which proves nothing.
    """

    steps: int  # done
    planned: int | None  # None: nobody said how many
    is_over: bool
    token: float | None = None  # share of tokens right
    exact: float | None = None  # share of whole grids right
    baseline: float | None = None  # token accuracy without learning: `data/token_baseline`
    held_out: Score | None = None  # of the headline
    points: int = 1  # that the accuracies are means over
    largest_gap: float = GAP  # the config's `health.largest_gap`

    @property
    def is_early(self) -> bool:
        """Whether too little of the plan is done to say that something is missing."""
        return not self.is_over if self.planned is None else self.steps < EARLY * self.planned

    @property
    def fits(self) -> bool:
        """Whether most of what it is trained on comes out whole."""
        return self.exact is not None and self.exact >= FITS

    @property
    def starts(self) -> bool | None:
        """Whether training shows anything that is not there without learning.

        None where nobody can tell: whole grids come out right only by learning, but a run without any may
        have learned much of each. Its token accuracy says so, beside what that is without learning.
        """
        if self.exact is not None and self.exact >= SOME:
            return True
        if self.token is None or self.baseline is None:
            return None
        return self.token >= self.baseline + SOME


@dataclass(frozen=True)
class Learning:
    """The verdict: a word for a table and a filter, and the numbers it rests on."""

    word: Word
    facts: str  # what it rests on, without a full stop

    @property
    def sentence(self) -> str:
        """`Underfits: 9.5 % of training grids right; no held-out score yet; step 600 of 600.`"""
        return f"{self.word[0].upper()}{self.word[1:]}: {self.facts}."

    @property
    def level(self) -> Literal["good", "warning", "bad", "quiet"]:
        """good, warning, bad or quiet."""
        return LEVELS[self.word]


def judge(found: Learnt) -> Learning:
    """What the accuracies and the held-out score say together."""
    word = _word(found)
    if word == "no data yet":
        return Learning(word, "neither a training accuracy nor a held-out score has been recorded")
    parts = [part for part in (_training(found), _held_out(found), _progress(found)) if part]
    return Learning(word, "; ".join(parts))


def _word(found: Learnt) -> Word:
    scored = found.held_out is not None and found.held_out.n > 0
    if found.exact is None and found.token is None and not scored:
        return "no data yet"
    if found.held_out is not None and scored and (generalises := _generalises(found, found.held_out)):
        return generalises
    if found.fits:
        return "fits but does not generalise" if _misses(found) else "fits"
    if found.is_early or (found.starts and not found.is_over):
        return "too early"
    if found.starts is None:
        return "cannot be told"
    return "underfits" if found.starts else "not learning"


def _generalises(found: Learnt, score: Score) -> Word | None:
    """Whether the whole interval of the held-out score is above nothing, and how far; else None."""
    low, high = score.interval
    if score.solved < 2 or low < PROVEN:
        return None
    has_gap = found.exact is not None and gap(found.exact, high) > found.largest_gap
    return "barely generalises" if has_gap and low < CLEARLY else "generalises"


def _misses(found: Learnt) -> bool:
    """Whether the held-out interval lies below the exact training accuracy as a whole."""
    score = found.held_out
    return score is not None and score.n > 0 and score.interval[1] < (found.exact or 0.0)


def _training(found: Learnt) -> str:
    shares = []
    if found.exact is not None:
        shares.append(f"{percent(found.exact)} of training grids")
    if found.token is not None:
        without = "not recorded" if found.baseline is None else percent(found.baseline)
        shares.append(f"{percent(found.token)} of tokens ({without} without learning)")
    over = f" over the last {found.points:,} points" if found.points > 1 else ""
    return f"{' and '.join(shares)} right{over}" if shares else ""


def _held_out(found: Learnt) -> str:
    score = found.held_out
    if score is None or not score.n:
        return "no held-out score yet"
    low, high = score.interval
    interval = f"[{100 * low:.0f} to {100 * high:.0f}{NBSP}%]"
    return f"{solved(score.solved)}/{score.n} held-out tasks solved {interval}"


def _progress(found: Learnt) -> str:
    of = "" if found.planned is None else f" of {found.planned:,}"
    return f"step {found.steps:,}{of}"
