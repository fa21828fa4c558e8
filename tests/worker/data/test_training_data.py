"""What a run trains on: sets, canvases, and a strict wall around what is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from backend.domain.arc.files import read_built_in
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Pair, Task, TestPair
from backend.domain.config.presets import etrm_deterministic_arc1, quick, trm_arc1
from backend.domain.experiment import EvaluationSet, ExperimentConfig
from backend.kit.errors import InvalidConfig
from worker.data.augment import Augmentation
from worker.data.leaks import canonical
from worker.data.selection import select_tasks
from worker.data.sets import BuiltinTasks, TasksInMemory
from worker.data.training_data import Dropped, TrainingData, TrainingTask, build

VIEW = Augmentation(3, (0, 2, 3, 4, 5, 6, 7, 8, 9, 1))


def changed(config: ExperimentConfig, **data: Any) -> ExperimentConfig:
    """The config with other data settings."""
    return config.model_copy(update={"data": config.data.model_copy(update=data)})


def evaluating(config: ExperimentConfig, *sets: EvaluationSet) -> ExperimentConfig:
    return config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"sets": sets})})


def memory(**sets: tuple[Task, ...]) -> TasksInMemory:
    return TasksInMemory(sets)


@pytest.fixture(scope="module")
def real() -> tuple[Task, ...]:
    return read_built_in("arc-agi-1/training")[:6]


def in_memory(config: ExperimentConfig) -> ExperimentConfig:
    """Train on the set `mine`, evaluate the set `theirs`."""
    return evaluating(
        changed(config, training_sets=("mine",)), EvaluationSet(name="theirs", first_tasks=None)
    )


def forms(tasks: tuple[TrainingTask, ...]) -> set[bytes]:
    pairs = [pair for task in tasks for pair in task.pairs]
    return {canonical(Grid.of(one.tolist()), Grid.of(other.tolist())) for one, other in pairs}


def forms_of(tasks: tuple[Task, ...], *, tests: bool, demonstrations: bool) -> set[bytes]:
    shown = [(p.input, p.output) for task in tasks for p in task.demonstrations if demonstrations]
    asked = [(t.input, t.output) for task in tasks for t in task.tests if tests and t.output is not None]
    return {canonical(one, other) for one, other in (*shown, *asked)}


def test_the_quick_preset_trains_on_few_small_tasks_and_none_that_is_held_out() -> None:
    data = build(quick(), BuiltinTasks())
    assert len(data.tasks) == quick().data.first_tasks
    assert list(data.by_canvas) == [10]
    assert data.puzzles.rows == 1
    held_out = forms_of(read_built_in("arc-agi-1/evaluation"), tests=True, demonstrations=True)
    assert not forms(data.tasks) & held_out


def test_the_published_setting_drops_the_two_tasks_that_leak() -> None:
    data = build(etrm_deterministic_arc1(), BuiltinTasks())
    assert len(data.tasks) == 398
    assert {(each.task_id, each.reason) for each in data.dropped} == {
        ("40853293", "holds demonstration 1 of 070dd51e of arc-agi-1/evaluation"),
        ("caa06a1f", "holds demonstration 1 of 50a16a69 of arc-agi-1/evaluation"),
    }
    assert len(data.leaks) == 5
    wide = Dropped("arc-agi-1/training", "wide", "needs a canvas of 30, the largest has 10", "canvas")
    overlap, canvas = replace(data, dropped=(wide, *data.dropped)).not_trained_on[::-1]
    assert overlap.startswith("Not trained on 2 tasks, for example caa06a1f: holds demonstration 1 of ")
    assert canvas == "Not trained on 1 task, for example wide: needs a canvas of 30, the largest has 10."


def test_arc_agi_2_training_gives_up_every_task_of_arc_agi_1_evaluation() -> None:
    config = changed(etrm_deterministic_arc1(), training_sets=("arc-agi-2/training",))
    data = build(config, BuiltinTasks())
    assert len(data.tasks) == 1000 - 377
    held_out = read_built_in("arc-agi-1/evaluation")
    assert not {task.id for task in data.tasks} & {task.id for task in held_out}
    assert not forms(data.tasks) & forms_of(held_out, tests=True, demonstrations=True)


def test_a_held_out_set_is_apart_as_a_whole_though_only_some_of_it_is_evaluated(
    real: tuple[Task, ...],
) -> None:
    config = in_memory(quick())
    config = evaluating(changed(config, canvas_sizes=(30,)), EvaluationSet(name="theirs", first_tasks=1))
    data = build(config, memory(mine=real, theirs=real[2:4]))
    assert not {task.id for task in data.tasks} & {real[2].id, real[3].id}


def test_a_set_that_is_both_trained_on_and_evaluated_is_no_leak(real: tuple[Task, ...]) -> None:
    config = evaluating(
        changed(quick(), training_sets=("mine",), canvas_sizes=(30,)), EvaluationSet(name="mine")
    )
    data = build(config, memory(mine=real))
    assert {task.id for task in data.tasks} == {task.id for task in real}
    assert data.leaks == ()


@pytest.mark.parametrize("place", ["demonstrations", "tests"])
def test_a_task_with_a_turned_and_recoloured_pair_of_an_evaluated_one_is_dropped(
    real: tuple[Task, ...], place: str
) -> None:
    asked = read_built_in("arc-agi-1/evaluation")[1]
    truth = asked.tests[0].output
    assert truth is not None
    one, other = VIEW.apply(asked.tests[0].input), VIEW.apply(truth)
    planted = Pair(one, other) if place == "demonstrations" else TestPair(one, other)
    leaking = replace(real[0], **{place: (*getattr(real[0], place), planted)})
    config = changed(in_memory(quick()), canvas_sizes=(30,))
    source = memory(mine=(leaking, *real[1:]), theirs=(asked,))
    data = build(config, source)
    assert {task.id for task in data.tasks} == {task.id for task in real[1:]}
    (dropped,) = data.dropped
    assert dropped.task_id == real[0].id
    assert dropped.reason == f"holds test 1 of {asked.id} of theirs"
    with pytest.raises(InvalidConfig, match="1 training tasks overlap the evaluated tasks") as error:
        build(changed(config, on_leak="refuse"), source)
    assert error.value.problems[0].field == "data.training_sets"
    assert f"{real[0].id} of mine holds test 1 of {asked.id} of theirs" in error.value.problems[0].message


def test_trm_learns_the_demonstrations_of_evaluated_tasks_and_never_their_tests() -> None:
    config = changed(trm_arc1(), distinct_augmentations=False)
    data = build(config, BuiltinTasks())
    assert data.absent == ("concept",)
    evaluated = select_tasks(config.evaluation.sets[0], read_built_in("arc-agi-1/evaluation"), (30,))
    assert len(evaluated) == 400
    trained = {task.id: task for task in data.tasks}
    asked = {
        task.id: forms_of((task,), tests=True, demonstrations=False)
        for task in read_built_in("arc-agi-1/evaluation")
    }
    for task in evaluated:
        shown = [(pair.input, pair.output) for pair in task.demonstrations]
        pairs = [(Grid.of(a.tolist()), Grid.of(b.tolist())) for a, b in trained[task.id].pairs]
        assert pairs == list(dict.fromkeys(shown))
        # 00576224's test is a recoloured demonstration of its own: that is no leak, a solver sees it.
        by_others = set().union(*(asked[other] for other in asked if other != task.id))
        assert not forms((trained[task.id],)) & by_others
    kept = tuple(task for task in data.tasks if task.id not in asked)
    assert not forms(kept) & set().union(*asked.values())
    assert data.puzzles.rows == 1 + len(data.tasks) * 1001
    assert all(data.puzzles.row(task.id, 1000) for task in evaluated)


def test_trm_may_learn_the_demonstrations_of_the_whole_set_of_which_few_tasks_are_evaluated(
    real: tuple[Task, ...],
) -> None:
    config = changed(trm_arc1(), training_sets=("mine",), augmentations=1, distinct_augmentations=False)
    config = evaluating(config, EvaluationSet(name="theirs", first_tasks=1))
    source = memory(mine=real[:2], theirs=real[2:])
    few = build(changed(config, demonstrations_of="evaluated"), source)
    whole = build(changed(config, demonstrations_of="set"), source)
    assert {task.id for task in few.tasks} == {task.id for task in real[:3]}
    assert {task.id for task in whole.tasks} == {task.id for task in real}
    asked = forms_of(real[2:], tests=True, demonstrations=False)
    assert not forms(whole.tasks) & asked
    assert all(whole.puzzles.row(task.id, 1) for task in real)


def test_a_demonstration_that_another_evaluated_task_asks_is_not_learnt(real: tuple[Task, ...]) -> None:
    asked = real[1]
    truth = asked.tests[0].output
    assert truth is not None
    copied = Pair(VIEW.apply(asked.tests[0].input), VIEW.apply(truth))
    other = replace(real[2], demonstrations=(*real[2].demonstrations, copied))
    config = changed(in_memory(trm_arc1()), training_sets=("mine",), distinct_augmentations=False)
    data = build(config, memory(mine=real[:1], theirs=(asked, other)))
    trained = {task.id: task for task in data.tasks}
    assert set(trained) == {real[0].id, real[1].id, real[2].id}
    assert len(trained[other.id].pairs) == len(real[2].demonstrations)


def test_what_evaluated_tests_answer_changes_nothing_in_what_trm_learns(real: tuple[Task, ...]) -> None:
    config = changed(in_memory(trm_arc1()), distinct_augmentations=False)

    def learnt(theirs: tuple[Task, ...]) -> TrainingData:
        return build(config, memory(mine=real[:3], theirs=theirs))

    wrong = tuple(
        replace(task, tests=tuple(replace(test, output=Grid.from_digits("9")) for test in task.tests))
        for task in real[3:]
    )
    unknown = tuple(
        replace(task, tests=tuple(replace(test, output=None) for test in task.tests)) for task in real[3:]
    )
    right = learnt(real[3:])
    assert forms(right.tasks) == forms(learnt(wrong).tasks) == forms(learnt(unknown).tasks)
    assert list(right.by_canvas) == list(learnt(wrong).by_canvas)


def test_a_pair_that_does_not_fit_is_not_asked_and_a_task_that_does_not_fit_is_dropped() -> None:
    small, large = Grid.from_digits("12"), Grid.of([[3] * 12])
    pair, other = Pair(small, small), Pair(small, Grid.from_digits("21"))
    fits = Task("fits", (pair, other), (TestPair(small, large),))
    too_large = Task("large", (Pair(small, large),), (TestPair(small, small),))
    config = changed(in_memory(quick()), canvas_sizes=(5, 10))
    data = build(config, memory(mine=(fits, too_large), theirs=()))
    (task,) = data.tasks
    assert (task.side, len(task.pairs), task.asked) == (5, 2, (0, 1))
    assert [(each.task_id, each.reason) for each in data.dropped] == [
        ("large", "needs a canvas of 12, the largest has 10")
    ]


def test_tasks_lie_on_the_smallest_canvas_that_holds_them() -> None:
    config = changed(etrm_deterministic_arc1(), canvas_sizes=(10, 15, 20, 25, 30))
    data = build(config, BuiltinTasks())
    assert list(data.by_canvas) == [10, 15, 20, 25, 30]
    sides = {task.id: task.visible_side for task in read_built_in("arc-agi-1/training")}
    assert all(side - 5 < sides[task.id] or side == 10 for side, of in data.by_canvas.items() for task in of)
    assert all(sides[task.id] <= side for side, of in data.by_canvas.items() for task in of)


def test_asking_test_pairs_only_shows_demonstrations_only(real: tuple[Task, ...]) -> None:
    data = build(changed(in_memory(quick()), canvas_sizes=(30,), query="test"), memory(mine=real, theirs=()))
    for trained, task in zip(data.tasks, real, strict=True):
        count = len(task.demonstrations)
        assert trained.shown == tuple(range(count))
        assert trained.asked == tuple(range(count, count + len(task.tests)))


def test_a_repeated_pair_is_kept_once_so_that_it_is_never_shown_while_asked() -> None:
    one, other = Grid.from_digits("1"), Grid.from_digits("2")
    task = Task("t", (Pair(one, other), Pair(one, other), Pair(other, one)), (TestPair(one, other),))
    data = build(in_memory(quick()), memory(mine=(task,), theirs=()))
    assert len(data.tasks[0].pairs) == 2
    single = replace(task, demonstrations=task.demonstrations[:1])
    with pytest.raises(InvalidConfig, match="has no demonstration to show beside the asked pair"):
        build(in_memory(quick()), memory(mine=(single,), theirs=()))


def test_the_first_tasks_are_the_first_usable_ones_in_id_order() -> None:
    data = build(changed(quick(), first_tasks=5), BuiltinTasks())
    small = [t for t in read_built_in("arc-agi-1/training") if t.visible_side <= 10]
    assert [task.id for task in data.tasks] == [task.id for task in small[:5]]


def test_two_sets_with_the_same_task_train_on_it_once(real: tuple[Task, ...]) -> None:
    config = changed(in_memory(quick()), training_sets=("mine", "more"), canvas_sizes=(30,))
    data = build(config, memory(mine=real[:2], more=real[1:3], theirs=()))
    assert [task.id for task in data.tasks] == [task.id for task in real[:3]]
    assert [(each.set_name, each.reason) for each in data.dropped] == [("more", "already taken from mine")]


def test_a_set_that_was_not_fetched_is_left_out_and_named(real: tuple[Task, ...]) -> None:
    config = in_memory(changed(quick(), canvas_sizes=(30,)))
    config = changed(config, training_sets=("mine", "concept"))
    without = build(config, memory(mine=real[:2], theirs=()))
    assert (without.absent, [task.id for task in without.tasks]) == (("concept",), [t.id for t in real[:2]])
    fetched = build(config, memory(mine=real[:2], concept=real[2:4], theirs=()))
    assert (fetched.absent, len(fetched.tasks)) == ((), 4)
    with pytest.raises(InvalidConfig, match="Could not load the training data"):
        build(changed(config, training_sets=("concept",)), memory(mine=real, theirs=()))


@pytest.mark.parametrize(
    ("data", "sets", "field", "message", "hint"),
    [
        (
            {"training_sets": ("arc-agi-1/trainig",)},
            ("arc-agi-1/evaluation",),
            "data.training_sets",
            "Task set 'arc-agi-1/trainig' not found.",
            "Did you mean 'arc-agi-1/training'?",
        ),
        (
            {},
            ("arc-agi-1/training", "arc-agi-3/evaluation"),
            "evaluation.sets.1.name",
            "Task set 'arc-agi-3/evaluation' not found.",
            "Did you mean 'arc-agi-",
        ),
        (
            {"task_ids": ("007bbfb6",)},
            ("arc-agi-1/evaluation",),
            "data.task_ids",
            "no training set has a task '007bbfb6'.",
            "Did you mean '007bbfb7'?",
        ),
        (
            {"task_ids": ("40853293",)},
            ("arc-agi-1/evaluation",),
            "data.training_sets",
            "no task is left to train on (40853293 holds demonstration 1 of 070dd51e",
            "Choose",
        ),
    ],
)
def test_a_config_that_cannot_be_met_names_its_field(
    data: Mapping[str, Any], sets: tuple[str, ...], field: str, message: str, hint: str
) -> None:
    config = evaluating(changed(quick(), **data), *(EvaluationSet(name=name) for name in sets))
    with pytest.raises(InvalidConfig) as error:
        build(config, BuiltinTasks())
    (problem,) = error.value.problems
    assert problem.field == field
    assert message in problem.message
    assert problem.hint.startswith(hint)
