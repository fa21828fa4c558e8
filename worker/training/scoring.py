"""Evaluations of a run: streamed to the recorder, kept in the run's folder, gone on with after a stop.

Each evaluation is one file of JSON lines, `evaluations/*.jsonl`: its key, one outcome per test input, and
its summary once it is finished.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from backend.domain.arc.task import Task
from backend.domain.config.problems import parse_experiment
from backend.domain.experiment import FETCHED_SETS, ExperimentConfig, TrmModel, augments
from backend.domain.interventions import Intervention
from backend.domain.measurement import LATER, settings_of
from backend.domain.records import EvaluationKey, EvaluationSummary, TestOutcome
from backend.domain.trained_on import Standing, TrainedOn, standing
from worker.adaptation.adapter import adapter_of
from worker.data import given_away, training_data
from worker.data.given_away import LeakCheck
from worker.data.puzzles import PuzzleTable
from worker.data.selection import select_tasks
from worker.data.sets import TaskSource
from worker.evaluation import evaluator
from worker.evaluation.adapting import Adapter
from worker.evaluation.plan import Plan
from worker.kit.device import Device, open_device
from worker.kit.recorder import Recorder
from worker.models.build import build_reasoner
from worker.models.reasoner import Reasoner
from worker.training.checkpoints import checkpoint
from worker.training.progress import Meter
from worker.training.stop import StopSignal

_KEY: TypeAdapter[EvaluationKey] = TypeAdapter(EvaluationKey)
_OUTCOME: TypeAdapter[TestOutcome] = TypeAdapter(TestOutcome)
_SUMMARY: TypeAdapter[EvaluationSummary] = TypeAdapter(EvaluationSummary)


class OutcomeFile:
    """The outcomes of one evaluation on disk, one line each; a line torn by a kill does not count."""

    def __init__(self, run_folder: Path, key: EvaluationKey, path: Path | None = None) -> None:
        """`path` where it is known: an earlier version may have named the file otherwise."""
        # Files of before these settings keep their names.
        told = _KEY.dump_json(key, exclude={name for name in LATER if not getattr(key, name)})
        digest = hashlib.sha256(told).hexdigest()[:12]
        self.path = path or run_folder / "evaluations" / f"step-{key.step:09d}-{digest}.jsonl"
        self.key = key
        self.outcomes: list[TestOutcome] = []
        self.seconds = 0.0  # spent on them
        self.summary: EvaluationSummary | None = None

    def open(self) -> None:
        """Read what an earlier process left and drop a torn end."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = [_KEY.dump_json(self.key)]
        for line in self.path.read_bytes().splitlines()[1:] if self.path.exists() else ():
            if not self._take(line):
                break
            whole.append(line)
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.write_bytes(b"".join(line + b"\n" for line in whole))
        unfinished.replace(self.path)

    @property
    def done(self) -> set[tuple[str, int]]:
        """(task id, test index) of the outcomes there are."""
        return {(outcome.task_id, outcome.test_index) for outcome in self.outcomes}

    def add(self, outcome: TestOutcome, seconds: float) -> None:
        self.outcomes.append(outcome)
        self.seconds = seconds
        self._append({"outcome": _OUTCOME.dump_python(outcome, mode="json"), "seconds": seconds})

    def finish(self, summary: EvaluationSummary) -> None:
        self.summary = summary
        self._append({"summary": _SUMMARY.dump_python(summary, mode="json")})

    def _append(self, line: dict[str, object]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _take(self, line: bytes) -> bool:
        """Take in one line; False if it is not whole."""
        try:
            content = json.loads(line)
            if "summary" in content:
                self.summary = _SUMMARY.validate_python(content["summary"])
            else:
                self.outcomes.append(_OUTCOME.validate_python(content["outcome"]))
                self.seconds = content["seconds"]
        except (ValueError, KeyError, ValidationError):
            return False
        return True


def finished_evaluations(run_folder: Path) -> list[OutcomeFile]:
    """All evaluations in a run's folder that came to their end, by step."""
    files = []
    for path in sorted((run_folder / "evaluations").glob("step-*.jsonl")):
        with path.open("rb") as lines:
            file = OutcomeFile(run_folder, _KEY.validate_json(lines.readline()), path)
        file.open()
        files += [file] if file.summary else []
    return files


@dataclass(frozen=True)
class Scorer:
    """Scores weights of one run on the sets of its config."""

    config: ExperimentConfig
    puzzles: PuzzleTable
    source: TaskSource
    run_folder: Path
    recorder: Recorder
    stop: StopSignal
    trained_on: TrainedOn

    def standing(self, key: EvaluationKey) -> Standing:
        """How the tasks of an evaluation stand to what was trained on."""
        found = self._leak_checks.get(key.set_name, LeakCheck())
        return standing(self.trained_on, key.set_name, key.task_ids, found.given_away)

    @property
    def warnings(self) -> list[str]:
        """What a reader of the scores must know of each set."""
        return [found.warning for found in self._leak_checks.values() if found.warning]

    def score(self, reasoner: Reasoner, step: int) -> list[EvaluationSummary]:
        """Score the reasoner's present weights on every set; fewer summaries if stopped.

        `config.evaluation.weights` names which weights those are. What an earlier process has done of the
        same evaluation is taken over.
        """
        work = [
            (OutcomeFile(self.run_folder, self._key(name, step, tasks)), tasks)
            for name, tasks in self._sets()
        ]
        for file, _ in work:
            file.open()
        meter = Meter("evaluating", sum(len(task.tests) for _, tasks in work for task in tasks))
        done = 0
        summaries = []
        for file, tasks in work:
            done = self._finish(file, tasks, reasoner, meter, done)
            if file.summary is None:
                break
            summaries.append(file.summary)
        self.recorder.flush()
        return summaries

    def finished_before(self) -> list[EvaluationSummary]:
        """What earlier processes finished, of the same tasks and measured as it is now."""
        now = [self._key(name, 0, tasks) for name, tasks in self._sets()]
        files = finished_evaluations(self.run_folder)
        return [file.summary for file in files if file.summary and replace(file.key, step=0) in now]

    def first_file(self, step: int) -> OutcomeFile:
        """The evaluation of the first set."""
        name, tasks = self._sets()[0]
        file = OutcomeFile(self.run_folder, self._key(name, step, tasks))
        file.open()
        return file

    def _sets(self) -> list[tuple[str, tuple[Task, ...]]]:
        """Name and chosen tasks of every evaluated set."""
        sizes = self.config.data.canvas_sizes
        return [
            (part.name, select_tasks(part, self.source.tasks(part.name), sizes))
            for part in self.config.evaluation.sets
        ]

    @cached_property
    def _leak_checks(self) -> dict[str, LeakCheck]:
        """By set: do tasks trained on give away tasks that it evaluates?"""
        return {
            name: given_away.check(
                self.trained_on, self.source, {name: tasks}, augmented=augments(self.config)
            )
            for name, tasks in self._sets()
        }

    def _key(self, set_name: str, step: int, tasks: Sequence[Task]) -> EvaluationKey:
        task_ids = tuple(task.id for task in tasks)
        return EvaluationKey(set_name, step, task_ids=task_ids, **asdict(settings_of(self.config)))

    def _finish(
        self, file: OutcomeFile, tasks: Sequence[Task], reasoner: Reasoner, meter: Meter, done: int
    ) -> int:
        """Bring one evaluation to its end, or to where it is stopped; returns the test inputs done in all."""
        self.recorder.evaluation_started(file.key)
        for outcome in file.outcomes:  # again, where an earlier process may not have been heard
            self.recorder.outcome(file.key, outcome)
        self.recorder.progress(meter.mark(done := done + len(file.outcomes)))
        started = time.monotonic() - file.seconds
        if file.summary is None:
            adapter = adapter_of(reasoner, self.config, self.puzzles)
            for outcome in evaluator.evaluate(
                reasoner, self.config, file.key, tasks, self.puzzles, self.stop, file.done, adapter
            ):
                file.add(outcome, time.monotonic() - started)
                self.recorder.outcome(file.key, outcome)
                self.recorder.progress(meter.mark(done := done + 1))
            if len(file.outcomes) == sum(len(task.tests) for task in tasks):
                summary = evaluator.summarise(file.key, file.outcomes, file.seconds)
                leaks = self._leak_checks[file.key.set_name].extras
                file.finish(replace(summary, extras={**summary.extras, **leaks}))
        if file.summary is not None:
            self.recorder.evaluation_finished(file.summary)
        return done


@dataclass(frozen=True)
class Loaded:
    """A checkpoint that is ready to be scored."""

    config: ExperimentConfig  # the run's, with what the evaluation changes
    puzzles: PuzzleTable
    reasoner: Reasoner
    device: Device
    step: int
    trained_on: TrainedOn

    @cached_property
    def adapter(self) -> Adapter | None:
        """What makes the model of each task, where the evaluation asks for that."""
        return adapter_of(self.reasoner, self.config, self.puzzles)

    def plan(self, tasks: Iterable[Task], views: int, intervention: Intervention = Intervention.NONE) -> Plan:
        """The batches of an evaluation of these tasks."""
        return evaluator.plan_of(tasks, self.config, views, self.puzzles, self.adapter, intervention)

    def asked_otherwise(self, changes: Mapping[str, object]) -> Loaded:
        """The same weights with other `changes` to the evaluation of their config. InvalidConfig."""
        changed = {**self.config.model_dump(mode="json"), "evaluation": _changed(self.config, changes)}
        return replace(self, config=parse_experiment(changed))


def load_checkpoint(
    run_folder: Path,
    step: int | None,
    changes: Mapping[str, object],
    source: TaskSource,
    recorded: TrainedOn | None = None,
    device_name: str = "auto",
) -> Loaded:
    """A checkpoint of a run (the newest where `step` is None), with `changes` to its evaluation.

    `changes` are fields of `EvaluationConfig`. `recorded` is what the run was trained on; without a record
    that is worked out again from its config and the sets as they are now. `device_name` is as in a config.
    Raises CheckpointMissing, CheckpointCorrupt, InvalidConfig.
    """
    snapshot = checkpoint.load(checkpoint.find(run_folder, step))
    trained = snapshot.config
    device = open_device(trained.training.model_copy(update={"device": device_name}))
    config = parse_experiment({**trained.model_dump(mode="json"), "evaluation": _changed(trained, changes)})
    puzzles, trained_on = _learnt(trained, source, recorded)
    reasoner = build_reasoner(config, puzzles.rows)
    weights = snapshot.ema if config.evaluation.weights == "ema" else snapshot.weights
    reasoner.load_state_dict(dict(weights))
    return Loaded(
        config=config,
        puzzles=puzzles,
        reasoner=reasoner.to(device.torch).eval(),
        device=device,
        step=snapshot.step,
        trained_on=trained_on,
    )


def _learnt(
    config: ExperimentConfig, source: TaskSource, recorded: TrainedOn | None
) -> tuple[PuzzleTable, TrainedOn]:
    """Rows of the puzzle table, and the tasks trained on. An encoder with a record needs no training set."""
    if recorded is not None and not isinstance(config.model, TrmModel):
        return PuzzleTable(), recorded
    if recorded is not None:
        config = _without_absent(config, recorded)
    data = training_data.build(config, source)
    return data.puzzles, recorded or data.trained_on


def _without_absent(config: ExperimentConfig, recorded: TrainedOn) -> ExperimentConfig:
    """The config without the sets that were not here when the run was trained, and may have come since."""
    names = config.data.training_sets
    used = tuple(name for name in names if name not in FETCHED_SETS or name in recorded.sets)
    data = config.data.model_copy(update={"training_sets": used or names})
    return config.model_copy(update={"data": data})


def score_checkpoint(
    run_folder: Path,
    step: int | None,
    changes: Mapping[str, object],
    source: TaskSource,
    recorder: Recorder,
    stop: StopSignal,
) -> list[EvaluationSummary]:
    """Score a checkpoint on every set of its config; arguments and errors as of `load_checkpoint`."""
    loaded = load_checkpoint(run_folder, step, changes, source)
    scorer = Scorer(loaded.config, loaded.puzzles, source, run_folder, recorder, stop, loaded.trained_on)
    for warning in scorer.warnings:
        recorder.log(warning, "warning")
    return scorer.score(loaded.reasoner, loaded.step)


def score_settings(
    run_folder: Path,
    settings: Sequence[Mapping[str, object]],
    source: TaskSource,
    recorder: Recorder,
    stop: StopSignal,
) -> list[OutcomeFile]:
    """Score the newest checkpoint on its first set under each of several changes to its evaluation.

    What was done before is not done again. Fewer results than settings if stopped.
    """
    snapshot = checkpoint.load(checkpoint.find(run_folder, None))
    data = training_data.build(snapshot.config, source)
    reasoner = build_reasoner(snapshot.config, data.puzzles.rows)
    reasoner.load_state_dict(dict(snapshot.ema))
    device = open_device(snapshot.config.training)
    reasoner = reasoner.to(device.torch).eval()
    files = []
    for changes in settings:
        changed = {
            **snapshot.config.model_dump(mode="json"),
            "evaluation": _changed(snapshot.config, changes),
        }
        scorer = Scorer(
            parse_experiment(changed), data.puzzles, source, run_folder, recorder, stop, data.trained_on
        )
        if not scorer.score(reasoner, snapshot.step):
            break
        files.append(scorer.first_file(snapshot.step))
    return files


def _changed(config: ExperimentConfig, changes: Mapping[str, object]) -> dict[str, object]:
    return {**config.evaluation.model_dump(mode="json"), **changes}
