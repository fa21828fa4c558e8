"""Everything of a run that moves, and its one motion: a training step.

No variant is known here: a model is a `Reasoner`, its extra losses are penalties with names.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from backend.domain.experiment import ExperimentConfig
from worker.batch import Batch
from worker.data.batches import BatchStream
from worker.data.training_data import TrainingData
from worker.device import Device
from worker.models.build import build_reasoner
from worker.models.core import States
from worker.models.reasoner import Carry, StepOutput
from worker.training import diagnostics
from worker.training.checkpoint import Snapshot
from worker.training.ema import Ema
from worker.training.losses import LossTerms, act_loss, with_penalties
from worker.training.optim import build_optimisers
from worker.training.sums import Sums
from worker.training.tensor_tree import to_device

_SIDE_SALT = 0x51DE  # keeps the choice of canvases apart from other draws of the same seed


class Learner:
    """Weights, average, optimisers, data positions, carries, and sums since the last reading."""

    def __init__(self, config: ExperimentConfig, data: TrainingData, device: Device) -> None:
        self.config = config
        self.device = device
        self.step = 0
        self.reasoner = build_reasoner(config, data.puzzles.rows).to(device.torch).train()
        self.ema = Ema(self.reasoner, config.optimisation.ema_decay)
        self.optimisers = build_optimisers(self.reasoner, config)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.streams = {side: BatchStream(data, config, side) for side in data.by_canvas}
        self.carries: dict[int, Carry] = {}
        self.sums = Sums()
        self._encoder = list(self.reasoner.encoder_parameters())
        self._core = list(self.reasoner.core_parameters())
        self._coverage = diagnostics.GradientCoverage(self._encoder)
        samples = np.array([len(tasks) for tasks in data.by_canvas.values()], dtype=float)
        self._side_shares = samples / samples.sum()
        self._learning_rate = 0.0
        self._seconds, self._steps_timed = 0.0, 0

    def advance(self) -> None:
        """One optimiser step: one ACT step of the batch of one canvas."""
        started = time.perf_counter()
        side = self._side_of(self.step)
        batch = self._next_batch(side)
        with self.device.autocast():
            output = self.reasoner.step(
                self.carries.get(side) or self.reasoner.initial_carry(batch), batch, self.generator
            )
        if output.context.requires_grad:
            output.context.retain_grad()
        terms = act_loss(output.logits, output.halt_logits, output.carry.batch.labels)
        loss = with_penalties(terms.total, output.penalties) / self.config.training.batch_size
        self.optimisers.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._observe(loss, terms, output)
        self._learning_rate = self.optimisers.set_learning_rate(self.step)
        self.optimisers.step()
        self.ema.update()
        self.carries[side] = output.carry
        self.step += 1
        self._seconds += time.perf_counter() - started
        self._steps_timed += 1

    def read(self) -> dict[str, float]:
        """Everything recorded of the steps since the last reading, by metric name.

        Accuracies and ACT steps are means over the samples that halted in a step, as published; the rest
        are means over steps. `accuracy/token` is the share of labelled tokens right, a mean over samples.
        """
        values = self.sums.read(self._coverage.read())
        self._coverage.restart()
        values["learning_rate"] = self._learning_rate
        if self._seconds:
            values["samples_per_second"] = self._steps_timed * self.config.training.batch_size / self._seconds
        values["memory_bytes"] = float(self.device.memory_bytes())
        self._seconds, self._steps_timed = 0.0, 0
        return values

    def snapshot(self, extra: Any) -> Snapshot:
        """All state, for a checkpoint; `extra` is kept beside it."""
        state = {
            "optimisers": self.optimisers.state_dict(),
            "generator": self.generator.get_state(),
            "positions": {side: stream.position for side, stream in self.streams.items()},
            "carries": dict(self.carries),
            "sums": self.sums.state_dict(),
            "touched": self._coverage.touched,
            "learning_rate": self._learning_rate,
            "extra": extra,
        }
        return Snapshot(self.step, self.config, self.reasoner.state_dict(), self.ema.state_dict(), state)

    def restore(self, snapshot: Snapshot) -> Any:
        """Go on from a snapshot of the same model and data; returns its `extra`."""
        state = to_device(snapshot.state, self.device.torch)
        self.step = snapshot.step
        self.reasoner.load_state_dict(dict(snapshot.weights))
        self.ema.load_state_dict(snapshot.ema)
        self.optimisers.load_state_dict(state["optimisers"])
        self.generator.set_state(state["generator"].cpu())
        for side, position in state["positions"].items():
            self.streams[side].position = position
        self.carries = {side: _carry(parts) for side, parts in state["carries"].items()}
        self.sums.load_state_dict(state["sums"])
        self._coverage.touched = state["touched"]
        self._learning_rate = state["learning_rate"]
        return state["extra"]

    def _side_of(self, step: int) -> int:
        """The canvas of a step: drawn by its share of the samples, a pure function of seed and step."""
        draw = np.random.default_rng((self.config.seed, _SIDE_SALT, step)).random()
        index = int(np.searchsorted(np.cumsum(self._side_shares)[:-1], draw, side="right"))
        return list(self.streams)[index]

    def _next_batch(self, side: int) -> Batch:
        """New samples for the halted slots of a canvas; the other slots hold nothing of use."""
        carry = self.carries.get(side)
        size = self.config.training.batch_size
        wanted = np.ones(size, dtype=bool) if carry is None else carry.halted.cpu().numpy()
        batch = self.streams[side].next(wanted)
        return Batch(*(tensor.to(self.device.torch, non_blocking=True) for tensor in batch))

    def _observe(self, loss: torch.Tensor, terms: LossTerms, output: StepOutput) -> None:
        """Add this step to the sums, and clip. Nothing here waits for the device."""
        size = self.config.training.batch_size
        norms = diagnostics.gradient_norms(self._encoder, self._core)
        parameters = (parameter for _, parameter in (*self._encoder, *self._core))
        self._coverage.observe()
        diagnostics.clip_gradients(
            parameters, norms["gradient_norm/all"], self.config.optimisation.gradient_clip
        )
        self.sums.add(
            {
                "loss": loss,
                "loss/prediction": terms.prediction.mean(),
                "loss/halting": terms.halting.mean(),
                **{f"loss/{name}": penalty.value / size for name, penalty in output.penalties.items()},
                **norms,
                **diagnostics.context_spread(output.context),
                "encoder/sample_coverage": diagnostics.sample_coverage(output.context, output.encoded),
            }
        )
        self.sums.add_where(
            output.carry.halted & terms.scored,
            {
                "accuracy/token": terms.token_accuracy,
                "accuracy/exact": terms.exact,
                "accuracy/halting": terms.halting_right,
                "act_steps": output.carry.steps,
            },
        )


def _carry(parts: Any) -> Carry:
    """A carry from the plain tuples that a checkpoint holds."""
    states, steps, halted, batch, context_state, context = parts
    return Carry(States(*states), steps, halted, Batch(*batch), context_state, context)
