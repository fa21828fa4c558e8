"""What `etrm checkpoint inspect` says of a file: every state in it, every tensor, and what else there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from backend.kit.format import counted
from backend.kit.streams import one_line
from worker.models.weight_files import WeightFile, some
from worker.models.weight_states import shape_of, type_of, unusable


def described(file: WeightFile) -> Iterator[str]:
    """The lines of the report."""
    yield f"{file.path}: SHA-256 {file.sha256}"
    states = _states(file)
    for kind, state in states.items():
        yield from _state("average or raw unknown" if kind == "unknown" else kind, state)
    for part in file.others:
        note = "a further state, of which nothing is known" if part.is_state else "no weights"
        yield from _state(f"{one_line(part.name)} ({note})", part.tensors)
    if not states:
        yield "\nNo weights under a name that is known: this file cannot be imported."
    if file.plain:
        yield f"\nBesides: {one_line(', '.join(file.plain))}"


def facts(file: WeightFile) -> dict[str, Any]:
    """The same as JSON."""
    states = {kind: _facts(state) for kind, state in _states(file).items()}
    others = {part.name: _facts(part.tensors) for part in file.others}
    return {
        "path": file.path,
        "sha256": file.sha256,
        "states": states,
        "other_states": others,
        "other_names": file.plain,
    }


def _states(file: WeightFile) -> dict[str, Mapping[str, Tensor]]:
    """The states that there are, by their kind."""
    states = {"ema": file.ema, "raw": file.raw, "unknown": file.only}
    return {kind: state for kind, state in states.items() if state}


def _facts(state: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    found = []
    for name, tensor in state.items():
        reason = unusable(tensor)
        is_finite = None if reason else _is_finite(tensor)
        shape, kind = shape_of(tensor), type_of(tensor)
        found.append({"name": name, "shape": shape, "type": kind, "unusable": reason, "finite": is_finite})
    return found


def _state(kind: str, tensors: Mapping[str, Tensor]) -> Iterator[str]:
    numbers = sum(0 if tensor.is_nested else tensor.numel() for tensor in tensors.values())
    yield f"\n{kind}: {counted(len(tensors), 'tensor')}, {numbers:,} numbers"
    for name, tensor in tensors.items():
        shape = " x ".join(map(str, shape_of(tensor))) or "scalar"
        reason = unusable(tensor)
        yield f"  {one_line(name)}  {shape}  {type_of(tensor)}" + (f"  {reason}" if reason else "")
    spoilt = [name for name, tensor in tensors.items() if not unusable(tensor) and not _is_finite(tensor)]
    if spoilt:
        yield f"  Warning: NaN or infinity in {counted(len(spoilt), 'tensor')}: {some(spoilt)}"


def _is_finite(tensor: Tensor) -> bool:
    """Whether all numbers are; of a tensor that repeats its storage, those that are stored."""
    stored = tensor.untyped_storage().nbytes() // tensor.element_size()
    if tensor.numel() > stored:
        tensor = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage(), 0, (stored,))  # type: ignore[call-overload]
    return bool(tensor.isfinite().all())
