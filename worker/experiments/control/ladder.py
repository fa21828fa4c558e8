"""`etrm control --ladder`: one model trained on every rung of the graded families, and what it solves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backend.domain.experiment import EvaluationSet, ExperimentConfig
from backend.domain.experiment.generated import LADDER, GeneratedFamily
from worker.experiments.control import wording
from worker.experiments.control.chart import Row, draw_shares
from worker.experiments.control.document import Document, Figure, Section
from worker.experiments.control.jobs import Training
from worker.experiments.control.processes import run_all
from worker.experiments.control.results import Solved, scores_of
from worker.experiments.control.variants import Scale, variants
from worker.kit.device import usable_cores
from worker.training.stop import StopSignal

CANVASES = (5, 10)
PAGE_FILE, MARKDOWN_FILE = "ladder.html", "positive-control-ladder.md"
CHART_FILE = "positive-control-ladder.svg"


def run_ladder(scale: Scale, folder: Path, jobs: int | None, tell: Callable[[str], None]) -> Path | None:
    """Train (a) on every rung together, under every seed; its page, or None if stopped."""
    seeds = [
        Training(f"ladder, seed {seed}", ladder_config(scale, seed), folder / f"ladder-seed{seed}")
        for seed in range(scale.seeds)
    ]
    with StopSignal().on_signals() as stop:
        todo = [job for job in (each.job() for each in seeds) if job]
        run_all(todo, jobs or usable_cores(), stop, tell)
    if stop.requested:
        return None
    fresh = [Training(each.title, each.config, each.folder) for each in seeds]
    solved = {_rung(family): _solved(family, fresh) for family in LADDER}
    return _document(scale, solved).write(folder, PAGE_FILE, MARKDOWN_FILE)


def ladder_config(scale: Scale, seed: int) -> ExperimentConfig:
    """(a) of the control on all rungs together, scored on the rules that each holds out."""
    base = variants(scale)[0].config
    data = base.data.model_copy(
        update={
            "training_sets": tuple(family.train_set for family in LADDER),
            "canvas_sizes": CANVASES,
            "max_demonstrations": 4,
        }
    )
    sets = tuple(EvaluationSet(name=family.test_set, first_tasks=scale.test_tasks) for family in LADDER)
    evaluation = base.evaluation.model_copy(update={"sets": sets, "every": None})
    return base.model_copy(
        update={"name": "control-ladder", "seed": seed, "data": data, "evaluation": evaluation}
    )


def _rung(family: GeneratedFamily) -> str:
    """ "ladder/move" as "move"."""
    return family.name.rpartition("/")[2]


def _solved(family: GeneratedFamily, seeds: list[Training]) -> Solved:
    found = {each.config.seed: each.final({}, family.test_set) for each in seeds}
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
