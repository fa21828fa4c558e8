"""The whole model: a context source, the core, a token head and a halting head, one ACT step at a time.

In training each step is one ACT step and the carry lives on across batches: a slot that has halted takes
the new batch's sample and starts afresh, the others continue with theirs. In evaluation nothing halts: the
caller runs as many steps as it wants (published: `act.max_steps`) from an initial carry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from backend.domain.experiment import ActConfig
from worker.kit.batch import VOCABULARY, Batch
from worker.kit.noise import Noise
from worker.models.context.source import ContextOutput, ContextSource, Penalty, State
from worker.models.core import Core, States
from worker.models.layers import Linear, wide_dtype

HALTING_BIAS = -5.0  # a new model halts almost never
SHORTEST_EXPLORATION = 2  # ACT steps


class Carry(NamedTuple):
    """What one ACT step leaves to the next, per slot of the batch. Nothing in it carries gradient,
    unless the step was asked for its whole gradient."""

    states: States  # each (B, T + S, D)
    steps: Tensor  # (B,) int64, ACT steps taken on the slot's sample
    halted: Tensor  # (B,) bool, True where the next step takes a new sample
    batch: Batch  # the samples in the slots
    context_state: State  # of the context source
    context: Tensor | None  # (B, T, D), cached where the context is not re-encoded at every step


class Encoded(NamedTuple):
    """The samples of an ACT step and what tells the core their tasks: what comes before the core."""

    samples: Batch
    context: Tensor  # (B, T, D)
    state: State  # of the context source, after this step
    penalties: Mapping[str, Penalty]
    encoded: Tensor  # (B,) bool, whose context was computed in this step, not taken from the cache
    latent: Tensor | None  # (B, latent) that the context was expanded from, where `encoded`; if it was


class StepOutput(NamedTuple):
    """One ACT step over a batch. The samples it was computed on are in `carry.batch`."""

    carry: Carry
    logits: Tensor  # (B, S, 12)
    halt_logits: Tensor  # (B,) float32 or float64, over 0: stop
    context: Tensor  # (B, T, D)
    penalties: Mapping[str, Penalty]
    encoded: Tensor  # (B,) bool, whose context was computed in this step, not taken from the cache


class Reasoner(nn.Module):
    """A context source, the core and two heads."""

    def __init__(
        self,
        context: ContextSource,
        core: Core,
        act: ActConfig,
        *,
        reencode: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.context = context
        self.core = core
        self.act = act
        self.reencode = reencode
        self.token_head = Linear(core.width, VOCABULARY, generator)
        # Two outputs as published; the second (continue) has no part in anything.
        self.halt_head = Linear(core.width, 2, generator, bias=True)
        with torch.no_grad():
            self.halt_head.weight.zero_()
            self.halt_head.get_parameter("bias").fill_(HALTING_BIAS)

    def encoder_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """What turns demonstrations into context; nothing for TRM, whose table has its own optimiser."""
        for name, parameter in self.context.named_parameters():
            yield f"context.{name}", parameter

    def core_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Everything else: the core and the heads."""
        for name, parameter in self.named_parameters():
            if not name.startswith("context."):
                yield name, parameter

    def initial_carry(self, batch: Batch) -> Carry:
        """A carry whose slots are all halted, so that the first step takes every sample of its batch."""
        size, cells = batch.inputs.shape
        device = batch.inputs.device
        states = self.core.empty_states(size, cells)
        context_state = tuple(start.expand(size, *start.shape[1:]) for start in self.context.start())
        return Carry(
            states=states,
            steps=torch.zeros(size, dtype=torch.int64, device=device),
            halted=torch.ones(size, dtype=torch.bool, device=device),
            batch=batch,
            context_state=context_state,
            context=None if self.reencode else torch.zeros_like(states.y[:, : self.core.context_tokens]),
        )

    def step(self, carry: Carry, batch: Batch, noise: Noise | None = None) -> StepOutput:
        """One ACT step; halted slots take the sample of `batch` (same canvas, same K) in their place.

        Everything random (latents, exploration) is drawn from `noise`; without it nothing is.
        """
        return self.decode(carry, self.encode(carry, batch, noise), noise)

    def run(self, batch: Batch, act_steps: int) -> StepOutput:
        """The last of `outputs`."""
        for output in self.outputs(batch, act_steps):
            last = output
        return last

    def outputs(
        self, batch: Batch, act_steps: int, course: Sequence[Encoded] | None = None
    ) -> Iterator[StepOutput]:
        """`act_steps` steps (1 or more) on new samples, in evaluation: nothing is drawn, nothing halts.

        The numbers are those of `act_steps` calls of `step`. A `course`, where given, takes the place of that
        of the batch; its last member stays in force where it is shorter.
        """
        course = self.course(batch, act_steps) if course is None else course
        carry = self.initial_carry(batch)
        for step in range(act_steps):
            output = self.decode(carry, course[min(step, len(course) - 1)])
            carry = output.carry
            yield output

    def course(self, batch: Batch, act_steps: int) -> tuple[Encoded, ...]:
        """What the context source makes of new samples at each ACT step, in evaluation.

        One that carries no state would find the same context at every step: it is asked once, and the course
        has one member.
        """
        carry = self.initial_carry(batch)
        found = [self.encode(carry, batch)]
        samples = found[0].samples
        while carry.context_state and len(found) < act_steps:
            last = found[-1]
            carry = carry._replace(
                batch=samples,
                halted=torch.zeros_like(carry.halted),
                context_state=last.state,
                context=None if carry.context is None else last.context,
            )
            found.append(self.encode(carry, batch)._replace(samples=samples))
        return tuple(found)

    def encode(self, carry: Carry, batch: Batch, noise: Noise | None = None) -> Encoded:
        """The first half of a step: who is in the slots, and the context of each."""
        samples = _take_new(carry.halted, carry.batch, batch)
        fresh = carry.halted
        state = tuple(
            _where(fresh, start, old)
            for start, old in zip(self.context.start(), carry.context_state, strict=True)
        )
        if carry.context is None:
            output = self.context(samples, state, noise)
            return _encoded(samples, output, torch.ones_like(fresh))
        # Only new samples are encoded: the others' demonstrations are hidden from the encoder.
        hidden = samples._replace(demo_mask=samples.demo_mask & fresh[:, None])
        output = self.context(hidden, state, noise)
        context = _where(fresh, output.context, carry.context)
        return _encoded(samples, output._replace(context=context), fresh)

    @staticmethod
    def latent_of(encoded: Encoded) -> Tensor:
        """What a search may move: latents (B, latent), or the context (B, T, D) where there are none."""
        return encoded.context if encoded.latent is None else encoded.latent

    def with_latent(self, encoded: Encoded, latent: Tensor) -> Encoded:
        """The same samples under other latents, in the shape of `latent_of(encoded)`."""
        if encoded.latent is None:
            return encoded._replace(context=latent)
        return encoded._replace(context=self.context.expand(latent), latent=latent)

    def decode(
        self, carry: Carry, encoded: Encoded, noise: Noise | None = None, whole_gradient: bool = False
    ) -> StepOutput:
        """The second half: one pass through the core, from where `carry` left it.

        With `whole_gradient` every cycle has gradient, and so have the carried states.
        """
        samples, context = encoded.samples, encoded.context
        states = self.core(
            carry.states, carry.halted, samples.inputs, context, samples.region, whole_gradient
        )
        steps = carry.steps.masked_fill(carry.halted, 0) + 1
        halt_logits = self.halt_head(states.y[:, 0])[:, 0]
        halt_logits = halt_logits.to(wide_dtype(halt_logits.dtype))
        return StepOutput(
            carry=Carry(
                states=states if whole_gradient else states.detach(),
                steps=steps,
                halted=self._halt(steps, halt_logits.detach(), noise),
                batch=samples._replace(places=None),  # of this step alone
                context_state=encoded.state,
                context=None if self.reencode else context.detach(),
            ),
            logits=self.token_head(states.y[:, self.core.context_tokens :]),
            halt_logits=halt_logits,
            context=context,
            penalties=encoded.penalties,
            encoded=encoded.encoded,
        )

    def _halt(self, steps: Tensor, halt_logits: Tensor, noise: Noise | None) -> Tensor:
        """Whose sample is done (B,): out of steps, or told to stop after its random minimum of steps."""
        if not self.training:
            return torch.zeros_like(steps, dtype=torch.bool)
        longest = self.act.max_steps
        halted = (steps >= longest) | (halt_logits > 0)
        if noise is None or longest < SHORTEST_EXPLORATION or self.act.exploration == 0:
            return halted
        explores = noise.uniform(steps) < self.act.exploration
        least = noise.integers(SHORTEST_EXPLORATION, longest + 1, steps)
        return halted & (steps >= least.where(explores, 0))


def _encoded(samples: Batch, output: ContextOutput, encoded: Tensor) -> Encoded:
    context, state, penalties, latent = output
    return Encoded(samples, context, state, penalties, encoded, latent)


def _where(slots: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """`new` (broadcast over the batch) where `slots` (B,) is True, `old` (B, ...) elsewhere."""
    return torch.where(slots.view(-1, *(1,) * (old.dim() - 1)), new.to(old.dtype), old)


def _take_new(slots: Tensor, old: Batch, new: Batch) -> Batch:
    """The samples after the halted slots took theirs. Where they lie is known to whoever made `new`."""
    rows = (_where(slots, taken, kept) for taken, kept in zip(new.rows, old.rows, strict=True))
    return Batch.of(rows, new.places, new.region)
