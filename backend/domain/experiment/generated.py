"""The generated task sets: families of tasks made by the worker, each split into train and test by rule.

`procedural/FAMILY/train` and `procedural/FAMILY/test`. worker/data/procedural makes the tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backend.kit.errors import FieldProblem

if TYPE_CHECKING:
    from backend.domain.experiment.config import ExperimentConfig

GENERATED_PREFIX = "procedural/"


@dataclass(frozen=True)
class GeneratedFamily:
    """A family of tasks and how its rules are split."""

    name: str  # between the prefix and the split
    title: str  # what its tasks ask
    train_tasks: int
    test_tasks: int
    # Whether rules are split up to augmentation, so that none turns a training rule into a test rule. If not,
    # they are split as functions only.
    augmentable: bool

    @property
    def train_set(self) -> str:
        return f"{GENERATED_PREFIX}{self.name}/train"

    @property
    def test_set(self) -> str:
        return f"{GENERATED_PREFIX}{self.name}/test"

    def size(self, split: str) -> int:
        """Number of tasks in "train" or "test"."""
        return self.train_tasks if split == "train" else self.test_tasks


LADDER = (  # easiest first
    GeneratedFamily(
        "ladder/recolour",
        "Three of nine colours become others.",
        train_tasks=3000,
        test_tasks=100,
        augmentable=False,  # a recolouring is told from others by its colours alone
    ),
    GeneratedFamily(
        "ladder/move",
        "The grid is turned or flipped, then everything shifts, wraps around or falls to one side.",
        train_tasks=2000,
        test_tasks=100,
        augmentable=True,
    ),
    GeneratedFamily(
        "ladder/compose",
        "Three of nine colours become others, then the grid is turned or flipped and may fall to one side.",
        train_tasks=2000,
        test_tasks=100,
        augmentable=True,
    ),
    GeneratedFamily(
        "ladder/count",
        "The output is a bar as long as a count (of colours, or of cells of some colour) plus a constant.",
        train_tasks=2000,
        test_tasks=100,
        augmentable=True,
    ),
    GeneratedFamily(
        "ladder/conditional",
        "One of two moves, by a property of the input: a colour occurs, more than two colours occur, or the "
        "number of coloured cells is odd.",
        train_tasks=2000,
        test_tasks=100,
        augmentable=True,
    ),
    GeneratedFamily(
        "ladder/object",
        "One object of several (the largest, the smallest, the one nearest a side) is kept, removed, cut out "
        "or painted; then the grid is turned or flipped.",
        train_tasks=2000,
        test_tasks=100,
        augmentable=True,
    ),
)

GENERATED_FAMILIES = {
    family.name: family
    for family in (
        GeneratedFamily(
            "control",
            "Three of five colours become others. Every demonstration of a test task shows all three; "
            "those of a training task one, two or three.",
            train_tasks=12_000,
            test_tasks=100,
            augmentable=False,
        ),
        GeneratedFamily(
            "compose",
            "A recolouring, a symmetry of the square, and then a shift, a fall, a crop, a tiling, a fill or "
            "nothing, on small grids.",
            train_tasks=5000,
            test_tasks=400,
            augmentable=True,
        ),
        *LADDER,
    )
}

GENERATED_SETS = {
    name: family for family in GENERATED_FAMILIES.values() for name in (family.train_set, family.test_set)
}


def augments(config: ExperimentConfig) -> bool:
    """Whether tasks of a config are met recoloured and turned: in training, or in the views of evaluation."""
    return config.data.augmentations > 0 or config.evaluation.views > 1


def augmentation_problems(config: ExperimentConfig) -> Iterator[FieldProblem]:
    """Fields that would show held-out rules of a generated family in training, or trained ones in views.

    A family that is not `augmentable` is split by rules as functions: recolouring or turning a training task
    makes a task of another rule, often of one that is held out. Empty if the config is sound.
    """
    evaluated = {each.name for each in config.evaluation.sets} - set(config.data.training_sets)
    for name in dict.fromkeys(config.data.training_sets):
        family = GENERATED_SETS.get(name)
        if family is None or family.augmentable:
            continue
        held_out = sorted(evaluated & {family.train_set, family.test_set})
        if held_out:
            yield from _problems(config, name, held_out[0])


def _problems(config: ExperimentConfig, training_set: str, held_out: str) -> Iterator[FieldProblem]:
    others = ", ".join(family.name for family in GENERATED_FAMILIES.values() if family.augmentable)
    instead = f"or use a family whose rules are held out up to augmentation: {others}."
    if config.data.augmentations:
        yield FieldProblem(
            "data.augmentations",
            f"must be 0 with {training_set}: recoloured, its tasks follow rules that are held out in "
            f"{held_out}.",
            f"Set it to 0, {instead}",
        )
    if config.evaluation.views > 1:
        yield FieldProblem(
            "evaluation.views",
            f"must be 1 with {held_out}: a view in other colours follows another rule, often one that "
            f"{training_set} teaches.",
            f"Set it to 1, {instead}",
        )
