"""How often a training step waits for the device: never, until its numbers are read.

Counted on a CPU: every operation whose result the host must know before it can go on. Drawing the batch is
left out, for it is the host's own work on tensors that were never on a device; who has halted comes to it
by a copy that is waited for one step later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import ENCODERS
from tests.support.records.tiny_runs import tiny
from worker.data import training_data
from worker.data.sets import BuiltinTasks
from worker.kit.device import open_device
from worker.models.context.deterministic import DemonstrationSource
from worker.training.learner import Learner

pytestmark = pytest.mark.slow

# Operators whose result, or its shape, the host needs.
WAITING = {
    "aten._local_scalar_dense", "aten.allclose", "aten.bincount", "aten.equal", "aten.histc",
    "aten.is_nonzero", "aten.item", "aten.masked_select", "aten.nonzero", "aten.unique_consecutive",
    "aten.unique_dim", "aten._unique", "aten._unique2",
}  # fmt: skip
# Methods that hand a tensor's numbers to the host; on a CPU they are no operator.
HANDING_OVER = {
    Tensor.cpu, Tensor.item, Tensor.numpy, Tensor.tolist, Tensor.__array__, Tensor.__bool__, Tensor.__float__,
    Tensor.__index__, Tensor.__int__,
}  # fmt: skip
# A copy of numbers of the host's, from memory that is not pinned: the device is waited for.
FILLING = {Tensor.new_tensor, torch.as_tensor, torch.tensor}
INDEXING = {"aten.index", "aten.index_put", "aten.index_put_", "aten._index_put_impl_"}


class _Operators(TorchDispatchMode):
    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self.note = note

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func.overloadpacket)
        by_mask = name in INDEXING and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        counts_repeats = name == "aten.repeat_interleave" and isinstance(args[0], Tensor)
        if name in WAITING or by_mask or counts_repeats:
            self.note(name)
        return func(*args, **(kwargs or {}))


class _Methods(TorchFunctionMode):
    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self.note = note

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in HANDING_OVER or func in FILLING:
            self.note(func.__name__)
        return func(*args, **(kwargs or {}))


@contextmanager
def waits(learner: Learner) -> Iterator[list[str]]:
    """What waits for the device inside the context, drawing batches apart."""
    seen: list[str] = []
    is_drawing = False
    draw = learner._next_batches

    def note(name: str) -> None:
        if not is_drawing:
            seen.append(name)

    def drawn(side: int) -> Any:
        nonlocal is_drawing
        is_drawing = True
        try:
            return draw(side)
        finally:
            is_drawing = False

    learner._next_batches = drawn  # type: ignore[method-assign]
    try:
        with _Methods(note), _Operators(note):
            yield seen
    finally:
        learner._next_batches = draw  # type: ignore[method-assign]


def learner_of(kind: str, **changes: Any) -> Learner:
    """A small learner of TRM or of an encoder, that probes and records never by itself."""
    raw = tiny("trm" if kind == "trm" else "etrm", **changes).model_dump(mode="json")
    if kind != "trm":
        raw["model"]["encoder"] = {"kind": kind}
    raw["health"]["probe_every"] = None
    config = parse_experiment(raw)
    return Learner(config, training_data.build(config, BuiltinTasks()), open_device(config.training))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["trm", *ENCODERS])
def test_no_step_waits_until_its_numbers_are_read(kind: str, precision: str) -> None:
    every = {"histogram_every": 1}
    learner = learner_of(kind, training={"precision": precision, "log_every": 1000}, health=every)
    learner.advance()  # the first step fills tables that later ones share
    with waits(learner) as seen:
        for _ in range(3):
            learner.advance()
        assert seen == []
        learner.read()
        assert seen == ["tolist"]  # all numbers of the interval at once


@pytest.mark.parametrize("kind", ENCODERS)
def test_nor_does_one_that_encodes_empty_places_or_works_in_parts(kind: str) -> None:
    learner = learner_of(kind, training={"accumulate": 2})
    if isinstance(learner.reasoner.context, DemonstrationSource):
        learner.reasoner.context.pack = False
    learner.advance()
    with waits(learner) as seen:
        learner.advance()
    assert seen == []


def test_a_batch_that_does_not_say_where_demonstrations_lie_is_counted() -> None:
    learner = learner_of("deterministic")
    learner.advance()
    draw = learner._next_batches
    learner._next_batches = lambda side: [  # type: ignore[method-assign]
        batch._replace(places=None) for batch in draw(side)
    ]
    with waits(learner) as seen:
        learner.advance()
    assert seen == ["aten.nonzero"]
