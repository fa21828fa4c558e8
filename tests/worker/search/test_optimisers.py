"""The optimisers of a search on objectives whose minima are known, beside independent implementations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.domain.experiment import EvolutionarySearch, GradientSearch, MovingSearch, RandomSearch
from worker.search.descent import BETA1, BETA2, EPSILON
from worker.search.moves import Losses
from worker.search.refinement import SEARCHES
from worker.search.trail import Limits, Trail

STEPS = 30


class Toy:
    """A known loss of moves (B, C, n); the held-out one, where given, is another."""

    together = 4

    def __init__(
        self, steering: Callable[[Tensor], Tensor], held_out: Callable[[Tensor], Tensor] | None = None
    ):
        self._steering, self._held_out = steering, held_out
        self.asked: list[Tensor] = []

    def __call__(self, moves: Tensor) -> Losses:
        self.asked.append(moves.detach().clone())
        steering = self._steering(moves)
        unknown = torch.full_like(steering, torch.nan).detach()
        return Losses(steering, unknown if self._held_out is None else self._held_out(moves.detach()))

    def with_gradient(self, moves: Tensor) -> tuple[Losses, Tensor]:
        moves = moves.detach().requires_grad_()
        losses = self(moves)
        (gradient,) = torch.autograd.grad(losses.steering.sum(), moves)
        return Losses(*(each.detach() for each in losses)), gradient


def searched(search: MovingSearch, toy: Toy, first: Tensor, steps: int, **stop: Any) -> Trail:
    trail = Trail(first, Limits(torch.full((len(first),), steps), **stop))
    strategy: Any = SEARCHES[type(search)]
    strategy(search, toy, first, trail, list(range(len(first))))
    return trail


def bowl(moves: Tensor) -> Tensor:
    """A quadratic of condition 100, with its minimum at 1, 2, 3, ..."""
    n = moves.shape[-1]
    curvature = torch.logspace(0, 2, n, dtype=moves.dtype)
    return (curvature * (moves - torch.arange(1, n + 1, dtype=moves.dtype)).square()).sum(-1)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("optimiser", ["adam", "sgd", "sign"])
def test_every_step_is_that_of_torch(optimiser: Any, schedule: Any) -> None:
    rate = 0.004 if optimiser == "sgd" else 0.3
    first = torch.randn(2, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    toy = Toy(bowl)
    search = GradientSearch(optimiser=optimiser, schedule=schedule, learning_rate=rate)
    searched(search, toy, first, STEPS)

    theirs = first.clone().requires_grad_()
    optimisers: dict[str, torch.optim.Optimizer] = {
        "adam": torch.optim.Adam([theirs], rate, betas=(BETA1, BETA2), eps=EPSILON),
        "sgd": torch.optim.SGD([theirs], rate),
        "sign": torch.optim.SGD([theirs], rate),
    }
    torchs = optimisers[optimiser]
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(torchs, STEPS)
    for ours in toy.asked:
        assert torch.allclose(ours, theirs.detach(), rtol=1e-9, atol=1e-9)
        torchs.zero_grad()
        bowl(theirs).sum().backward()  # type: ignore[no-untyped-call]
        if optimiser == "sign":
            assert theirs.grad is not None
            theirs.grad = theirs.grad.sign()
        torchs.step()
        if schedule == "cosine":
            decay.step()
    assert len(toy.asked) == STEPS + 1


def test_normalised_steps_have_one_size_for_every_start_and_view() -> None:
    toy = Toy(bowl)
    first = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1))
    searched(GradientSearch(optimiser="normalised", learning_rate=0.25), toy, first, 4)
    for one, two in zip(toy.asked, toy.asked[1:], strict=False):
        assert torch.allclose((two - one).square().mean(-1).sqrt(), torch.full((2, 3), 0.25), rtol=1e-4)


@pytest.mark.parametrize("numbers", [8, 200])  # a full covariance, and a diagonal one
def test_evolution_finds_the_middle_of_a_sphere(numbers: int) -> None:
    target = torch.linspace(-1, 1, numbers, dtype=torch.float64)
    toy = Toy(lambda moves: (moves - target).square().mean(-1))
    first = torch.zeros(2, 1, numbers, dtype=torch.float64)
    trail = searched(EvolutionarySearch(scale=0.5), toy, first, 300 if numbers == 8 else 700)
    assert torch.allclose(trail.best, target.expand(2, -1), atol=0.05)
    assert (trail.after.steering < trail.before.steering / 1000).all()


@pytest.mark.parametrize(
    ("search", "steps", "within"),
    [
        (GradientSearch(learning_rate=0.1, schedule="cosine"), 600, 1e-3),
        (EvolutionarySearch(scale=1.0, starts=2), 300, 1e-3),
        (RandomSearch(scale=1.0), 1500, 1.0),  # near, and no more than that: what the others are for
    ],
    ids=lambda each: getattr(each, "kind", None),
)
def test_a_linear_decoder_is_explained_as_well_as_least_squares_can(
    search: MovingSearch, steps: int, within: float
) -> None:
    numbers = np.random.default_rng(0)
    decoder, wanted = numbers.normal(size=(2, 12, 4)), numbers.normal(size=(2, 12))
    best = [np.linalg.lstsq(a, b, rcond=None)[0] for a, b in zip(decoder, wanted, strict=True)]
    least = [((a @ x - b) ** 2).mean() for a, x, b in zip(decoder, best, wanted, strict=True)]

    def loss(moves: Tensor) -> Tensor:
        shown = torch.einsum("bij,bcj->bci", torch.from_numpy(decoder), moves)
        return (shown - torch.from_numpy(wanted)[:, None]).square().mean(-1)

    first = torch.zeros(2, getattr(search, "starts", 1), 4, dtype=torch.float64)
    found = searched(search, Toy(loss), first, steps).after.steering
    assert (found.numpy() >= np.array(least) - 1e-9).all()
    assert found.numpy() == pytest.approx(np.array(least), rel=within)


def test_the_start_in_the_better_valley_wins() -> None:
    """Two valleys; the gradient alone never leaves the shallow one, in which the first start lies."""
    toy = Toy(lambda moves: torch.minimum(0.5 + (moves + 1).square(), 3 * (moves - 3).square()).sum(-1))
    first = torch.tensor([[[-0.5], [2.5]], [[2.5], [-0.5]]])
    trail = searched(GradientSearch(learning_rate=0.05, starts=2), toy, first, 60)
    assert trail.won.tolist() == [1, 0]
    assert torch.allclose(trail.best, torch.full((2, 1), 3.0), atol=0.05)
    assert trail.before.steering.tolist() == pytest.approx([0.75, 0.75])
    alone = searched(GradientSearch(learning_rate=0.05), toy, first[:, :1], 60)
    assert alone.after.steering[0] == pytest.approx(0.5, abs=0.01)


def test_what_is_held_out_selects_and_has_no_part_in_the_steps() -> None:
    """The steps go down to 4; the held-out loss is least on the way, at 1."""
    first = torch.zeros(1, 1, 1)
    toy = Toy(lambda moves: (moves - 4).square().sum(-1), lambda moves: (moves - 1).square().sum(-1))
    trail = searched(GradientSearch(learning_rate=0.5, optimiser="sign"), toy, first, 6)
    assert trail.best.tolist() == [[1.0]]
    assert trail.kept.tolist() == [2]
    plain = Toy(lambda moves: (moves - 4).square().sum(-1))
    searched(GradientSearch(learning_rate=0.5, optimiser="sign"), plain, first, 6)
    assert all(torch.equal(one, two) for one, two in zip(toy.asked, plain.asked, strict=True))


@pytest.mark.parametrize("search", [GradientSearch(), EvolutionarySearch(), RandomSearch()])
def test_patience_ends_each_view_by_itself(search: MovingSearch) -> None:
    flat = Toy(lambda moves: 1 + 0 * moves.sum(-1))
    trail = searched(search, flat, torch.zeros(3, 1, 4), 50, patience=3)
    assert trail.taken.tolist() == [3, 3, 3]
    assert trail.early.all()
    assert len(flat.asked) <= 5
    assert trail.moments[-1].step == 3
    assert not trail.best.any()


@pytest.mark.parametrize("search", [GradientSearch(), EvolutionarySearch(), RandomSearch()])
def test_a_search_ends_when_its_time_is_up(search: MovingSearch) -> None:
    seconds = iter(range(100))
    toy = Toy(bowl)
    trail = searched(search, toy, torch.zeros(1, 1, 4), 50, seconds=4.5, clock=lambda: float(next(seconds)))
    assert trail.taken.tolist() == [4]  # the clock is read at the start, then after each step
    assert trail.early.all()


def test_a_loss_that_is_not_a_number_is_never_kept() -> None:
    toy = Toy(lambda moves: torch.where(moves.sum(-1) > 0, torch.nan, 1 - moves.sum(-1)))
    trail = searched(RandomSearch(scale=1), toy, torch.zeros(4, 1, 2), 40)
    assert (trail.best.sum(-1) <= 0).all()
    assert trail.after.steering.isfinite().all()
