"""The parts every model is made of: linear maps, embeddings, norm, RoPE, attention, SwiGLU, blocks.

Weights are float32 and are cast to the dtype of what flows through them, so bf16 arithmetic is decided
once, where tokens are embedded (`compute_dtype`). A model made float64 computes in float64 throughout.
Initial values come from an explicit CPU generator: two builds with one seed are bit-equal, whatever device
the model moves to later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

NORM_EPSILON = 1e-5
ROPE_BASE = 10_000.0
INNER_MULTIPLE = 256
MAX_BY_PRODUCTS = 10  # head widths; measured, see `attend`
MAX_NARROW_HEAD = 32  # numbers; measured at 16 and 64, see `attend`
# Standard deviation of a standard normal cut off at -2 and 2.
TRUNCATED_STD = 0.87962566103423978

NormStyle = Literal["post", "pre"]
Rope = tuple[Tensor, Tensor]  # cosines and sines, each (L, head width / 2), float32 or float64


def truncated_normal(shape: tuple[int, ...], std: float, generator: torch.Generator) -> Tensor:
    """Normal values cut off at two sigma, scaled so that `std` is what the result really has."""
    scale = std / TRUNCATED_STD
    values = torch.empty(shape)
    return nn.init.trunc_normal_(values, 0.0, scale, -2 * scale, 2 * scale, generator=generator)


def wide_dtype(dtype: torch.dtype) -> torch.dtype:
    """What must not be rounded to bf16 is computed in: float32, or float64 where `dtype` is."""
    return torch.promote_types(dtype, torch.float32)


def compute_dtype(weights: Tensor) -> torch.dtype:
    """The dtype blocks compute in: an active autocast's where `weights` are, else float32 or float64."""
    if torch.is_autocast_enabled(weights.device.type):
        return torch.get_autocast_dtype(weights.device.type)
    return wide_dtype(weights.dtype)


class Linear(nn.Module):
    """x W^T (+ b), W drawn truncated LeCun normal, b zero. Computes in the dtype of x."""

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator, *, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(truncated_normal((outputs, inputs), inputs**-0.5, generator))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.cast: Tensor | None = None  # the weight in the dtype of x, inside `cast_once`

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self._weight(x.dtype), bias)

    def _weight(self, dtype: torch.dtype) -> Tensor:
        if self.cast is None:
            return self.weight.to(dtype)
        if not (self.weight.requires_grad and torch.is_grad_enabled()):
            return self.cast
        weight: Tensor = _CastBefore.apply(self.weight, self.cast)  # type: ignore[no-untyped-call]
        return weight


class _CastBefore(torch.autograd.Function):
    """A weight's copy in another dtype, made before. Each use passes its gradient on in the weight's dtype,
    as a cast of its own would."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, cast: Tensor) -> Tensor:
        ctx.dtype = weight.dtype
        return cast.view_as(cast)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.to(ctx.dtype), None


@contextmanager
def cast_once(module: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Inside, the linear maps of `module`, used many times, share one copy of each weight in `dtype`.

    No number changes. The weights must not change inside.
    """
    linears = [each for each in module.modules() if isinstance(each, Linear) and each.weight.dtype != dtype]
    try:
        with torch.no_grad():
            for linear in linears:
                linear.cast = linear.weight.to(dtype)
        yield
    finally:
        for linear in linears:
            linear.cast = None


class TokenEmbedding(nn.Module):
    """Token ids (...) -> (..., D), std 1/sqrt(D), multiplied by sqrt(D) where it is used."""

    def __init__(self, tokens: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(truncated_normal((tokens, width), width**-0.5, generator))

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids.long(), self.weight.to(compute_dtype(self.weight)))


def rms_norm(x: Tensor) -> Tensor:
    """RMSNorm without weights over the last axis (Zhang and Sennrich 2019)."""
    return F.rms_norm(x, (x.shape[-1],), eps=NORM_EPSILON).to(x.dtype)


@lru_cache(maxsize=64)
def rope_table(
    length: int,
    head_width: int,
    device: torch.device,
    unrotated: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Rope:
    """Cosines and sines of positions 0 … length - 1, after `unrotated` leading tokens left as they are.

    Outside inference mode, since a table made by an evaluation is used by training as well.
    """
    with torch.inference_mode(False):
        exponents = torch.arange(0, head_width, 2, dtype=dtype) / head_width
        angles = torch.outer(torch.arange(length, dtype=dtype), ROPE_BASE**-exponents)
        angles = F.pad(angles, (0, 0, unrotated, 0))
        return angles.cos().to(device), angles.sin().to(device)


def rotate(x: Tensor, rope: Rope) -> Tensor:
    """Rotary position embedding (Su et al. 2021) of x (B, L, ..., head width), halves paired."""
    shape = (-1, *(1,) * (x.dim() - 3), x.shape[-1] // 2)
    cos, sin = rope[0].view(shape), rope[1].view(shape)
    first, second = x.to(cos.dtype).chunk(2, dim=-1)  # arithmetic of mixed dtypes is slow on a CPU
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(x.dtype)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Scaled dot-product attention without a mask, each (B, heads, L, head width).

    On a CPU in bf16 the fused kernel is fast forward and slow backward: narrow heads take it backward in
    float32, wide ones are faster by plain products while the scores are small. See docs/decisions/speed.md.
    """
    length, head_width = query.shape[-2:]
    learns = query.requires_grad and query.device.type == "cpu" and query.dtype == torch.bfloat16
    if learns and head_width <= MAX_NARROW_HEAD and len(query) and _fused_cpu_takes_bf16():
        narrow: Tensor = _WideBackward.apply(query, key, value)  # type: ignore[no-untyped-call]
        return narrow
    if learns and length <= MAX_BY_PRODUCTS * head_width:
        scores = query * head_width**-0.5 @ key.mT
        mixed: Tensor = scores.softmax(-1) @ value
        return mixed
    return _attend(query, key, value)


class _WideBackward(torch.autograd.Function):
    """PyTorch's fused attention on a CPU: forward in the dtype of its inputs, backward in float32."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        mixed, log_sum = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value)
        ctx.save_for_backward(query, key, value, mixed, log_sum)
        return mixed  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        *tensors, log_sum = ctx.saved_tensors
        query, key, value, mixed = (tensor.float() for tensor in tensors)
        gradients = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
            gradient.float(), query, key, value, mixed, log_sum, 0.0, False
        )
        return tuple(each.to(gradient.dtype) for each in gradients)


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """PyTorch's attention, by plain products where its fused kernel cannot run; bool `mask`, True is seen.

    There from one thread only: what chooses the kernel is a flag of the process.
    """
    on_cpu = query.device.type == "cpu" and query.dtype == torch.bfloat16
    with nullcontext() if not on_cpu or _fused_cpu_takes_bf16() else sdpa_kernel(SDPBackend.MATH):
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


@lru_cache(maxsize=1)
def _fused_cpu_takes_bf16() -> bool:
    """Whether PyTorch's fused kernel computes in bf16 on this CPU.

    It chooses how to by what the processor can do, and fails (PyTorch 2.13) where that has matrix units for
    bf16 and ATEN_CPU_CAPABILITY, or a virtual machine, leaves out AVX-512. Only from 64 rows on.
    """
    rows = torch.zeros(1, 1, 64, 16, dtype=torch.bfloat16)
    try:
        F.scaled_dot_product_attention(rows, rows, rows)
    except RuntimeError:
        return False
    return True


class SelfAttention(nn.Module):
    """Bidirectional multi-head attention with RoPE over x (B, L, D)."""

    def __init__(self, width: int, heads: int, generator: torch.Generator) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width, generator)
        self.out = Linear(width, width, generator)

    def forward(self, x: Tensor, rope: Rope | None) -> Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads)
        # Split, not indexed: the gradient of an index is a zeroed tensor of the whole size.
        query_key, value = qkv.split((2, 1), dim=2)
        if rope is not None:
            query_key = rotate(query_key, rope)
        query, key = query_key.transpose(1, 3).unbind(2)  # each (B, heads, L, head width)
        mixed = attend(query, key, value.squeeze(2).transpose(1, 2))
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return out


class CrossAttention(nn.Module):
    """Queries (B, T, D) look at a set (B, K, D); `mask` (B, K) is True where the set has a member."""

    def __init__(self, width: int, heads: int, generator: torch.Generator) -> None:
        super().__init__()
        self.heads = heads
        self.query = Linear(width, width, generator)
        self.key = Linear(width, width, generator)
        self.value = Linear(width, width, generator)
        self.out = Linear(width, width, generator)

    def forward(self, queries: Tensor, members: Tensor, mask: Tensor) -> Tensor:
        query, key, value = (
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x in (self.query(queries), self.key(members), self.value(members))
        )
        visible = (mask | ~mask.any(-1, keepdim=True))[:, None, None]  # an empty set must not give NaN
        mixed = _attend(query, key, value, visible)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class SwiGLU(nn.Module):
    """Gated feed-forward layer (Shazeer 2020); inner size expansion x width x 2/3, rounded up."""

    def __init__(self, width: int, expansion: float, generator: torch.Generator) -> None:
        super().__init__()
        inner = -(-round(expansion * width * 2 / 3) // INNER_MULTIPLE) * INNER_MULTIPLE
        self.gate_up = Linear(width, 2 * inner, generator)
        self.down = Linear(inner, width, generator)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        out: Tensor = self.down(F.silu(gate) * up)
        return out


class Residual(nn.Module):
    """x + branch(x), with RMSNorm after the sum or before the branch, and an optional layer scale."""

    def __init__(self, width: int, norm: NormStyle, layer_scale: float | None) -> None:
        super().__init__()
        self.norm = norm
        self.scale = None if layer_scale is None else nn.Parameter(torch.full((width,), layer_scale))

    def before(self, x: Tensor) -> Tensor:
        """What the branch reads."""
        return rms_norm(x) if self.norm == "pre" else x

    def after(self, x: Tensor, branch: Tensor) -> Tensor:
        """The sum of x and what the branch made of it."""
        if self.scale is not None:
            branch = branch * self.scale.to(branch.dtype)
        return rms_norm(x + branch) if self.norm == "post" else x + branch


class Block(nn.Module):
    """Self-attention, then SwiGLU, each with its residual."""

    def __init__(
        self,
        width: int,
        heads: int,
        expansion: float,
        generator: torch.Generator,
        *,
        norm: NormStyle = "post",
        layer_scale: float | None = None,
    ) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, generator)
        self.mlp = SwiGLU(width, expansion, generator)
        self.attention_residual = Residual(width, norm, layer_scale)
        self.mlp_residual = Residual(width, norm, layer_scale)

    def forward(self, x: Tensor, rope: Rope) -> Tensor:
        x = self.attention_residual.after(x, self.attention(self.attention_residual.before(x), rope))
        return self.mlp_residual.after(x, self.mlp(self.mlp_residual.before(x)))


def embedding_scale(width: int) -> float:
    """Embeddings are drawn with std 1/sqrt(D) and enter the blocks with std 1."""
    return math.sqrt(width)
