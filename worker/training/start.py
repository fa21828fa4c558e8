"""What the weights are before the first step, where that is not drawn from the seed."""

from __future__ import annotations

from backend.domain.experiment import CheckpointStart
from worker.models.importing import initialise
from worker.recorder import Recorder
from worker.training.learner import Learner


def start_from_config(learner: Learner, recorder: Recorder) -> None:
    """Take the weights that the config names, if it names any; their average starts from them too.

    What was taken, and whether it is an average, goes on record. Errors are those of `initialise`.
    """
    start = learner.config.training.initialise_from
    if not isinstance(start, CheckpointStart):
        return
    report = initialise(learner.reasoner, start)
    learner.ema.load_state_dict(learner.reasoner.state_dict())
    recorder.log(f"Weights from {report}", "warning" if report.weights == "unknown" else "info")
    for line in report.table():
        recorder.log(line)
