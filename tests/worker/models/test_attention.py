"""Attention is the same function whichever way it is computed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from worker.models.layers import MAX_BY_PRODUCTS, attend

HEAD_WIDTH = 8
SHORT, LONG = MAX_BY_PRODUCTS * HEAD_WIDTH, MAX_BY_PRODUCTS * HEAD_WIDTH + 1


def inputs(length: int, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(2, 3, length, HEAD_WIDTH, generator=generator, dtype=dtype) for _ in range(3)]
    return [each.requires_grad_() for each in drawn]


@pytest.mark.parametrize("length", [SHORT, LONG])
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 0.0), (torch.bfloat16, 0.02)])
def test_values_and_gradients_are_those_of_exact_attention(
    length: int, dtype: torch.dtype, allowed: float
) -> None:
    rows = inputs(length, dtype)
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


def test_what_learns_and_what_only_answers_differ_by_rounding_alone() -> None:
    rows = inputs(SHORT, torch.bfloat16)
    with torch.no_grad():
        answered = attend(*(row.detach() for row in rows))
    torch.testing.assert_close(attend(*rows).detach(), answered, atol=0.02, rtol=0.02)
