"""What the weights are before the first step, where that is not drawn from the seed."""

from __future__ import annotations

from pathlib import Path

from backend.domain.experiment import CheckpointStart, RunStart
from backend.kit.errors import CheckpointMissing
from worker.kit.recorder import Recorder
from worker.models.importing import FIELD, ImportReport, initialise
from worker.models.reasoner import Reasoner
from worker.models.weight_files import problem
from worker.training.checkpoints import checkpoint
from worker.training.learner import Learner


def start_from_config(learner: Learner, recorder: Recorder, runs: Path) -> None:
    """Take the weights that the config names, if it names any; their average starts from them too.

    `runs` is the folder of the folders of runs. What was taken, and whether it is an average, is put on
    record. Errors are those of `initialise`; CheckpointMissing and CheckpointCorrupt of another run's.
    """
    start = learner.config.training.initialise_from
    if isinstance(start, CheckpointStart):
        report = initialise(learner.reasoner, start, f"{FIELD}.path")
    elif isinstance(start, RunStart):
        report = _fork(learner.reasoner, start, runs)
    else:
        return
    learner.ema.load_state_dict(learner.reasoner.state_dict())
    recorder.log(f"Weights from {report}", "warning" if report.weights == "unknown" else "info")
    for line in report.table():
        recorder.log(line)


def _fork(reasoner: Reasoner, start: RunStart, runs: Path) -> ImportReport:
    """Weights of another run's checkpoint, whole and unchanged since it was written."""
    try:
        folder = checkpoint.find(runs / start.run, start.step)
    except CheckpointMissing as error:
        raise problem(CheckpointMissing, f"{FIELD}.step", error.message, error.hint) from error
    file = checkpoint.weights_file(folder, start.weights)
    named = CheckpointStart(path=str(file), part=start.part, weights=start.weights)
    return initialise(reasoner, named, f"{FIELD}.step")
