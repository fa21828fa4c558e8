"""Files of weights: read without running anything in them, raw and averaged weights told apart.

A file is one that torch saved (read with `weights_only=True` alone) or safetensors; its content decides, not
its name, since published checkpoints have no suffix. It holds one flat state, or states under keys such as
`model` and `ema`, or averaged weights beside raw ones under names that begin with `ema.`.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from backend.kit.errors import CheckpointCorrupt, CheckpointMissing, EtrmError, FieldProblem, InvalidInput
from worker.models.published import strip_wrappers

Weights = Literal["ema", "raw", "unknown"]
State = dict[str, Tensor]

RAW_KEYS = ("model", "model_state_dict", "state_dict", "weights", "raw")
EMA_KEYS = ("ema", "ema_model", "ema_state_dict", "ema_weights", "model_ema", "shadow")
# What torch and safetensors raise for bytes that are no such file, or the half of one.
UNREADABLE = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    SafetensorError,
)
SAID = "weights"  # metadata of a safetensors file that we exported: ema or raw


class UnsafeCheckpoint(InvalidInput):
    """A file that torch would have to run to read."""

    code = "unsafe_checkpoint"


@dataclass(frozen=True)
class WeightFile:
    """The states of a file, by names without wrappers' prefixes. `only` is one whose kind nothing says."""

    path: Path
    field: str  # what the user calls the file
    sha256: str
    ema: State
    raw: State
    only: State

    def choose(self, weights: Weights) -> Chosen:
        """The state that `weights` asks for; InvalidInput where the file does not have it or has both."""
        if self.only:
            return Chosen(self.only, weights, "as configured, not by the file", frozenset())
        if weights == "unknown" and self.ema and self.raw:
            raise problem(
                InvalidInput,
                self.field,
                f"{self.path} contains raw weights and their average.",
                "Set weights to ema or raw.",
            )
        there: Weights = "ema" if self.ema else "raw"
        taken = there if weights == "unknown" else weights
        if not (self.ema if taken == "ema" else self.raw):
            raise problem(
                InvalidInput,
                self.field,
                f"{self.path} contains no {taken} weights.",
                f"It contains {there} weights: set weights to {there}.",
            )
        # An average is kept of parameters only: the rest is the model's own.
        state = {**self.raw, **self.ema} if taken == "ema" else self.raw
        plain = frozenset(self.raw.keys() - self.ema.keys()) if taken == "ema" else frozenset[str]()
        return Chosen(state, taken, "as the file says", plain)


@dataclass(frozen=True)
class Chosen:
    """One state of a file, what kind it is and who says so; `plain` are names that have no average."""

    state: State
    weights: Weights
    said_by: str
    plain: frozenset[str]


def read_weights(path: Path, field: str) -> WeightFile:
    """Read a file of weights. Errors name `field`: CheckpointMissing, CheckpointCorrupt, UnsafeCheckpoint."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise problem(CheckpointMissing, field, f"{path} {what}.", "Name a file on the machine that trains.")
    try:
        digest, start = _fingerprint(path)
        content, said = _read_safetensors(path) if start[8:] == b"{" else _read_torch(path, start)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error):
            raise problem(
                UnsafeCheckpoint,
                field,
                f"{path} contains more than tensors; reading it could execute code.",
                "Save its state_dict alone, with torch.save or as safetensors.",
            ) from error
        raise _corrupt(path, field, error) from error
    except UNREADABLE as error:
        raise _corrupt(path, field, error) from error
    return _sort(path, field, digest, content, said)


def write_weights(path: Path, state: Mapping[str, Tensor], said: Mapping[str, str]) -> None:
    """Write a flat state, as safetensors where the name ends so (with `said` beside it), else by torch."""
    unfinished = path.with_name(f".unfinished-{path.name}")
    try:
        if path.suffix == ".safetensors":
            safetensors.torch.save_file(dict(state), unfinished, metadata=dict(said))
        else:
            with unfinished.open("wb") as file:  # by name, torch refuses some names
                torch.save(dict(state), file)
        unfinished.replace(path)
    except (OSError, RuntimeError, SafetensorError) as error:
        unfinished.unlink(missing_ok=True)
        raise InvalidInput(f"{path} cannot be written: {error}.", "Name another file.") from error


def problem(kind: type[EtrmError], field: str, message: str, hint: str = "") -> EtrmError:
    """An error of `kind` about what the user gave as `field`."""
    return kind("The weights cannot be taken.", problems=[FieldProblem(field, message, hint)])


def _corrupt(path: Path, field: str, error: Exception) -> EtrmError:
    why = " ".join(str(error).split())[:200]
    return problem(
        CheckpointCorrupt, field, f"{path} cannot be read: {why}.", "It may be truncated: copy it again."
    )


def _fingerprint(path: Path) -> tuple[str, bytes]:
    """SHA-256 of the file, and its first nine bytes, which tell the formats apart."""
    with path.open("rb") as file:
        start = file.read(9)
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest(), start


def _read_torch(path: Path, start: bytes) -> tuple[Mapping[Any, Any], None]:
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=start.startswith(b"PK"))
    if not isinstance(content, Mapping):
        raise ValueError(f"it contains a {type(content).__name__}, not a state_dict")
    return content, None


def _read_safetensors(path: Path) -> tuple[Mapping[Any, Any], str | None]:
    with safe_open(path, "pt") as file:
        said = (file.metadata() or {}).get(SAID)
    return safetensors.torch.load_file(path), said if said in ("ema", "raw") else None


def _sort(path: Path, field: str, digest: str, content: Mapping[Any, Any], said: str | None) -> WeightFile:
    """Which tensor of `content` belongs to which state."""
    states: dict[str, State] = {"ema": {}, "raw": {}, "only": {}}
    for label, name, tensor in _tensors(content, said or "only"):
        if name in states[label]:
            raise problem(CheckpointCorrupt, field, f"{path} holds {name} twice.", "Leave one of them out.")
        states[label][name] = tensor
    if not any(states.values()):
        raise problem(
            CheckpointCorrupt, field, f"{path} contains no weights.", f"It contains {_keys(content)}."
        )
    if states["ema"] or states["raw"]:
        states["raw"] |= states.pop("only")
    return WeightFile(path, field, digest, states["ema"], states["raw"], states.get("only", {}))


def _tensors(content: Mapping[Any, Any], label: str) -> Iterator[tuple[str, str, Tensor]]:
    """(kind of state, name without prefixes, tensor) of every tensor that is in a state."""
    for key, value in content.items():
        head, _, rest = str(key).partition(".")
        if isinstance(value, Tensor) and head in EMA_KEYS and rest:
            yield "ema", strip_wrappers(rest), value
        elif isinstance(value, Tensor):
            yield label, strip_wrappers(str(key)), value
        elif isinstance(value, Mapping) and key in EMA_KEYS:
            yield from _tensors(value, "ema")
        elif isinstance(value, Mapping) and key in RAW_KEYS:
            yield from _tensors(value, label)


def _keys(content: Mapping[Any, Any]) -> str:
    keys = [str(key) for key in content]
    return ", ".join(keys[:8]) + (", …" if len(keys) > 8 else "") if keys else "nothing"
