"""Low-rank adapters change nothing until they learn; copies share the weights that stay."""

from __future__ import annotations

import torch

from backend.domain.experiment import AdapterAdaptation, FullAdaptation
from tests.support.models import PUZZLES, SMALL_ENCODERS, etrm, random_batch
from worker.adaptation.copies import copy_of
from worker.adaptation.low_rank import LowRank
from worker.models.build import build_reasoner
from worker.models.layers import Linear

NO_ROWS = torch.empty(0)


def test_a_new_adapter_changes_no_number_and_a_learned_one_adds_its_rank() -> None:
    generator = torch.Generator().manual_seed(0)
    base = Linear(12, 20, generator, bias=True)
    adapter = LowRank(base, 3, generator)
    x = torch.randn(5, 12, generator=generator)
    assert torch.equal(adapter(x), base(x))
    with torch.no_grad():
        adapter.up.normal_(generator=generator)
    weight = (adapter(torch.eye(12)) - base(torch.eye(12))).T
    assert torch.linalg.matrix_rank(weight) == 3
    torch.testing.assert_close(adapter(x), x @ (base.weight + weight).T + base.get_parameter("bias"))
    assert LowRank(base, 256, generator).down.shape == (12, 12)


def test_a_copy_shares_what_stays_and_owns_what_learns() -> None:
    reasoner = build_reasoner(etrm(SMALL_ENCODERS["deterministic"]), PUZZLES).eval()
    batch = random_batch(0)
    for adaptation, own in ((AdapterAdaptation(rank=2), False), (FullAdaptation(), True)):
        copy = copy_of(reasoner, adaptation, NO_ROWS, seed=0).eval()
        with torch.inference_mode():
            one, two = (model.run(batch, 2).logits for model in (copy, reasoner))
        torch.testing.assert_close(one, two)  # products may be rounded by where their memory lies
        places = {tensor.data_ptr() for tensor in reasoner.parameters()}
        shared = [tensor for tensor in copy.buffers() if tensor.data_ptr() in places]
        assert len(shared) == (0 if own else len(places))
        assert not places & {tensor.data_ptr() for tensor in copy.parameters()}
    adapters = copy_of(reasoner, AdapterAdaptation(rank=2), NO_ROWS, 0).modules()
    linear = [module for module in reasoner.modules() if isinstance(module, Linear)]
    assert sum(isinstance(module, LowRank) for module in adapters) == len(linear) > 0
