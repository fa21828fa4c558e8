"""What a run trains on: tasks of the sets it names, less everything its evaluation asks.

An evaluated set that is also a training set is a *train evaluation*: it measures the gap to the held-out
ones, and its tasks are trained on. Every other evaluated set is *held out* as a whole, whichever of its
tasks are evaluated, so that a later, fuller evaluation of the run is as honest: a training task that is one
of its tasks, or holds one of its pairs in any augmentation, is dropped. TRM alone may learn the
demonstrations (never the tests) of the tasks that are evaluated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from backend.domain.arc.task import Pair, Task, choose_canvas
from backend.domain.experiment import (
    FETCHED_SETS,
    CheckpointStart,
    DataConfig,
    ExperimentConfig,
    RunStart,
    TrmModel,
    augments,
)
from backend.domain.trained_on import LeftOut, SetPart, TrainedOn, Why
from backend.kit.errors import FieldProblem, InvalidConfig, NotFound
from backend.kit.format import counted
from backend.kit.problems import did_you_mean
from worker.data.forms import distinct_forms, distinct_forms_of
from worker.data.leaks import Leak, canonical, find_leaks, refuse_augmented_rules
from worker.data.pools import PoolDraw, PooledPairs, fitting_side
from worker.data.puzzles import PuzzleTable
from worker.data.selection import select_tasks
from worker.data.sets import TaskSource
from worker.data.tokens import Cells, as_cells

ASKING_TESTS = ("test", "each_test")  # what `data.query` may be for demonstrations to be shown alone
_LEAKS_SHOWN = 5  # in a refusal


@dataclass(frozen=True)
class TrainingTask:
    """A task on its canvas: the pairs of it that are trained on, which are asked and which are shown."""

    id: str
    side: int
    pairs: Sequence[tuple[Cells, Cells]]  # all different, all fit the canvas
    asked: Sequence[int]  # places in `pairs`
    shown: Sequence[int]
    forms: tuple[int, ...] = ()  # numbers of the augmentations it is seen in; empty: all of the config
    draw: PoolDraw | None = None  # of a pool: which of `asked` and `shown` a visit takes

    @property
    def samples(self) -> int:
        """Pairs that a visit asks where it asks all."""
        return self.draw.asked if self.draw else len(self.asked)

    @property
    def room(self) -> int:
        """Pairs shown at once, at most."""
        return self.draw.most if self.draw else max(len(self.beside(asked)) for asked in self.asked)

    def beside(self, asked: int) -> tuple[int, ...]:
        """Places of the pairs that may be shown while `asked` is asked: leave-one-out."""
        return tuple(place for place in self.shown if place != asked)


@dataclass(frozen=True)
class Dropped:
    """A task of a training set that is not trained on, and why."""

    set_name: str
    task_id: str
    reason: str
    why: Why | None = None  # None: another set's task of this id is trained on


@dataclass(frozen=True)
class TrainingData:
    """Everything the training batches are made from."""

    tasks: tuple[TrainingTask, ...]
    puzzles: PuzzleTable
    by_canvas: Mapping[int, tuple[TrainingTask, ...]]  # side, ascending -> tasks
    dropped: tuple[Dropped, ...]
    leaks: tuple[Leak, ...]
    trained_on: TrainedOn  # what of it the pages call trained on
    absent: tuple[str, ...] = ()  # training sets to be fetched that were not there

    @property
    def not_trained_on(self) -> list[str]:
        """A sentence for each kind of reason: how many tasks, and one of them."""
        by_kind: dict[Why | None, list[Dropped]] = defaultdict(list)
        for each in self.dropped:
            by_kind[each.why].append(each)
        return [
            f"Not trained on {counted(len(some), 'task')}, for example {some[0].task_id}: {some[0].reason}."
            for some in by_kind.values()
        ]


def build(config: ExperimentConfig, source: TaskSource) -> TrainingData:
    """Load, check and sort the tasks of a config; InvalidConfig names the field that cannot be met."""
    data = config.data
    sets, absent = _training_sets(source, data)
    evaluated = {
        part.name: _load(source, part.name, f"evaluation.sets.{place}.name")
        for place, part in enumerate(config.evaluation.sets)
    }
    held_out = {name: tasks for name, tasks in evaluated.items() if name not in data.training_sets}
    refuse_augmented_rules(config, sets, held_out)
    dropped: list[Dropped] = []
    candidates = _candidates(sets, data, dropped)
    asked = min(len(candidates), data.first_tasks or len(candidates))
    leaks = _check_leaks(candidates, held_out, config, dropped)
    tasks = list(_usable(candidates, config, dropped))[: data.first_tasks]
    if not tasks:
        _nothing_left(dropped)
    whole = [(candidates[task.id][0], task.id) for task in tasks]
    shown = _evaluation_demonstrations(config, held_out) if data.evaluation_demonstrations else {}
    tasks += shown.values()
    by_canvas: dict[int, list[TrainingTask]] = defaultdict(list)
    for task in tasks:
        by_canvas[task.side].append(task)
    return TrainingData(
        tasks=tuple(tasks),
        puzzles=_puzzle_table(config, tasks),
        by_canvas={side: tuple(by_canvas[side]) for side in sorted(by_canvas)},
        dropped=tuple(dropped),
        leaks=leaks,
        trained_on=_record(config, asked, whole, shown, dropped),
        absent=absent,
    )


def _record(
    config: ExperimentConfig,
    asked: int,
    whole: Iterable[tuple[str, str]],
    shown: Iterable[tuple[str, str]],
    dropped: Iterable[Dropped],
) -> TrainedOn:
    """What is trained on of each set; `whole` and `shown` are (set, task id)."""
    ids: dict[str, list[str]] = defaultdict(list)
    demonstrations: dict[str, list[str]] = defaultdict(list)
    left_out: dict[str, list[LeftOut]] = defaultdict(list)
    for set_name, task_id in whole:
        ids[set_name].append(task_id)
    for set_name, task_id in shown:
        demonstrations[set_name].append(task_id)
    for each in dropped:
        if each.why is not None:
            left_out[each.set_name].append(LeftOut(each.task_id, each.why, each.reason))
    sets = {
        name: SetPart(tuple(ids[name]), tuple(demonstrations[name]), tuple(left_out[name]))
        for name in dict.fromkeys((*ids, *demonstrations, *left_out))
    }
    start = config.training.initialise_from
    if isinstance(start, RunStart):  # unknown until somebody finds that run's record
        return TrainedOn(asked, sets, start.run, f"run {start.run}")
    file = f"checkpoint file {Path(start.path).name}" if isinstance(start, CheckpointStart) else ""
    return TrainedOn(asked, sets, unknown_start=file)


def _training_sets(
    source: TaskSource, data: DataConfig
) -> tuple[dict[str, tuple[Task, ...]], tuple[str, ...]]:
    """The sets trained on, and the names of those to be fetched that are not there: the others do without."""
    sets: dict[str, tuple[Task, ...]] = {}
    absent = []
    for name in data.training_sets:
        try:
            sets[name] = _load(source, name, "data.training_sets")
        except InvalidConfig:
            if name not in FETCHED_SETS or len(data.training_sets) == 1:
                raise
            absent.append(name)
    return sets, tuple(absent)


def _load(source: TaskSource, set_name: str, field: str) -> tuple[Task, ...]:
    try:
        return source.tasks(set_name)
    except NotFound as error:
        _refuse(field, error.message, error.hint)


def _refuse(field: str, message: str, hint: str) -> NoReturn:
    raise InvalidConfig("Could not load the training data.", problems=[FieldProblem(field, message, hint)])


Candidates = dict[str, tuple[str, Task]]  # task id -> its set, the task; in id order


def _candidates(sets: Mapping[str, tuple[Task, ...]], data: DataConfig, dropped: list[Dropped]) -> Candidates:
    """The tasks that the config names. Sets may share ids: the first set keeps the task."""
    found: Candidates = {}
    for set_name, tasks in sets.items():
        for task in tasks:
            if task.id in found:
                dropped.append(Dropped(set_name, task.id, f"already taken from {found[task.id][0]}"))
            else:
                found[task.id] = (set_name, task)
    for task_id in data.task_ids:
        if task_id not in found:
            hint = did_you_mean(task_id, found, "See the data page.")
            _refuse("data.task_ids", f"no training set has a task {task_id!r}.", hint)
    chosen = set(data.task_ids) or set(found)
    return {task_id: found[task_id] for task_id in sorted(chosen)}


def _check_leaks(
    candidates: Candidates,
    held_out: Mapping[str, tuple[Task, ...]],
    config: ExperimentConfig,
    dropped: list[Dropped],
) -> tuple[Leak, ...]:
    """Take the tasks that leak out of `candidates`, or refuse to start."""
    by_set: dict[str, list[Task]] = defaultdict(list)
    for set_name, task in candidates.values():
        by_set[set_name].append(task)
    leaks = find_leaks(by_set, held_out, augmented=augments(config))
    first = {leak.training_task: leak for leak in reversed(leaks)}
    if first and config.data.on_leak == "refuse":
        shown = "; ".join(str(leak) for leak in list(first.values())[-_LEAKS_SHOWN:])
        _refuse(
            "data.training_sets",
            f"{len(first)} training tasks overlap the evaluated tasks: {shown}.",
            "Exclude them with data.task_ids, or set data.on_leak to drop.",
        )
    for task_id, leak in first.items():
        del candidates[task_id]
        reason = f"holds {leak.what} of {leak.evaluated_task} of {leak.evaluated_set}"
        dropped.append(Dropped(leak.training_set, task_id, reason, "overlap"))
    return leaks


def _usable(
    candidates: Candidates, config: ExperimentConfig, dropped: list[Dropped]
) -> Iterator[TrainingTask]:
    """The tasks that fit a canvas and have a pair to ask."""
    for set_name, task in candidates.values():
        sizes = config.data.canvas_sizes
        side = fitting_side(task.pool, sizes) if task.pool else choose_canvas(task, sizes)
        if side is None:
            reason = f"needs a canvas of {task.training_side}, the largest has {sizes[-1]}"
            dropped.append(Dropped(set_name, task.id, reason, "canvas"))
            continue
        if task.pool:
            yield _pooled(task.id, PooledPairs(task.pool, side), side, config)
            continue
        trained = _training_task(task, side, config)
        if not trained.asked:
            dropped.append(Dropped(set_name, task.id, "no pair to ask fits its canvas", "pairs"))
        elif not trained.beside(trained.asked[0]) and not isinstance(config.model, TrmModel):
            reason = "has no demonstration to show beside the asked pair"
            dropped.append(Dropped(set_name, task.id, reason, "pairs"))
        else:
            yield trained


def _pooled(task_id: str, pairs: PooledPairs, side: int, config: ExperimentConfig) -> TrainingTask:
    """A task whose demonstrations and queries are drawn from many pairs."""
    data, places = config.data, range(len(pairs))
    wanted = data.augmentations + 1 if data.distinct_augmentations else 0
    forms = distinct_forms_of(task_id, (grid for pair in pairs for grid in pair), config.seed, wanted)
    draw = PoolDraw.of(data, config.seed, task_id, len(pairs))
    return TrainingTask(task_id, side, pairs, places, places, forms, draw)


def _training_task(task: Task, side: int, config: ExperimentConfig) -> TrainingTask:
    """A task of a training set. Tests with an unknown output, or one off the canvas, are left out."""
    shown = list(dict.fromkeys(task.demonstrations))
    tests = [Pair(test.input, test.output) for test in task.tests if test.output is not None]
    tests = [pair for pair in dict.fromkeys(tests) if pair not in shown and _fits(pair, side)]
    pairs = [*shown, *tests]
    everything = tuple(range(len(pairs)))
    if config.data.query not in ASKING_TESTS:
        return _on_canvas(task, side, pairs, everything, everything, config)
    return _on_canvas(task, side, pairs, everything[len(shown) :], everything[: len(shown)], config)


def _on_canvas(
    task: Task,
    side: int,
    pairs: list[Pair],
    asked: tuple[int, ...],
    shown: tuple[int, ...],
    config: ExperimentConfig,
) -> TrainingTask:
    cells = tuple((as_cells(pair.input), as_cells(pair.output)) for pair in pairs)
    data = config.data
    forms = distinct_forms(task, config.seed, data.augmentations + 1) if data.distinct_augmentations else ()
    return TrainingTask(task.id, side, cells, asked, shown, forms)


def _fits(pair: Pair, side: int) -> bool:
    grids = (pair.input, pair.output)
    return max(max(grid.height, grid.width) for grid in grids) <= side


def _evaluation_demonstrations(
    config: ExperimentConfig, held_out: Mapping[str, tuple[Task, ...]]
) -> dict[tuple[str, str], TrainingTask]:
    """The demonstrations of the evaluated held-out tasks, or of all in their sets, as tasks to train on, each
    task once, by set and task id.

    A demonstration of one task that is a test of another, in any augmentation, is left out.
    """
    asked_by: dict[bytes, set[str]] = defaultdict(set)
    for tasks in held_out.values():
        for task in tasks:
            for test in task.tests:
                if test.output is not None:
                    asked_by[canonical(test.input, test.output)].add(task.id)
    found: dict[tuple[str, str], TrainingTask] = {}
    seen: set[str] = set()
    for part in config.evaluation.sets:
        if config.data.demonstrations_of == "set":
            part = part.model_copy(update={"first_tasks": None, "that_fit": False})
        for task in select_tasks(part, held_out.get(part.name, ()), config.data.canvas_sizes):
            side = choose_canvas(task, config.data.canvas_sizes)
            pairs = [
                pair
                for pair in dict.fromkeys(task.demonstrations)
                if not asked_by.get(canonical(pair.input, pair.output), set()) - {task.id}
            ]
            if side is not None and pairs and task.id not in seen:
                seen.add(task.id)
                everything = tuple(range(len(pairs)))
                found[part.name, task.id] = _on_canvas(task, side, pairs, everything, everything, config)
    return found


def _puzzle_table(config: ExperimentConfig, tasks: list[TrainingTask]) -> PuzzleTable:
    """TRM's rows; an encoder has none."""
    if not isinstance(config.model, TrmModel):
        return PuzzleTable()
    forms = {task.id: task.forms for task in tasks if task.forms}
    return PuzzleTable([task.id for task in tasks], config.data.augmentations, forms)


def _nothing_left(dropped: list[Dropped]) -> NoReturn:
    reasons = "; ".join(f"{each.task_id} {each.reason}" for each in dropped[:_LEAKS_SHOWN])
    _refuse(
        "data.training_sets",
        f"no task is left to train on ({reasons or 'the sets are empty'}).",
        "Choose larger canvas sizes, other sets or other task ids.",
    )
