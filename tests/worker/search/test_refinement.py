"""Guided refinement at test time: better on the demonstrations, blind to the test, each view on its own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backend.domain.experiment import (
    EncoderConfig,
    EvolutionarySearch,
    GradientSearch,
    NoSearch,
    RandomSearch,
    SearchConfig,
)
from tests.support.models import PUZZLES, SMALL_ENCODERS, etrm, random_batch
from tests.worker.search.test_objective import every_encoder
from worker.kit.batch import IGNORE, PAD, Batch
from worker.models.build import build_reasoner
from worker.models.likelihood import prediction_loss
from worker.models.reasoner import Reasoner
from worker.search.moves import Losses
from worker.search.objective import demonstration_loss
from worker.search.refinement import Refined, refine
from worker.search.trail import Moment

DEPTH = 2  # ACT steps of the evaluation
SEARCHES: dict[str, SearchConfig] = {
    "adam": GradientSearch(steps=8, learning_rate=0.05),
    "sign": GradientSearch(steps=8, learning_rate=0.02, optimiser="sign", schedule="cosine"),
    "sgd": GradientSearch(steps=8, learning_rate=0.5, optimiser="sgd", gradient="full"),
    "at the first ACT step": GradientSearch(steps=8, learning_rate=0.05, act_steps=1),
    "from demonstrations": GradientSearch(steps=8, starts=4, other_starts="demonstrations"),
    "held out": GradientSearch(steps=8, selection="held_out", starts=2),
    "evolutionary": EvolutionarySearch(generations=8, population=5, starts=2),
    "normalised": GradientSearch(steps=8, learning_rate=0.02, optimiser="normalised"),
    "from random": GradientSearch(steps=8, start="random"),
    "leave one out": GradientSearch(steps=8, learning_rate=0.05, leave_one_out=True),
    "random": RandomSearch(samples=8, scale=0.2),
    "random, leave one out": RandomSearch(samples=8, scale=0.2, leave_one_out=True),
}
every_search = pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)


def refined(search: SearchConfig, batch: Batch, encoder: str = "per_demo") -> tuple[Reasoner, Refined]:
    reasoner = build_reasoner(etrm(SMALL_ENCODERS[encoder]), PUZZLES).eval()
    with torch.inference_mode():  # as an evaluation calls it
        return reasoner, refine(reasoner, batch, search, list(range(len(batch.inputs))), DEPTH)


def selecting(moment: Moment) -> Tensor:
    return Losses(moment.losses, moment.held_out).selecting


def loss_of_answers(reasoner: Reasoner, batch: Batch, found: Refined, depth: int) -> Tensor:
    """Mean loss of each view's demonstrations, asked one by one as an evaluation asks a test input."""
    course, means = found.moved(reasoner), []
    for row, mask in enumerate(batch.demo_mask):
        losses = []
        for place in mask.nonzero()[:, 0].tolist():
            output = batch.demo_outputs[row, place][None]
            labels = output.where(output != PAD, IGNORE)
            one = batch.map(lambda tensor, row=row: tensor[row : row + 1])._replace(  # type: ignore[misc]
                inputs=batch.demo_inputs[row, place][None], labels=labels
            )
            under = [each._replace(samples=one, context=each.context[row][None]) for each in course]
            with torch.no_grad():
                *_, last = reasoner.outputs(one, depth, under)
            losses.append(prediction_loss(last.logits, labels).item())
        means.append(sum(losses) / len(losses))
    return torch.tensor(means, dtype=torch.float64)


@every_search
@every_encoder
def test_what_is_returned_explains_the_demonstrations_best_of_all_that_was_asked(
    encoder: EncoderConfig, search: SearchConfig
) -> None:
    batch = random_batch(0)
    reasoner, found = refined(search, batch, encoder.kind)
    asked = torch.stack([selecting(moment) for moment in found.moments])
    assert [moment.step for moment in found.moments] == list(range(9))
    assert torch.equal(asked.argmin(0), found.kept)
    assert torch.equal(asked.amin(0), found.after.selecting)
    assert (found.after.selecting <= found.before.selecting).all()
    if not search.leave_one_out and search.selection == "all":  # type: ignore[union-attr]
        loss = loss_of_answers(reasoner, batch, found, search.act_steps or DEPTH)  # type: ignore[union-attr]
        assert torch.allclose(loss, asked.amin(0), atol=1e-6)
    assert (found.after.selecting < found.before.selecting).any()


@every_search
def test_no_search_reads_a_test_output_or_a_test_input(search: SearchConfig) -> None:
    batch = random_batch(1)
    poisoned = batch._replace(labels=batch.labels.flip(0) + 100, inputs=batch.inputs.flip(1))
    found, other = refined(search, batch)[1], refined(search, poisoned)[1]
    assert torch.equal(found.move, other.move)
    assert all(
        torch.equal(one.losses, two.losses) for one, two in zip(found.moments, other.moments, strict=True)
    )
    assert all((each.samples.labels == IGNORE).all() for each in found.course)


@every_search
def test_a_view_is_searched_the_same_alone_and_among_others(search: SearchConfig) -> None:
    batch = random_batch(2)
    # In float64: batches of other sizes round otherwise, and the recursion amplifies it.
    reasoner = build_reasoner(etrm(SMALL_ENCODERS["per_demo"]), PUZZLES).double().eval()
    among = refine(reasoner, batch, search, range(len(batch.inputs)), DEPTH)
    row = slice(2, 3)
    alone = refine(reasoner, batch.map(lambda tensor: tensor[row]), search, [2], DEPTH)
    asked, together = (torch.stack([selecting(m) for m in found.moments]) for found in (alone, among))
    assert torch.allclose(asked, together[:, row], rtol=1e-6)
    assert torch.equal(alone.kept, among.kept[row])
    assert torch.equal(alone.decodes, among.decodes[row])


def test_leave_one_out_asks_each_demonstration_with_a_latent_of_the_others() -> None:
    batch = random_batch(3)
    search = GradientSearch(steps=1, leave_one_out=True, act_steps=1)
    reasoner, found = refined(search, batch)
    with torch.no_grad():
        for row in range(len(batch.inputs)):
            places = batch.demo_mask[row].nonzero()[:, 0].tolist()
            losses = []
            for place in places:
                hidden = batch.map(lambda tensor, row=row: tensor[row : row + 1].clone())  # type: ignore[misc]
                if len(places) > 1:
                    hidden.demo_mask[0, place] = False
                latent = reasoner.latent_of(reasoner.encode(reasoner.initial_carry(hidden), hidden))
                asked = batch.map(lambda tensor, row=row: tensor[row : row + 1].clone())  # type: ignore[misc]
                asked.demo_mask[:] = False
                asked.demo_mask[0, place] = True
                encoded = reasoner.encode(reasoner.initial_carry(asked), asked)
                losses.append(demonstration_loss(reasoner, encoded, latent).item())
            assert found.moments[0].losses[row].item() == pytest.approx(sum(losses) / len(losses), abs=1e-5)


def test_random_starts_differ_by_seed_and_not_by_encoder_output() -> None:
    batch = random_batch(4)
    reasoner = build_reasoner(etrm(SMALL_ENCODERS["per_demo"]), PUZZLES).eval()
    search = RandomSearch(samples=1, start="random")
    seeds = list(range(len(batch.inputs)))
    one = refine(reasoner, batch, search, seeds, DEPTH)
    same = refine(reasoner, batch, search, seeds, DEPTH)
    other = refine(reasoner, batch, search, [seed + 100 for seed in seeds], DEPTH)
    assert torch.equal(one.moved(reasoner)[0].context, same.moved(reasoner)[0].context)
    assert not torch.equal(one.moved(reasoner)[0].context, other.moved(reasoner)[0].context)


def test_the_cap_ends_each_views_search_by_its_own_number_of_demonstrations() -> None:
    batch = random_batch(5)
    shown = batch.demo_mask.sum(1)
    _, found = refined(GradientSearch(steps=50, most_decodes=20, act_steps=1), batch)
    assert (found.decodes[shown > 0] <= 20).all()
    assert torch.equal(found.decodes, shown * (1 + 3 * ((20 // shown.clamp(min=1) - 1) // 3)))
    _, tight = refined(GradientSearch(steps=50, most_decodes=1), batch)
    assert (tight.kept == 0).all()


def test_without_a_search_the_encoders_latent_stays() -> None:
    batch = random_batch(6)
    reasoner, found = refined(NoSearch(), batch)
    with torch.no_grad():
        encoded = reasoner.encode(reasoner.initial_carry(batch), batch)
    assert torch.equal(found.moved(reasoner)[0].context, encoded.context)
    assert not found.moments
    assert not found.decodes.any()


def test_no_weight_gets_a_gradient() -> None:
    reasoner, _ = refined(SEARCHES["adam"], random_batch(7))
    assert all(parameter.grad is None for parameter in reasoner.parameters())
