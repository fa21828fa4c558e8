from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from backend.domain.arc.grid import Grid
from backend.domain.experiment.encoders.graph import GraphEncoder
from tests.support.models import etrm, random_batch
from tests.support.records.arc import grids
from worker.data.tokens import encode_pair
from worker.kit.batch import FIRST_COLOUR, Batch
from worker.models.build import build_reasoner
from worker.models.context.deterministic import Pairs
from worker.models.context.graph import build_graph
from worker.models.context.objects import Connectivity, Objects, components, find_objects
from worker.models.reasoner import Reasoner

every_connectivity = pytest.mark.parametrize("connectivity", ["sides", "corners"])
Cells = list[list[int]]


def build(**changes: object) -> Reasoner:
    return build_reasoner(etrm(GraphEncoder.model_validate({"layers": 1, "objects": 8, **changes})), 1)


def context_of(reasoner: Reasoner, batch: Batch) -> Tensor:
    return reasoner.step(reasoner.initial_carry(batch), batch).context


def tokens_of(rows: Cells, side: int, offset: tuple[int, int] = (0, 0)) -> Tensor:
    return torch.as_tensor(encode_pair(Grid.of(rows), None, side, offset)[0])[None]


def by_flood(colours: Cells, connectivity: Connectivity) -> Cells:
    """The number of each cell's component, by filling one after the other."""
    height, width = len(colours), len(colours[0])
    found = [[-1] * width for _ in range(height)]
    steps = [(dr, dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1) if connectivity == "corners" or not dr * dc]
    for start in ((r, c) for r in range(height) for c in range(width)):
        number, todo = start[0] * width + start[1], [start]
        while todo:
            r, c = todo.pop()
            if found[r][c] >= 0:
                continue
            found[r][c] = number
            todo += [
                (r + dr, c + dc)
                for dr, dc in steps
                if 0 <= r + dr < height and 0 <= c + dc < width and colours[r + dr][c + dc] == colours[r][c]
            ]
    return found


def same_parts(ours: Tensor, expected: Cells) -> bool:
    """Whether both number the cells so that equal numbers mean the same cells."""
    pairs = set(zip(ours.tolist(), [number for row in expected for number in row], strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def maze(side: int, seed: int) -> Cells:
    """Paths of colour 1 between walls of 0, as long and winding as they come."""
    draw, grid, trail = random.Random(seed), [[0] * side for _ in range(side)], [(0, 0)]
    grid[0][0] = 1
    while trail:
        r, c = trail[-1]
        ways = [
            (dr, dc)
            for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0))
            if 0 <= r + 2 * dr < side and 0 <= c + 2 * dc < side and not grid[r + 2 * dr][c + 2 * dc]
        ]
        if not ways:
            trail.pop()
            continue
        dr, dc = draw.choice(ways)
        grid[r + dr][c + dc] = grid[r + 2 * dr][c + 2 * dc] = 1
        trail.append((r + 2 * dr, c + 2 * dc))
    return grid


def snake(side: int, _: int) -> Cells:
    turns = (side - 1, 0)
    return [[int(r % 2 == 0 or c == turns[r // 2 % 2]) for c in range(side)] for r in range(side)]


def comb(side: int, _: int) -> Cells:
    return [[int(r == side - 1 or c % 2 == 0) for c in range(side)] for r in range(side)]


def noise(side: int, seed: int) -> Cells:
    draw = random.Random(seed)
    return [[draw.randrange(2) for _ in range(side)] for _ in range(side)]


@every_connectivity
@pytest.mark.parametrize("make", [maze, snake, comb, noise])
@pytest.mark.parametrize("side", [3, 10, 20, 30])
def test_the_longest_and_most_winding_components_are_found_whole(
    side: int, make: Callable[[int, int], Cells], connectivity: Connectivity
) -> None:
    upright = [make(side, seed) for seed in range(5)]
    turned = [[list(row) for row in zip(*cells[::-1], strict=True)] for cells in upright]
    for cells in (*upright, *turned):
        labels = components(torch.tensor(cells).flatten()[None], connectivity)[0]
        assert same_parts(labels, by_flood(cells, connectivity))


@every_connectivity
@settings(max_examples=15)
@given(grid=grids(most=12))
def test_components_are_those_that_filling_finds(connectivity: Connectivity, grid: Grid) -> None:
    tokens = tokens_of([list(row) for row in grid.rows], 14, (1, 2))
    on_canvas = tokens.view(14, 14).tolist()
    assert same_parts(components(tokens, connectivity)[0], by_flood(on_canvas, connectivity))


PICTURE = [
    [3, 3, 3, 3, 0],
    [3, 0, 0, 3, 0],
    [3, 0, 7, 3, 0],
    [3, 3, 3, 3, 5],
]


def test_objects_are_measured_from_the_corner_of_their_grid() -> None:
    objects = find_objects(tokens_of(PICTURE, 10, (2, 4)), "sides", 8)
    assert objects.exists[0].tolist() == [True] * 5 + [False] * 3
    assert objects.colour[0, :5].tolist() == [3, 0, 0, 5, 7]
    assert objects.size[0, :5].tolist() == [12, 3, 3, 1, 1]
    assert objects.box[0, 0].tolist() == [0, 0, 3, 3]
    assert objects.box[0, 2].tolist() == [1, 1, 2, 2]
    assert objects.centre[0, 4].tolist() == [2, 2]
    assert objects.grid[0].tolist() == [4, 5]
    assert objects.shape[0, :5, 0].tolist() == pytest.approx([12 / 16, 1, 3 / 4, 1, 1])
    assert touching(objects) == {(0, 1), (0, 2), (0, 3), (0, 4), (1, 3), (2, 4)}


def touching(objects: Objects) -> set[tuple[int, int]]:
    pairs = objects.touching[0].nonzero().tolist()
    assert all([b, a] in pairs for a, b in pairs)
    return {(a, b) for a, b in pairs if a < b}


def test_the_largest_objects_are_kept() -> None:
    objects = find_objects(tokens_of(PICTURE, 5), "sides", 2)
    assert objects.size[0].tolist() == [12, 3]
    assert find_objects(tokens_of([[1]], 3), "sides", 64).exists.shape == (1, 9)


def test_equal_shapes_and_only_those_are_told_apart_by_their_moments() -> None:
    ell, bar = [[1, 0], [1, 0], [1, 1]], [[2, 2, 2], [0, 0, 0], [0, 0, 0]]
    rows = [[*a, 0, *b] for a, b in zip(ell, bar, strict=True)]
    rows += [[0] * 6, [0, 4, 0, 0, 0, 0], [0, 4, 0, 0, 0, 0], [0, 4, 4, 0, 0, 0]]
    objects = find_objects(tokens_of(rows, 12), "corners", 8)
    of_colour = {c: s for c, s in zip(objects.colour[0].tolist(), objects.shape[0], strict=True) if c}
    assert torch.allclose(of_colour[1], of_colour[4], atol=1e-5)
    assert not torch.allclose(of_colour[1], of_colour[2], atol=1e-2)


def test_edges_lead_within_a_grid_and_from_input_to_output() -> None:
    config = GraphEncoder(connectivity="sides", objects=5)
    tokens = tokens_of(PICTURE, 6)
    mask = torch.ones(1, 1, dtype=torch.bool)
    graph = build_graph(Pairs(tokens, tokens.clone(), torch.tensor([0]), mask), config)
    names = [
        "itself",
        "touching",
        "inside",
        "contains",
        "nearest",
        "hears_input",
        "hears_output",
        "same_colour",
        "same_size",
        "same_shape",
        "same_place",
    ]
    relations = {
        name: {tuple(p) for p in graph.relations[0, ..., i].nonzero().tolist()}
        for i, name in enumerate(names)
    }
    ring, outside, hole, corner, dot = range(5)
    assert {(hole, ring), (dot, ring)} <= relations["inside"]
    assert (dot, hole) not in relations["inside"]  # they end in the same row
    assert relations["contains"] == {(b, a) for a, b in relations["inside"]}
    assert (outside, ring) in relations["touching"]
    assert {(outside, corner), (dot, ring)} <= relations["nearest"]
    assert {(i, j) for i, j in relations["nearest"] if (i < 5) != (j < 5)} == set()
    assert {(i, i + 5) for i in range(5)} <= relations["same_place"] & relations["hears_output"]
    assert {(i, i + 5) for i in range(5)} <= relations["same_shape"] & relations["same_colour"]
    assert (corner, dot) in relations["same_size"] - relations["same_colour"]
    assert graph.edges[0, :5, 5:].all()
    assert not graph.edges[0, outside, dot]


@settings(max_examples=10)
@given(grid=grids(most=6), rows=st.integers(0, 3), columns=st.integers(0, 3))
def test_where_the_grids_lie_on_the_canvas_does_not_matter(grid: Grid, rows: int, columns: int) -> None:
    reasoner, batch = build(), random_batch(0, size=1, side=10, demonstrations=1)
    batch.demo_mask[:] = True
    cells = [list(row) for row in grid.rows]
    contexts = []
    for offset in ((0, 0), (rows, columns)):
        tokens = tokens_of(cells, 10, offset)[None]
        contexts.append(context_of(reasoner, batch._replace(demo_inputs=tokens, demo_outputs=tokens)))
    assert torch.allclose(*contexts, atol=1e-4)


def test_a_colour_a_place_and_a_shape_change_the_context() -> None:
    reasoner, batch = build(), random_batch(1, size=1, side=5, demonstrations=1)
    batch.demo_mask[:] = True
    reference = context_of(reasoner, batch._replace(demo_inputs=tokens_of(PICTURE, 5)[None]))
    for row, column, colour in ((2, 2, 8), (1, 2, 7), (0, 0, 0)):
        changed = [list(cells) for cells in PICTURE]
        changed[row][column] = colour
        other = context_of(reasoner, batch._replace(demo_inputs=tokens_of(changed, 5)[None]))
        assert not torch.allclose(other, reference, atol=1e-3)


def test_demonstrations_hear_of_each_other() -> None:
    """With one graph layer, a node is told of another demonstration by its edges alone."""
    reasoner, batch = build(), random_batch(2, size=1, side=4, demonstrations=2)
    batch.demo_mask[:] = True
    source = reasoner.context
    heard = []
    layer = source.get_submodule("layers.0")  # type: ignore[attr-defined]
    layer.register_forward_hook(lambda _, __, nodes: heard.append(nodes))
    context_of(reasoner, batch)
    other = batch.demo_inputs.clone()
    other[:, 1] = FIRST_COLOUR
    context_of(reasoner, batch._replace(demo_inputs=other))
    assert not torch.allclose(heard[0][0], heard[1][0], atol=1e-4)


@every_connectivity
@pytest.mark.parametrize("side", [3, 10, 17, 30])
def test_every_canvas_works_in_both_precisions(side: int, connectivity: str) -> None:
    reasoner = build(connectivity=connectivity)
    batch = random_batch(3, size=2, side=side, demonstrations=2)
    exact = context_of(reasoner, batch)
    with torch.autocast("cpu", torch.bfloat16):
        rough = context_of(reasoner, batch)
    assert torch.isfinite(exact).all()
    assert (rough.float() - exact).square().mean() < 0.05  # of a mean square of 1


def test_one_seed_gives_one_encoder() -> None:
    ours, again = build().state_dict(), build().state_dict()
    assert all(torch.equal(ours[name], again[name]) for name in ours)
