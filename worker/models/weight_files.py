"""Files of weights: read without running anything in them, raw and averaged weights told apart.

A file is one that torch saved (read with `weights_only=True` alone) or safetensors; its content decides, not
its name, since published checkpoints have no suffix. It holds one flat state, or states under keys such as
`model` and `ema`, or averaged weights beside raw ones under names that begin with `ema.`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from backend.kit.errors import CheckpointCorrupt, CheckpointMissing, EtrmError, FieldProblem, InvalidInput
from backend.kit.format import first_of
from backend.kit.streams import one_line
from worker.models.weight_formats import NotWeights, open_weights
from worker.models.weight_states import Part, State, sort

Weights = Literal["ema", "raw", "unknown"]
MAX_NAMED = 3  # names in a message


class UnsafeCheckpoint(InvalidInput):
    """A file that torch would have to run to read."""

    code = "unsafe_checkpoint"


@dataclass(frozen=True)
class WeightFile:
    """The states of a file, by names without wrappers' prefixes. `only` is one whose kind nothing says.

    `others` are its parts with tensors that are none of these, `plain` the names of those without.
    """

    path: Path
    field: str  # what the user calls the file
    sha256: str
    ema: State
    raw: State
    only: State
    others: tuple[Part, ...] = ()
    plain: tuple[str, ...] = ()

    def choose(self, weights: Weights) -> Chosen:
        """The state that `weights` asks for; InvalidInput where the file does not have it, has both, or has a
        part of which it is not certain what it is."""
        self._check_clear()
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

    def _check_clear(self) -> None:
        unclear = [str(part) for part in self.others if part.is_state]
        if not (self.ema or self.raw or self.only):
            there = [*map(str, self.others), *self.plain]
            raise problem(
                InvalidInput if unclear else CheckpointCorrupt,
                self.field,
                f"{self.path} contains no weights.",
                f"It contains {some(there) or 'nothing'}.",
            )
        if unclear:
            raise problem(
                InvalidInput,
                self.field,
                f"{self.path} contains a further state: {some(unclear)}. "
                "It is not certain which weights are the average.",
                "Save the state_dict that you want alone, with torch.save or as safetensors.",
            )


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
        what = "is a folder" if path.is_dir() else "is not a file" if path.exists() else "does not exist"
        raise problem(CheckpointMissing, field, f"{path} {what}.", "Name a file on the machine that trains.")
    try:
        content, said = open_weights(path)
        if not isinstance(content, Mapping):
            raise NotWeights(f"contains a {type(content).__name__}, not a state_dict", "Save a state_dict.")
        states = sort(content, said)
        digest = _digest(path)
    except NotWeights as refusal:
        kind = UnsafeCheckpoint if refusal.runs_code else CheckpointCorrupt
        raise problem(kind, field, f"{path} {refusal.what}.", refusal.hint) from refusal
    except OSError as error:
        raise problem(CheckpointCorrupt, field, f"{path} cannot be read: {error.strerror}.") from error
    others, plain = tuple(states.others), tuple(states.plain)
    return WeightFile(path, field, digest, states.ema, states.raw, states.only, others, plain)


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
        why = error.strerror if isinstance(error, OSError) else "its folder does not exist or is full"
        raise InvalidInput(f"{path} cannot be written: {why}.", "Name another file.") from error


def problem(kind: type[EtrmError], field: str, message: str, hint: str = "") -> EtrmError:
    """An error of `kind` about what the user gave as `field`."""
    return kind("The weights cannot be taken.", problems=[FieldProblem(field, message, hint)])


def some(names: Sequence[str]) -> str:
    """A few of the names, and how many more there are."""
    return first_of([one_line(name[:200]) for name in names], MAX_NAMED)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
