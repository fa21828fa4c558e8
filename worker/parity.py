"""Do our models compute what the published ones computed? One line per recorded fixture of a folder.

A fixture is NAME.json (kind, settings, losses) with NAME.safetensors (weights, a batch, outputs of some
evaluation steps, gradients of one training step), or NAME.json with NAME.npz for voting.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from backend.domain.errors import EtrmError, InvalidInput
from worker.batch import Batch
from worker.evaluation.voting_fixture import check_voting
from worker.models.build import build_reasoner
from worker.models.context.deterministic import DemonstrationSource
from worker.models.context.puzzle_embedding import PuzzleEmbedding
from worker.models.published import load_published, published_names
from worker.models.published_config import NotThereYet, config_from_published
from worker.models.reasoner import Reasoner
from worker.training.losses import act_loss, with_penalties

RELATIVE, ABSOLUTE = 1e-4, 1e-5
LOSS = "stablemax_cross_entropy"
KINDS = ("trm", "etrm", "etrmtrm")
QUANTITIES = ("logits", "halting logits", "context", "loss", "gradients")

MALFORMED = (
    EtrmError,
    AttributeError,
    BadZipFile,
    IndexError,
    OSError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
)

Outcome = Literal["pass", "fail", "not there yet"]
Tensors = Mapping[str, Tensor]


@dataclass
class ParityLine:
    """What one fixture came to: the largest absolute difference of each quantity, and what is wrong."""

    name: str
    outcome: Outcome = "pass"
    differences: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def fail(self, note: str) -> None:
        """Record one thing that is wrong."""
        self.outcome = "fail"
        self.notes.append(note)

    def compare(self, quantity: str, what: str, ours: Tensor, theirs: Tensor, absolute: float) -> None:
        """Record the difference of `what`; it fails where |ours - theirs| > absolute + 1e-4 |theirs|."""
        ours, theirs = ours.detach().double(), theirs.double()
        if ours.shape != theirs.shape:
            self.fail(f"{what} is {tuple(ours.shape)}, recorded is {tuple(theirs.shape)}")
            return
        difference = (ours - theirs).abs()
        worst = float(difference.max()) if difference.numel() else 0.0
        self.differences[quantity] = max(self.differences.get(quantity, 0.0), worst)
        if not bool((difference <= absolute + RELATIVE * theirs.abs()).all()):  # NaN fails too
            self.fail(f"{what} differs by {worst:.2e}")

    def __str__(self) -> str:
        shown = [
            f"{quantity} {self.differences[quantity]:.2e}"
            for quantity in QUANTITIES
            if quantity in self.differences
        ]
        more = len(self.notes) - 1
        notes = [self.notes[0] + (f" (and {more} more)" if more else "")] if self.notes else []
        return f"{self.name}: " + " · ".join([*shown, self.outcome, *notes])


def check_folder(folder: Path) -> list[ParityLine]:
    """One line per fixture in `folder`, in name order; InvalidInput if there is none."""
    fixtures = sorted(folder.glob("*.json"))
    if not fixtures:
        raise InvalidInput(
            f"There is no fixture in {folder}.", "A fixture is NAME.json with NAME.safetensors or NAME.npz."
        )
    return [_check(path) for path in fixtures]


def main(folder: Path) -> int:
    """Print the lines of `folder`; exit status 1 on any failure."""
    try:
        lines = check_folder(folder)
    except EtrmError as error:
        print(error)
        return 1
    for line in lines:
        print(line)
    return int(any(line.outcome == "fail" for line in lines))


def _check(path: Path) -> ParityLine:
    """The line of one fixture; whatever is wrong with the fixture itself is a failure in words."""
    line = ParityLine(path.stem)
    try:
        spec = json.loads(path.read_text())
        if not isinstance(spec, dict):
            raise InvalidInput("the JSON is not an object")
        if spec.get("kind") in KINDS:
            _check_model(line, spec, load_file(path.with_suffix(".safetensors")))
        elif "expected_pass_at_k" in spec:
            _check_voting(line, path)
        else:
            raise InvalidInput(f"kind {spec.get('kind')!r} is none of {', '.join(KINDS)}, nor is it voting")
    except NotThereYet as error:
        line.outcome = "not there yet"
        line.notes.append(error.message)
    except KeyError as error:
        line.fail(f"malformed fixture: {error.args[0]} is missing")
    except MALFORMED as error:
        line.fail(f"malformed fixture: {' '.join(str(error).split())}")
    return line


def _check_model(line: ParityLine, spec: Mapping[str, Any], tensors: Tensors) -> None:
    settings = spec["config"]
    if spec.get("loss", LOSS) != LOSS:
        raise InvalidInput(f"loss {spec['loss']!r} is not supported, only {LOSS!r} is")
    config = config_from_published(spec["kind"], settings, spec.get("kl_weight", 0.0))
    reasoner = build_reasoner(config, settings.get("num_puzzle_identifiers", 1))
    load_published(reasoner, dict(_below("weights.", tensors)))
    if isinstance(reasoner.context, DemonstrationSource):
        reasoner.context.pack = False
    batch = _batch(tensors)
    _check_evaluation(line, reasoner, batch, spec, tensors)
    _check_training(line, reasoner, batch, spec, tensors)


def _below(prefix: str, tensors: Tensors) -> Iterator[tuple[str, Tensor]]:
    return ((name.removeprefix(prefix), t) for name, t in tensors.items() if name.startswith(prefix))


def _batch(tensors: Tensors) -> Batch:
    return Batch(
        inputs=tensors["batch.inputs"].long(),
        labels=tensors["batch.labels"].long(),
        demo_inputs=tensors["batch.demo_inputs"].long(),
        demo_outputs=tensors["batch.demo_labels"].long(),
        demo_mask=tensors["batch.demo_mask"].bool(),
        puzzle=tensors["batch.puzzle_identifiers"].long(),
    )


def _check_evaluation(
    line: ParityLine, reasoner: Reasoner, batch: Batch, spec: Mapping[str, Any], tensors: Tensors
) -> None:
    """Every recorded ACT step in evaluation, the carry passed on."""
    reasoner.eval()
    carry = reasoner.initial_carry(batch)
    for step, recorded in enumerate(spec["eval_metrics"]):
        if step % reasoner.act.max_steps == 0:  # where the published evaluation starts over
            carry = reasoner.initial_carry(batch)
        with torch.inference_mode():
            output = reasoner.step(carry, batch)
            terms = act_loss(output.logits, output.halt_logits, batch.labels)
        carry = output.carry
        if spec["kind"] == "etrmtrm":  # whose published evaluation starts over a sample that says stop
            carry = carry._replace(halted=output.halt_logits > 0)
        named = f"step {step} "
        theirs = tensors[f"eval.{step}.logits"], tensors[f"eval.{step}.q_halt_logits"]
        line.compare("logits", named + "logits", output.logits, theirs[0], ABSOLUTE)
        line.compare("halting logits", named + "halting logits", output.halt_logits, theirs[1], ABSOLUTE)
        if "eval.context" in tensors:
            line.compare("context", named + "context", output.context, tensors["eval.context"], ABSOLUTE)
        _compare_loss(line, named + "loss", terms.total, recorded["loss"])
        _compare_loss(line, named + "token loss", terms.prediction.sum(), recorded["lm_loss"])
        _compare_loss(line, named + "halting loss", terms.halting.sum(), recorded["q_halt_loss"])
        if "eval_kl_loss" in spec:
            _compare_loss(line, named + "KL", output.penalties["kl"].value, spec["eval_kl_loss"])


def _compare_loss(line: ParityLine, what: str, ours: Tensor, theirs: float) -> None:
    line.compare("loss", what, ours, torch.tensor(theirs), absolute=0.0)


def _check_training(
    line: ParityLine, reasoner: Reasoner, batch: Batch, spec: Mapping[str, Any], tensors: Tensors
) -> None:
    """One training step from an empty carry with nothing drawn at random: the loss and every gradient."""
    reasoner.train()
    output = reasoner.step(reasoner.initial_carry(batch), batch)
    terms = act_loss(output.logits, output.halt_logits, batch.labels)
    total = with_penalties(terms.total, output.penalties)
    torch.autograd.backward(total)
    _compare_loss(line, "training loss", total, spec["train_loss"])
    ours = dict(_gradients(reasoner))
    theirs = dict(_below("grad.", tensors)) | dict.fromkeys(spec["params_without_gradient"])
    for name in sorted(ours.keys() ^ theirs.keys()):
        line.fail(f"{name} is {'not recorded' if name in ours else 'no parameter of ours'}")
    for name in sorted(ours.keys() & theirs.keys()):
        gradient, recorded = ours[name], theirs[name]
        if gradient is None or recorded is None:
            if gradient is not recorded:
                line.fail(f"{name} has {'no' if gradient is None else 'a'} gradient, unlike the recorded")
            continue
        line.compare("gradients", f"the gradient of {name}", gradient, recorded, ABSOLUTE)


def _gradients(reasoner: Reasoner) -> Iterator[tuple[str, Tensor | None]]:
    """Gradients by published name; TRM's are those of the rows of the batch."""
    names = published_names(reasoner)
    for name, parameter in reasoner.named_parameters():
        yield names[name], parameter.grad
    if isinstance(reasoner.context, PuzzleEmbedding):
        for _, rows in reasoner.context.take_used():
            yield "inner.puzzle_emb.local_weights", rows.grad


def _check_voting(line: ParityLine, path: Path) -> None:
    """The recorded crops, attempts and pass@k, which are right or wrong and have no difference in size."""
    checks = check_voting(path, path.with_suffix(".npz"))
    for check in checks:
        if not check.passed:
            line.fail(f"{check.what} is {check.got}, recorded is {check.expected}")
    if line.outcome == "pass":
        line.notes.append(f"{len(checks)} answers equal")
