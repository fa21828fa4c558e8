"""The control's report: what was asked, what came out, whether each claim holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.experiments.control import wording
from worker.experiments.control.bars import HALF, Bar, judged
from worker.experiments.control.chart import Line, draw
from worker.experiments.control.document import Document, Figure, Section
from worker.experiments.control.results import MethodResult, VariantResult
from worker.experiments.control.thinking import thinking_sections
from worker.experiments.control.variants import (
    ACT_STEPS,
    SHARE_OF_STEPS,
    SHORTER,
    TEST_SET,
    TRAINING_SET,
    TRM_TASKS,
    Scale,
)

PAGE_FILE, MARKDOWN_FILE = "report.html", "positive-control.md"
CURVES_FILE = "positive-control-curves.svg"


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds of the clock, and of all processors together."""

    wall: float
    processor: float

    def __str__(self) -> str:
        return f"in {self.wall / 60:.0f} minutes, {self.processor / 60:.0f} of one processor's time"

    def since(self, start: Cost) -> Cost:
        """From `start` to this."""
        return Cost(self.wall - start.wall, self.processor - start.processor)


@dataclass(frozen=True)
class Report:
    """Everything the control measured."""

    scale: Scale
    variants: Sequence[VariantResult]
    measured: Sequence[MethodResult]
    cost: Cost | None  # of the command from start to end; None where it continued an earlier one
    machine: str

    def bars(self) -> list[Bar]:
        """The claims that these results can decide."""
        return judged(self.variants, self.measured)

    def document(self) -> Document:
        """The whole report."""
        sections = [
            Section("Bars", (), ("", "claim", "found"), [(b.verdict, b.claim, b.found) for b in self.bars()]),
            Section("Variants", (), _VARIANT_HEAD, self._variant_rows(), self._curves()),
            *thinking_sections(self.variants, self.measured),
        ]
        return Document("Positive control", [*self._introduction(), self._made()], sections)

    def _introduction(self) -> list[str]:
        scale = self.scale
        return [
            "Can these models infer a rule from demonstrations, and does the laboratory show it when they "
            "cannot? Three of five colours become others. Every demonstration of a test task shows all "
            "three; those of a training task one, two or three. Every rule of "
            f"{TEST_SET} is missing from {TRAINING_SET}; a task counts as solved when its first attempt, "
            "from one view, is right in every cell.",
            f"Every variant is trained {scale.seeds} times, with a seed of its own each: {scale.steps:,} "
            f"steps of {scale.batch} samples ({', '.join(SHORTER)}: {SHARE_OF_STEPS} of them), {ACT_STEPS} "
            f"ACT steps, EMA weights. d and f train on the first {TRM_TASKS} tasks, since an embedding must "
            "be met often to be learned.",
            "Verdicts are those of hypotheses: a claim holds where the whole 95 % interval meets it, does "
            "not hold where none of it does, and is undecided in between. Intervals are over seeds: of a "
            "share, Wilson's with the effective number of trials that the scatter of the seeds leaves (Korn "
            "and Graubard), never more than there are tasks; of a difference, on the same seeds and tasks, "
            "the analysis of variance of readers and cases (Hillis 2007), with seeds for readers.",
        ]

    def _made(self) -> str:
        training = sum(each.seconds for each in self.variants) / 60
        scoring = sum(each.seconds for each in self.measured) / 60
        cost = f" {self.cost}," if self.cost else ""
        return (
            f"Made by etrm control{cost} on {self.machine}, one for each training: {training:.0f} minutes of "
            f"training steps, counted at each training's median speed, and {scoring:.0f} of scoring."
        )

    def _variant_rows(self) -> list[tuple[str, ...]]:
        return [
            (
                each.letter,
                each.title,
                wording.share(each.final),
                f"{100 * each.fitted:.0f} %",
                wording.steps(each.first_steps_above(HALF)),
                f"{each.seconds:,.0f} s",
            )
            for each in self.variants
        ]

    def _curves(self) -> Figure:
        """Held-out pass@1 over training steps, of every variant."""
        lines = [
            Line(
                each.label,
                [
                    (step, solved.share.mean, *solved.interval)
                    for step, solved in zip(each.steps, each.held_out, strict=True)
                ],
            )
            for each in self.variants
        ]
        svg = draw("Rules never trained on", "training steps", "held-out pass@1", lines)
        return Figure(CURVES_FILE, "Held-out pass@1 over training steps, mean and interval over seeds", svg)


_VARIANT_HEAD = (
    "",
    "variant",
    "held-out rules solved",
    "training grids right",
    "half solved at step",
    "training, all seeds",
)


def write(report: Report, folder: Path) -> Path:
    """All files of a report; the page's path."""
    return report.document().write(folder, PAGE_FILE, MARKDOWN_FILE)
