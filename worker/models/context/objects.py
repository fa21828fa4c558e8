"""The objects of a grid: connected cells of one colour, found and measured on the device.

Nothing here waits for the device or has weights. Everything is measured from the grid's own corner, so
where a grid lies on its canvas changes nothing.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from worker.kit.batch import FIRST_COLOUR

Connectivity = Literal["sides", "corners"]
MOMENTS = 5  # cosine moments along each axis: they tell all shapes of up to 5 x 5 cells apart


class Objects(NamedTuple):
    """The M largest objects of each of G grids. Float32 unless said; zero where there is no object."""

    exists: Tensor  # (G, M) bool
    colour: Tensor  # (G, M) int64, 0 to 9
    size: Tensor  # (G, M) cells
    box: Tensor  # (G, M, 4) first row, first column, last row, last column
    centre: Tensor  # (G, M, 2) mean row and column of its cells
    shape: Tensor  # (G, M, MOMENTS^2) cosine moments of its cells in its box; the first is its density
    touching: Tensor  # (G, M, M) bool, objects with neighbouring cells
    grid: Tensor  # (G, 2) rows and columns of the grid


@lru_cache(maxsize=32)
def neighbours(side: int, connectivity: Connectivity, device: torch.device) -> Tensor:
    """Cell numbers (S, 4 or 8) around each cell of a canvas; its own number beyond the edge."""
    cells = torch.arange(side * side, device=device)
    rows, columns = cells // side, cells % side
    steps = [(dr, dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1) if (dr, dc) != (0, 0)]
    found = []
    for dr, dc in steps if connectivity == "corners" else [s for s in steps if 0 in s]:
        row, column = rows + dr, columns + dc
        inside = (row >= 0) & (row < side) & (column >= 0) & (column < side)
        found.append(torch.where(inside, row * side + column, cells))
    return torch.stack(found, dim=-1)


def components(tokens: Tensor, connectivity: Connectivity) -> Tensor:
    """The number of the last cell of each cell's component, for tokens (G, S); int64.

    Every cell points to a later cell of its component. Each round, cells and what they point to learn of
    the furthest cell their neighbours know, and pointers jump ahead twice as far (FastSV, Zhang, Azad and
    Buluc 2020). The rounds needed grow with the logarithm of the cells, also for spirals and mazes, so a
    fixed number does and the device is never asked whether it is done.
    """
    cells = tokens.shape[1]
    around = neighbours(math.isqrt(cells), connectivity, tokens.device)
    same = tokens[:, around] == tokens[:, :, None]
    last = torch.arange(cells, device=tokens.device).expand(len(tokens), -1).contiguous()
    for _ in range(cells.bit_length() + 2):
        ahead = last.gather(1, last)
        known = torch.where(same, ahead[:, around], 0).amax(-1).maximum(ahead)
        last = last.scatter_reduce(1, last, known, "amax").maximum(known)
    return last.gather(1, last)


@torch.no_grad()
def find_objects(tokens: Tensor, connectivity: Connectivity, most: int) -> Objects:
    """The `most` largest objects of each grid (G, S), fewer on a canvas with fewer cells.

    Of equal size the one that ends last in reading order comes first.
    """
    with torch.autocast(tokens.device.type, enabled=False):
        cells = tokens.shape[1]
        side, most = math.isqrt(cells), min(most, cells)
        coloured = tokens >= FIRST_COLOUR
        label = components(tokens, connectivity)
        sizes = torch.zeros_like(label).scatter_add(1, label, coloured.long())
        order = torch.where(sizes > 0, sizes * cells + torch.arange(cells, device=tokens.device), -1)
        rank, root = order.topk(most, dim=1)
        exists = rank >= 0
        member = (label[:, None] == root[..., None]) & exists[..., None]
        corner, extent = _extent(coloured.view(-1, 1, side, side))
        return _measure(
            member.view(-1, most, side, side),
            exists,
            (tokens.gather(1, root) - FIRST_COLOUR).where(exists, 0),
            corner[:, 0],
            extent[:, 0],
            connectivity,
        )


def _measure(
    member: Tensor, exists: Tensor, colour: Tensor, corner: Tensor, grid: Tensor, connectivity: Connectivity
) -> Objects:
    """Objects of the cells `member` (G, M, H, W) bool; grids start at `corner` (G, 2) of the canvas."""
    first, extent = _extent(member)
    cells = member.float()
    size = cells.sum((-2, -1))
    along = torch.arange(member.shape[-1], device=member.device, dtype=torch.float32)
    from_corner = along - corner[:, None, :, None]  # (G, 1, 2, side)
    counts = torch.stack((cells.sum(-1), cells.sum(-2)), dim=2)  # (G, M, 2, side)
    centre = (counts * from_corner).sum(-1) / size.clamp(min=1)[..., None]
    start = first - corner[:, None]
    box = torch.cat((start, start + extent - 1), dim=-1)
    there = exists[..., None]
    return Objects(
        exists=exists,
        colour=colour,
        size=size,
        box=box.where(there, 0),
        centre=centre,
        shape=_moments(cells, first, extent),
        touching=_touching(cells, connectivity),
        grid=grid,
    )


def _extent(member: Tensor) -> tuple[Tensor, Tensor]:
    """First row and column, and rows and columns spanned, of the cells (G, M, H, W): each (G, M, 2)."""
    side = member.shape[-1]
    taken = torch.stack((member.any(-1), member.any(-2)), dim=2)  # (G, M, 2, side)
    along = torch.arange(side, device=member.device, dtype=torch.float32)
    first = torch.where(taken, along, side).amin(-1)
    last = torch.where(taken, along, -1).amax(-1)
    return first, (last - first + 1).clamp(min=0)


def _moments(cells: Tensor, first: Tensor, extent: Tensor) -> Tensor:
    """Cosine moments (G, M, MOMENTS^2) of cells (G, M, H, W), each box stretched to one square."""
    along = torch.arange(cells.shape[-1], device=cells.device, dtype=torch.float32)
    place = (along - first[..., None] + 0.5) / extent.clamp(min=1)[..., None]  # (G, M, 2, side), 0 to 1
    waves = (place[..., None] * torch.arange(MOMENTS, device=cells.device) * math.pi).cos()
    sums = waves[:, :, 0].mT @ cells @ waves[:, :, 1]
    return sums.flatten(2) / extent.prod(-1, keepdim=True).clamp(min=1)


def _touching(cells: Tensor, connectivity: Connectivity) -> Tensor:
    """Which of the objects' cells (G, M, H, W) neighbour which other objects' (G, M, M)."""
    if connectivity == "corners":
        grown = F.max_pool2d(cells, 3, stride=1, padding=1)
    else:
        tall = F.max_pool2d(cells, (3, 1), stride=1, padding=(1, 0))
        grown = tall.maximum(F.max_pool2d(cells, (1, 3), stride=1, padding=(0, 1)))
    shared = grown.flatten(2) @ cells.flatten(2).mT
    other = ~torch.eye(cells.shape[1], dtype=torch.bool, device=cells.device)
    return (shared > 0) & other
