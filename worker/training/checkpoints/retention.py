"""Making room beside a checkpoint that was just written: what the run keeps, and what may go.

Which stay is decided by `backend.domain.retention`. The scores are those that the training itself has
measured; it alone knows them in time. What else needs a checkpoint is the recorder's to know: it is asked
before a file is touched.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock

from backend.domain.experiment import ExperimentConfig
from backend.domain.records import EvaluationSummary
from backend.domain.retention import decide
from worker.kit.recorder import Recorder
from worker.training.checkpoints import checkpoint

log = logging.getLogger(__name__)


class Keeper:
    """Lets the checkpoints of one attempt go that its run keeps no longer.

    pass@k it is told; a recorded series stands in the manifests.
    """

    def __init__(self, config: ExperimentConfig, folder: Path, recorder: Recorder, attempt: int) -> None:
        self._policy = config.training.retention
        self._folder = folder
        self._recorder = recorder
        self._attempt = attempt
        self._set = config.set_of(self._policy.goal.term)
        self._scores: dict[int, float] = {}  # step -> pass@k
        self._measured: dict[Path, float | None] = {}  # a checkpoint never changes once written
        self._leaving: set[Path] = set()  # touched by the thread that removes, too
        self._lock = Lock()

    def before_saving(self, step: int) -> None:
        """This step is written again: what is about to leave under its name is not what will lie there."""
        path = checkpoint.folder_of(self._folder, step, self._attempt)
        self._measured.pop(path, None)
        with self._lock:
            self._leaving.discard(path)

    def scored(self, summaries: Iterable[EvaluationSummary]) -> None:
        """These evaluations ended, now or in an earlier process, all measured as the config says."""
        for summary in summaries:
            score = summary.passes.get(self._policy.goal.term.k)
            if summary.key.set_name == self._set and score and score.n:
                self._scores[summary.key.step] = score.solved / score.n

    def make_room(self, step: int) -> None:
        """Let go what the run keeps no longer, now that the checkpoint of `step` is the newest."""
        saved = checkpoint.folder_of(self._folder, step, self._attempt)
        if not saved.is_dir():  # this attempt has saved nothing yet
            return
        usable = checkpoint.usable(self._folder, saved)
        by_step = {checkpoint.step_of(path): path for path in usable}
        verdicts = decide(by_step, self._policy, self._scores_of(by_step), {})
        staying = {by_step[each.step] for each in verdicts if each.stays}
        going = [path for path in checkpoint.owned(self._folder, saved) if path not in staying]
        if going:
            with self._lock:
                self._leaving.update(going)
            self._recorder.release([self._told(path) for path in going], self._remove)

    def _scores_of(self, by_step: Mapping[int, Path]) -> Mapping[int, float]:
        series = self._policy.goal.term.series
        if not series:
            return self._scores
        for path in by_step.values():
            if path not in self._measured:
                self._measured[path] = checkpoint.measured_of(path, series)
        found = {step: self._measured[path] for step, path in by_step.items()}
        return {step: value for step, value in found.items() if value is not None}

    def _remove(self, told: str) -> None:
        path = self._folder.parent / told
        with self._lock:
            if path not in self._leaving:
                return
            try:
                checkpoint.remove(path)
            except OSError as error:  # asked for again beside the next checkpoint
                log.warning("Could not remove the checkpoint %s: %s", told, error)
            else:
                self._leaving.discard(path)

    def _told(self, path: Path) -> str:
        return str(path.relative_to(self._folder.parent))
