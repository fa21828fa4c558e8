"""What a search has found so far, view by view: the best move, when to stop, and moments for the record."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from worker.search.moves import Losses, over

TRACE_POINTS = 20  # recorded moments of a search, besides its start

Clock = Callable[[], float]


class Moment(NamedTuple):
    """What a search had found after some steps."""

    step: int
    losses: Tensor  # (B,) float64, steering loss of the move that did best at this step
    held_out: Tensor  # (B,) float64, the loss of its held-out demonstration; NaN without one
    distances: Tensor  # (B,) root mean square, per number, of that move
    best: Tensor  # (B, ...) the moves that a stop here would return


class Limits(NamedTuple):
    """What ends a search."""

    steps: Tensor  # (B,) int64, how many each view may take
    patience: int | None = None  # steps in a row without a better move
    seconds: float | None = None  # of the whole batch
    clock: Clock = time.monotonic


class Trail:
    """Notes what was asked, step by step. Step 0 asks the starts, of which the first does not move."""

    def __init__(self, first: Tensor, limits: Limits) -> None:
        """`first` (B, R, ...) are the moves to the starts."""
        self.starts = first.shape[1]
        self.steps = limits.steps  # (B,) how many each view may take
        self.longest = int(limits.steps.max())
        self.best = torch.zeros_like(first[:, 0])
        self.kept = torch.zeros_like(limits.steps)  # (B,) the step whose move is the best
        self.won = torch.zeros_like(limits.steps)  # (B,) the start from which it came, 0 the first
        self.taken = torch.zeros_like(limits.steps)  # (B,) steps taken
        self.early = torch.zeros_like(limits.steps, dtype=torch.bool)  # (B,) ended before its last step
        nothing = torch.full(limits.steps.shape, torch.nan, dtype=torch.float64, device=first.device)
        self.before = self.after = Losses(nothing, nothing)  # each (B,): unmoved, and at the best move
        self._limits = limits
        self._least = torch.full_like(nothing, torch.inf)
        self._moments: list[Moment] = []
        self._last: Moment | None = None
        self._recorded = set(np.linspace(0, self.longest, TRACE_POINTS + 1).round().astype(int).tolist())
        self._ends = None if limits.seconds is None else limits.clock() + limits.seconds

    @property
    def moments(self) -> tuple[Moment, ...]:
        """At most `TRACE_POINTS` + 1; the last is what was noted last."""
        moments = self._moments
        if self._last is not None and (not moments or moments[-1].step != self._last.step):
            moments = [*moments, self._last]
        return tuple(moments)

    @property
    def over(self) -> bool:
        """Whether no view takes another step."""
        return bool((self.early | (self.taken >= self._limits.steps)).all())

    def note(self, step: int, moves: Tensor, losses: Losses) -> None:
        """Take in what was asked at `step`: moves (B, C, ...), start by start. Views that may take no such
        step, or were not better, stay.
        """
        rows = torch.arange(len(moves), device=moves.device)
        which = losses.selecting.argmin(1)
        here = Losses(losses.steering[rows, which], losses.held_out[rows, which])
        taking = ~self.early & (step <= self._limits.steps)
        better = taking & (losses.selecting[rows, which] < self._least)
        chosen = moves[rows, which]
        if step == 0:
            self.before = self.after = Losses(losses.steering[:, 0], losses.held_out[:, 0])
        self._least = torch.where(better, losses.selecting[rows, which], self._least)
        self.after = Losses(
            *(torch.where(better, new, old) for new, old in zip(here, self.after, strict=True))
        )
        self.kept = torch.where(better, step, self.kept)
        self.won = torch.where(better, which // (moves.shape[1] // self.starts), self.won)
        self.taken = torch.where(taking, step, self.taken)
        self.best = torch.where(over(better, chosen), chosen, self.best)
        self._end_early(step)
        distances = chosen.flatten(1).double().square().mean(1).sqrt()
        self._last = Moment(step, here.steering, here.held_out, distances, self.best)
        if step in self._recorded:
            self._moments.append(self._last)

    def _end_early(self, step: int) -> None:
        """End the views that ran out of patience, or all when the time is up."""
        going = self.taken < self._limits.steps
        if self._limits.patience is not None:
            self.early = self.early | (going & (step - self.kept >= self._limits.patience))
        if self._ends is not None and self._limits.clock() >= self._ends:
            self.early = self.early | going
