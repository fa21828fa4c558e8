"""One batch of views through the reasoner: what each view shows in the end, and on the way if asked.

The only place where an evaluation meets the model: whatever changes how a view is decoded belongs here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from backend.domain.grid import Grid
from worker.batch import Batch
from worker.data.tokens import crop
from worker.device import Device
from worker.models.reasoner import Reasoner, StepOutput


class ViewPrediction(NamedTuple):
    """What a view shows after an ACT step, in the view's own colours and orientation."""

    grid: Grid
    halting_probability: float


class Decoded(NamedTuple):
    """The predictions for one batch of views."""

    final: list[ViewPrediction]  # of every view, after the last ACT step
    steps: dict[int, list[ViewPrediction]]  # of the traced rows, after every ACT step


def decode(
    reasoner: Reasoner, batch: Batch, act_steps: int, device: Device, traced: Sequence[int] = ()
) -> Decoded:
    """Run `act_steps` on every view of the batch; `traced` are rows whose every step is wanted.

    The numbers of a view do not depend on what is traced. The reasoner's mode is left as it was.
    """
    batch = batch.to(device.torch)
    steps: dict[int, list[ViewPrediction]] = {row: [] for row in traced}
    was_training = reasoner.training
    reasoner.eval()
    try:
        with torch.inference_mode(), device.autocast():
            if traced:
                for output in reasoner.outputs(batch, act_steps):
                    for row, shown in zip(traced, _predictions(output, traced), strict=True):
                        steps[row].append(shown)
            else:
                output = reasoner.run(batch, act_steps)
            final = _predictions(output, range(len(batch.inputs)))
    finally:
        reasoner.train(was_training)
    return Decoded(final, steps)


def _predictions(output: StepOutput, rows: Sequence[int]) -> list[ViewPrediction]:
    """What these rows show after this step; the crop reads no test output."""
    chosen = list(rows)
    side = math.isqrt(output.logits.shape[1])
    tokens = output.logits[chosen].argmax(dim=-1).cpu().numpy()
    probabilities = output.halt_logits[chosen].double().sigmoid().tolist()
    return [
        ViewPrediction(crop(row, side), probability)
        for row, probability in zip(tokens, probabilities, strict=True)
    ]
