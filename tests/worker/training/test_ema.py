from __future__ import annotations

import pytest
import torch

from tests.support.models import PUZZLES, trm
from worker.models.build import build_reasoner
from worker.models.reasoner import Reasoner
from worker.training.ema import Ema


def shifted(reasoner: Reasoner, by: float) -> None:
    with torch.no_grad():
        for parameter in reasoner.parameters():
            parameter.add_(by)


def test_the_average_moves_from_the_first_weights_by_the_rest_of_the_decay() -> None:
    reasoner = build_reasoner(trm(), PUZZLES)
    before = reasoner.token_head.weight.detach().clone()
    ema = Ema(reasoner, decay=0.9)
    shifted(reasoner, 1.0)
    ema.update()
    ema.update()
    expected = before + (1 - 0.9**2)
    assert torch.allclose(ema.state_dict()["token_head.weight"], expected, atol=1e-5)


def test_the_model_has_the_average_inside_and_its_own_weights_again_after_an_error() -> None:
    reasoner = build_reasoner(trm(), PUZZLES)
    ema = Ema(reasoner, decay=0.5)
    first = reasoner.token_head.weight.detach().clone()
    shifted(reasoner, 1.0)

    def fail_inside() -> None:
        with ema.swapped():
            assert torch.equal(reasoner.token_head.weight, first)
            raise RuntimeError("evaluation broke")

    with pytest.raises(RuntimeError, match="evaluation broke"):
        fail_inside()
    assert torch.equal(reasoner.token_head.weight, first + 1.0)
    assert torch.equal(ema.state_dict()["token_head.weight"], first)


def test_the_average_is_a_state_the_model_can_load_and_takes_the_puzzle_table_as_it_is() -> None:
    reasoner = build_reasoner(trm(), PUZZLES)
    ema = Ema(reasoner, decay=0.5)
    reasoner.get_buffer("context.table").fill_(7.0)
    other = build_reasoner(trm(), PUZZLES)
    other.load_state_dict(ema.state_dict())
    assert other.get_buffer("context.table").eq(7.0).all()


def test_going_on_from_a_saved_average_is_bit_equal() -> None:
    reasoner = build_reasoner(trm(), PUZZLES)
    ema = Ema(reasoner, decay=0.9)
    shifted(reasoner, 0.5)
    ema.update()
    resumed = Ema(reasoner, decay=0.9)
    resumed.load_state_dict({name: tensor.clone() for name, tensor in ema.state_dict().items()})
    for each in (ema, resumed):
        each.update()
    assert all(torch.equal(a, b) for a, b in zip(ema.shadow.values(), resumed.shadow.values(), strict=True))
