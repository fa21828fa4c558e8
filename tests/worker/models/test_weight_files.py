"""Files that are called checkpoints: every state is understood or named, and no file is taken for another."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from backend.domain.experiment import CheckpointStart, ExperimentConfig
from backend.kit.errors import EtrmError, InvalidInput
from tests.support.models import etrm, trm
from worker.cli.inspection import described
from worker.models.build import build_reasoner
from worker.models.importing import PREFIX, initialise
from worker.models.published import to_published
from worker.models.reasoner import Reasoner
from worker.models.weight_files import read_weights

State = dict[str, Tensor]


def state(value: float, config: ExperimentConfig | None = None, prefix: str = PREFIX) -> State:
    """A published state in which every number is `value`."""
    names = to_published(build_reasoner(config or trm(), 6))
    return {f"{prefix}{name}": torch.full_like(tensor, value) for name, tensor in names.items()}


RAW, AVERAGE = state(0.0), state(1.0)


def take(
    path: Path, weights: Any = "ema", part: Any = "all", into: ExperimentConfig | None = None
) -> Reasoner:
    reasoner = build_reasoner((into or trm()).model_copy(update={"seed": 99}), 6)
    initialise(reasoner, CheckpointStart(path=str(path), part=part, weights=weights))
    return reasoner


def refused(path: Path, **asked: Any) -> str:
    """The one line that a user is told."""
    with pytest.raises(EtrmError) as caught:
        take(path, **asked)
    assert "weights_only" not in str(caught.value)
    return str(caught.value)


FURTHER: dict[str, Any] = {
    **dict.fromkeys(
        (
            "ema_helper", "params_ema", "ema_state", "ema_params", "teacher", "averaged_model", "EMA", "zzz",
            "model_ema_state_dict", "generator_ema", "student", "state_dict_ema", "target_net", "swa_model",
        ),
        AVERAGE,
    ),
    "nested": {"ema": AVERAGE},
    "callbacks": {"ExponentialMovingAverage": {"shadow_params": list(AVERAGE.values())}},
    "shadow_params": list(AVERAGE.values()),
    "pairs": [(name, tensor) for name, tensor in AVERAGE.items()],
    "optimizer": {"state": {}, "ema": AVERAGE},
    "optim": {name.removeprefix(PREFIX): tensor for name, tensor in AVERAGE.items()},
}  # fmt: skip


@pytest.mark.parametrize("weights", ["ema", "raw", "unknown"])
@pytest.mark.parametrize("key", FURTHER)
def test_a_further_state_is_refused_by_name_and_shown_by_inspect(
    key: str, weights: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    torch.save({"model": RAW, key: FURTHER[key], "step": 7}, file)
    assert f"contains a further state: {key} (" in refused(file, weights=weights)
    report = "\n".join(described(read_weights(file, "FILE")))
    assert f"{key} (a further state, of which nothing is known): " in report
    assert "Besides: step" in report


@pytest.mark.parametrize("prefix", ["teacher.", "module.teacher.", "averaged.net.", "swa_model."])
def test_a_further_state_beside_the_first_in_a_flat_file_is_refused_by_name(
    prefix: str, tmp_path: Path
) -> None:
    raw, average = state(0.0, prefix="module."), state(1.0, prefix=prefix)
    torch.save({**raw, **average}, tmp_path / "file")
    name = prefix.removeprefix("module.").rstrip(".")
    assert f"contains a further state: {name} (" in refused(tmp_path / "file")


def test_two_states_under_unknown_prefixes_fit_nothing(tmp_path: Path) -> None:
    torch.save({**state(0.0, prefix="student."), **state(1.0, prefix="teacher.")}, tmp_path / "file")
    assert "No tensor of" in refused(tmp_path / "file")


@pytest.mark.parametrize("form", [
    lambda: {"model": RAW, "ema": AVERAGE},
    lambda: {"model": RAW, "ema": {"module": None, "shadow": AVERAGE, "decay": torch.tensor(0.999)}},
    lambda: state(0.0, prefix="module.") | state(1.0, prefix="module.ema."),
    lambda: {"model": {**RAW, "ema": AVERAGE}, "loss": torch.tensor(0.1)},
    lambda: {"model": RAW, "ema": OrderedDict(AVERAGE), "optimizer": {"state": {0: {"x": torch.ones(2)}}}},
    lambda: {"n_averaged": torch.tensor(5), **state(1.0, prefix="module.")},
])  # fmt: skip
def test_an_average_is_taken_wherever_it_is_certain(
    form: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    torch.save(form(), tmp_path / "file")
    assert (take(tmp_path / "file").token_head.weight == 1).all()


def test_an_average_of_some_weights_is_not_filled_up_with_raw_ones(tmp_path: Path) -> None:
    few = dict(list(AVERAGE.items())[:3])
    torch.save({"model": RAW, "ema": few}, tmp_path / "file")
    assert "has no average of" in refused(tmp_path / "file")


@pytest.mark.parametrize("said", ["raw", "model_raw"])
def test_raw_weights_alone_are_never_an_average(said: str, tmp_path: Path) -> None:
    torch.save({said: RAW}, tmp_path / "file")
    assert "contains no " in refused(tmp_path / "file")
    torch.save({"n_averaged": torch.tensor(3), **AVERAGE}, tmp_path / "swa")
    assert "contains no raw weights" in refused(tmp_path / "swa", weights="raw")


def deep(layers: int) -> ExperimentConfig:
    config = trm()
    core = config.model.core.model_copy(update={"layers": layers})
    return config.model_copy(update={"model": config.model.model_copy(update={"core": core})})


@pytest.mark.parametrize("part", ["all", "decoder"])
def test_layers_that_find_no_place_and_layers_that_are_missing_are_refused(part: str, tmp_path: Path) -> None:
    torch.save(state(0.0, deep(4)), tmp_path / "four")
    torch.save(state(0.0, deep(2)), tmp_path / "two")
    message = refused(tmp_path / "four", into=deep(2), part=part)
    assert "8 of the file without a place in the model (inner.L_level.layers.2" in message
    assert "and 5 more)" in message
    message = refused(tmp_path / "two", into=deep(4), part=part)
    assert "8 missing from the file (inner.L_level.layers.2" in message
    torch.save(state(0.0), tmp_path / "one")
    take(tmp_path / "one", part="decoder", into=etrm())  # the puzzles' table is not of the decoder
    assert "without a place" in refused(tmp_path / "one", into=etrm())


ODD: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "float8": (lambda t: t.to(torch.float8_e4m3fn), "is of type float8_e4m3fn"),
    "int8": (lambda t: t.to(torch.int8), "is of type int8"),
    "bool": (lambda t: t.to(torch.bool), "is of type bool"),
    "complex": (lambda t: t.to(torch.complex64), "is of type complex64"),
    "sparse": (lambda t: t.to_sparse(), "is sparse"),
    "quantised": (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "is quantised"),
    "meta": (lambda t: t.to("meta"), "a shape but no numbers"),
    "nothing": (lambda t: t[:0], "of another shape"),
    "claimed": (lambda t: t[0, 0].expand(10**6, 10**6), "of another shape"),
    "nested": (lambda t: torch.nested.nested_tensor([t, t[:2]]), "is a nested tensor"),
    "NaN": (lambda t: t * torch.nan, "contains NaN or infinity"),
}


@pytest.mark.filterwarnings("ignore")  # torch's own, about kinds of tensors
@pytest.mark.parametrize("kind", ODD)
def test_what_cannot_be_a_weight_is_refused_in_words(kind: str, tmp_path: Path) -> None:
    change, words = ODD[kind]
    name = PREFIX + "inner.lm_head.weight"
    torch.save({**RAW, name: change(RAW[name])}, tmp_path / "file")
    message = refused(tmp_path / "file")
    assert words in message
    assert "inner.lm_head.weight" in message
    report = "\n".join(described(read_weights(tmp_path / "file", "FILE")))
    assert "inner.lm_head.weight" in report
    assert ("Warning: NaN or infinity in 1 tensor: inner.lm_head.weight" in report) == (kind == "NaN")


def test_safetensors_with_an_average_by_prefix_are_told_apart(tmp_path: Path) -> None:
    both = {**state(0.0, prefix=""), **{f"ema.{name}": each for name, each in state(1.0, prefix="").items()}}
    save_file(both, tmp_path / "file.safetensors")
    assert (take(tmp_path / "file.safetensors").token_head.weight == 1).all()
    with pytest.raises(InvalidInput, match="contains raw weights and their average"):
        take(tmp_path / "file.safetensors", weights="unknown")
