"""Test-time training: each task on its own, blind to the tests, the model as it was, the cost told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task, TestPair
from backend.domain.arc.votes import AdaptationTrace, pack_trace, pack_votes, unpack_trace, unpack_votes
from backend.domain.experiment import (
    ActConfig,
    AdapterAdaptation,
    EmbeddingAdaptation,
    EncoderAdaptation,
    EtrmModel,
    ExperimentConfig,
    FullAdaptation,
    GradientSearch,
    LearningAdaptation,
    ObjectiveConfig,
    TrmModel,
)
from backend.domain.records import TestOutcome
from tests.support.models import SMALL_ENCODERS
from tests.support.solvers import SMALL, TINY, LaterStop, Stop, config, key
from worker.adaptation.adapter import TaskAdapter, adapter_of
from worker.data.puzzles import PuzzleTable
from worker.evaluation.evaluator import answer, evaluate, summarise
from worker.evaluation.plan import Plan
from worker.models.build import build_reasoner
from worker.models.context.puzzle_embedding import PuzzleEmbedding
from worker.models.reasoner import Reasoner

SHORT = {"steps": 3, "batch_size": 4, "augmentations": 2}
POISON = Grid(((7, 7, 7), (7, 7, 7)))
VIEWS = 3
KINDS: tuple[LearningAdaptation, ...] = (
    EmbeddingAdaptation(**SHORT),
    EncoderAdaptation(**SHORT, learning_rate=0.01),
    AdapterAdaptation(**SHORT, learning_rate=0.01, rank=2),
    FullAdaptation(**SHORT, learning_rate=0.01),
)
MODELS = {"trm": TrmModel(core=TINY, act=ActConfig(max_steps=2), embedding_width=16)} | {
    name: EtrmModel(core=TINY, act=ActConfig(max_steps=2), encoder=SMALL_ENCODERS[name])
    for name in ("deterministic", "iterative", "per_demo")  # the last is LPN's
}
CASES = [
    pytest.param(name, adaptation, id=f"{name}-{adaptation.kind}")
    for name in MODELS
    for adaptation in KINDS
    if adaptation.kind != ("encoder" if name == "trm" else "embedding")
]
every_case = pytest.mark.parametrize(("name", "adaptation"), CASES)


def setting(name: str, adaptation: LearningAdaptation, **evaluation: object) -> ExperimentConfig:
    settings = config(adaptation=adaptation, **evaluation).model_copy(update={"model": MODELS[name]})
    if name == "per_demo":
        settings = settings.model_copy(update={"objective": ObjectiveConfig(latent_steps=1)})
    return ExperimentConfig.model_validate(settings.model_dump())


def model_of(settings: ExperimentConfig, table: PuzzleTable) -> Reasoner:
    """A model whose embeddings are not all the same."""
    reasoner = build_reasoner(settings, table.rows)
    if isinstance(reasoner.context, PuzzleEmbedding):
        generator = torch.Generator().manual_seed(0)
        reasoner.context.table[1:] = torch.randn(table.rows - 1, 16, generator=generator)
    return reasoner


TABLE = PuzzleTable([SMALL[0].id], augmentations=1)  # the first task was trained on, no other


def evaluated(
    settings: ExperimentConfig, tasks: Sequence[Task], reasoner: Reasoner | None = None
) -> list[TestOutcome]:
    reasoner = reasoner or model_of(settings, TABLE)
    adapter = adapter_of(reasoner, settings, TABLE)
    return list(evaluate(reasoner, settings, key(tasks, VIEWS), tasks, TABLE, Stop(), (), adapter))


def adaptation_of(outcome: TestOutcome) -> AdaptationTrace:
    assert outcome.trace
    assert outcome.trace.adaptation
    return outcome.trace.adaptation


@every_case
def test_other_tasks_and_their_order_change_nothing_of_a_task(
    name: str, adaptation: LearningAdaptation
) -> None:
    settings = setting(name, adaptation)
    tasks = SMALL[:2]
    together = evaluated(settings, tasks)
    backwards = {each.task_id: each for each in evaluated(settings, tasks[::-1])}
    alone = [outcome for task in tasks for outcome in evaluated(settings, [task])]
    assert together == alone == [backwards[each.task_id] for each in together]


@every_case
def test_the_model_is_the_same_before_and_after(name: str, adaptation: LearningAdaptation) -> None:
    settings = setting(name, adaptation)
    reasoner = model_of(settings, TABLE).train()
    before = {key: tensor.clone() for key, tensor in reasoner.state_dict().items()}
    outcomes = evaluated(settings, SMALL[:2], reasoner)
    after = reasoner.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], tensor) for key, tensor in before.items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in reasoner.parameters())
    assert reasoner.training
    assert all(adaptation_of(each).steps == adaptation.steps for each in outcomes)


@every_case
def test_a_poisoned_truth_changes_nothing_but_the_verdict(name: str, adaptation: LearningAdaptation) -> None:
    settings = setting(name, adaptation)
    tasks = SMALL[:2]
    poisoned = [
        replace(task, tests=tuple(TestPair(test.input, POISON) for test in task.tests)) for task in tasks
    ]
    hidden = [replace(task, tests=tuple(TestPair(test.input) for test in task.tests)) for task in tasks]
    for one, two, three in zip(
        *(evaluated(settings, each) for each in (tasks, poisoned, hidden)), strict=True
    ):
        assert one.trace == two.trace == three.trace
        grids = [[candidate.grid for candidate in each.candidates] for each in (one, two, three)]
        assert grids[0] == grids[1] == grids[2]


@every_case
def test_what_is_asked_to_learn_moves_and_nothing_else(name: str, adaptation: LearningAdaptation) -> None:
    settings = setting(name, adaptation)
    reasoner = model_of(settings, TABLE)
    adapted = TaskAdapter(reasoner, settings, adaptation, TABLE).adapted(SMALL[1])
    copy, before = adapted.reasoner, reasoner.state_dict()
    now: dict[str, Tensor] = {
        name.replace(".base.", "."): tensor for name, tensor in copy.state_dict().items()
    }
    moved = {
        name
        for name, tensor in before.items()
        if name != "context.table" and not torch.equal(now[name], tensor)
    }
    encoder = {name for name, _ in reasoner.encoder_parameters()}
    if adaptation.kind in ("embedding", "adapters"):
        assert not moved
    elif adaptation.kind == "encoder":
        assert moved
        assert moved <= encoder
    else:
        assert moved - encoder
        assert bool(moved & encoder) == bool(encoder)
    if adaptation.kind == "adapters":
        assert any(tensor.any() for name, tensor in now.items() if name.endswith(".up"))
    if name == "trm":
        assert now["context.table"].shape == (1 + 3, 16)
        assert not now["context.table"][0].any()
        assert now["context.table"][1:].any(1).all()  # every form was learned


def test_an_embedding_that_was_trained_is_where_learning_begins() -> None:
    adaptation = EmbeddingAdaptation(**SHORT, learning_rate=1e-9)
    settings = setting("trm", adaptation)
    reasoner = model_of(settings, TABLE)
    adapter = TaskAdapter(reasoner, settings, adaptation, TABLE)
    for task, known in ((SMALL[0], 2), (SMALL[1], 0)):
        context = adapter.adapted(task).reasoner.context
        assert isinstance(context, PuzzleEmbedding)
        assert isinstance(reasoner.context, PuzzleEmbedding)
        torch.testing.assert_close(context.table[1 : 1 + known], reasoner.context.table[1 : 1 + known])
        assert context.table[1 + known :].abs().max() < 1e-6


def test_learning_goes_on_until_the_demonstrations_are_explained() -> None:
    adaptation = FullAdaptation(steps=120, batch_size=8, augmentations=0, learning_rate=0.01)
    (outcome,) = evaluated(setting("deterministic", adaptation), SMALL[:1])
    points = adaptation_of(outcome).points
    assert [point.step for point in points] == list(range(6, 121, 6))
    assert points[-1].loss < 0.75 * points[0].loss


@every_case
def test_every_decode_is_counted(name: str, adaptation: LearningAdaptation) -> None:
    (outcome,) = evaluated(setting(name, adaptation), SMALL[:1])
    trace = adaptation_of(outcome)
    asked = 3 * adaptation.steps * adaptation.batch_size
    if name == "per_demo":  # its latent steps decode what is shown, with a way back
        assert asked < trace.decodes <= asked * (1 + len(SMALL[0].demonstrations))
    else:
        assert trace.decodes == asked
    assert trace.learned > 0
    assert trace.seconds > 0


def test_the_cap_ends_learning_before_the_step_that_would_exceed_it() -> None:
    adaptation = EmbeddingAdaptation(**SHORT, most_decodes=3 * 12 - 1)
    (outcome,) = evaluated(setting("trm", adaptation), SMALL[:1])
    assert adaptation_of(outcome).steps == 2
    assert adaptation_of(outcome).decodes == 24
    long = EmbeddingAdaptation(**SHORT | {"steps": 10_000}, most_decodes=3 * 12 - 1)
    (outcome,) = evaluated(setting("trm", long), SMALL[:1])
    assert [each.step for each in adaptation_of(outcome).points] == [1, 2]
    tight = EmbeddingAdaptation(**SHORT, most_decodes=11)
    (outcome,) = evaluated(setting("trm", tight), SMALL[:1])
    assert adaptation_of(outcome).steps == adaptation_of(outcome).decodes == 0


def test_a_task_with_several_test_inputs_is_learned_once_and_counted_once() -> None:
    several = next(task for task in SMALL if len(task.tests) > 1)
    settings = setting("trm", EmbeddingAdaptation(**SHORT), batch_size=2)  # and in several batches
    tasks = [several, SMALL[0]]
    outcomes = evaluated(settings, tasks)
    assert len(outcomes) == len(several.tests) + 1
    assert len({id(each) for each in map(adaptation_of, outcomes)}) == 2
    extras = summarise(key(tasks), outcomes, seconds=3.0).extras
    assert extras["adapted_tasks"] == 2
    assert extras["adaptation_decodes"] == 2 * 36
    assert extras["adaptation_seconds"] > 0
    plain = list(evaluate(model_of(settings, TABLE), config(), key(tasks), tasks, TABLE, Stop()))
    assert "adapted_tasks" not in summarise(key(tasks), plain, seconds=3.0).extras


def test_a_lone_demonstration_is_learned_beside_itself() -> None:
    lone = replace(SMALL[0], demonstrations=SMALL[0].demonstrations[:1])
    for name, adaptation in (("trm", KINDS[0]), ("deterministic", KINDS[1])):
        (outcome,) = evaluated(setting(name, adaptation), [lone])
        assert adaptation_of(outcome).points


def test_an_evaluation_that_was_stopped_goes_on_to_the_same_answers() -> None:
    settings, tasks = setting("trm", KINDS[0]), SMALL[:3]
    whole = evaluated(settings, tasks)
    reasoner = model_of(settings, TABLE)
    adapter = adapter_of(reasoner, settings, TABLE)
    done = [(tasks[0].id, 0)]
    rest = evaluate(reasoner, settings, key(tasks, VIEWS), tasks, TABLE, Stop(), done, adapter)
    assert list(rest) == [each for each in whole if (each.task_id, each.test_index) not in done]


def test_a_stop_ends_learning_between_two_steps_and_leaves_the_model_usable() -> None:
    settings, task = setting("trm", KINDS[0]), SMALL[0]
    reasoner = model_of(settings, TABLE)
    adapter = adapter_of(reasoner, settings, TABLE)
    stop = LaterStop(2)  # the batch and the first step ask before
    asked = key([task], VIEWS)
    assert list(evaluate(reasoner, settings, asked, [task], TABLE, stop, (), adapter)) == []
    assert stop.asked == 3  # of the three steps one was taken
    again = list(evaluate(reasoner, settings, asked, [task], TABLE, Stop(), (), adapter))
    assert again == evaluated(settings, [task])


def test_every_task_of_trm_has_an_embedding_for_each_form_that_votes() -> None:
    settings = setting("trm", KINDS[0])
    adapter = TaskAdapter(model_of(settings, TABLE), settings, KINDS[0], TABLE)
    plan = Plan(SMALL[:3], settings, 8, adapter.puzzles)
    views = [view for number in range(plan.batches) for view in plan.batch(number).views]
    assert {view.puzzle_row for view in views} == {1, 2, 3}
    assert all(len({q.task.id for q in plan.batch(number).questions}) == 1 for number in range(plan.batches))


def test_an_adaptation_without_an_adapter_is_refused() -> None:
    settings = setting("trm", KINDS[0])
    plan = Plan(SMALL[:1], settings, 1, TABLE)
    with pytest.raises(ValueError, match="needs an adapter"):
        answer(model_of(settings, TABLE), settings, plan.batch(0), 1)


def test_adaptation_and_search_work_together_and_survive_packing() -> None:
    settings = setting("per_demo", KINDS[1], search=GradientSearch(steps=2))
    reasoner = model_of(settings, TABLE)
    adapter = adapter_of(reasoner, settings, TABLE)
    plan = Plan(SMALL[:1], settings, VIEWS, TABLE)
    parts = answer(reasoner, settings, plan.batch(0), 2, adapter)
    assert parts[0].search
    assert parts[0].adaptation
    assert unpack_votes(pack_votes(parts)) == parts
    assert unpack_votes(pack_votes(parts))[0].adaptation.seconds > 0  # type: ignore[union-attr]
    (outcome,) = evaluated(settings, SMALL[:1])
    assert outcome.trace
    assert unpack_trace(pack_trace(outcome.trace)) == outcome.trace
