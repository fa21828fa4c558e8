"""The states in a file: raw weights, their average, and every part that is neither, by name.

A part that nothing is known of is never passed over: it may be the average that a user asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from backend.kit.format import counted
from worker.models.published import strip_wrappers
from worker.models.weight_formats import NotWeights

State = dict[str, Tensor]

RAW_KEYS = ("model", "model_state_dict", "state_dict", "weights", "raw")
EMA_KEYS = ("ema", "ema_model", "ema_state_dict", "ema_weights", "model_ema", "shadow")
# What training keeps beside weights; looked through for averages all the same.
TRAINING_KEYS = frozenset({
    "optimizer", "optimizers", "optimizer_state", "optimizer_states", "optimizer_state_dict", "optimiser",
    "optim", "optim_state_dict", "scheduler", "schedulers", "scheduler_state_dict", "lr_scheduler",
    "lr_schedulers", "scaler", "grad_scaler", "scaler_state_dict", "rng", "rng_state", "rng_states",
    "cuda_rng_state", "torch_rng_state", "random_state", "carry",
})  # fmt: skip
AVERAGE_WORDS = ("ema", "shadow", "swa", "averaged", "teacher", "polyak")
# Beside the weights of an average, and no weights.
COUNTERS = ("n_averaged", "num_updates", "decay", "step", "num_batches_tracked")
AVERAGED_MODEL = "n_averaged"  # only torch.optim.swa_utils.AveragedModel writes it
FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
MAX_DEPTH, MAX_PARTS = 16, 200_000


class Part(NamedTuple):
    """A part of a file that is no state of ours: where it lies, what it is, and its tensors by name.

    `is_state`: it may be weights, so that a file with it is not clear.
    """

    name: str
    what: str
    is_state: bool
    tensors: Mapping[str, Tensor]

    def __str__(self) -> str:
        return f"{self.name} ({self.what})"


@dataclass
class States:
    """The states of a file, by names without wrappers' prefixes. `only` is one whose kind nothing says."""

    ema: State = field(default_factory=dict)
    raw: State = field(default_factory=dict)
    only: State = field(default_factory=dict)
    others: list[Part] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)  # entries without tensors

    def add(self, kind: str, name: str, tensor: Tensor) -> None:
        """NotWeights where the state has a tensor of this name."""
        state: State = getattr(self, kind)
        if name in state:
            raise NotWeights(f"contains {name!r:.100} twice", "Leave one of them out.")
        state[name] = tensor


def sort(content: Mapping[object, object], said: str | None) -> States:
    """Which tensor of `content` belongs to which state; `said` is what a file says of itself, ema or raw."""
    states = States()
    _Walk(states).state(content, said or "only", "", 0)
    _set_copies_apart(states)
    states.others = [_checked(part, states) for part in states.others]
    if states.ema or states.raw:
        for name, tensor in states.only.items():
            states.add("raw", name, tensor)
        states.only = {}
    return states


def unusable(tensor: Tensor) -> str:
    """Why a tensor cannot be a weight, to be said after its name; empty where it can."""
    if tensor.is_meta:
        return "has a shape but no numbers (a meta tensor)"
    if tensor.is_quantized:
        return "is quantised"
    if tensor.is_nested:
        return "is a nested tensor"
    if tensor.layout is not torch.strided:
        return "is sparse"
    if tensor.dtype not in FLOATS:
        return f"is of type {type_of(tensor)}, not of floating-point numbers of 16 bits or more"
    return ""


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """The shape; of a nested tensor, which has none, its number of members."""
    return (tensor.size(0),) if tensor.is_nested else tuple(tensor.shape)


def type_of(tensor: Tensor) -> str:
    """The name of the data type: float32."""
    return str(tensor.dtype).removeprefix("torch.")


class _Walk:
    """One walk through a file's parts, of bounded length: a pickle can hold one list a million times."""

    def __init__(self, states: States) -> None:
        self._states = states
        self._parts = 0

    def state(self, mapping: Mapping[object, object], kind: str, path: str, depth: int) -> None:
        """Sort what stands in a state of `kind`."""
        if kind == "only" and AVERAGED_MODEL in mapping:
            kind = "ema"
        holds_states = any(isinstance(mapping.get(key), Mapping) for key in (*RAW_KEYS, *EMA_KEYS))
        for key, value in mapping.items():
            self._count(depth)
            where = f"{path}.{key}" if path else str(key)
            if isinstance(value, Tensor) and holds_states and not value.is_nested and value.dim() == 0:
                self._states.plain.append(where)  # a loss or a counter beside the states
            elif isinstance(value, Tensor):
                self._tensor(kind, str(key), value)
            elif isinstance(value, Mapping) and key in EMA_KEYS:
                self.state(value, "ema", where, depth + 1)
            elif isinstance(value, Mapping) and key in RAW_KEYS:
                self.state(value, "raw" if key == "raw" else kind, where, depth + 1)
            else:
                self._other(str(key), where, value, depth + 1)

    def _tensor(self, kind: str, name: str, tensor: Tensor) -> None:
        name = strip_wrappers(name)
        head, _, rest = name.partition(".")
        if head in EMA_KEYS and rest:
            kind, name = "ema", strip_wrappers(rest)
        if name in COUNTERS:
            self._states.plain.append(name)
        else:
            self._states.add(kind, name, tensor)

    def _other(self, key: str, where: str, value: object, depth: int) -> None:
        """Set apart what is under a key that is not a state's."""
        tensors = dict(self._tensors(value, "", depth))
        if not tensors:
            self._states.plain.append(where)
            return
        named = isinstance(value, Mapping) and all(isinstance(each, str) for each in value)
        what = counted(len(tensors), "tensor") + ("" if named else " without names")
        is_known = key in TRAINING_KEYS and not _is_average(tensors)
        is_numbers = all(not each.is_nested and each.dim() == 0 for each in tensors.values())
        self._states.others.append(Part(where, what, not (is_known or is_numbers), tensors))

    def _tensors(self, value: object, path: str, depth: int) -> Iterator[tuple[str, Tensor]]:
        self._count(depth)
        if isinstance(value, Tensor):
            yield path, value
        elif isinstance(value, Mapping):
            for key, member in value.items():
                yield from self._tensors(member, f"{path}.{key}" if path else str(key), depth + 1)
        elif isinstance(value, list | tuple | set):
            for number, member in enumerate(value):
                yield from self._tensors(member, f"{path}.{number}" if path else str(number), depth + 1)

    def _count(self, depth: int) -> None:
        self._parts += 1
        if depth > MAX_DEPTH:
            raise NotWeights("is nested too deeply", "Save its state_dict alone.")
        if self._parts > MAX_PARTS:
            raise NotWeights(f"has more than {MAX_PARTS} parts", "Save its state_dict alone.")


def _checked(part: Part, states: States) -> Part:
    """The part; as a state where it has the names of one, whatever it is called."""
    names = states.ema.keys() | states.raw.keys() | states.only.keys()
    is_copy = any(strip_wrappers(name) in names for name in part.tensors)
    return part._replace(is_state=part.is_state or is_copy)


def _is_average(tensors: Mapping[str, Tensor]) -> bool:
    """Whether names in what training keeps speak of an average."""
    words = {word for name in tensors for part in name.lower().split(".") for word in part.split("_")}
    return any(word in words for word in AVERAGE_WORDS)


def _set_copies_apart(states: States) -> None:
    """Take tensors out of the states whose names are those of others under a further prefix."""
    for state in (states.ema, states.raw, states.only):
        copies: dict[str, State] = {}
        for name, tensor in state.items():
            parts = name.split(".")
            for at in range(1, len(parts)):
                if ".".join(parts[at:]) in state:
                    copies.setdefault(".".join(parts[:at]), {})[name] = tensor
                    break
        for prefix, tensors in copies.items():
            for name in tensors:
                del state[name]
            states.others.append(Part(prefix, counted(len(tensors), "tensor"), True, tensors))
