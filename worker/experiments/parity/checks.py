"""The checks of a folder of fixtures."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from zipfile import BadZipFile

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from backend.kit.errors import EtrmError, InvalidInput
from worker.evaluation.voting_fixture import check_voting
from worker.experiments.parity.evaluate import Part, evaluation, training
from worker.experiments.parity.fixtures import KINDS, Fixture, Numbers
from worker.experiments.parity.report import Comparison, ParityLine
from worker.experiments.parity.rounding import SHAKEN, Scale, Size, measure, shaken
from worker.models.published_config import NotThereYet
from worker.models.reasoner import Reasoner

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


def check_folder(folder: Path) -> list[ParityLine]:
    """One line per fixture in `folder`, in name order; InvalidInput if there is none."""
    return list(check_each(folder))


def check_each(folder: Path) -> Iterator[ParityLine]:
    """`check_folder`, each line as soon as it is done."""
    fixtures = sorted(folder.glob("*.json"))
    if not fixtures:
        raise InvalidInput(
            f"No fixtures in {folder}.", "A fixture is NAME.json with NAME.safetensors or NAME.npz."
        )
    return (_check(path) for path in fixtures)


def _check(path: Path) -> ParityLine:
    """The line of one fixture; whatever is wrong with the fixture itself is a failure in words."""
    line = ParityLine(path.stem)
    try:
        spec = json.loads(path.read_text())
        if not isinstance(spec, dict):
            raise InvalidInput("the JSON is not an object")
        if spec.get("kind") in KINDS:
            check_model(line, Fixture(spec, load_file(path.with_suffix(".safetensors"))))
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


def check_model(line: ParityLine, fixture: Fixture) -> None:
    """Compare everything recorded of a model with ours in float64, rounding measured in float32."""
    plain = fixture.model()
    reference = copy.deepcopy(plain).double()
    draws = [plain, *(shaken(plain, seed) for seed in range(SHAKEN))]
    for comparison in compare_evaluation(line, fixture, reference, draws):
        line.add(comparison)
    for comparison in compare_training(line, fixture, reference, plain):
        line.add(comparison)
    line.finish()


def compare_evaluation(
    line: ParityLine, fixture: Fixture, reference: Reasoner, draws: list[Reasoner]
) -> Iterator[Comparison]:
    """Context, KL, outputs and losses of every recorded ACT step, computed as they are asked for."""
    runs = (evaluation(fixture, model) for model in (reference, *draws))
    for ours, *others in zip(*runs, strict=True):
        recorded = fixture.encoded() if ours.encoder else fixture.step(ours.step)
        yield from _compare_part(line, ours, [part.numbers for part in others], recorded)


def _compare_part(
    line: ParityLine, part: Part, draws: list[Numbers], recorded: Numbers
) -> Iterator[Comparison]:
    """Few numbers (losses, halting logits) share the relative rounding of the part's large tensor."""
    main = "context" if part.encoder else "logits"
    where = f"step {part.step}"
    relative = measure(part.numbers[main], [draw[main] for draw in draws]).relative
    for name, theirs in recorded.items():
        ours = part.numbers[name]
        scale = measure(ours, [draw[name] for draw in draws], relative)
        quantity = "loss" if name.endswith("loss") else name
        yield from _compare(line, where, quantity, f"{where} {name}", theirs, ours, scale)


def compare_training(
    line: ParityLine, fixture: Fixture, reference: Reasoner, plain: Reasoner
) -> Iterator[Comparison]:
    """The loss and the gradient of every parameter of the recorded training step."""
    ours, rounded = training(fixture, reference), training(fixture, plain)
    theirs = fixture.gradients
    for name in sorted(ours.gradients.keys() ^ theirs.keys()):
        line.fail(f"{name} is {'not recorded' if name in ours.gradients else 'no parameter of ours'}")
    compared = {}
    for name in sorted(ours.gradients.keys() & theirs.keys()):
        gradient, draw, recorded = ours.gradients[name], rounded.gradients[name], theirs[name]
        if gradient is None or draw is None or recorded is None:
            if gradient is not recorded:
                line.fail(f"{name} has {'no' if gradient is None else 'a'} gradient, unlike the recorded")
            continue
        compared[name] = gradient, draw, recorded
    relative = median([0.0, *(measure(g, [d]).relative for g, d, _ in compared.values())][bool(compared) :])
    scale = measure(ours.loss, [rounded.loss], relative)
    yield from _compare(line, "training", "loss", "training loss", fixture.training_loss, ours.loss, scale)
    for name, (gradient, draw, recorded) in compared.items():
        scale = measure(gradient, [draw], relative)
        what = f"the gradient of {name}"
        yield from _compare(line, "training", "gradients", what, recorded, gradient, scale)


def _compare(
    line: ParityLine, where: str, quantity: str, name: str, theirs: Tensor, ours: Tensor, scale: Scale
) -> Iterator[Comparison]:
    """The comparison, or nothing but a failure where the shapes differ."""
    if ours.shape != theirs.shape:
        line.fail(f"{name} is {tuple(ours.shape)}, recorded is {tuple(theirs.shape)}")
        return
    yield Comparison(where, quantity, name, Size.of(theirs.double() - ours), scale)


def _check_voting(line: ParityLine, path: Path) -> None:
    """The recorded crops, attempts and pass@k, which are right or wrong and have no difference in size."""
    checks = check_voting(path, path.with_suffix(".npz"))
    for check in checks:
        if not check.passed:
            line.fail(f"{check.what} is {check.got}, recorded is {check.expected}")
    if line.outcome == "pass":
        line.notes.append(f"{len(checks)} answers equal")
