"""The map of contexts: drawn once by the server, at one step; a script moves the dots to other steps.

The picture is one thing to who does not point: the table of tasks below it has the links.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from backend.atlas.service import Atlas, Course, Moment
from backend.domain.experiment import HealthConfig
from backend.domain.records import FailureMode
from backend.domain.snapshots import ProbedTask
from backend.kit.fast_json import dumped
from backend.kit.format import NO_VALUE, fine_percent, percent

SIDE = 600  # units of the drawing
HUES = 7  # k1 to k7 in explore.css
SHAPES = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "M-4.4-4.4h8.8v8.8h-8.8z",
    "M0-5.8 5.6 4.1h-11.2z",
    "M0-6.4 5.4 0 0 6.4-5.4 0z",
    "M-5-3.2-3.2-5 0-1.8 3.2-5 5-3.2 1.8 0 5 3.2 3.2 5 0 1.8-3.2 5-5 3.2-1.8 0z",
)
RIGHT = "right"
MODES = [mode.value for mode in FailureMode]
_LARGEST = 32767  # of a quantised position
_ABSENT = -32768
TITLES = {"run": "run", "task": "task", "rule": "rule", "answer": "answer", "solved": "solved"}


@dataclass(frozen=True)
class Colouring:
    """What the marks of dots stand for. `marks` are by run and task; None: of the answer, which changes."""

    name: str
    labels: Sequence[str]
    marks: Sequence[Sequence[int]] | None = None

    @property
    def title(self) -> str:
        """What a reader chooses."""
        return TITLES[self.name]

    def mark(self, run: int, task: int, moment: Moment) -> int:
        """Which label a task has at a moment."""
        if self.marks is not None:
            return self.marks[run][task]
        answer = moment.answers[task]
        mode = RIGHT if answer is None or answer.failure_mode is None else answer.failure_mode.value
        return self.labels.index(mode) if self.name == "answer" else int(mode != RIGHT)


def colourings(atlas: Atlas) -> dict[str, Colouring]:
    """By name: those that tell anything apart."""
    found = []
    courses = atlas.courses
    if len(courses) > 1:
        names = [course.run.name for course in courses]
        found.append(Colouring("run", names, [[at] * len(c.tasks) for at, c in enumerate(courses)]))
    found.append(_by("task", [[task.id for task in course.tasks] for course in courses]))
    rules = [[task.rule for task in course.tasks] for course in courses]
    if any(rule for of_run in rules for rule in of_run):
        found.append(_by("rule", [[rule or "no rule" for rule in of_run] for of_run in rules]))
    seen = {
        answer.failure_mode.value
        for course in courses
        for moment in course.moments
        for answer in moment.answers
        if answer is not None and answer.failure_mode is not None
    }
    found.append(Colouring("answer", [RIGHT, *(mode for mode in MODES if mode in seen)]))
    found.append(Colouring("solved", [RIGHT, "wrong"]))
    return {each.name: each for each in found}


def _by(name: str, values: Sequence[Sequence[str]]) -> Colouring:
    labels = list(dict.fromkeys(value for of_run in values for value in of_run))
    places = {label: at for at, label in enumerate(labels)}
    return Colouring(name, labels, [[places[value] for value in of_run] for of_run in values])


def hue(mark: int) -> str:
    """The class of a mark's colour."""
    return f"k{1 + mark % HUES}"


def shape(mark: int) -> str:
    """The outline of a mark: another one where its colour comes again."""
    return SHAPES[mark // HUES % len(SHAPES)]


def key(colouring: Colouring) -> list[tuple[Markup, str]]:
    """Marks with what they stand for."""
    return [(swatch(mark), label) for mark, label in enumerate(colouring.labels)]


def swatch(mark: int) -> Markup:
    """A mark as it is drawn on the map."""
    inside = f'<path class="dot {hue(mark)}" d="{shape(mark)}"/>'
    return Markup(f'<svg class="atlas-swatch" viewBox="-7 -7 14 14" aria-hidden="true">{inside}</svg>')


def moment_at(course: Course, step: int) -> Moment | None:
    """The newest of a run's moments that is not after the step; its first where there is none."""
    before = [moment for moment in course.moments if moment.step <= step]
    return before[-1] if before else next(iter(course.moments), None)


def drawn(atlas: Atlas, step: int, colouring: Colouring) -> Markup:
    """All runs at a step: a dot for each view of a task, the views of a task joined."""
    ties: list[str] = []
    dots: list[str] = []
    for at, course in enumerate(atlas.courses):
        moment = moment_at(course, step)
        if moment is None:
            continue
        for place, task in enumerate(course.tasks):
            mark = colouring.mark(at, place, moment)
            ends = [_units(x, y, atlas.frame) for x, y in moment.positions[place].tolist()]
            away = " hidden" if math.isnan(moment.positions[place, 0, 0]) else ""
            of = f'data-run="{at}" data-task="{place}"{away}'
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in ends)
            ties.append(f'<polyline class="tie {hue(mark)}" {of} points="{points}"/>')
            title = f"<title>{escape(task.id)}, {escape(course.run.name)}</title>"
            dots += [
                f'<path class="dot {hue(mark)}" {of} data-view="{view}" d="{shape(mark)}" '
                f'style="transform:translate({x:.1f}px,{y:.1f}px)">{title}</path>'
                for view, (x, y) in enumerate(ends)
            ]
    half = SIDE // 2
    parts = [
        f'<svg id="atlas-map" class="atlas-map" viewBox="{-half} {-half} {SIDE} {SIDE}" role="img" '
        f'aria-label="{escape(_words(atlas, step))}">',
        *_rings(atlas),
        '<g class="trails"></g><g class="ties">',
        *ties,
        '</g><g class="dots">',
        *dots,
        "</g></svg>",
    ]
    return Markup("".join(parts))


def _rings(atlas: Atlas) -> list[str]:
    """How large clouds are at the thresholds of the verdict. The names stand apart where rings are small."""
    config = health_of(atlas)
    near, collapsed = (
        math.sqrt(variance) / atlas.frame * SIDE / 2
        for variance in (config.thin_variance, config.least_variance)
    )
    return [
        f'<circle class="ring" r="{near:.1f}"/><circle class="ring" r="{collapsed:.1f}"/>',
        f'<text class="ring-name" y="{-near - 5:.1f}">near collapse</text>',
        f'<text class="ring-name is-below" y="{collapsed + 5:.1f}">collapsed</text>',
    ]


def health_of(atlas: Atlas) -> HealthConfig:
    """The thresholds that are drawn: those of the first run's config."""
    experiment = atlas.courses[0].run.experiment
    return experiment.health if experiment else HealthConfig()


def _words(atlas: Atlas, step: int) -> str:
    said = [
        f"{course.run.name}: {_of_cloud(moment)}"
        for course in atlas.courses
        if (moment := moment_at(course, step))
    ]
    return f"Contexts at step {step:,}. {'; '.join(said)}"


def _of_cloud(moment: Moment) -> str:
    return f"{moment.word}, {fine_percent(moment.spread)} scale-free variance"


def _units(x: float, y: float, frame: float) -> tuple[float, float]:
    """Where a position is in the drawing."""
    if math.isnan(x):
        return 0.0, 0.0
    return x / frame * SIDE / 2, -y / frame * SIDE / 2


def cells(moment: Moment | None) -> list[str]:
    """What the table of runs says of a moment, in the order of `HEADS`."""
    if moment is None:
        return [NO_VALUE] * len(HEADS)
    coverage, spread, retrieval = moment.numbers
    answered = sum(answer is not None for answer in moment.answers)
    return [
        f"{moment.step:,}",
        fine_percent(coverage, 0),
        fine_percent(spread),
        percent(retrieval, 0),
        f"{fine_percent(moment.spread)}: {moment.word}",
        percent(moment.kept, 0),
        f"{moment.right}/{answered}",
        percent(moment.shown, 0),
        f"{moment.common:,}" if moment.common else "too few",
    ]


VERDICT = slice(1, 4)  # of `HEADS`: the numbers of the verdict's sentence, beside the map; the others below
HEADS: Mapping[str, str] = {
    "Step": "The newest step of this run with contexts, not after the chosen one.",
    "Gradient coverage": "Share of the encoder's weights that receive a gradient, as in the verdict.",
    "Scale-free variance": "Share of context variance between training samples, as in the verdict.",
    "Retrieval": "How often the nearest context is another view of the same task, as in the verdict.",
    "These contexts": "Scale-free variance of the dots: the square of the cloud's radius.",
    "As before": "How alike the cloud is to that of the snapshot before, once turned onto it.",
    "Right": "Questions of the probe answered with the whole grid right.",
    "Shown": "Share of the cloud's variance in these two directions.",
    "Tasks in common": "By which the cloud was turned onto others; with too few it has axes of its own.",
}


def answers(course: Course, moment: Moment | None) -> list[tuple[str, str, list[int]]]:
    """What the table of tasks says of each of a run's tasks: the answer, tokens right, the nearest tasks."""
    if moment is None:
        return [(NO_VALUE, NO_VALUE, []) for _ in course.tasks]
    return [
        (NO_VALUE, NO_VALUE, [])
        if answer is None
        else (
            RIGHT if answer.failure_mode is None else answer.failure_mode.value,
            _tokens(answer),
            list(near),
        )
        for answer, near in zip(moment.answers, moment.neighbours, strict=True)
    ]


def _tokens(answer: ProbedTask | None) -> str:
    return NO_VALUE if answer is None else percent(answer.token_accuracy, 0)


def compact(atlas: Atlas, shown: Mapping[str, Colouring]) -> str:
    """Everything that scrubbing needs as JSON, some kilobytes a run: positions as 16-bit numbers, base64."""
    words = [RIGHT, *MODES]
    return dumped(_everything(atlas, shown, words)).decode()


def _everything(atlas: Atlas, shown: Mapping[str, Colouring], words: Sequence[str]) -> dict[str, Any]:
    return {
        "steps": atlas.steps,
        "side": SIDE,
        "largest": _LARGEST,
        "absent": _ABSENT,
        "hues": HUES,
        "shapes": SHAPES,
        "modes": words,
        "colourings": {name: {"labels": each.labels, "marks": each.marks} for name, each in shown.items()},
        "runs": [
            {
                "id": course.run.id,
                "name": course.run.name,
                "views": course.views,
                "tasks": [[task.set_name, task.id, task.rule] for task in course.tasks],
                "steps": [moment.step for moment in course.moments],
                "positions": [_quantised(moment, atlas.frame) for moment in course.moments],
                "cells": [cells(moment) for moment in course.moments],
                "levels": [moment.level for moment in course.moments],
                "words": [moment.word for moment in course.moments],
                "said": [_of_cloud(moment) for moment in course.moments],
                "answers": [
                    [
                        -1 if each is None else words.index(each.failure_mode or RIGHT)
                        for each in moment.answers
                    ]
                    for moment in course.moments
                ],
                "tokens": [[_tokens(each) for each in moment.answers] for moment in course.moments],
                "neighbours": [moment.neighbours for moment in course.moments],
            }
            for course in atlas.courses
        ],
    }


def _quantised(moment: Moment, frame: float) -> str:
    """Positions (tasks, views, 2) as little-endian int16 of the frame."""
    away = np.isnan(moment.positions)
    scaled = np.where(away, 0, moment.positions) / frame * _LARGEST
    numbers = np.where(away, _ABSENT, scaled.round()).astype("<i2")
    return base64.b64encode(numbers.tobytes()).decode("ascii")
