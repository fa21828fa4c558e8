"""What a training step asks of the device: no wait, the precision of the config, compiled blocks."""

from __future__ import annotations

import platform
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensorMode

from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import ENCODERS
from tests.support.dense import dense_batch
from tests.support.records.tiny_runs import Memory, tiny
from worker.data import training_data
from worker.data.batches import BatchStream
from worker.data.sets import BuiltinTasks
from worker.kit.batch import Batch
from worker.kit.device import Device, open_device
from worker.kit.noise import Noise
from worker.models.layers import Block
from worker.training.learner import Learner
from worker.training.objective.losses import act_loss
from worker.training.optim import round_stochastically
from worker.training.stop import StopSignal
from worker.training.trainer import train

pytestmark = pytest.mark.slow


def learner_of(kind: str, **training: Any) -> Learner:
    raw = tiny("etrm", training=training).model_dump(mode="json")
    raw["model"]["encoder"] = {"kind": kind}
    config = parse_experiment(raw)
    return Learner(config, training_data.build(config, BuiltinTasks()), open_device(config.training))


def learn_without_data(learner: Learner, batch: Batch) -> None:
    """A forward and backward pass over tensors that have a shape and no content: to ask is an error."""
    size = len(batch.inputs)
    learner.reasoner.step(learner.reasoner.initial_carry(batch), batch)  # fills the caches of tables
    with FakeTensorMode(allow_non_fake_inputs=True):
        output = learner.reasoner.step(learner.reasoner.initial_carry(batch), batch, Noise.whole(0, 0, size))
        act_loss(output.logits, output.halt_logits, output.carry.batch.labels).total.backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_step_never_asks_the_device(kind: str) -> None:
    learner = learner_of(kind)
    batch = learner._next_batches(10)[0]
    learn_without_data(learner, batch)


def test_a_batch_that_does_not_say_where_demonstrations_lie_would_be_noticed() -> None:
    learner = learner_of("deterministic")
    batch = learner._next_batches(10)[0]._replace(places=None)
    with pytest.raises(DynamicOutputShapeException):
        learn_without_data(learner, batch)


def losses(folder: Path, **training: Any) -> list[float]:
    memory = Memory()
    config = tiny("etrm", 60, training={"log_every": 10, **training}, evaluation={"sets": []})
    train(config, BuiltinTasks(), memory, folder, StopSignal())
    return [values["loss"] for values in memory.points.values()]


def test_bf16_learns_with_weights_of_either_precision(tmp_path: Path) -> None:
    exact = losses(tmp_path / "fp32")
    for precision in ("bf16", "bf16_weights"):
        found = losses(tmp_path / precision, precision=precision)
        assert found != exact
        assert found[0] == pytest.approx(exact[0], rel=0.02)
        assert found[-1] < found[0] - 0.5 * (exact[0] - exact[-1])


def test_bf16_weights_stay_bf16_and_are_averaged_in_float32() -> None:
    learner = learner_of("deterministic", precision="bf16_weights")
    learner.advance()
    assert {parameter.dtype for parameter in learner.reasoner.parameters()} == {torch.bfloat16}
    assert {average.dtype for average in learner.ema.shadow.values()} == {torch.float32}


@given(st.floats(-100, 100, width=32), st.integers(0, 2**31))
def test_rounding_is_to_a_neighbour_and_right_in_the_mean(value: float, seed: int) -> None:
    values = torch.full((4096,), value)
    rounded = round_stochastically(values, seed).double()
    spacing = max(abs(value) * 2**-7, 1e-30)
    assert ((rounded - value).abs() <= spacing).all()
    assert abs(rounded.mean() - value) < 6 * spacing / 4096**0.5
    assert torch.equal(rounded, round_stochastically(values, seed).double())


# All are of torch about itself.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.filterwarnings("ignore:(?s).*lru_cache:UserWarning")
@pytest.mark.filterwarnings("ignore:.*autograd.function.Function:DeprecationWarning")
@pytest.mark.parametrize(("precision", "close"), [("fp32", 1e-4), ("bf16", 1e-2)])
def test_compiled_blocks_compute_the_same(precision: str, close: float) -> None:
    plain = learner_of("deterministic", precision=precision)
    compiled = learner_of("deterministic", precision=precision, compile=True)
    if not compiled.device.can_compile:
        pytest.skip("nothing is compiled on this CPU")
    for learner in (plain, compiled):
        for _ in range(4):
            learner.advance()
    one, other = plain.read(), compiled.read()
    for name in ("loss", "gradient_norm/all"):
        assert other[name] == pytest.approx(one[name], rel=close if name == "loss" else 10 * close)
    assert list(plain.reasoner.state_dict()) == list(compiled.reasoner.state_dict())


@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
@pytest.mark.parametrize(
    ("machine", "capability", "compiles"),
    [
        ("x86_64", "DEFAULT", False),
        ("x86_64", "AVX2", False),
        ("x86_64", "AVX512", True),
        ("aarch64", "DEFAULT", True),
    ],
)
def test_blocks_are_compiled_only_where_that_computes_right(
    machine: str, capability: str, compiles: bool, able_to_build: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    blocks = [
        each
        for each in learner_of("deterministic", compile=True).reasoner.modules()
        if isinstance(each, Block)
    ]
    assert blocks
    assert [each._compiled_call_impl is not None for each in blocks] == [compiles] * len(blocks)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_slots_hold_what_whole_batches_would_have_put_there(
    accumulate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New samples alone are sent; kept ones stay on the device, for every step and part."""
    learner = learner_of("deterministic", accumulate=accumulate)
    config = learner.config
    data = training_data.build(config, BuiltinTasks())
    simple = {side: BatchStream(data, config, side) for side in learner.streams}
    held: dict[int, Batch] = {}
    kept_some = 0

    def checked(side: int) -> list[Batch]:
        nonlocal kept_some
        free = torch.from_numpy(learner.slots[side].free().copy())
        dense, old = dense_batch(simple[side], free.numpy()), held.get(side)
        rows = dense.rows if old is None else _merged(free, dense, old)
        held[side] = Batch.of(rows)
        kept_some += old is not None and not free.all()
        batches = next_batches(side)
        for at, fields in enumerate(zip(*(batch.rows for batch in batches), strict=True)):
            assert torch.equal(torch.cat(fields).to(rows[at].dtype), rows[at]), Batch._fields[at]
        return batches

    next_batches = learner._next_batches
    monkeypatch.setattr(learner, "_next_batches", checked)
    for _ in range(40):
        learner.advance()
    assert kept_some > 20


def _merged(free: torch.Tensor, new: Batch, old: Batch) -> tuple[torch.Tensor, ...]:
    return tuple(
        torch.where(free.view(-1, *(1,) * (kept.dim() - 1)), taken, kept)
        for taken, kept in zip(new.rows, old.rows, strict=True)
    )


@pytest.fixture
def able_to_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for a compiler and Python's headers, so that what is tested is not what this machine has."""
    monkeypatch.setenv("CXX", sys.executable)
    monkeypatch.setenv("CC", sys.executable)
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(sysconfig, "get_path", lambda *name: str(tmp_path))


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
@pytest.mark.parametrize("lacks", ["nothing", "compiler", "headers"])
def test_nothing_is_compiled_without_a_compiler_or_pythons_headers(
    kind: str, lacks: str, able_to_build: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    if lacks == "compiler":
        monkeypatch.delenv("CXX" if kind == "cpu" else "CC")
        monkeypatch.setenv("PATH", str(tmp_path))
    elif lacks == "headers":
        (tmp_path / "Python.h").unlink()
    assert Device(torch.device(kind), "fp32").can_compile == (lacks == "nothing")
