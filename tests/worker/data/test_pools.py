"""Tasks with many pairs: what a visit draws, and that it is a function of seed, task and visit alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.arc.grid import Grid
from backend.domain.arc.leaks import Leak
from backend.domain.arc.pool import PackedPair, PairPool, task_of
from backend.domain.arc.task import Pair, Task, TestPair
from backend.domain.config.presets import quick, trm_arc1
from backend.domain.experiment import DataConfig, ExperimentConfig
from backend.domain.experiment.identity import configuration_key
from backend.domain.trained_on import TrainedOn
from tests.support.dense import dense_batch
from tests.support.pair_archives import TASK_IDS, tasks
from tests.support.records.arc import augmentations, grids
from worker.data import given_away
from worker.data.augment import Augmentation, augmentation
from worker.data.batches import BatchStream
from worker.data.forms import distinct_forms_of
from worker.data.leaks import find_leaks
from worker.data.pools import PoolDraw, PooledPairs
from worker.data.sets import TasksInMemory
from worker.data.tokens import as_cells
from worker.data.training_data import TrainingData, build
from worker.data.twins import Twins

QUERIES = ("any", "each", "test", "each_test")
SETS = TasksInMemory({"re-arc": tasks()})
Grids = tuple[Grid, Grid]


def draws() -> st.SearchStrategy[tuple[DataConfig, int]]:
    """A config and the size of a pool."""
    counts = st.integers(1, 8)
    configs = st.tuples(st.sampled_from(QUERIES), counts, counts, st.integers(1, 4), st.integers(1, 16)).map(
        lambda each: DataConfig(
            query=each[0],
            min_drawn_demonstrations=min(each[1:3]),
            max_drawn_demonstrations=max(each[1:3]),
            drawn_queries=each[3],
            max_demonstrations=each[4],
        )
    )
    return st.tuples(configs, st.integers(2, 40))


@given(draws(), st.integers(0, 2**31 - 1), st.integers(0, 10_000))
def test_a_pair_is_never_shown_and_asked_at_once(
    given_: tuple[DataConfig, int], seed: int, number: int
) -> None:
    config, size = given_
    draw = PoolDraw.of(config, seed, "a", size)
    drawn = draw.visit(number)
    assert len(drawn.asked) == len(set(drawn.asked)) == len(drawn.shown) == draw.asked
    for asked, shown in zip(drawn.asked, drawn.shown, strict=True):
        assert asked not in shown
        assert len(set(shown)) == len(shown)
        fewest = min(
            config.min_drawn_demonstrations, config.max_demonstrations, size - draw.asked or size - 1
        )
        assert fewest <= len(shown) <= min(config.max_drawn_demonstrations, config.max_demonstrations)
        if config.query == "each":
            assert set(shown) < set(drawn.asked)
        else:
            assert not set(shown) & set(drawn.asked)
    together = set(drawn.asked).union(*drawn.shown)
    assert together <= set(range(size))
    assert len(together) <= draw.together <= size


@given(draws(), st.integers(0, 2**31 - 1), st.lists(st.integers(0, 500), min_size=1, max_size=20))
def test_a_visit_is_a_function_of_its_number(
    given_: tuple[DataConfig, int], seed: int, numbers: list[int]
) -> None:
    config, size = given_
    in_order = PoolDraw.of(config, seed, "a", size)
    jumping = PoolDraw.of(config, seed, "a", size)
    expected = [in_order.visit(number) for number in range(max(numbers) + 1)]
    assert [jumping.visit(number) for number in numbers] == [expected[number] for number in numbers]


@pytest.mark.parametrize("query", QUERIES)
def test_a_pass_over_the_pool_asks_every_pair_once(query: Any) -> None:
    draw = PoolDraw.of(DataConfig(query=query), 0, "a", 60)
    visits = 60 // draw.asked
    for number in range(3):
        passes = range(number * visits, (number + 1) * visits)
        assert sorted(pair for each in passes for pair in draw.visit(each).asked) == list(range(60))


def test_what_is_shown_covers_the_pool_evenly_and_the_counts_their_range() -> None:
    draw = PoolDraw.of(DataConfig(), 0, "a", 20)
    visits = [draw.visit(number).shown[0] for number in range(4000)]
    counts = Counter(map(len, visits))
    assert set(counts) == {2, 3, 4, 5}
    assert all(abs(count - 1000) < 150 for count in counts.values())
    shown = Counter(pair for visit in visits for pair in visit)
    assert all(abs(shown[pair] - 700) < 130 for pair in range(20))  # 4000 visits show 14,000 of 20 pairs


def test_seeds_and_tasks_draw_differently() -> None:
    def drawn(seed: int, task_id: str) -> list[Any]:
        draw = PoolDraw.of(DataConfig(), seed, task_id, 50)
        return [draw.visit(number) for number in range(8)]

    assert drawn(0, "a") == drawn(0, "a")
    assert drawn(0, "a") != drawn(1, "a")
    assert drawn(0, "a") != drawn(0, "b")


@given(st.lists(st.tuples(grids(), grids()), min_size=2, max_size=12), st.integers(1, 30))
def test_a_pool_gives_back_its_pairs_and_only_those_that_fit(given_: list[Grids], side: int) -> None:
    pool = PairPool.of(PackedPair.of(*pair) for pair in given_)
    different = list(dict.fromkeys(given_))
    assert [(each.pair.input, each.pair.output) for each in pool] == different
    assert len(pool) == len(different)
    assert PairPool(pool.packed) == pool
    pairs = PooledPairs(pool, side)
    fitting = [pair for pair in different if max(max(g.height, g.width) for g in pair) <= side]
    assert [tuple(Grid.of(cells.tolist()) for cells in pair) for pair in pairs] == fitting
    assert pairs.left_out == len(different) - len(fitting)


def etrm(**data: Any) -> ExperimentConfig:
    return changed(quick(), **data)


def trm(**data: Any) -> ExperimentConfig:
    return changed(trm_arc1(), evaluation_demonstrations=False, **data)


def changed(config: ExperimentConfig, **data: Any) -> ExperimentConfig:
    data = {
        "training_sets": ("re-arc",),
        "augmentations": 4,
        "canvas_sizes": (8,),
        "max_demonstrations": 10,
    } | data
    return config.model_copy(
        update={
            "data": config.data.model_copy(update=data),
            "evaluation": config.evaluation.model_copy(update={"sets": ()}),
        }
    )


def batches(config: ExperimentConfig, data: TrainingData, first: int, last: int) -> Any:
    stream = BatchStream(data, config, 8)
    stream.position = first
    return dense_batch(stream, np.ones(last - first, dtype=bool))


def known_pairs() -> dict[str, set[Grids]]:
    return {
        task.id: {(each.pair.input, each.pair.output) for each in task.pool} for task in tasks() if task.pool
    }


@pytest.mark.parametrize("query", QUERIES)
def test_batches_ask_and_show_different_pairs_of_one_task_in_one_view(query: Any) -> None:
    from tests.worker.data.test_batches import pairs_of

    config = etrm(query=query, translation=False, augmentations=3)
    data = build(config, SETS)
    batch = batches(config, data, 0, 60)
    views = {
        (task_id, index): {tuple(map(augmentation(config.seed, task_id, index).apply, pair)) for pair in pool}
        for task_id, pool in known_pairs().items()
        for index in range(4)
    }
    for row in range(60):
        found = [(one, other) for _, one, other in pairs_of(batch, row)]
        assert len(found) == len(set(found))
        assert 3 <= len(found) <= 6
        assert any(set(found) <= view for view in views.values()), "all pairs of a draw share task and view"


@pytest.mark.parametrize("config", [etrm(), etrm(query="each_test", drawn_queries=3), trm(query="each")])
def test_a_stream_goes_on_anywhere_to_the_bit(config: ExperimentConfig) -> None:
    data = build(config, SETS)
    whole = batches(config, data, 0, 90)
    for start in (0, 37, 80):
        rest = batches(config, build(config, SETS), start, 90)
        assert all(torch.equal(a[start:], b) for a, b in zip(whole.rows, rest.rows, strict=True))


def test_trm_knows_a_pooled_task_by_its_rows_and_is_asked_a_task_s_worth_of_pairs_a_visit() -> None:
    config = trm(query="each", corner_pair=True, distinct_augmentations=True)
    data = build(config, SETS)
    assert [task.id for task in data.tasks] == sorted(TASK_IDS)
    assert [task.samples for task in data.tasks] == [6] * 4  # five demonstrations' worth and a query
    assert data.puzzles.rows == 1 + 4 * 5
    puzzles = batches(config, data, 0, 1200).puzzle.view(-1, 6)
    assert (puzzles == puzzles[:, :1]).all(), "the pairs of a visit are asked one after the other in one view"
    assert set(puzzles.flatten().tolist()) == set(range(1, data.puzzles.rows))


def test_pairs_that_fit_no_canvas_are_left_out_and_with_them_tasks_of_fewer_than_two() -> None:
    small, large = (Grid.of([[colour] * side] * side) for colour, side in ((1, 3), (2, 12)))
    others = [Grid.of([[3, 4]] * side) for side in (2, 3)]
    few = task_of("few", PairPool.of(PackedPair.of(each, each) for each in (small, large)))
    more = task_of("more", PairPool.of(PackedPair.of(each, each) for each in (small, large, *others)))
    data = build(etrm(), TasksInMemory({"re-arc": (few, more)}))
    assert [(task.id, len(task.pairs)) for task in data.tasks] == [("more", 3)]
    assert [(each.task_id, each.why) for each in data.dropped] == [("few", "canvas")]


def test_twins_show_no_more_than_training_does() -> None:
    config = etrm()
    twins = Twins(build(config, SETS), config, 8, tasks=4, views=2, asks=True)
    batch = twins.at(0)
    assert batch.demo_mask.sum(1).tolist() == [5] * 8


def test_forms_are_told_apart_by_the_whole_pool() -> None:
    plain = [as_cells(Grid.of([[1]]))] * 40
    assert len(distinct_forms_of("a", plain, 0, 64)) == 9  # one colour: its nine images
    assert len(distinct_forms_of("a", [*plain, as_cells(Grid.of([[2, 3]]))], 0, 64)) == 64


# Leaks.


def turned(pair: Pair, view: Augmentation) -> Pair:
    return Pair(view.apply(pair.input), view.apply(pair.output))


@given(augmentations(), st.integers(0, 49), st.booleans())
def test_a_pair_of_a_pool_gives_away_and_is_given_away_in_any_augmentation(
    view: Augmentation, place: int, is_trained: bool
) -> None:
    pooled = tasks()[0]
    assert pooled.pool is not None
    pair = turned([each.pair for each in pooled.pool][place], view)
    odd = Grid.of([[5, 6, 7], [1, 1, 2], [8, 8, 8], [0, 4, 1], [2, 2, 3]])
    other = Task("other", (Pair(odd, odd),), (TestPair(pair.input, pair.output),))
    sets = {"re-arc": (pooled,)}, {"mine": (other,)}
    (leak,) = find_leaks(*sets) if is_trained else find_leaks(*reversed(sets))
    if is_trained:
        assert leak == Leak("re-arc", pooled.id, "mine", "other", "test 1")
    else:
        drawn = {(each.input, each.output) for each in (*pooled.demonstrations, *pooled.tests)}
        assert (leak.training_task, leak.evaluated_task) == ("other", pooled.id)
        assert leak.what.endswith("of its pool") != (
            tuple(map(view.undo, (pair.input, pair.output))) in drawn
        )


def test_pools_that_share_nothing_do_not_leak_and_shared_ids_do() -> None:
    first, second, *_ = tasks()
    assert find_leaks({"re-arc": (first,)}, {"mine": (second,)}) == ()
    alike = Task(first.id, second.demonstrations, second.tests)
    assert find_leaks({"re-arc": (first,)}, {"mine": (alike,)}) == (
        Leak("re-arc", first.id, "mine", first.id, "the id"),
    )


def test_training_drops_the_pools_of_evaluated_tasks_and_records_the_others_by_id() -> None:
    held_out = Task(TASK_IDS[2], tasks()[1].demonstrations[:1], tasks()[1].tests)
    config = etrm()
    config = config.model_copy(
        update={"evaluation": config.evaluation.model_copy(update={"sets": quick().evaluation.sets[:1]})}
    )
    name = config.evaluation.sets[0].name
    source = TasksInMemory({"re-arc": tasks(), name: (held_out,)})
    data = build(config, source)
    left = [TASK_IDS[0], TASK_IDS[3]]  # one shares its id, one a pair
    assert [task.id for task in data.tasks] == left
    assert data.trained_on.sets["re-arc"].whole == tuple(left)
    assert {each.task_id for each in data.trained_on.sets["re-arc"].left_out} == set(TASK_IDS[1:3])
    assert isinstance(data.trained_on, TrainedOn)
    asked = {"mine": (Task("new", tasks()[0].demonstrations[:1], tasks()[3].tests),)}
    assert given_away.check(data.trained_on, source, asked).given_away == ["new"]


# Fields.


def test_the_fields_change_no_key_of_a_config_without_them() -> None:
    raw = quick().model_dump(mode="json")
    for name in ("min_drawn_demonstrations", "max_drawn_demonstrations", "drawn_queries"):
        del raw["data"][name]
    assert configuration_key(ExperimentConfig.model_validate(raw)) == configuration_key(quick())
    raw["data"]["max_drawn_demonstrations"] = 3
    assert configuration_key(ExperimentConfig.model_validate(raw)) != configuration_key(quick())


def test_a_range_that_is_none_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="min_drawn_demonstrations 6 is over max_drawn_demonstrations 5"):
        DataConfig(min_drawn_demonstrations=6)
