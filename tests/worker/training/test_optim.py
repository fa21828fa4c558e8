from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from backend.domain.experiment import ExperimentConfig, OptimisationConfig, TrainingConfig, TrmModel
from tests.support.models import PUZZLES, etrm, random_batch, trm
from worker.models.build import build_reasoner
from worker.models.context.puzzle_embedding import PuzzleEmbedding
from worker.models.reasoner import Reasoner
from worker.training.objective.losses import act_loss
from worker.training.optim import AdamAtan2, Optimisers, SignSgd, build_optimisers, schedule


def adam(*values: list[float], weight_decay: float = 0.0, lr: float = 0.1) -> AdamAtan2:
    parameters = [(str(i), nn.Parameter(torch.tensor(v))) for i, v in enumerate(values)]
    optimiser = AdamAtan2(parameters, (0.9, 0.95), weight_decay)
    optimiser.learning_rate = lr
    return optimiser


def move(optimiser: AdamAtan2, *gradients: list[float] | None) -> None:
    for parameter, gradient in zip(optimiser.parameters, gradients, strict=True):
        parameter.grad = None if gradient is None else torch.tensor(gradient)
    optimiser.step()


def test_adam_atan2_takes_the_published_steps() -> None:
    """The recurrence written out for one number and three gradients."""
    optimiser = adam([2.0], weight_decay=0.5)
    weight, first, second = 2.0, 0.0, 0.0
    for step, gradient in enumerate((0.3, -1.0, 0.02), start=1):
        move(optimiser, [gradient])
        weight *= 1 - 0.1 * 0.5
        first = 0.9 * first + 0.1 * gradient
        second = 0.95 * second + 0.05 * gradient**2
        spread = math.sqrt(second / (1 - 0.95**step))
        weight -= 0.1 / (1 - 0.9**step) * math.atan2(first, spread)
        assert math.isclose(optimiser.parameters[0].item(), weight, rel_tol=1e-5)


def test_the_step_does_not_depend_on_the_scale_of_the_gradient() -> None:
    small, large = adam([0.0]), adam([0.0])
    for gradient in (1.0, -0.5, 2.0):
        move(small, [gradient * 1e-12])
        move(large, [gradient * 1e12])
    assert math.isclose(small.parameters[0].item(), large.parameters[0].item(), rel_tol=1e-4)


def test_a_gradient_of_zero_moves_nothing() -> None:
    optimiser = adam([1.0, 1.0])
    move(optimiser, [0.0, 0.5])
    assert optimiser.parameters[0].tolist()[0] == 1.0


def test_a_weight_without_gradient_is_left_alone_and_counts_its_own_steps() -> None:
    optimiser, alone = adam([1.0], [5.0], weight_decay=0.5), adam([5.0], weight_decay=0.5)
    move(optimiser, [1.0], None)
    assert optimiser.parameters[1].item() == 5.0
    for gradient in (0.7, -0.2):
        move(optimiser, [1.0], [gradient])
        move(alone, [gradient])
    assert torch.equal(optimiser.parameters[1], alone.parameters[0])


def train(reasoner: Reasoner, optimisers: Optimisers, first: int, last: int) -> list[float]:
    losses = []
    for step in range(first, last):
        batch = random_batch(step)
        optimisers.begin(step)
        output = reasoner.step(reasoner.initial_carry(batch), batch)
        total = act_loss(output.logits, output.halt_logits, batch.labels).total
        torch.autograd.backward(total)
        optimisers.set_learning_rate(step)
        optimisers.step()
        losses.append(total.item())
    return losses


@pytest.mark.parametrize("make", [trm, etrm])
def test_going_on_from_a_saved_state_is_bit_equal_to_never_stopping(make: object) -> None:
    config = make().model_copy(  # type: ignore[operator]
        update={"optimisation": OptimisationConfig(learning_rate=1e-2, warmup_steps=3)}
    )
    through = build_reasoner(config, PUZZLES)
    optimisers = build_optimisers(through, config)
    train(through, optimisers, 0, 3)
    weights = {name: tensor.clone() for name, tensor in through.state_dict().items()}
    saved = {name: tensor.clone() for name, tensor in optimisers.state_dict().items()}
    expected = train(through, optimisers, 3, 6)

    resumed = build_reasoner(config.model_copy(update={"seed": 9}), PUZZLES)
    resumed.load_state_dict(weights)
    fresh = build_optimisers(resumed, config)
    fresh.load_state_dict(saved)
    assert train(resumed, fresh, 3, 6) == expected


def test_training_on_one_batch_lowers_its_loss() -> None:
    config = etrm().model_copy(
        update={"optimisation": OptimisationConfig(learning_rate=3e-3, warmup_steps=1)}
    )
    reasoner = build_reasoner(config, PUZZLES)
    optimisers = build_optimisers(reasoner, config)
    losses = [loss for _ in range(15) for loss in train(reasoner, optimisers, 0, 1)]
    assert losses[-1] < 0.8 * losses[0]


def rows(ids: list[int], gradients: list[list[float]]) -> PuzzleEmbedding:
    """A table of four rows of ones after a backward pass over `ids`."""
    embedding = PuzzleEmbedding(4, 2, 1, 2)
    embedding.table.fill_(1.0)
    looked_up = embedding.table[ids].requires_grad_()
    looked_up.grad = torch.tensor(gradients)
    embedding._used.append((torch.tensor(ids), looked_up))
    return embedding


def test_sign_sgd_moves_the_rows_of_the_batch_and_no_others() -> None:
    embedding = rows([3, 1], [[0.5, -9.0], [0.0, 1e-9]])
    optimiser = SignSgd(embedding, weight_decay=0.5)
    optimiser.learning_rate = 0.1
    optimiser.step()
    expected = torch.tensor([[1.0, 1.0], [0.95, 0.85], [1.0, 1.0], [0.85, 1.05]])
    assert torch.allclose(embedding.table, expected)


def test_gradients_of_a_row_that_occurs_twice_are_summed_before_the_sign() -> None:
    embedding = rows([2, 1, 2], [[1.0, 1.0], [1.0, 1.0], [-3.0, -1.0]])
    optimiser = SignSgd(embedding, weight_decay=0.0)
    optimiser.learning_rate = 0.1
    optimiser.step()
    assert torch.allclose(embedding.table[2], torch.tensor([1.1, 1.0]))
    assert torch.allclose(embedding.table[1], torch.tensor([0.9, 0.9]))


def test_a_gradient_moves_the_table_once() -> None:
    embedding = rows([0], [[1.0, 1.0]])
    optimiser = SignSgd(embedding, weight_decay=0.0)
    optimiser.learning_rate = 0.1
    optimiser.step()
    optimiser.step()
    assert torch.allclose(embedding.table[0], torch.tensor([0.9, 0.9]))


def test_the_table_of_trm_has_its_own_learning_rate_under_the_same_warm_up() -> None:
    config = trm().model_copy(update={"optimisation": OptimisationConfig(warmup_steps=10)})
    optimisers = build_optimisers(build_reasoner(config, PUZZLES), config)
    assert optimisers.rows is not None
    assert math.isclose(optimisers.set_learning_rate(4), 0.5e-4)
    assert math.isclose(optimisers.rows.learning_rate, 0.5e-2)
    assert build_optimisers(build_reasoner(etrm(), 1), etrm()).rows is None


def test_the_schedule_warms_up_and_stays_or_falls_to_a_tenth() -> None:
    constant = OptimisationConfig(warmup_steps=4)
    cosine = OptimisationConfig(warmup_steps=4, schedule="cosine")
    assert [schedule(step, 104, constant) for step in (0, 1, 3, 4, 103)] == [0.25, 0.5, 1, 1, 1]
    assert [round(schedule(step, 104, cosine), 6) for step in (3, 4, 54, 104, 200)] == [1, 1, 0.55, 0.1, 0.1]
    assert schedule(0, 10, OptimisationConfig(warmup_steps=0)) == 1.0


def test_the_schedule_ends_with_the_training() -> None:
    config = etrm().model_copy(
        update={
            "optimisation": OptimisationConfig(warmup_steps=0, schedule="cosine", learning_rate=1.0),
            "training": TrainingConfig(steps=50),
        }
    )
    assert math.isclose(build_optimisers(build_reasoner(config, 1), config).set_learning_rate(50), 0.1)


def state_of(reasoner: Reasoner, optimisers: Optimisers) -> dict[str, torch.Tensor]:
    """Copies of weights and moments, by name."""
    state = {f"weight.{name}": tensor for name, tensor in reasoner.named_parameters()}
    return {name: tensor.detach().clone() for name, tensor in (state | optimisers.state_dict()).items()}


@pytest.mark.parametrize(
    ("part", "prefix"), [("encoder", "context."), ("decoder", ("core.", "token", "halt"))]
)
def test_a_frozen_part_stays_to_the_bit_for_its_steps_and_moves_in_the_next(
    part: str, prefix: str | tuple[str, ...]
) -> None:
    config = etrm().model_copy(
        update={"optimisation": OptimisationConfig(warmup_steps=0, freeze=part, freeze_steps=3)}
    )
    reasoner = build_reasoner(config, PUZZLES)
    optimisers = build_optimisers(reasoner, config)
    names = [name for name, _ in reasoner.named_parameters()]
    frozen = {name for name in names if name.startswith(prefix)}
    assert 0 < len(frozen) < len(names)
    states = [state_of(reasoner, optimisers)]
    for step in range(4):
        train(reasoner, optimisers, step, step + 1)
        states.append(state_of(reasoner, optimisers))
    for before, after in itertools.pairwise(states[:4]):
        for name in names:
            kinds = ("weight", "first", "second")
            stayed = [torch.equal(before[f"{kind}.{name}"], after[f"{kind}.{name}"]) for kind in kinds]
            assert stayed == [name in frozen] * 3, name
    assert states[3]["steps"].tolist() == [0 if name in frozen else 3 for name in names]
    assert states[4]["steps"].tolist() == [1 if name in frozen else 4 for name in names]
    for name in frozen:
        assert not torch.equal(states[3][f"weight.{name}"], states[4][f"weight.{name}"]), name


def test_after_a_thaw_a_run_that_was_resumed_and_one_that_was_not_are_bit_equal() -> None:
    config = etrm().model_copy(
        update={"optimisation": OptimisationConfig(warmup_steps=0, freeze="encoder", freeze_steps=3)}
    )
    through = build_reasoner(config, PUZZLES)
    optimisers = build_optimisers(through, config)
    train(through, optimisers, 0, 2)
    resumed = build_reasoner(config, PUZZLES)
    resumed.load_state_dict(through.state_dict())
    fresh = build_optimisers(resumed, config)
    fresh.load_state_dict(optimisers.state_dict())
    assert train(resumed, fresh, 2, 6) == train(through, optimisers, 2, 6)


def test_the_encoder_keeps_its_own_pace() -> None:
    """The first step of Adam-atan2 is lr x 10 atan(1 / 10) wherever the gradient is not zero."""
    settings = OptimisationConfig(
        learning_rate=1e-3, encoder_learning_rate=1e-4, warmup_steps=0, weight_decay=0
    )
    config = etrm().model_copy(update={"optimisation": settings})
    reasoner = build_reasoner(config, PUZZLES)
    optimisers = build_optimisers(reasoner, config)
    before = {name: parameter.detach().clone() for name, parameter in reasoner.named_parameters()}
    train(reasoner, optimisers, 0, 1)
    for name, parameter in reasoner.named_parameters():
        farthest = (parameter - before[name]).abs().max().item()
        rate = 1e-4 if name.startswith("context.") else 1e-3
        assert farthest == pytest.approx(10 * rate * math.atan(0.1), rel=1e-3), name


@pytest.mark.parametrize(
    "optimisation", [{"freeze": "encoder"}, {"encoder_learning_rate": 1e-4}], ids=["freeze", "scale"]
)
def test_what_needs_an_encoder_is_refused_for_trm(optimisation: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="needs an encoder"):
        ExperimentConfig(model=TrmModel(), optimisation=OptimisationConfig.model_validate(optimisation))
