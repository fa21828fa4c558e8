"""One batch of views through the reasoner: what each view shows in the end, and on the way if asked.

The only place where an evaluation meets the model: whatever changes how a view is decoded belongs here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from backend.domain.arc.grid import Grid
from backend.domain.arc.votes import SearchLoss, SearchPoint, SearchTrace
from backend.domain.experiment import SearchConfig
from worker.data.tokens import Tokens, crop, extents
from worker.evaluation.contexts import Replacing
from worker.kit.batch import Batch, Region
from worker.kit.device import Device
from worker.kit.stopping import Stop
from worker.models.reasoner import Reasoner, StepOutput
from worker.search.refinement import Refined, refine


class ViewPrediction(NamedTuple):
    """What a view shows after an ACT step, in the view's own colours and orientation."""

    grid: Grid
    halting_probability: float


class Shown(NamedTuple):
    """What all B views of a batch show, in their own colours and orientation."""

    tokens: Tokens  # (B, height, width) of the canvases, or of their region
    extents: list[tuple[int, int]]  # (B,) rows and columns of the grid in the corner, as `crop` reads it
    halting_probabilities: list[float]  # (B,)

    def grid(self, row: int) -> Tokens:
        """The tokens (rows, columns) of the grid that a view shows; none where it is empty."""
        rows, columns = self.extents[row]
        return self.tokens[row, :rows, :columns]


class Searching(NamedTuple):
    """How the latents of a batch of views are refined before they are decoded."""

    search: SearchConfig
    seeds: Sequence[int]  # one per view, for what is drawn


class Decoded(NamedTuple):
    """The predictions for one batch of views."""

    final: Shown  # after the last ACT step
    steps: dict[int, list[ViewPrediction]]  # of the traced rows, after every ACT step
    searches: list[SearchTrace]  # of every view, with points where asked for; none without a search


def decode(
    reasoner: Reasoner,
    batch: Batch,
    act_steps: int,
    device: Device,
    traced: Sequence[int] = (),
    searching: Searching | None = None,
    watched: Sequence[int] = (),
    replacing: Replacing | None = None,
    stop: Stop | None = None,
) -> Decoded:
    """Run `act_steps` on every view of the batch; `traced` are rows whose every step is wanted.

    `replacing` puts other contexts in place of those found, where nothing is searched.
    With a search the latents are refined first; `watched` are rows whose searches are wanted point by point.
    The numbers of a view do not depend on what is traced or watched. The reasoner's mode is left as it was.
    Stopped where a stop is asked for during a search.
    """
    batch = batch.to(device.torch)
    steps: dict[int, list[ViewPrediction]] = {row: [] for row in traced}
    searches: list[SearchTrace] = []
    refined: Refined | None = None
    was_training = reasoner.training
    reasoner.eval()
    try:
        with torch.inference_mode(), device.autocast():
            if searching is not None:
                refined = refine(reasoner, batch, *searching, act_steps, stop=stop)
                searches = _traces(reasoner, refined, act_steps, watched)
            course = refined.moved(reasoner) if refined else None
            if replacing is not None:
                course = replacing.replaced(reasoner.course(batch, act_steps))
            if traced or course is not None:
                for output in reasoner.outputs(batch, act_steps, course):
                    for row, shown in zip(traced, _predictions(output, traced, batch.region), strict=True):
                        steps[row].append(shown)
            else:
                output = reasoner.run(batch, act_steps)
            final = _shown(output.logits, output.halt_logits, batch.region)
    finally:
        reasoner.train(was_training)
    return Decoded(final, steps, searches)


def between(
    reasoner: Reasoner, batch: Batch, shares: Sequence[float], act_steps: int, device: Device
) -> Shown:
    """What the first of two views shows under contexts on the straight line from its own to the other's: one
    for each of the shares (0: its own, 1: the other's). At each ACT step the contexts are those of that step.
    """
    batch = batch.to(device.torch)
    count = len(shares)
    asked = batch.map(lambda rows: rows[:1].expand(count, *rows.shape[1:]))
    asked = asked._replace(demo_inputs=asked.demo_inputs[:, :0], demo_outputs=asked.demo_outputs[:, :0])
    was_training = reasoner.training
    reasoner.eval()
    try:
        with torch.inference_mode(), device.autocast():
            course = [
                encoded._replace(samples=asked, context=_on_the_way(encoded.context, shares))
                for encoded in reasoner.course(batch, act_steps)
            ]
            for output in reasoner.outputs(asked, act_steps, course):
                last = output
            return _shown(last.logits, last.halt_logits, batch.region)
    finally:
        reasoner.train(was_training)


def _on_the_way(contexts: Tensor, shares: Sequence[float]) -> Tensor:
    """Contexts (n, T, D) between two (2, T, D), at n shares of the way."""
    start, end = contexts.chunk(2)
    return torch.lerp(start, end, contexts.new_tensor(shares)[:, None, None])


def _traces(
    reasoner: Reasoner, refined: Refined, act_steps: int, watched: Sequence[int]
) -> list[SearchTrace]:
    """The search of every view; those of `watched` rows with what they would have shown on the way."""
    rows = list(watched)
    points: dict[int, list[SearchPoint]] = {row: [] for row in rows}
    taken = refined.taken.tolist()
    for moment in refined.moments if rows else ():
        course = refined.moved(reasoner, moment.best, rows)
        samples = course[0].samples
        for output in reasoner.outputs(samples, act_steps, course):
            last = output
        shown = _predictions(last, range(len(rows)), samples.region)
        found = (each[rows].tolist() for each in (moment.losses, moment.held_out, moment.distances))
        for row, loss, held_out, distance, (grid, p) in zip(rows, *found, shown, strict=True):
            if moment.step <= taken[row]:
                points[row].append(SearchPoint(moment.step, loss, distance, grid, p, _known(held_out)))
    return [
        SearchTrace(
            points=tuple(points.get(row, ())),
            kept_step=int(refined.kept[row]),
            decodes=int(refined.decodes[row]),
            steps=taken[row],
            start=int(refined.won[row]) + 1,
            before=SearchLoss(*(_known(float(loss[row])) for loss in refined.before)),
            after=SearchLoss(*(_known(float(loss[row])) for loss in refined.after)),
        )
        for row in range(len(taken))
    ]


def _known(loss: float) -> float | None:
    return None if math.isnan(loss) else loss


def _predictions(output: StepOutput, rows: Sequence[int], region: Region | None) -> list[ViewPrediction]:
    """What these rows show after this step; the crop reads no test output."""
    chosen = list(rows)
    few = _shown(output.logits[chosen], output.halt_logits[chosen], region)
    return [
        ViewPrediction(crop(tokens, *tokens.shape), probability)
        for tokens, probability in zip(few.tokens, few.halting_probabilities, strict=True)
    ]


def _shown(logits: Tensor, halt_logits: Tensor, region: Region | None) -> Shown:
    """What every row shows."""
    side = math.isqrt(logits.shape[1])
    shape = (side, side) if region is None else (region.height, region.width)
    tokens = logits.argmax(dim=-1).to(torch.uint8).cpu().numpy().reshape(-1, *shape)
    heights, widths = extents(tokens)
    probabilities: list[float] = halt_logits.double().sigmoid().tolist()
    return Shown(tokens, list(zip(heights.tolist(), widths.tolist(), strict=True)), probabilities)
