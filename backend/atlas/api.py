"""/api/v1/atlas: contexts of runs on one map, over their steps; /runs/{id}/contexts: the contexts."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Path, Query
from fastapi.responses import Response
from pydantic import Field

from backend.atlas import service
from backend.atlas.service import Atlas, Course, Moment
from backend.db.session import reading_scope
from backend.domain.records import FailureMode
from backend.domain.snapshots import ProbedTask
from backend.kit.exports.table_files import File, Head, check_format, table_file
from backend.kit.lists import items_of
from backend.kit.model import Model
from backend.lifecycle import service as runs
from backend.metrics.frames import MAX_STEP
from backend.snapshots import service as snapshots
from backend.web.deps import Database, RunId, attached
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, tags=["atlas"])

DIGITS = 5  # after the point of a position
ROWS: Head = {
    "run": "text",
    "step": "int",
    "set": "text",
    "task": "text",
    "view": "int",
    "x": "float",
    "y": "float",
    "right": "bool",
    "failure_mode": "text",
    "token_accuracy": "float",
    "spread": "float",
}
Ids = Annotated[
    str,
    Query(
        description=f"Ids of 1 to {service.MAX_RUNS} runs, separated by commas.",
        examples=["k3v9q2m7xa"],
        max_length=400,
    ),
]


class AtlasTask(Model):
    """A task of the probe."""

    set: str
    id: str
    rule: str = Field(description="That a generated task follows; else empty.")


class AtlasAnswer(Model):
    """What the probe's question about a task was answered with, after `health.probe_act_steps` steps."""

    right: bool = Field(description="The whole grid.")
    failure_mode: FailureMode | None = Field(description="null where it is right.")
    token_accuracy: float = Field(description="Share of the tokens right, 0 to 1.")


class AtlasAgreement(Model):
    """How alike the last contexts of this run and of the first one lie, once turned onto each other."""

    common: int = Field(description="Tasks in common.")
    value: float = Field(description="0 to 1.")
    low: float = Field(description="5 % of the shufflings of the tasks give less.")
    high: float = Field(description="5 % of them give more.")


class AtlasSnapshot(Model):
    """Contexts of a run at one step. Lists go by the run's tasks; null where there is no context of one."""

    step: int
    wall_time: float
    spread: float = Field(description="Scale-free variance of these contexts, 0 to 1.")
    level: str = Field(description="good, warning or bad.")
    word: str = Field(description="What the spread means.", examples=["contexts differ"])
    gradient_coverage: float | None = Field(description="As recorded next; null where it is not.")
    scale_free_variance: float | None = Field(description="Of training batches, as recorded next.")
    retrieval: float | None = Field(description="As recorded next.")
    common: int = Field(description="Tasks by which it was turned onto others; 0: too few.")
    shown: float = Field(description="Share of the variance that the map's two axes show.")
    kept: float | None = Field(
        description="How alike it lies to the snapshot before, 0 to 1; null for the first and for points."
    )
    positions: list[list[tuple[float, float]] | None] = Field(description="By task and view: x and y.")
    answers: list[AtlasAnswer | None]
    neighbours: list[list[int]] = Field(
        description="By task: the nearest ones on all axes, as places in `tasks`."
    )


class AtlasRun(Model):
    """A run of the map, with the verdict on its encoder."""

    id: str
    name: str
    variant: str
    seed: int | None
    status: str
    level: str
    word: str
    sentence: str
    agreement: AtlasAgreement | None = Field(description="null for the first run that has contexts.")
    tasks: list[AtlasTask]
    views: int = Field(description="Of each task.")
    snapshots: list[AtlasSnapshot] = Field(description="By step; of a long run steps are left out.")


class AtlasView(Model):
    """Runs on one map. A distance of 1 is the root of the contexts' mean square."""

    frame: float = Field(description="The map reaches from -frame to frame in both directions.")
    runs: list[AtlasRun]


@router.get("/atlas", responses=responses(401, 404, 422))
def read_atlas(engine: Database, runs: Ids) -> AtlasView:
    """Contexts of runs over their steps, on one map: a rotation for each snapshot, one view for all."""
    found = _read(engine, runs)
    return AtlasView(frame=found.frame, runs=[_run(course) for course in found.courses])


@router.get("/atlas/export", response_class=Response, responses=responses(401, 404, 422))
def export_atlas(
    engine: Database,
    runs: Ids,
    format: Annotated[str, Query(description="`json`, `csv` or `parquet`.")] = "csv",
) -> Response:
    """A file with every position: a line for each run, step, task and view."""
    check_format(format)
    rows = [row for course in _read(engine, runs).courses for row in _rows(course)]
    return attached(table_file("atlas", ROWS, rows, format))


@router.get("/runs/{run_id}/contexts/{step}", response_class=Response, responses=responses(401, 404, 422))
def download_contexts(
    run_id: RunId,
    step: Annotated[int, Path(ge=0, le=MAX_STEP, description="A step that has a snapshot.")],
    engine: Database,
) -> Response:
    """The contexts of a snapshot as a NumPy file (.npz): `contexts` (tasks, views, tokens, width) as float32,
    `sets` and `tasks` (tasks,) as text."""
    import numpy as np

    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        tasks, contexts = snapshots.contexts(session, run_id, step)
    file = io.BytesIO()
    names = {
        "sets": np.array([each.set_name for each in tasks], dtype=str),
        "tasks": np.array([each.task_id for each in tasks], dtype=str),
    }
    np.savez(file, contexts=contexts, **names)  # type: ignore[arg-type]  # of names numpy's types say bool
    return attached(File(f"run-{run_id}-contexts-{step}.npz", "application/octet-stream", file.getvalue()))


def _read(engine: Database, ids: str) -> Atlas:
    with reading_scope(engine) as session:
        return service.atlas(session, items_of(ids))


def _run(course: Course) -> AtlasRun:
    run = course.run
    alike = course.agreement
    return AtlasRun(
        id=run.id,
        name=run.name,
        variant=run.variant,
        seed=run.seed,
        status=run.status,
        level=course.level,
        word=course.word,
        sentence=course.sentence,
        agreement=None if alike is None else AtlasAgreement.model_validate(asdict(alike)),
        tasks=[AtlasTask(set=task.set_name, id=task.id, rule=task.rule) for task in course.tasks],
        views=course.views,
        snapshots=[_snapshot(moment) for moment in course.moments],
    )


def _snapshot(moment: Moment) -> AtlasSnapshot:
    coverage, spread, retrieval = moment.numbers
    positions: list[Any] = moment.positions.round(DIGITS).tolist()
    return AtlasSnapshot(
        step=moment.step,
        wall_time=moment.wall_time,
        spread=moment.spread,
        level=moment.level,
        word=moment.word,
        gradient_coverage=coverage,
        scale_free_variance=spread,
        retrieval=retrieval,
        common=moment.common,
        shown=moment.shown,
        kept=moment.kept,
        positions=[None if math.isnan(views[0][0]) else views for views in positions],
        answers=[None if each is None else _answer(each) for each in moment.answers],
        neighbours=[list(each) for each in moment.neighbours],
    )


def _answer(task: ProbedTask) -> AtlasAnswer:
    mode = task.failure_mode
    return AtlasAnswer(right=mode is None, failure_mode=mode, token_accuracy=task.token_accuracy)


def _rows(course: Course) -> Iterator[tuple[Any, ...]]:
    for moment in course.moments:
        for task, answer, views in zip(course.tasks, moment.answers, moment.positions.tolist(), strict=True):
            if answer is None:
                continue
            for view, (x, y) in enumerate(views, start=1):
                mode = answer.failure_mode
                yield (
                    course.run.id,
                    moment.step,
                    task.set_name,
                    task.id,
                    view,
                    round(x, DIGITS),
                    round(y, DIGITS),
                    mode is None,
                    mode.value if mode else None,
                    answer.token_accuracy,
                    moment.spread,
                )
