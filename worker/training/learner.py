"""Everything of a run that moves, and its one motion: a training step.

No variant is known here: a model is a `Reasoner`, its extra losses are penalties with names.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.domain.experiment import EtrmModel, ExperimentConfig
from worker.data.batches import BatchStream, Layout
from worker.data.loader import Loader, Sender
from worker.data.training_data import TrainingData
from worker.kit.batch import Batch, send
from worker.kit.device import Device
from worker.kit.noise import Noise
from worker.models.build import build_reasoner
from worker.models.context.source import Penalty
from worker.models.core import States
from worker.models.layers import Block
from worker.models.reasoner import Carry, Reasoner, StepOutput
from worker.training.checkpoints.checkpoint import Snapshot
from worker.training.checkpoints.tensor_tree import map_trees, to_device
from worker.training.ema import Ema
from worker.training.health import diagnostics
from worker.training.health.histograms import Histograms
from worker.training.health.probes import Probes
from worker.training.objective.contrastive_term import ContrastiveTerm
from worker.training.objective.losses import LossTerms, act_loss, with_penalties
from worker.training.objective.objectives import Objectives
from worker.training.optim import build_optimisers
from worker.training.ranks import ALONE, Ranks
from worker.training.slots import Slots
from worker.training.sums import Sums

MAX_COMPILED = 64  # forms of one block: canvases, each with and without gradient
_SIDE_SALT = 0x51DE  # keeps the choice of canvases apart from other draws of the same seed


class Learner:
    """Weights, average, optimisers, data positions, carries, and sums since the last reading.

    This process works on its `rows` of the batch, in `parts` (rows of those) one after the other, whose
    gradients add up.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        data: TrainingData,
        device: Device,
        ranks: Ranks = ALONE,
        reasoner: Reasoner | None = None,
    ) -> None:
        """`reasoner` is a model to go on with, on the device already; None makes a new one of the config."""
        training = config.training
        self.config = config
        self.device = device
        self.ranks = ranks
        self.step = 0
        if reasoner is None:
            reasoner = build_reasoner(config, data.puzzles.rows).to(device.torch)
            device.prepare(reasoner)
        self.reasoner = reasoner.train()
        if training.compile and device.can_compile:
            _compile_blocks(self.reasoner)
        self.ema = Ema(self.reasoner, config.optimisation.ema_decay)
        self.optimisers = build_optimisers(self.reasoner, config, ranks)
        self.rows = ranks.rows(training)
        count = self.rows.stop - self.rows.start
        size = count // training.accumulate
        self.parts = [slice(first, first + size) for first in range(0, count, size)]
        self.streams = {side: BatchStream(data, config, side) for side in data.by_canvas}
        self.slots = {side: Slots(count, stream.demonstrations) for side, stream in self.streams.items()}
        self._loader = Loader(self.streams, ahead=count)
        self._sender = Sender(device.torch)
        self.carries: dict[int, list[Carry]] = {}  # side -> one per part
        self.sums = Sums()
        self.objectives = Objectives(config, self.reasoner, self.sums)
        self.contrast = ContrastiveTerm(config, data, self.reasoner, device, ranks, self.sums)
        self.probes = Probes(config, data, self.reasoner, device, self.sums)
        self.histograms = Histograms(config.health.histogram_every, self.reasoner, ranks)
        self._encoder = list(self.reasoner.encoder_parameters())
        self._core = list(self.reasoner.core_parameters())
        self._coverage = diagnostics.GradientCoverage(
            self._encoder, self.reasoner.context.beyond(max(data.by_canvas))
        )
        samples = np.array([len(tasks) for tasks in data.by_canvas.values()], dtype=float)
        self._side_shares = samples / samples.sum()
        self._learning_rate = 0.0
        self._beside: Tensor | float = 0.0  # loss of this step beside that of the parts
        self._seconds, self._steps_timed = 0.0, 0

    def advance(self) -> None:
        """One optimiser step: one ACT step of the batch of one canvas."""
        started = time.perf_counter()
        side = self._side_of(self.step)
        self.optimisers.begin(self.step)
        self._beside = self.contrast.backward(side, self.step)
        batches = self._next_batches(side)
        shares = self._shares(batches)
        carries = self.carries.get(side) or [self.reasoner.initial_carry(batch) for batch in batches]
        outputs = [
            self._learn(carry, batch, part, share)
            for carry, batch, part, share in zip(carries, batches, self.parts, shares, strict=True)
        ]
        self.carries[side] = [output.carry for output in outputs]
        self.ranks.sum_parameters([parameter for _, parameter in (*self._encoder, *self._core)])
        if self._encoder or self._core:
            self._observe_gradients()
        self.sums.add(diagnostics.context_spread([output.context for output in outputs], self.ranks.gather))
        self._learning_rate = self.optimisers.set_learning_rate(self.step)
        self.optimisers.step()
        self.ema.update()
        self.step += 1
        self.histograms.after(self.step, [output.context for output in outputs])
        self.probes.after(self.step)
        self._seconds += time.perf_counter() - started
        self._steps_timed += 1

    def _learn(self, carry: Carry, batch: Batch, part: slice, share: dict[str, float]) -> StepOutput:
        """Forward and backward of one part: its share of the gradient of the whole batch."""
        size = self.config.training.batch_size
        first = self.rows.start + part.start
        noise = Noise(self.config.seed, self.step, first, part.stop - part.start, size)
        with self.device.autocast():
            encoded = self.objectives.refined(self.reasoner.encode(carry, batch, noise), self.step)
            output = self.reasoner.decode(carry, encoded, noise)
        self.slots[round(batch.inputs.shape[1] ** 0.5)].note_halted(part, output.carry.halted)
        if output.context.requires_grad:
            output.context.retain_grad()
        terms = act_loss(output.logits, output.halt_logits, output.carry.batch.labels)
        weighed = self.objectives.weighed(output.penalties, self.step)
        penalties = {
            name: each._replace(value=each.value * share[each.per]) for name, each in weighed.items()
        }
        loss = with_penalties(terms.total, penalties, size) / size
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
        self._observe(loss, terms, output, penalties)
        return output

    def read(self) -> dict[str, float]:
        """Everything recorded of the steps since the last reading, by metric name; `histograms.take()` has
        those of these steps from then on.

        Accuracies and ACT steps are means over the samples that halted in a step, as published; the rest
        are means over steps. `accuracy/token` is the share of labelled tokens right, a mean over samples.
        """
        values, counts = self.sums.read(self._coverage.read(), self.histograms.waiting, self.ranks.sum)
        self.histograms.read(counts)
        self._coverage.restart()
        values["learning_rate"] = self._learning_rate
        values |= self.objectives.weights(self.step)
        if self._seconds:
            values["samples_per_second"] = self._steps_timed * self.config.training.batch_size / self._seconds
        values["memory_bytes"] = float(self.device.memory_bytes())
        self._seconds, self._steps_timed = 0.0, 0
        return values

    def snapshot(self, extra: Any) -> Snapshot:
        """All state of all processes, for a checkpoint; `extra` is kept beside it.

        Carries are saved as those of one batch in one piece, so that a run can resume on other GPUs.
        """
        state = {
            "optimisers": self.optimisers.state_dict(),
            "positions": {side: stream.position for side, stream in self.streams.items()},
            "carries": {side: self._whole(parts) for side, parts in self.carries.items()},
            "sums": self.sums.state_dict(self.ranks.sum),
            "histograms": self.histograms.state_dict(),
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
        for side, position in state["positions"].items():
            self.streams[side].position = position
        for side, whole in state["carries"].items():
            self.carries[side] = [self._part(whole, part) for part in self.parts]
            self.slots[side].restore(self.parts, self.carries[side])
        if self.ranks.is_first:
            self.sums.load_state_dict(state["sums"])
        self.histograms.load_state_dict(state.get("histograms", {}))
        self._coverage.touched = state["touched"]
        self._learning_rate = state["learning_rate"]
        return state["extra"]

    def _whole(self, carries: list[Carry]) -> Any:
        """The carry of the whole batch: all parts of all processes."""
        return map_trees(lambda *parts: self.ranks.gather(torch.cat(parts)), *carries)

    def _part(self, whole: Any, part: slice) -> Carry:
        """The carry of a part of this process's rows."""
        rows = slice(self.rows.start + part.start, self.rows.start + part.stop)
        return _carry(map_trees(lambda tensor: tensor[rows], whole))

    def _side_of(self, step: int) -> int:
        """The canvas of a step: drawn by its share of the samples, a pure function of seed and step."""
        draw = np.random.default_rng((self.config.seed, _SIDE_SALT, step)).random()
        index = int(np.searchsorted(np.cumsum(self._side_shares)[:-1], draw, side="right"))
        return list(self.streams)[index]

    def _next_batches(self, side: int) -> list[Batch]:
        """The samples in the slots of a canvas, per part, after new ones took the free slots.

        Only the new ones are sent, in one piece: the others lie on the device already.
        """
        slots, layout = self.slots[side], self.streams[side].layout
        free = slots.free().copy()  # it is written to again by the step that begins here
        new = self._loader.take(side, self.ranks.exchange(free), self.rows)
        slots.admit(free, layout.canvases(new).demo_mask)
        only = None if self._encodes_all else free
        batches = []
        counts = [int(free[part].sum()) for part in self.parts]
        pieces = torch.split(self._sender.send(new), counts)
        for number, (part, of_part) in enumerate(zip(self.parts, pieces, strict=True)):
            old = self.carries[side][number].batch if side in self.carries else None
            batch = self._placed(layout, old, free[part], of_part)
            places = send(slots.indices(part, only), self.device.torch)
            batches.append(batch._replace(places=places))
        return batches

    def _placed(self, layout: Layout, old: Batch | None, free: NDArray[np.bool_], new: Tensor) -> Batch:
        """The samples of a part: `new` ones (n, stride) in its n free slots, the old ones elsewhere."""
        if old is not None and not len(new):
            return old
        taken = layout.batch(new)
        if old is None or free.all():
            return taken
        return old.with_rows(send(torch.from_numpy(np.flatnonzero(free)), self.device.torch), taken)

    @property
    def _encodes_all(self) -> bool:
        model = self.config.model
        return not isinstance(model, EtrmModel) or model.reencode

    def _shares(self, batches: Sequence[Batch]) -> list[dict[str, float]]:
        """What share of the samples and of the encoded demonstrations of the whole batch each part has."""
        if len(batches) * self.ranks.count == 1:
            return [{"sample": 1.0, "demonstration": 1.0}]
        counts = [0 if batch.places is None else len(batch.places) for batch in batches]
        everywhere = max(1, self.ranks.total(sum(counts)))
        parts = len(batches) * self.ranks.count
        return [{"sample": 1 / parts, "demonstration": count / everywhere} for count in counts]

    def _observe(
        self, loss: Tensor, terms: LossTerms, output: StepOutput, penalties: dict[str, Penalty]
    ) -> None:
        """Add what a part says of this step to the sums. Nothing here waits for the device."""
        parts = len(self.parts) * self.ranks.count  # sums are means over parts, these are shares of a sum
        self.sums.add(
            {
                "loss": loss * parts + self._beside,
                "loss/prediction": terms.prediction.mean(),
                "loss/halting": terms.halting.mean(),
                **{f"loss/{name}_per_sample": penalty.value * parts for name, penalty in penalties.items()},
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

    def _observe_gradients(self) -> None:
        """Add what the gradients of the whole batch say, and clip them."""
        norms = diagnostics.gradient_norms(self._encoder, self._core)
        self._coverage.observe()
        diagnostics.clip_gradients(
            (parameter for _, parameter in (*self._encoder, *self._core)),
            norms["gradient_norm/all"],
            self.config.optimisation.gradient_clip,
        )
        self.sums.add(norms)


def _compile_blocks(reasoner: Reasoner) -> None:
    """Compile each block at its first use; names of weights stay as they are.

    The core's blocks are compiled for each canvas, with and without gradient; an encoder's for any number of
    demonstrations, which changes from step to step.
    """
    if torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(True)  # the compiler is to know it, too
    # By default a function of more than 8 shapes is no longer compiled: 5 canvases already have 10.
    torch._dynamo.config.recompile_limit = MAX_COMPILED
    of_core = set(reasoner.core.modules())
    for module in reasoner.modules():
        if isinstance(module, Block):
            module.compile(dynamic=False if module in of_core else None)


def _carry(parts: Any) -> Carry:
    """A carry from the plain tuples that a checkpoint holds."""
    states, steps, halted, batch, context_state, context = parts
    rows = batch[: len(Batch._fields) - 2]  # the other fields are of one step alone
    return Carry(States(*states), steps, halted, Batch.of(rows).narrowed(), context_state, context)
