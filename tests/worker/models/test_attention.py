"""Attention is the same function whichever way it is computed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from worker.models.layers import MAX_BY_PRODUCTS, MAX_NARROW_HEAD, _fused_cpu_takes_bf16, attend

NARROW, WIDE = 8, 2 * MAX_NARROW_HEAD  # numbers of a head
SHORT, LONG = MAX_BY_PRODUCTS * WIDE, MAX_BY_PRODUCTS * WIDE + 1


def inputs(length: int, head_width: int, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(1, 2, length, head_width, generator=generator, dtype=dtype) for _ in range(3)]
    return [each.requires_grad_() for each in drawn]


@pytest.mark.parametrize(("length", "head_width"), [(90, NARROW), (SHORT, WIDE), (LONG, WIDE)])
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 0.0), (torch.bfloat16, 0.02)])
def test_values_and_gradients_are_those_of_exact_attention(
    length: int, head_width: int, dtype: torch.dtype, allowed: float
) -> None:
    rows = inputs(length, head_width, dtype)
    exact = [row.detach().double().requires_grad_() for row in rows]
    tolerance = max(allowed, 1e-5)
    mixed, wanted = attend(*rows), F.scaled_dot_product_attention(*exact)
    torch.testing.assert_close(mixed.double(), wanted, atol=tolerance, rtol=tolerance)
    mixed.sum().backward()
    wanted.sum().backward()
    for row, reference in zip(rows, exact, strict=True):
        assert row.grad is not None
        assert reference.grad is not None
        torch.testing.assert_close(row.grad.double(), reference.grad, atol=5 * tolerance, rtol=5 * tolerance)


@pytest.mark.parametrize(("length", "head_width"), [(90, NARROW), (SHORT, WIDE)])
def test_what_learns_and_what_only_answers_differ_by_rounding_alone(length: int, head_width: int) -> None:
    rows = inputs(length, head_width, torch.bfloat16)
    with torch.no_grad():
        answered = attend(*(row.detach() for row in rows))
    torch.testing.assert_close(attend(*rows).detach(), answered, atol=0.02, rtol=0.02)


@pytest.mark.skipif(not _fused_cpu_takes_bf16(), reason="the fused kernel takes no bf16 on this CPU")
def test_gradients_of_narrow_heads_are_more_exact_than_the_fused_kernels_own() -> None:
    rows = inputs(200, NARROW, torch.bfloat16)
    exact = [row.detach().double().requires_grad_() for row in rows]
    wanted = torch.autograd.grad(F.scaled_dot_product_attention(*exact).sum(), exact)

    def error(mixed: Tensor) -> float:
        found = torch.autograd.grad(mixed.sum(), rows)
        return max(float((f - w).norm() / w.norm()) for f, w in zip(found, wanted, strict=True))

    assert error(attend(*rows)) < error(F.scaled_dot_product_attention(*rows))
