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

# Not part of the installation: `etrm data fetch NAME` brings them (backend/domain/arc/fetched.py). A run that
# names one which is not there trains without it and says so.
FETCHED_SETS = ("concept",)


class DataConfig(Config):
    """Which tasks are trained on, how they lie on the canvas and how they are augmented."""

    kind: Literal["arc"] = "arc"
    training_sets: tuple[str, ...] = field(
        ("arc-agi-1/training",),
        "Training sets",
        "Names of built-in, generated or imported sets. A set that only etrm data fetch brings is left out "
        "where it is not there, and the run's log says so.",
        min_length=1,
        max_length=16,
    )
    evaluation_demonstrations: bool = field(
        False,
        "Learn evaluation demonstrations",
        "Also train on the demonstration pairs (never the test pairs) of the evaluated tasks. "
        "TRM needs it: it has one embedding per puzzle. Leave off for encoder models.",
    )
    demonstrations_of: Literal["evaluated", "set"] = field(
        "evaluated",
        "Demonstrations of",
        "Whose demonstrations are learnt with the field above. evaluated: those of the tasks that this "
        "config evaluates. set: those of every task of the evaluated sets, so that a later evaluation of "
        "more tasks finds an embedding for each (TRM as published).",
        advanced=True,
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
    distinct_augmentations: bool = field(
        False,
        "Distinct augmentations",
        "Count augmented forms of a task that look alike as one, so that a task of few colours or many "
        "symmetries has fewer forms, and TRM fewer embeddings of it (as published).",
        advanced=True,
    )
    translation: bool = field(
        True, "Translation", "Place each pair at a random offset on the canvas.", advanced=True
    )
    corner_pair: bool = field(
        False,
        "Corner pair",
        "With translation: one pair of each augmented form, drawn once for the form, always stays in the "
        "corner of the canvas, where evaluation places every pair (as published).",
        advanced=True,
    )
    max_demonstrations: int = field(
        10,
        "Max demonstrations",
        "Maximum number of demonstrations the encoder sees per task.",
        ge=1,
        le=16,
        advanced=True,
    )
    query: Literal["any", "each", "test", "each_test"] = field(
        "any",
        "Query pair",
        "any: a random pair of a training task is the query, the others are shown (leave-one-out). each: "
        "every pair of a task is the query once in one view, one sample after the other, as TRM and LPN "
        "train. test: a random test pair is the query, demonstrations are shown. each_test: every test pair "
        "is, one after the other in one view, as ETRM trains.",
        advanced=True,
    )
    min_drawn_demonstrations: int = field(
        2,
        "Min drawn demonstrations",
        "Of a task with many pairs (RE-ARC's form): the fewest demonstrations that are drawn from them at a "
        "visit.",
        ge=1,
        le=16,
        advanced=True,
    )
    max_drawn_demonstrations: int = field(
        5,
        "Max drawn demonstrations",
        "Of a task with many pairs: the most demonstrations that are drawn at a visit. The range is what "
        "most of ARC's tasks have. Never more than max demonstrations.",
        ge=1,
        le=16,
        advanced=True,
    )
    drawn_queries: int = field(
        1,
        "Drawn queries",
        "Of a task with many pairs: query pairs that are drawn at a visit, never one of its demonstrations. "
        "With query each_test all are asked in one view, one sample after the other; with query each so are "
        "all pairs drawn. any and test ask one.",
        ge=1,
        le=16,
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
    def _draws_are_a_range(self) -> DataConfig:
        fewest, most = self.min_drawn_demonstrations, self.max_drawn_demonstrations
        if fewest > most:
            raise ValueError(
                f"min_drawn_demonstrations {fewest} is over max_drawn_demonstrations {most}: "
                "lower the first or raise the second"
            )
        return self

    @model_validator(mode="after")
    def _sizes_ascend(self) -> DataConfig:
        sizes = self.canvas_sizes
        if list(sizes) != sorted(set(sizes)) or sizes[0] < 3 or sizes[-1] > 30:
            raise ValueError(
                f"canvas_sizes {list(sizes)} must ascend and lie in 3 to 30, for example [10, 20, 30]"
            )
        return self
