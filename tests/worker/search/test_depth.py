"""How deep a search asks, what it costs, and how far its gradient goes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from backend.domain.experiment import (
    CoreConfig,
    EvolutionarySearch,
    GradientSearch,
    MovingSearch,
    RandomSearch,
)
from backend.domain.experiment.search import cost_of, population_of, steps_of
from tests.support.models import PUZZLES, SMALL_ENCODERS, etrm, random_batch, trm
from worker.models.build import build_reasoner
from worker.models.reasoner import Reasoner
from worker.search.demonstrations import Demonstrations, held_out, latent_of
from worker.search.refinement import refine

DEPTH = 3
COSTS: dict[str, MovingSearch] = {
    "gradient": GradientSearch(steps=4),
    "shallow": GradientSearch(steps=4, act_steps=1),
    "full": GradientSearch(steps=4, gradient="full"),
    "starts": GradientSearch(steps=4, starts=3),
    "held out": GradientSearch(steps=4, starts=2, selection="held_out"),
    "capped": GradientSearch(steps=50, most_decodes=60),
    "random": RandomSearch(samples=7),
    "evolutionary": EvolutionarySearch(generations=3, starts=2),
}


def asked_by(reasoner: Reasoner, search: MovingSearch) -> tuple[int, int]:
    """Grids that went through the core in a search of 3 views of 3 demonstrations, and what it says."""
    batch = random_batch(0, size=3)
    batch = batch._replace(demo_mask=torch.ones_like(batch.demo_mask))
    passed = []

    def count(module: nn.Module, arguments: tuple[Any, ...], states: Any) -> None:
        passed.append(len(states.y))

    handle = reasoner.core.register_forward_hook(count)
    found = refine(reasoner, batch, search, [1, 2, 3], DEPTH)
    handle.remove()
    return sum(passed), int(found.decodes.sum())


@pytest.mark.parametrize("search", COSTS.values(), ids=COSTS)
def test_what_is_counted_went_through_the_core(search: MovingSearch) -> None:
    reasoner = build_reasoner(etrm(SMALL_ENCODERS["per_demo"]), PUZZLES).eval()
    passed, decodes = asked_by(reasoner, search)
    cost = cost_of(search, 3, DEPTH, SMALL_ENCODERS["per_demo"].latent)  # type: ignore[attr-defined]
    steps = cost.affordable(search.most_decodes, steps_of(search))
    assert decodes == 3 * cost.after(steps)
    assert passed == decodes - 3 * steps * cost.way_back
    if search.most_decodes:
        assert decodes <= 3 * search.most_decodes < decodes + 3 * cost.step


def test_the_usual_population_grows_with_the_latent() -> None:
    assert [population_of(EvolutionarySearch(), numbers) for numbers in (1, 16, 8192)] == [4, 12, 31]
    assert population_of(EvolutionarySearch(population=9), 8192) == 9


@pytest.mark.parametrize("kind", ["deterministic", "iterative", "trm"])
def test_the_whole_gradient_is_that_of_the_loss_and_the_short_one_is_of_its_last_cycle(kind: str) -> None:
    """Beside central differences in float64; a model of one cycle has nothing to cut off."""
    for cycles, act_steps, gradient in ((2, 2, "full"), (1, 1, "last_cycle")):
        core = CoreConfig(width=8, heads=2, layers=1, h_cycles=cycles, l_cycles=2, context_tokens=2)
        base = trm(embedding_width=8) if kind == "trm" else etrm(SMALL_ENCODERS[kind])
        settings = base.model_copy(update={"model": base.model.model_copy(update={"core": core})})
        reasoner = build_reasoner(settings, PUZZLES).double().eval()
        batch = random_batch(1, size=2, side=3)
        search = GradientSearch(gradient=gradient)  # type: ignore[arg-type]
        with torch.no_grad():
            objective = Demonstrations(reasoner, batch, search, act_steps, None)
            still = torch.zeros_like(latent_of(reasoner.course(batch, 1)[0]))[:, None]
            _, found = objective.with_gradient(still)
            step = torch.zeros_like(still)
            generator = torch.Generator().manual_seed(0)
            step.copy_(torch.randn(step.shape, generator=generator, dtype=torch.float64) * 1e-5)
            rise = objective(still + step).steering - objective(still - step).steering
        along = (found * step).flatten(2).sum(2) * 2
        assert torch.allclose(rise, along, rtol=1e-3, atol=1e-10), (kind, cycles)


def test_a_deeper_question_is_another_question() -> None:
    reasoner = build_reasoner(etrm(SMALL_ENCODERS["iterative"]), PUZZLES).eval()
    batch = random_batch(2)
    losses = {
        depth: refine(reasoner, batch, RandomSearch(samples=0, act_steps=depth), range(4), DEPTH).before
        for depth in (None, 1, DEPTH)
    }
    assert torch.equal(losses[None].steering, losses[DEPTH].steering)
    assert not torch.allclose(losses[1].steering, losses[DEPTH].steering)


def test_what_is_held_out_steers_no_step() -> None:
    """Its output is replaced: every move and every loss of the others stays."""
    reasoner = build_reasoner(etrm(SMALL_ENCODERS["deterministic"]), PUZZLES).eval()
    batch = random_batch(3)
    kept_out = held_out(batch.demo_mask)
    assert kept_out.sum(1).tolist() == [1, 1, 1, 1]
    other = batch.demo_outputs.where(~kept_out[..., None], batch.demo_outputs.flip(-1))
    search = GradientSearch(steps=5, selection="held_out", leave_one_out=True, starts=2)
    one, two = (
        refine(reasoner, each, search, range(4), DEPTH)
        for each in (batch, batch._replace(demo_outputs=other))
    )
    starts = [
        Demonstrations(reasoner, each, search, DEPTH, None)(torch.zeros_like(one.move)[:, None])
        for each in (batch, batch._replace(demo_outputs=other))
    ]
    assert torch.equal(starts[0].steering, starts[1].steering)
    assert torch.equal(one.before.steering, two.before.steering)
    assert not torch.equal(one.before.held_out, two.before.held_out)


def test_a_lone_demonstration_is_not_held_out() -> None:
    mask = torch.tensor([[True, False, False], [False, False, False], [True, False, True]])
    wanted = torch.tensor([[False] * 3, [False] * 3, [False, False, True]])
    assert torch.equal(held_out(mask), wanted)


def test_further_starts_are_the_latents_of_single_demonstrations() -> None:
    reasoner = build_reasoner(etrm(SMALL_ENCODERS["per_demo"]), PUZZLES).eval()
    batch = random_batch(4)
    search = GradientSearch(starts=4, other_starts="demonstrations")
    with torch.no_grad():
        still = latent_of(reasoner.course(batch, 1)[0])
        moves = Demonstrations(reasoner, batch, search, DEPTH, None).first_moves(still, range(4))
        assert not moves[:, 0].any()
        for row, mask in enumerate(batch.demo_mask):
            places = mask.nonzero()[:, 0].tolist()
            for number, place in enumerate(places, 1):
                alone = torch.zeros_like(batch.demo_mask)
                alone[row, place] = True
                latent: Tensor = latent_of(reasoner.course(batch._replace(demo_mask=alone), 1)[0])[row]
                assert torch.allclose(still[row] + moves[row, number], latent, atol=1e-5)
            assert moves[row, 1:].flatten(1).any(1).all()  # beyond them, perturbations
