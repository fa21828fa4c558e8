"""ETRM with the deterministic encoder, transcribed plainly: the yardstick that training is measured against.

What one writes down first from the description of the algorithm: the 30 x 30 canvas, every place for a
demonstration encoded whether there is one or not, float32, the loss in float64 over every cell, the
optimiser and the moving average one weight at a time. It computes what the lab computes (there is a test),
and shares nothing with it but the batches it is given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VOCABULARY, IGNORE = 12, -100


@dataclass(frozen=True)
class Sizes:
    """The published ETRM, where not said otherwise."""

    width: int = 512
    heads: int = 8
    layers: int = 2
    encoder_layers: int = 2
    inner: int = 1536  # of the SwiGLU
    h_cycles: int = 3
    l_cycles: int = 6
    context_tokens: int = 16
    max_steps: int = 16
    exploration: float = 0.5
    learning_rate: float = 1e-4
    warmup_steps: int = 2000


def rms_norm(x: Tensor) -> Tensor:
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-5)).to(x.dtype)


def rotary(length: int, head_width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    frequencies = 10_000.0 ** -(torch.arange(0, head_width, 2, device=device) / head_width)
    angles = torch.outer(torch.arange(length, device=device), frequencies)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
    """x (B, L, heads, head width)."""
    cos, sin = (table[:, None] for table in rope)
    first, second = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-second, first), dim=-1) * sin).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.qkv = nn.Linear(sizes.width, 3 * sizes.width, bias=False)
        self.out = nn.Linear(sizes.width, sizes.width, bias=False)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
        query, key, value = (part.unflatten(-1, (self.heads, -1)) for part in self.qkv(x).chunk(3, dim=-1))
        query, key = rotate(query, rope), rotate(key, rope)
        mixed = F.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
        )
        return self.out(mixed.transpose(1, 2).flatten(2))


class SwiGlu(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.gate_up = nn.Linear(sizes.width, 2 * sizes.inner, bias=False)
        self.down = nn.Linear(sizes.inner, sizes.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


class Block(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.attention = Attention(sizes)
        self.mlp = SwiGlu(sizes)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
        x = rms_norm(x + self.attention(x, rope))
        return rms_norm(x + self.mlp(x))


class Encoder(nn.Module):
    """Demonstrations (B, K, S), (B, K, S) with mask (B, K) -> context (B, T, D)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.input = nn.Embedding(VOCABULARY, sizes.width)
        self.output = nn.Embedding(VOCABULARY, sizes.width)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.encoder_layers))
        self.pooled = nn.Linear(sizes.width, sizes.width, bias=False)
        self.queries = nn.Parameter(0.02 * torch.randn(sizes.context_tokens, sizes.width))
        self.query, self.key, self.value, self.out = (
            nn.Linear(sizes.width, sizes.width, bias=False) for _ in range(4)
        )
        self.mlp = SwiGlu(sizes)

    def forward(self, inputs: Tensor, outputs: Tensor, mask: Tensor) -> Tensor:
        batch, places, _ = inputs.shape
        inputs, outputs = inputs.flatten(0, 1), outputs.flatten(0, 1)
        x = torch.cat((self.input(inputs), self.output(outputs)), dim=1) * math.sqrt(self.sizes.width)
        rope = rotary(x.shape[1], self.sizes.width // self.sizes.heads, x.device)
        for block in self.blocks:
            x = block(x, rope)
        seen = (torch.cat((inputs, outputs), dim=1) != 0)[..., None].to(x.dtype)
        mean = (x * seen).sum(1) / seen.sum(1).clamp(min=1)
        pairs = self.pooled(mean).view(batch, places, -1) * mask[..., None]
        return self.over_demonstrations(pairs, mask)

    def over_demonstrations(self, pairs: Tensor, mask: Tensor) -> Tensor:
        queries = self.queries.expand(len(pairs), -1, -1)
        query, key, value = (
            x.unflatten(-1, (self.sizes.heads, -1)).transpose(1, 2)
            for x in (self.query(queries), self.key(pairs), self.value(pairs))
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        x = rms_norm(queries + self.out(mixed.transpose(1, 2).flatten(2)))
        return rms_norm(rms_norm(x + self.mlp(x)))


class Model(nn.Module):
    """Encoder, recursive core and two heads; one call is one ACT step."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.encoder = Encoder(sizes)
        self.embedding = nn.Embedding(VOCABULARY, sizes.width)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.layers))
        self.token_head = nn.Linear(sizes.width, VOCABULARY, bias=False)
        self.halt_head = nn.Linear(sizes.width, 2)
        self.register_buffer("y_start", torch.randn(sizes.width))
        self.register_buffer("z_start", torch.randn(sizes.width))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5)
            elif isinstance(module, nn.Embedding):
                nn.init.trunc_normal_(module.weight, std=sizes.width**-0.5)
        nn.init.zeros_(self.halt_head.weight)
        nn.init.constant_(self.halt_head.bias, -5.0)

    def f(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
        for block in self.blocks:
            x = block(x, rope)
        return x

    def cycle(self, y: Tensor, z: Tensor, x: Tensor, rope: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        for _ in range(self.sizes.l_cycles):
            z = self.f(z + y + x, rope)
        return self.f(y + z, rope), z

    def forward(self, y: Tensor, z: Tensor, data: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """New states, logits (B, S, 12), halting logits (B,)."""
        context = self.encoder(data["demo_inputs"], data["demo_outputs"], data["demo_mask"])
        x = torch.cat((context, self.embedding(data["inputs"])), dim=1) * math.sqrt(self.sizes.width)
        rope = rotary(x.shape[1], self.sizes.width // self.sizes.heads, x.device)
        with torch.no_grad():
            for _ in range(self.sizes.h_cycles - 1):
                y, z = self.cycle(y, z, x, rope)
        y, z = self.cycle(y, z, x, rope)
        logits = self.token_head(y[:, self.sizes.context_tokens :])
        return y, z, logits, self.halt_head(y[:, 0])[:, 0]


def loss_of(logits: Tensor, halt_logits: Tensor, labels: Tensor) -> Tensor:
    """Summed over the batch: stablemax cross-entropy per sample and half the halting loss."""
    x = logits.double()
    scores = torch.where(x >= 0, x + 1, 1 / (1 - x.clamp(max=0)))
    log_probabilities = torch.log(scores / scores.sum(-1, keepdim=True))
    labelled = labels != IGNORE
    target = torch.where(labelled, labels, 0)
    cells = torch.where(labelled, -log_probabilities.gather(-1, target[..., None])[..., 0], 0.0)
    exact = ((logits.argmax(-1) == labels) | ~labelled).all(-1)
    halting = F.binary_cross_entropy_with_logits(
        halt_logits.float(), exact.float(), reduction="none"
    ).double()
    return (cells.sum(-1) / labelled.sum(-1).clamp(min=1) + 0.5 * halting).sum()


class Trainer:
    """One ACT step per optimiser step, slots refilled as they halt: Adam-atan2, clipping, moving average."""

    def __init__(self, sizes: Sizes, device: torch.device, bf16: bool = False) -> None:
        self.sizes, self.device, self.bf16 = sizes, device, bf16
        self.model = Model(sizes).to(device)
        self.first = [torch.zeros_like(p) for p in self.model.parameters()]
        self.second = [torch.zeros_like(p) for p in self.model.parameters()]
        self.average = [p.detach().clone() for p in self.model.parameters()]
        self.steps = 0
        self.state: dict[str, Tensor] = {}

    def free(self, batch_size: int) -> Tensor:
        """Which slots (B,) wait for a new sample."""
        return self.state["halted"] if self.state else torch.ones(batch_size, dtype=torch.bool)

    def step(self, new: Any) -> float:
        """One step; the free slots take the samples of the batch `new`. The loss before it."""
        data = self.refill(new)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            y, z, logits, halt_logits = self.model(self.state["y"], self.state["z"], data)
        loss = loss_of(logits, halt_logits, data["labels"]) / len(y)
        self.model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.update()
        self.state.update(y=y.detach(), z=z.detach(), halted=self.halt(halt_logits.detach()))
        return loss.item()

    def refill(self, new: Any) -> dict[str, Tensor]:
        names = ("inputs", "labels", "demo_inputs", "demo_outputs", "demo_mask")
        fresh = {name: getattr(new, name).to(self.device) for name in names}
        size, cells = fresh["inputs"].shape
        shape = (size, self.sizes.context_tokens + cells, self.sizes.width)
        fresh["y"], fresh["z"] = (s.expand(shape) for s in (self.model.y_start, self.model.z_start))
        fresh["steps"] = torch.zeros(size, dtype=torch.long, device=self.device)
        if self.state:
            halted = self.state["halted"].to(self.device)
            for name, value in fresh.items():
                where = halted.view(-1, *(1,) * (value.dim() - 1))
                fresh[name] = torch.where(where, value, self.state[name])
        self.state.update(fresh)
        return {name: self.state[name] for name in names}

    def halt(self, halt_logits: Tensor) -> Tensor:
        steps = self.state["steps"] = self.state["steps"] + 1
        explores = torch.rand(len(steps), device=self.device) < self.sizes.exploration
        least = torch.randint(2, self.sizes.max_steps + 1, (len(steps),), device=self.device) * explores
        return ((steps >= self.sizes.max_steps) | (halt_logits > 0)) & (steps >= least)

    @torch.no_grad()
    def update(self) -> None:
        self.steps += 1
        rate = self.sizes.learning_rate * min(1.0, self.steps / self.sizes.warmup_steps)
        for p, m, v, average in zip(
            self.model.parameters(), self.first, self.second, self.average, strict=True
        ):
            m.mul_(0.9).add_(p.grad, alpha=0.1)
            v.mul_(0.95).addcmul_(p.grad, p.grad, value=0.05)
            p.mul_(1 - rate * 0.1)
            angle = torch.atan2(m, (v / (1 - 0.95**self.steps)).sqrt())
            p.sub_(angle * (rate / (1 - 0.9**self.steps)))
            average.mul_(0.999).add_(p, alpha=0.001)
