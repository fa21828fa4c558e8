"""A graph over the objects of the demonstrations.

Nodes: the largest objects of each grid. Edges within a grid: touching, containing, nearest. Edges from input
to output of a demonstration: every object to every object, saying what they share. Edges between
demonstrations: all to all. T learned queries look at the nodes of a task: the context.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from backend.domain.experiment import CoreConfig
from backend.domain.experiment.encoders.graph import GraphEncoder
from worker.kit.batch import Batch
from worker.kit.noise import Noise
from worker.models.context.deterministic import Pairs, SetEncoder
from worker.models.context.objects import MOMENTS, Objects, find_objects
from worker.models.context.source import ContextOutput, SourceModule, State, built_from
from worker.models.layers import (
    CrossAttention,
    Linear,
    Residual,
    SwiGLU,
    TokenEmbedding,
    embedding_scale,
    rms_norm,
    truncated_normal,
    wide_dtype,
)

COLOURS = 10
MAX_SIDE = 30
MEASURES = 15 + MOMENTS**2  # numbers that describe an object
RELATIONS = 13  # numbers that describe an edge
SAME_SHAPE = 1e-4  # largest difference of moments of equal shapes


class Graph(NamedTuple):
    """Objects of N demonstrations, L = 2M places each: M of the input, then M of the output."""

    exists: Tensor  # (N, L) bool
    edges: Tensor  # (N, L, L) bool, whether a node (row) hears another (column); each hears itself
    relations: Tensor  # (N, L, L, RELATIONS) what a row is to a column
    colour: Tensor  # (N, L) int64
    measures: Tensor  # (N, L, MEASURES)


@torch.no_grad()
def build_graph(pairs: Pairs, config: GraphEncoder) -> Graph:
    """The graph of each packed demonstration; nothing in it depends on where the grids lie."""
    found = find_objects(torch.cat((pairs.inputs, pairs.outputs)), config.connectivity, config.objects)
    objects = Objects(*(_side_by_side(field) for field in found))
    many = found.exists.shape[1]
    of_output = torch.arange(2 * many, device=objects.exists.device) >= many
    same_grid = of_output[:, None] == of_output
    itself = torch.eye(2 * many, dtype=torch.bool, device=same_grid.device)
    both = objects.exists[:, :, None] & objects.exists[:, None]
    touching = torch.cat((objects.touching, objects.touching), dim=-1) & same_grid
    inside = _inside(objects.box) & same_grid
    nearest = _nearest(objects.centre, both & same_grid & ~itself)
    edges = both & (touching | inside | inside.mT | nearest | ~same_grid)
    kinds = (
        itself, touching, inside, inside.mT, nearest,
        of_output[:, None] & ~of_output, ~of_output[:, None] & of_output,
        *_shared(objects),
    )  # fmt: skip
    offset = (objects.centre[:, None] - objects.centre[:, :, None]) / MAX_SIDE
    flags = torch.stack([kind.expand_as(both) for kind in kinds], dim=-1).float()
    return Graph(
        exists=objects.exists,
        edges=edges | itself,
        relations=torch.cat((flags, offset), dim=-1),
        colour=objects.colour,
        measures=_measures(objects, many),
    )


def _side_by_side(field: Tensor) -> Tensor:
    """Fields (2N, M, ...) of inputs, then outputs, as (N, 2M, ...)."""
    return torch.cat(field.chunk(2), dim=1)


def _inside(box: Tensor) -> Tensor:
    """Whether a row's box lies within a column's without meeting its edge, (N, L, L)."""
    inner, outer = box[:, :, None], box[:, None]
    after, before = inner[..., :2] > outer[..., :2], inner[..., 2:] < outer[..., 2:]
    return (after & before).all(-1)


def _nearest(centre: Tensor, candidates: Tensor) -> Tensor:
    """Whether a column is the nearest candidate of a row, or one of equally near ones, (N, L, L)."""
    square = (centre[:, :, None] - centre[:, None]).square().sum(-1)
    square = torch.where(candidates, square, torch.inf)
    return candidates & (square <= square.amin(-1, keepdim=True) + 1e-4)


def _shared(objects: Objects) -> tuple[Tensor, ...]:
    """Whether two objects have one colour, one size, one shape, one box: each (N, L, L)."""
    box, shape = objects.box, objects.shape
    extent = box[..., 2:] - box[..., :2]
    same_extent = (extent[:, :, None] == extent[:, None]).all(-1)
    same_moments = (shape[:, :, None] - shape[:, None]).abs().amax(-1) < SAME_SHAPE
    return (
        objects.colour[:, :, None] == objects.colour[:, None],
        objects.size[:, :, None] == objects.size[:, None],
        same_extent & same_moments,
        (box[:, :, None] == box[:, None]).all(-1),
    )


def _measures(objects: Objects, many: int) -> Tensor:
    """The numbers (N, L, MEASURES) that describe each object, most of them 0 to 1."""
    # The grid of each node: (2, N) rows and columns were laid side by side as (N, 4).
    grid = objects.grid.view(-1, 2, 2).repeat_interleave(many, dim=1)
    first, last = objects.box.chunk(2, dim=-1)
    return torch.cat(
        (
            objects.size[..., None].log1p() / math.log1p(MAX_SIDE**2),
            objects.box / MAX_SIDE,
            (last - first + 1) / MAX_SIDE,
            objects.centre / MAX_SIDE,
            grid / MAX_SIDE,
            (first == 0).float(),
            (last == grid - 1).float(),
            objects.shape,
        ),
        dim=-1,
    )


class NodeEmbedding(nn.Module):
    """Colour + side + measures of each object -> (N, L, D) of mean square 1."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.scale = embedding_scale(width)
        self.colour = TokenEmbedding(COLOURS, width, generator)
        self.side = nn.Parameter(truncated_normal((2, width), 1.0, generator))
        self.measures = Linear(MEASURES, width, generator)

    def forward(self, graph: Graph) -> Tensor:
        colour = self.colour(graph.colour) * self.scale
        side = self.side.to(colour.dtype).repeat_interleave(colour.shape[1] // 2, dim=0)
        return rms_norm(colour + side + self.measures(graph.measures.to(colour.dtype)))


class EdgeAttention(nn.Module):
    """Each node hears its neighbours: how much, and what, depends on the edge as well."""

    def __init__(self, width: int, heads: int, generator: torch.Generator) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width, generator)
        self.weight = Linear(RELATIONS, heads, generator)
        self.message = Linear(heads * RELATIONS, width, generator)
        self.out = Linear(width, width, generator)

    def forward(self, nodes: Tensor, edges: Tensor, relations: Tensor) -> Tensor:
        """Nodes (N, L, D), edges (N, L, L) bool, relations (N, L, L, RELATIONS) -> (N, L, D)."""
        query, key, value = self.qkv(nodes).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        scores = query @ key.mT * query.shape[-1] ** -0.5 + self.weight(relations).permute(0, 3, 1, 2)
        scores = scores.masked_fill(~edges[:, None], -torch.inf).to(wide_dtype(scores.dtype))
        shares = scores.softmax(-1).to(nodes.dtype)
        heard = (shares @ value).transpose(1, 2).flatten(2)
        over = (shares.transpose(1, 2) @ relations).flatten(2)  # (N, L, heads x RELATIONS)
        said: Tensor = self.out(heard) + self.message(over)
        return said


class GraphLayer(nn.Module):
    """Messages along the edges of a demonstration, then between demonstrations, then SwiGLU."""

    def __init__(self, core: CoreConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.objects = EdgeAttention(core.width, core.heads, generator)
        self.demonstrations = CrossAttention(core.width, core.heads, generator)
        self.mlp = SwiGLU(core.width, core.expansion, generator)
        self.residual = Residual(core.width, "post", None)

    def forward(self, nodes: Tensor, graph: Graph, relations: Tensor, pairs: Pairs) -> Tensor:
        nodes = self.residual.after(nodes, self.objects(nodes, graph.edges, relations))
        nodes = self.residual.after(nodes, self._from_demonstrations(nodes, graph, pairs)[:, None])
        return self.residual.after(nodes, self.mlp(nodes))

    def _from_demonstrations(self, nodes: Tensor, graph: Graph, pairs: Pairs) -> Tensor:
        """What each demonstration (N, D), the mean of its nodes, hears from those of its task."""
        counted = graph.exists[..., None].to(nodes.dtype)
        means = pairs.spread((nodes * counted).sum(1) / counted.sum(1).clamp(min=1))
        heard: Tensor = self.demonstrations(means, means, pairs.mask).flatten(0, 1)
        return heard[pairs.place]


@built_from(GraphEncoder)
class GraphSource(SourceModule):
    """Demonstrations -> objects -> messages -> what T learned queries find among the nodes."""

    def __init__(self, core: CoreConfig, config: GraphEncoder, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.nodes = NodeEmbedding(core.width, generator)
        self.layers = nn.ModuleList(GraphLayer(core, generator) for _ in range(config.layers))
        self.set = SetEncoder(core, config.set_layers, "post", None, generator)

    def forward(self, batch: Batch, state: State, noise: Noise | None) -> ContextOutput:
        pairs = Pairs.of(batch)
        graph = build_graph(pairs, self.config)
        nodes: Tensor = self.nodes(graph)
        relations = graph.relations.to(nodes.dtype)
        for layer in self.layers:
            nodes = layer(nodes, graph, relations, pairs)
        exists = pairs.spread(graph.exists.to(nodes.dtype)) > 0
        return ContextOutput(self.set(pairs.spread(nodes).flatten(1, 2), exists.flatten(1)))
