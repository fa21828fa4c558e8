"""What is trained on."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from backend.domain.experiment.fields import Config, field

BUILT_IN_SETS = (
    "arc-agi-1/training",
    "arc-agi-1/evaluation",
    "arc-agi-2/training",
    "arc-agi-2/evaluation",
)


class DataConfig(Config):
    """Which tasks are trained on, how they lie on the canvas and how they are augmented."""

    kind: Literal["arc"] = "arc"
    training_sets: tuple[str, ...] = field(
        ("arc-agi-1/training",),
        "Training sets",
        "Names of built-in, generated or imported sets.",
        min_length=1,
        max_length=16,
    )
    evaluation_demonstrations: bool = field(
        False,
        "Learn evaluation demonstrations",
        "Also train on the demonstration pairs (never the test pairs) of the evaluated tasks. "
        "TRM needs it: it has one embedding per puzzle. Leave off for encoder models.",
    )
    first_tasks: int | None = field(
        None,
        "First n tasks",
        "Train on the first n usable tasks in id order; empty means all.",
        unit="tasks",
        ge=1,
    )
    task_ids: tuple[str, ...] = field(
        (), "Task ids", "Train on these tasks only; empty means all.", advanced=True, max_length=5000
    )
    canvas_sizes: tuple[int, ...] = field(
        (30,),
        "Canvas sizes",
        "Side lengths of the square canvases, ascending. A task gets the smallest that holds its "
        "demonstrations and test inputs (never chosen by a test output). Published: 30 alone.",
        unit="cells",
        min_length=1,
        max_length=8,
    )
    augmentations: int = field(
        1000,
        "Augmentations",
        "Augmented forms per task besides the original: colours 1-9 permuted, then turned or "
        "flipped. 0 trains on the originals.",
        unit="per task",
        ge=0,
        le=100_000,
    )
    translation: bool = field(
        True, "Translation", "Place each pair at a random offset on the canvas.", advanced=True
    )
    max_demonstrations: int = field(
        10,
        "Max demonstrations",
        "Maximum number of demonstrations the encoder sees per task.",
        ge=1,
        le=16,
        advanced=True,
    )
    query: Literal["any", "each", "test"] = field(
        "any",
        "Query pair",
        "any: a random pair of a training task is the query, the others are shown (leave-one-out). each: "
        "every pair of a task is the query once in one view, one sample after the other, as LPN trains. "
        "test: only test pairs are queries.",
        advanced=True,
    )
    on_leak: Literal["drop", "refuse"] = field(
        "drop",
        "On a leak",
        "What to do with a training task that contains a pair of an evaluated task in any augmentation: "
        "drop the task (and say so) or refuse to start.",
        advanced=True,
    )

    @model_validator(mode="after")
    def _sizes_ascend(self) -> DataConfig:
        sizes = self.canvas_sizes
        if list(sizes) != sorted(set(sizes)) or sizes[0] < 3 or sizes[-1] > 30:
            raise ValueError(
                f"canvas_sizes {list(sizes)} must ascend and lie in 3 to 30, for example [10, 20, 30]"
            )
        return self
