"""Made-up answers to real ARC tasks, wrong in the ways in which models are wrong."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from backend.domain.arc.failure_modes import cell_accuracy, failure_mode
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task
from backend.domain.arc.votes import ActStep, OutcomeTrace, SearchPoint, SearchTrace, ViewVote, trace_of
from backend.domain.records import Prediction, TestOutcome

Rows = list[list[int]]


@dataclass(frozen=True)
class Solver:
    """How a model answers. `skill`: log-odds of solving a task of middling difficulty."""

    skill: float
    collapsed: bool = False  # paints one colour, or gives the input back
    views: int = 16
    act_steps: int = 8
    searches: bool = False


def outcome(task: Task, test_index: int, solver: Solver, seed: str) -> TestOutcome:
    """What the solver makes of one test input. The same task is hard, or easy, for every solver."""
    draw = random.Random(f"{seed} {task.id} {test_index}")
    test = task.tests[test_index]
    truth = test.output
    assert truth is not None
    difficulty = 1.6 * random.Random(task.id).gauss(0, 1) + 0.004 * len(truth.cells)
    solved = draw.random() < 1 / (1 + math.exp(difficulty - solver.skill))
    grids = _candidates(test.input, truth, solver, solved, draw)
    votes = _votes(len(grids), solver.views, draw, sure=0.75 if solved else 0.42)
    halting = [
        max(0.05, min(0.98, draw.gauss(0.86 if solved and rank == 0 else 0.46, 0.1)))
        for rank in range(len(grids))
    ]
    candidates = tuple(
        Prediction(
            rank=rank,
            grid=grid,
            votes=votes[rank - 1],
            confidence=halting[rank - 1],
            correct=grid == truth,
            cell_accuracy=cell_accuracy(grid, truth),
            failure_mode=failure_mode(grid, truth, test.input),
        )
        for rank, grid in enumerate(grids, 1)
    )
    truth_rank = next((each.rank for each in candidates if each.correct), None)
    trace = _trace(grids, votes, halting, truth, solver, draw)
    return TestOutcome(task.id, test_index, solver.views, truth_rank, candidates[:5], trace=trace)


def _candidates(
    test_input: Grid, truth: Grid, solver: Solver, solved: bool, draw: random.Random
) -> list[Grid]:
    """Distinct grids, best first."""
    ways = (
        [_one_colour, _copied]
        if solver.collapsed
        else [_near, _near, _partly, _partly, _rough, _cropped, _shifted, _copied, _one_colour]
    )
    wanted = draw.randint(2, 3 if solver.collapsed else 6)
    found: list[Grid] = [truth] if solved else []
    for _ in range(4 * wanted):
        if len(set(found)) >= wanted:
            break
        found.append(Grid.of(draw.choice(ways)(truth, test_input, draw)))
    if not solved and not solver.collapsed and draw.random() < 0.3:
        found.insert(min(len(found), draw.randint(1, 3)), truth)
    distinct = list(dict.fromkeys(found))
    if not solved and distinct[0] == truth:
        distinct = (
            [*distinct[1:], truth] if len(distinct) > 1 else [Grid.of(_one_colour(truth, test_input, draw))]
        )
    return distinct


def _votes(candidates: int, views: int, draw: random.Random, sure: float) -> list[int]:
    """Falling numbers of votes, summing to the views; the first has about the share `sure`."""
    first = max(
        math.ceil(views / candidates), min(views - candidates + 1, round(views * draw.gauss(sure, 0.1)))
    )
    left = [1] * (candidates - 1)
    for _ in range(views - first - len(left)):
        left[draw.randrange(len(left))] += 1
    return sorted([first, *left], reverse=True) if left else [views]


def _near(truth: Grid, test_input: Grid, draw: random.Random) -> Rows:
    """A few cells take the colour of a neighbour."""
    return _blurred(truth, draw, max(1, round(len(truth.cells) * draw.uniform(0.01, 0.09))))


def _partly(truth: Grid, test_input: Grid, draw: random.Random) -> Rows:
    """A block is left as in the input, or blank."""
    rows = _blurred(truth, draw, max(1, len(truth.cells) // 25))
    given = test_input.as_lists()
    for r, c in _block(truth, draw, 0.6):
        rows[r][c] = given[r][c] if r < test_input.height and c < test_input.width else _background(truth)
    return rows


def _rough(truth: Grid, test_input: Grid, draw: random.Random) -> Rows:
    """The rough structure, with a third of the cells wrong."""
    rows = _blurred(truth, draw, round(len(truth.cells) * draw.uniform(0.3, 0.5)))
    colours = sorted(set(truth.cells))
    for r, c in _block(truth, draw, 0.5):
        rows[r][c] = draw.choice(colours)
    return rows


def _cropped(truth: Grid, test_input: Grid, draw: random.Random) -> Rows:
    """A row or column too few or too many."""
    rows = _blurred(truth, draw, max(1, len(truth.cells) // 30))
    if truth.height > 2 and draw.random() < 0.6:
        return rows[: truth.height - draw.randint(1, max(1, truth.height // 4))]
    return [[*row, row[-1]] for row in rows] if truth.width < 30 else rows[:-1]


def _shifted(truth: Grid, test_input: Grid, draw: random.Random) -> Rows:
    """Everything one cell off."""
    rows = truth.as_lists()
    return [*rows[1:], rows[0]] if draw.random() < 0.5 else [[row[-1], *row[:-1]] for row in rows]


def _copied(truth: Grid, test_input: Grid, draw: random.Random) -> Rows:
    return test_input.as_lists()


def _one_colour(truth: Grid, test_input: Grid, draw: random.Random) -> Rows:
    colour = _background(truth) if draw.random() < 0.7 else draw.choice(sorted(set(truth.cells)))
    return [[colour] * truth.width for _ in range(truth.height)]


def _background(grid: Grid) -> int:
    return Counter(grid.cells).most_common(1)[0][0]


def _block(grid: Grid, draw: random.Random, most: float) -> list[tuple[int, int]]:
    """Cells of a rectangle of up to the share `most` of either side."""
    height = draw.randint(1, max(1, round(grid.height * most)))
    width = draw.randint(1, max(1, round(grid.width * most)))
    top, left = draw.randint(0, grid.height - height), draw.randint(0, grid.width - width)
    return [(r, c) for r in range(top, top + height) for c in range(left, left + width)]


def _blurred(grid: Grid, draw: random.Random, cells: int) -> Rows:
    """That many cells at the edges of shapes take the colour of a neighbour."""
    rows = grid.as_lists()
    edges = _edges(grid)
    for (r, c), colours in draw.sample(edges, min(cells, len(edges))):
        rows[r][c] = draw.choice(colours)
    return rows


@lru_cache(maxsize=256)
def _edges(grid: Grid) -> list[tuple[tuple[int, int], list[int]]]:
    """Each cell that has a neighbour of another colour, and those colours."""
    rows, found = grid.rows, []
    for r, row in enumerate(rows):
        for c, colour in enumerate(row):
            near = [row[c - 1] if c else colour, row[c + 1] if c + 1 < len(row) else colour]
            near += [rows[r - 1][c] if r else colour, rows[r + 1][c] if r + 1 < len(rows) else colour]
            if others := [each for each in near if each != colour]:
                found.append(((r, c), others))
    return found


def _trace(
    grids: Sequence[Grid],
    votes: Sequence[int],
    halting: Sequence[float],
    truth: Grid,
    solver: Solver,
    draw: random.Random,
) -> OutcomeTrace:
    """Views of one symmetry tend to agree; the unchanged view votes for the first candidate."""
    ranks = [rank for rank, number in enumerate(votes) for _ in range(number)]
    order = [
        0,
        *sorted(
            range(1, solver.views), key=lambda view: (draw.random() < 0.35, view % 8 >= 4, draw.random())
        ),
    ]
    cast = []
    for view, rank in sorted(zip(order, ranks, strict=True)):
        colours = "0" + "".join(draw.sample("123456789", 9)) if view else "0123456789"
        p = max(0.03, min(0.99, draw.gauss(halting[rank], 0.06)))
        cast.append(ViewVote(view, view % 8, colours, grids[rank], p))
    steps = tuple(_steps(grids[0], truth, halting[0], solver.act_steps, draw))
    return trace_of(cast, steps, grids, _search(grids, solver, draw) if solver.searches else None)


def _steps(shown: Grid, truth: Grid, halting: float, number: int, draw: random.Random) -> Sequence[ActStep]:
    """Sharper with every step. One in five was right on the way and thought on."""
    lost = shown != truth and number > 4 and draw.random() < 0.2
    found = []
    for step in range(1, number + 1):
        wrong = round(len(shown.cells) * 0.5 * math.exp(-step / 1.4)) if step < number else 0
        grid = truth if lost and step in (number - 3, number - 2) else Grid.of(_blurred(shown, draw, wrong))
        p = halting * (1 - math.exp(-step / 2.2)) + draw.uniform(-0.02, 0.02)
        found.append(ActStep(step, grid, max(0.01, min(0.99, p))))
    return found


def _search(grids: Sequence[Grid], solver: Solver, draw: random.Random) -> SearchTrace:
    """100 gradient steps, of which 21 are kept."""
    points = []
    for step in range(0, 101, 5):
        wrong = round(len(grids[0].cells) * 0.35 * math.exp(-step / 22))
        loss = 0.21 + 1.1 * math.exp(-step / 20) + abs(draw.gauss(0, 0.015))
        grid = Grid.of(_blurred(grids[0], draw, wrong))
        points.append(SearchPoint(step, loss, 0.9 * (1 - math.exp(-step / 35)), grid, 0.4 + 0.004 * step))
    return SearchTrace(tuple(points), min(points, key=lambda each: each.loss).step, 300 * solver.views)
