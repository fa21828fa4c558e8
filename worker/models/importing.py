"""Published checkpoints into a Reasoner and back, with an account of every tensor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from backend.domain.experiment import CheckpointStart
from backend.kit.errors import CheckpointCorrupt, InvalidInput
from backend.kit.format import counted
from backend.kit.streams import one_line
from worker.models.hub import local_path
from worker.models.published import NOT_WEIGHTS, published_names, to_published
from worker.models.reasoner import Reasoner
from worker.models.weight_files import Chosen, WeightFile, Weights, problem, read_weights, some, write_weights
from worker.models.weight_formats import SAID
from worker.models.weight_states import shape_of, type_of, unusable

Part = Literal["all", "decoder"]
Outcome = Literal["loaded", "skipped", "missing", "mismatched", "unplaced"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

PREFIX = "_orig_mod.model."  # what the published code saves and loads under
TABLE, OWN_TABLE = "inner.puzzle_emb.weights", "context.table"
OF_CONTEXT = ("encoder.", "inner.puzzle_emb.", "context.")  # names of what conditions the decoder
STARTS = ("H_init", "L_init")  # saved in bfloat16 by the published code
# Buffers of the published code: an average is kept of parameters alone.
NEVER_AVERAGED = (*STARTS, TABLE, *NOT_WEIGHTS)
OWN_NAME = "token_head.weight"  # in every state of ours, in none of the published layout
_MISFITS: dict[Outcome, str] = {
    "missing": "missing from the file",
    "mismatched": "of another shape",
    "unplaced": "of the file without a place in the model",
}
FIELD = "training.initialise_from"


class TensorLine(NamedTuple):
    """What became of one tensor, by its name in the file."""

    name: str
    outcome: Outcome
    shape: tuple[int, ...]
    note: str = ""


@dataclass(frozen=True)
class ImportReport:
    """Where weights came from, what they are, and what became of every tensor."""

    path: Path
    sha256: str
    part: Part
    weights: Weights
    said_by: str
    lines: tuple[TensorLine, ...]

    @property
    def counts(self) -> dict[Outcome, int]:
        """Tensors by outcome."""
        found = Counter(line.outcome for line in self.lines)
        return {outcome: found[outcome] for outcome in OUTCOMES}

    @property
    def misfits(self) -> list[TensorLine]:
        """What the model wanted and did not get, and what of the file found no place in it."""
        return [line for line in self.lines if line.outcome in _MISFITS]

    @property
    def misfit(self) -> str:
        """What does not fit, in words: how many tensors, and a few of each kind by name."""
        parts = []
        for outcome, words in _MISFITS.items():
            lines = [line for line in self.lines if line.outcome == outcome]
            named = [f"{line.name}: {_size(line.shape)}, {line.note}" for line in lines]
            names = named if outcome == "mismatched" else [line.name for line in lines]
            if lines:
                parts.append(f"{len(lines)} {words} ({some(names)})")
        return "; ".join(parts)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.counts.items())
        kind = {"ema": "moving average", "raw": "raw weights", "unknown": "average or raw not known"}
        return (
            f"{self.path} (SHA-256 {self.sha256[:12]}…; {kind[self.weights]}, {self.said_by}): "
            f"{counts} of the {'model' if self.part == 'all' else 'decoder'}."
        )

    def table(self) -> Iterator[str]:
        """One line of text per tensor."""
        width = max((len(line.name) for line in self.lines), default=0)
        for line in self.lines:
            name = one_line(line.name)
            yield f"{line.outcome:<10}  {name:<{width}}  {_size(line.shape)}  {line.note}".rstrip()


def import_weights(
    reasoner: Reasoner, path: Path, part: Part, weights: Weights, field: str = "file"
) -> ImportReport:
    """Put what fits of a published checkpoint into `reasoner`; the report says what did not.

    Raises, naming `field`: CheckpointMissing, CheckpointCorrupt (also for numbers that are not finite),
    UnsafeCheckpoint, and InvalidInput where the file has not the weights asked for or nothing fits.
    """
    file = read_weights(path, field)
    chosen = file.choose(weights)
    lines = tuple(_take(reasoner, file, chosen, part))
    report = ImportReport(path, file.sha256, part, chosen.weights, chosen.said_by, lines)
    if not report.counts["loaded"]:
        raise problem(
            InvalidInput,
            field,
            f"No tensor of {path} fits the model.",
            f"It contains {some(list(chosen.state))}.",
        )
    return report


def initialise(reasoner: Reasoner, start: CheckpointStart, field: str = f"{FIELD}.path") -> ImportReport:
    """`import_weights` of the file or link in a config's `field`; InvalidInput unless all it asks for is
    there and fits."""
    report = import_weights(reasoner, local_path(start.path, field), start.part, start.weights, field)
    if report.misfits:
        raise problem(
            InvalidInput,
            f"{FIELD}.part" if start.part == "all" else field,
            f"{start.path} does not fit the model: {report.misfit}.",
            "Set the layers and sizes of the model to those of the checkpoint"
            + (", or part to decoder." if start.part == "all" else "."),
        )
    return report


def export_weights(reasoner: Reasoner, path: Path, weights: Weights) -> int:
    """Write the model in the published layout; the number of tensors.

    A `.safetensors` file also says which `weights` they are; a file by torch has no place for it.
    """
    state = {f"{PREFIX}{name}": _as_published(name, t) for name, t in to_published(reasoner).items()}
    write_weights(path, state, {SAID: weights})
    return len(state)


def _take(reasoner: Reasoner, file: WeightFile, chosen: Chosen, part: Part) -> Iterator[TensorLine]:
    """Copy every tensor that fits, wanted ones first, then tell of those that nobody wanted."""
    ours = reasoner.state_dict()
    is_own = OWN_NAME in chosen.state  # a checkpoint of ours, not an exported or published one
    names = {name: name for name in ours} if is_own else published_names(reasoner)
    wanted = {
        theirs: ours[name]
        for name, theirs in names.items()
        if part == "all" or not name.startswith("context.")
    }
    _check_averaged(wanted.keys() & chosen.plain, file)
    for name, target in wanted.items():
        source = chosen.state.get(name)
        if source is None:
            yield TensorLine(name, "missing", tuple(target.shape), "the file does not have it")
            continue
        if reason := unusable(source):
            raise problem(
                InvalidInput, file.field, f"{file.path}: {name} {reason}.", "Save weights as float32."
            )
        if source.shape != target.shape:
            yield TensorLine(name, "mismatched", tuple(source.shape), f"the model has {_size(target.shape)}")
        else:
            yield TensorLine(name, "loaded", tuple(source.shape), _copy(name, source, target, file, chosen))
    for name, source in chosen.state.items():
        if name not in wanted:
            yield _left_out(name, shape_of(source), part)


def _check_averaged(without: AbstractSet[str], file: WeightFile) -> None:
    """InvalidInput where weights that training changes have no average: raw ones are never taken for it."""
    raw = sorted(name for name in without if not name.endswith(NEVER_AVERAGED))
    if raw:
        raise problem(
            InvalidInput,
            file.field,
            f"{file.path} has no average of {counted(len(raw), 'tensor')}: {some(raw)}.",
            "Set weights to raw, or take a file with the whole average.",
        )


def _copy(name: str, source: Tensor, target: Tensor, file: WeightFile, chosen: Chosen) -> str:
    """Copy one tensor; what is worth knowing about it."""
    if not bool(source.isfinite().all()):
        raise problem(CheckpointCorrupt, file.field, f"{file.path} contains NaN or infinity in {name}.")
    with torch.no_grad():
        target.copy_(source)
    notes = []
    if name in chosen.plain:
        notes.append("no average kept: the model's own")
    if source.dtype != target.dtype:
        notes.append(f"was {type_of(source)}")
    if name in (TABLE, OWN_TABLE):
        notes.append("rows taken in order: right only for the same puzzles in the same order")
    return "; ".join(notes)


def _left_out(name: str, shape: tuple[int, ...], part: Part) -> TensorLine:
    """What is said of a tensor that nothing wanted."""
    if name.endswith(NOT_WEIGHTS):
        return TensorLine(name, "skipped", shape, "no weight")
    if part == "decoder" and name.startswith(OF_CONTEXT):
        return TensorLine(name, "skipped", shape, "not of the decoder")
    return TensorLine(name, "unplaced", shape, "the model has no such tensor")


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def _as_published(name: str, tensor: Tensor) -> Tensor:
    """The tensor as saved: start states in bfloat16 where that loses nothing."""
    short = tensor.detach().to("cpu", torch.bfloat16)
    exact = name.endswith(STARTS) and torch.equal(short.to(tensor.dtype), tensor.detach().cpu())
    return short if exact else tensor.detach().cpu().contiguous()
