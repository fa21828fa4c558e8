"""`etrm control --ladder`: one model trained on every rung of the graded families, and what it solves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backend.domain.experiment import GENERATED_SETS, EvaluationSet, ExperimentConfig
from backend.kit.errors import NotFound
from worker.experiments.control import wording
from worker.experiments.control.chart import Row, draw_shares
from worker.experiments.control.document import Document, Figure, Section
from worker.experiments.control.jobs import Training
from worker.experiments.control.processes import run_all
from worker.experiments.control.results import Solved, scores_of
from worker.experiments.control.variants import Scale, variants
from worker.kit.device import usable_cores
from worker.training.stop import StopSignal

PREFIX, TRAIN, TEST = "procedural/ladder/", "/train", "/test"
CANVASES = (5, 10, 15, 20)
PAGE_FILE, MARKDOWN_FILE = "ladder.html", "positive-control-ladder.md"
CHART_FILE = "positive-control-ladder.svg"


def rungs() -> tuple[str, ...]:
    """The names of the ladder's families, easiest first; NotFound where there are none."""
    names = [name for name in GENERATED_SETS if name.startswith(PREFIX) and name.endswith(TRAIN)]
    if not names:
        raise NotFound("This version has no ladder of generated families.")
    return tuple(name.removeprefix(PREFIX).removesuffix(TRAIN) for name in names)


def run_ladder(
    scale: Scale, folder: Path, jobs: int | None, tell: Callable[[str], None], chosen: tuple[str, ...] = ()
) -> Path | None:
    """Train (a) on the `chosen` rungs, all by default, under every seed; its page, or None if stopped."""
    names = chosen or rungs()
    seeds = [
        Training(f"ladder, seed {seed}", ladder_config(scale, names, seed), folder / f"ladder-seed{seed}")
        for seed in range(scale.seeds)
    ]
    with StopSignal().on_signals() as stop:
        todo = [job for job in (each.job() for each in seeds) if job]
        run_all(todo, jobs or usable_cores(), stop, tell)
    if stop.requested:
        return None
    fresh = [Training(each.title, each.config, each.folder) for each in seeds]
    solved = {name: _solved(name, fresh) for name in names}
    return _document(scale, solved).write(folder, PAGE_FILE, MARKDOWN_FILE)


def ladder_config(scale: Scale, names: tuple[str, ...], seed: int) -> ExperimentConfig:
    """(a) of the control on all rungs together, scored on the rules that each holds out."""
    base = variants(scale)[0].config
    data = base.data.model_copy(
        update={
            "training_sets": tuple(f"{PREFIX}{name}{TRAIN}" for name in names),
            "canvas_sizes": CANVASES,
            "max_demonstrations": 4,
        }
    )
    sets = tuple(EvaluationSet(name=f"{PREFIX}{name}{TEST}", first_tasks=scale.test_tasks) for name in names)
    evaluation = base.evaluation.model_copy(update={"sets": sets, "every": None})
    return base.model_copy(
        update={"name": "control-ladder", "seed": seed, "data": data, "evaluation": evaluation}
    )


def _solved(name: str, seeds: list[Training]) -> Solved:
    found = {each.config.seed: each.final({}, f"{PREFIX}{name}{TEST}") for each in seeds}
    return Solved({seed: scores_of(file.outcomes) for seed, file in found.items() if file})


def _document(scale: Scale, solved: dict[str, Solved]) -> Document:
    rows = [Row(name, each.share.mean, *each.interval) for name, each in solved.items()]
    figure = Figure(
        CHART_FILE, "Share solved at each rung, mean and interval over seeds", draw_shares("Ladder", rows)
    )
    table = [(name, wording.share(each)) for name, each in solved.items()]
    text = (
        f"One ETRM, the control's (a), trained on all rungs together {scale.seeds} times: {scale.steps:,} "
        f"steps of {scale.batch} samples. Each rung is scored on rules that it holds out, from one view; "
        "brackets are 95 % intervals over seeds."
    )
    return Document("Ladder", [text], [Section("Rungs", (), ("rung", "solved"), table, figure)])
