"""The one loop: every variant is trained, recorded, checkpointed, stopped, resumed and scored by it."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from backend.domain.config.problems import differences
from backend.domain.experiment import CheckpointStart, ExperimentConfig
from backend.domain.metrics.names import BASELINE, LEFT_OUT, PROBED
from backend.domain.records import EvaluationSummary, Progress, Ruling
from backend.kit.disk import check_room
from backend.kit.errors import Conflict, TrainingDiverged
from backend.kit.format import counted
from worker.data import training_data
from worker.data.baseline import token_baseline
from worker.data.pools import PooledPairs
from worker.data.sets import TaskSource
from worker.data.training_data import TrainingData
from worker.kit.device import open_device
from worker.kit.recorder import NullRecorder, Recorder
from worker.training.checkpoints import checkpoint
from worker.training.checkpoints.retention import Keeper
from worker.training.health.alarms import Alarms
from worker.training.learner import Learner
from worker.training.progress import Meter
from worker.training.ranks import Ranks
from worker.training.scoring import Scorer
from worker.training.start import start_from_config
from worker.training.stop import StopSignal
from worker.training.stop_rule import StopRule

# What a resumed run may not change: the numbers would be of neither config.
_FIXED = (
    "seed",
    "model",
    "data",
    "optimisation",
    "objective",
    "training.batch_size",
    "training.precision",
    "training.initialise_from",
)


@dataclass(frozen=True)
class TrainingResult:
    """How far a run came, and the scores of its last evaluation."""

    step: int
    stopped: bool  # asked to stop before it was done; resuming continues from here
    evaluations: tuple[EvaluationSummary, ...]
    ruling: Ruling | None = None  # of the stop rule that ended it before its last step


def train(
    config: ExperimentConfig,
    source: TaskSource,
    recorder: Recorder,
    folder: Path,
    stop: StopSignal,
    resume: bool = True,
    attempt: int = 0,
    least_free: int = 0,
) -> TrainingResult:
    """Train to `config.training.steps` and score, or stop early with a checkpoint when `stop` is requested.

    A stop rule of the hypothesis ends it for good at the point where it holds: scored where its bar is
    reached, not where it is refuted.

    Checkpoints, those of this `attempt`, and outcomes are written to `folder`. With `resume` it resumes from
    the newest whole checkpoint there; on the CPU in fp32 every number is then the same as without the stop,
    except `samples_per_second` and `memory_bytes`. Where fewer than `least_free` bytes of disk are free, a
    checkpoint is refused. Under torchrun every process calls this: they share each
    batch, and the first of them records, saves and evaluates. Raises EtrmError subclasses: InvalidConfig
    (data, device), CheckpointCorrupt, Conflict (checkpoint of another config), StorageFull, TrainingDiverged;
    and LostRun where a later attempt has the run.
    """
    with Ranks.of_environment() as ranks:
        recorder = recorder if ranks.is_first else NullRecorder()
        recorder.progress(Progress("loading", 0, 1))
        device = open_device(config.training)
        if ranks.is_first:
            checkpoint.begin(folder, attempt)
        ranks.wait()
        data = training_data.build(config, source)
        learner = Learner(config, data, device, ranks)
        trained_on = recorder.trained_on(data.trained_on)
        _introduce(learner, data, recorder)
        if trained_on.unknown_start:
            recorder.log(f"This run is {trained_on.shortage.words}.", "warning")
        scorer = Scorer(config, data.puzzles, source, folder, recorder, stop, trained_on)
        run = _Run(config, recorder, folder, stop, learner, scorer, data, attempt, least_free)
        if not (resume and run.resume()):
            start_from_config(learner, recorder, folder.parent)
        recorder.progress(Progress("loading", 1, 1))
        return run.to_the_end()


class _Run:
    """A learner on its way: what is due after which step."""

    def __init__(
        self,
        config: ExperimentConfig,
        recorder: Recorder,
        folder: Path,
        stop: StopSignal,
        learner: Learner,
        scorer: Scorer,
        data: TrainingData,
        attempt: int,
        least_free: int,
    ) -> None:
        self.config = config
        self.recorder = recorder
        self.folder = folder
        self.stop = stop
        self.learner = learner
        self.ranks = learner.ranks
        self.scorer = scorer
        self.alarms = Alarms(config.health, config.gradient_cut)
        self.stop_rule = StopRule(config.hypothesis)
        self.ruled = False  # the stop rule has ended the training; all processes know it
        start = config.training.initialise_from
        imports = isinstance(start, CheckpointStart) and start.import_only
        self.last_step = 0 if imports else config.training.steps
        self.meter = Meter("training", config.training.steps)
        self.data = data
        self.attempt = attempt
        self.least_free = least_free  # bytes
        self.saved_step = -1
        self.keeper = Keeper(config, folder, recorder, attempt)
        self.measured_by = {config.training.retention.goal.term.series}  # the best are chosen by it
        self.measured: dict[str, float] = {}  # its last recorded value

    def resume(self) -> bool:
        """Go on from the newest whole checkpoint, if there is any; whether there was one."""
        snapshot = checkpoint.load_newest(self.folder, lambda text: self.recorder.log(text, "warning"))
        if snapshot is None:
            return False
        _check_same_experiment(snapshot.config, self.config)
        try:
            watched = self.learner.restore(snapshot)
            self.alarms.load_state_dict(watched)
            self.stop_rule.load_state_dict(watched.get("stop_rule", {}))
        except (KeyError, ValueError, RuntimeError) as error:  # torch's own words for names and shapes
            raise Conflict(
                f"The checkpoint of step {snapshot.step} does not fit this version's model or data: {error}",
                "Resume with the version that wrote it, or train again from the start.",
            ) from error
        self.saved_step = self.learner.step
        self.measured = dict(snapshot.measured)
        if self.ranks.is_first:
            self.keeper.scored(self.scorer.finished_before())
        self.meter = Meter("training", self.config.training.steps, self.learner.step)
        self.recorder.log(f"Resuming from the checkpoint of step {self.learner.step}.")
        self._heed(self.stop_rule.ruling)
        return True

    def to_the_end(self) -> TrainingResult:
        """Step, record, save and score until all steps are done or a stop is requested."""
        training = self.config.training
        evaluations: list[EvaluationSummary] = []
        self.recorder.progress(self.meter.mark(self.learner.step))
        while True:
            stopping = self.ranks.any(self.stop.requested)
            if self._evaluation_is_due() and not stopping:
                self._save()  # so that an evaluation gone on with later has the same weights
                evaluations = self._evaluate()
                stopping = self.ranks.any(self.stop.requested)
            if stopping or self._at_the_end():
                break
            self.learner.advance()
            if (contexts := self.learner.probes.take()) is not None:
                self.recorder.contexts(contexts)
            if self.learner.step % training.log_every == 0 or self.learner.step == training.steps:
                self._record()
            if self.learner.step % training.checkpoint_every == 0:
                self._save()
        return self._leave(evaluations)

    def _leave(self, evaluations: list[EvaluationSummary]) -> TrainingResult:
        self._save()
        step = self.learner.step
        sets = self.config.evaluation.sets if self._is_scored() else ()
        done = self._at_the_end() and len(evaluations) >= len(sets)
        # All leave alike: only the first knows the evaluations.
        done = self.ranks.any(done and self.ranks.is_first)
        if not done:
            self.recorder.log(f"Stopped at step {step}: {self.stop.reason or 'another process was told to'}.")
        self.recorder.flush()
        return TrainingResult(step, not done, tuple(evaluations), self.stop_rule.ruling)

    def _at_the_end(self) -> bool:
        return self.ruled or self.learner.step >= self.last_step

    def _is_scored(self) -> bool:
        """Whether the end is scored."""
        return not self.ruled or self.stop_rule.evaluates

    def _evaluation_is_due(self) -> bool:
        step, every = self.learner.step, self.config.evaluation.every
        if self._at_the_end():
            return self._is_scored()
        return every is not None and step > 0 and step % every == 0

    def _record(self) -> None:
        """Record the interval that ends here, judge it, and tell how far the run is."""
        values = self.learner.read()
        if self.ranks.is_first and self.learner.step <= self.config.training.log_every:  # once a run
            values |= _facts_of(self.data) | {PROBED: float(self.learner.probes.tasks)}
        self.recorder.metrics(self.learner.step, values)
        for step, groups in self.learner.histograms.take().items():
            self.recorder.histograms(step, groups)
        self.measured |= {name: values[name] for name in values.keys() & self.measured_by}
        for name in ("loss", "gradient_norm/all"):
            if not math.isfinite(values[name]):
                self._fail_diverged(f"{name} is {values[name]}")
        for alarm in self.alarms.check(self.learner.step, values):
            self.recorder.alarm(alarm)
        if self.learner.step < self.config.training.steps:
            self._heed(self.stop_rule.check(self.learner.step, values))
        self.recorder.progress(self.meter.mark(self.learner.step))

    def _heed(self, ruling: Ruling | None) -> None:
        """End the training where the first process's rule says so: measured speeds differ between them."""
        self.ruled = self.ranks.any(ruling is not None and self.ranks.is_first)
        if ruling is not None:
            self.recorder.ruled(ruling)

    def _save(self) -> None:
        """Write a checkpoint of this step, unless there is one."""
        if self.saved_step == self.learner.step:
            return
        if not self.learner.sums.are_finite():
            self._fail_diverged("the loss or a gradient is not finite")
        watched = {**self.alarms.state_dict(), "stop_rule": self.stop_rule.state_dict()}
        finite = {name: value for name, value in self.measured.items() if math.isfinite(value)}
        snapshot = replace(self.learner.snapshot(watched), measured=finite)
        self.saved_step = self.learner.step
        if self.ranks.is_first:
            self.keeper.before_saving(self.saved_step)
            check_room(self.folder, self.least_free, f"The checkpoint of step {self.learner.step}")
            self.recorder.settle()  # whoever resumes from it must not miss a point before it
            self.recorder.checkpoint(checkpoint.save(self.folder, snapshot, self.attempt))
            self.keeper.make_room(self.saved_step)

    def _evaluate(self) -> list[EvaluationSummary]:
        """The first process evaluates, the others wait for it."""
        averaged = self.config.evaluation.weights == "ema"
        summaries: list[EvaluationSummary] = []
        if self.ranks.is_first:
            with self.learner.ema.swapped() if averaged else nullcontext():
                summaries = self.scorer.score(self.learner.reasoner, self.learner.step)
            self.keeper.scored(summaries)
            self.keeper.make_room(self.learner.step)
            held_out = [each for each in summaries if self.scorer.standing(each.key).held_out]
            for alarm in self.alarms.check_scores(self.learner.step, held_out):
                self.recorder.alarm(alarm)
        self.ranks.wait()
        return summaries

    def _fail_diverged(self, what: str) -> NoReturn:
        self.recorder.flush()
        before = (
            f"The checkpoint of step {self.saved_step} is from before it. " if self.saved_step > 0 else ""
        )
        raise TrainingDiverged(
            f"Training diverged by step {self.learner.step}: {what}.",
            f"{before}Lower optimisation.learning_rate, set optimisation.gradient_clip, or warm up longer.",
        )


def _check_same_experiment(saved: ExperimentConfig, wanted: ExperimentConfig) -> None:
    """Refuse to resume with a config under which the finished steps would have been others."""
    changed = {path: values for path, values in differences(saved, wanted).items() if path.startswith(_FIXED)}
    if changed:
        listed = "; ".join(f"{path} was {old}, now {new}" for path, (old, new) in changed.items())
        raise Conflict(
            f"The checkpoint belongs to another experiment: {listed}.",
            "Resume with the saved config, or start a new run. Steps, recording and evaluation may change.",
        )


def _introduce(learner: Learner, data: TrainingData, recorder: Recorder) -> None:
    """Say in the log what is trained on what, where, and what was left out."""
    encoder, core = (
        sum(parameter.numel() for _, parameter in parameters)
        for parameters in (learner.reasoner.encoder_parameters(), learner.reasoner.core_parameters())
    )
    canvases = ", ".join(f"{len(tasks)} on {side} x {side}" for side, tasks in data.by_canvas.items())
    recorder.log(
        f"{learner.config.variant}: {core:,} weights in the core, {encoder:,} in the encoder, "
        f"on {learner.device.name} in {learner.device.precision}. "
        f"{counted(len(data.tasks), 'task')}: {canvases} cells."
    )
    if learner.config.training.compile and not learner.device.can_compile:
        recorder.log(
            "Training without torch.compile: it needs Python's headers (python3-dev), gcc on a GPU, "
            "g++ on a CPU and, on x86, AVX-512.",
            "warning",
        )
    if leaking := _leaking(data):
        recorder.log(f"Excluded from training (overlaps evaluation tasks): {', '.join(leaking)}.", "warning")
    if data.trained_on.shortage.is_large:
        recorder.log(f"This run is {data.trained_on.shortage.words}.", "warning")
    for name in data.absent:
        recorder.log(
            f"Trained without the task set {name}: it is not here. To have it: etrm data fetch {name}.",
            "warning",
        )
    if oversized := sum(task.pairs.left_out for task in data.tasks if isinstance(task.pairs, PooledPairs)):
        largest = learner.config.data.canvas_sizes[-1]
        recorder.log(
            f"{counted(oversized, 'pair')} of tasks with many pairs are not drawn: "
            f"they need a canvas of more than {largest}."
        )
    for line in data.not_trained_on:
        recorder.log(line)


def _leaking(data: TrainingData) -> list[str]:
    """The training tasks that were left out since they hold what the evaluation asks."""
    return sorted({leak.training_task for leak in data.leaks})


def _facts_of(data: TrainingData) -> dict[str, float]:
    """What is recorded once: training tasks left out as leaks, and the token accuracy without learning."""
    asked = ((task.side, (task.pairs[place] for place in task.asked)) for task in data.tasks)
    return {LEFT_OUT: float(len(_leaking(data))), BASELINE: token_baseline(asked)}
