"""Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685) beside the linear layers of a model."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worker.models.layers import Linear, truncated_normal


class LowRank(nn.Module):
    """x W^T (+ b) + (x A^T) B^T. B starts at zero, so a new adapter changes no number."""

    def __init__(self, base: Linear, rank: int, generator: torch.Generator) -> None:
        """Beside `base`, on its device; a rank beyond that of the layer is cut to it."""
        super().__init__()
        outputs, inputs = base.weight.shape
        rank = min(rank, outputs, inputs)
        self.base = base
        down = truncated_normal((rank, inputs), inputs**-0.5, generator)
        self.down = nn.Parameter(down.to(base.weight.device))
        self.up = nn.Parameter(torch.zeros(outputs, rank, device=base.weight.device))

    def forward(self, x: Tensor) -> Tensor:
        beside = F.linear(F.linear(x, self.down.to(x.dtype)), self.up.to(x.dtype))
        whole: Tensor = self.base(x) + beside
        return whole


def add_adapters(model: nn.Module, rank: int, seed: int) -> None:
    """Give every `Linear` of the model, in place, an adapter; the same ones for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Linear):
                setattr(parent, name, LowRank(child, rank, generator))
