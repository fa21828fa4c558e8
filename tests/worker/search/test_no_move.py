"""A search that moves nothing is no search: the same numbers, for every way to tell the core its task."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from backend.domain.experiment import (
    EvolutionarySearch,
    ExperimentConfig,
    GradientSearch,
    MovingSearch,
    NoSearch,
    RandomSearch,
)
from tests.support.models import PUZZLES, SMALL_ENCODERS, etrm, random_batch, trm
from tests.support.solvers import SMALL, Stop, config, key
from worker.data.puzzles import PuzzleTable
from worker.evaluation.evaluator import evaluate
from worker.models.build import build_reasoner
from worker.models.context.puzzle_embedding import PuzzleEmbedding
from worker.models.reasoner import Reasoner
from worker.search.refinement import refine

STEPS = 4
MODELS: dict[str, ExperimentConfig] = {
    **{kind: etrm(encoder) for kind, encoder in SMALL_ENCODERS.items()},
    "iterative, cached": etrm(SMALL_ENCODERS["iterative"], reencode=False),
    "trm": trm(),
}
STILL: dict[str, MovingSearch] = {
    "no steps": GradientSearch(steps=0),
    "learning rate 0": GradientSearch(steps=3, learning_rate=0, schedule="cosine"),
    "sign, learning rate 0": GradientSearch(steps=3, learning_rate=0, optimiser="sign"),
    "starts that coincide": GradientSearch(steps=3, learning_rate=0, starts=3, perturbation=0),
    "leave one out": GradientSearch(steps=2, learning_rate=0, leave_one_out=True),
    "held out": GradientSearch(steps=2, learning_rate=0, selection="held_out", act_steps=2),
    "no draws": RandomSearch(samples=0),
    "scale 0": RandomSearch(samples=5, scale=0),
    "no generations": EvolutionarySearch(generations=0),
    "generations of scale 0": EvolutionarySearch(generations=3, scale=0),
    "no compute": GradientSearch(steps=3, most_decodes=1),
}


def model(name: str) -> Reasoner:
    reasoner = build_reasoner(MODELS[name], PUZZLES).eval()
    if isinstance(reasoner.context, PuzzleEmbedding):  # as after training: a row of zeros tells nothing
        table = reasoner.context.table
        table.copy_(torch.randn(table.shape, generator=torch.Generator().manual_seed(1)))
    return reasoner


@pytest.mark.parametrize("name", MODELS)
def test_a_move_of_size_zero_changes_no_number_at_any_act_step(name: str) -> None:
    reasoner = model(name)
    for seed, search in enumerate(STILL.values()):
        batch = random_batch(seed)
        rough = torch.autocast("cpu", dtype=torch.bfloat16, enabled=seed % 2 == 1)
        with torch.inference_mode(), rough:
            found = refine(reasoner, batch, search, range(len(batch.inputs)), STEPS)
            plain = [output.logits for output in reasoner.outputs(batch, STEPS)]
            moved = [output.logits for output in reasoner.outputs(batch, STEPS, found.moved(reasoner))]
        # The same operations on the same values: nothing may round otherwise.
        assert all(torch.equal(one, two) for one, two in zip(plain, moved, strict=True)), search
        assert len(found.moments) >= 1


@pytest.mark.parametrize("name", MODELS)
def test_a_course_is_what_single_steps_find(name: str) -> None:
    reasoner, batch = model(name), random_batch(3)
    carry, logits = reasoner.initial_carry(batch), []
    with torch.no_grad():
        for _ in range(STEPS):
            output = reasoner.step(carry, batch)
            carry = output.carry
            logits.append(output.logits)
        assert all(
            torch.equal(one, two.logits)
            for one, two in zip(logits, reasoner.outputs(batch, STEPS), strict=True)
        )
    stateful = bool(carry.context_state)
    assert len(reasoner.course(batch, STEPS)) == (STEPS if stateful else 1)


@pytest.mark.parametrize("search", STILL.values(), ids=STILL)
def test_an_evaluation_that_moves_nothing_votes_as_one_without_a_search(search: MovingSearch) -> None:
    tasks = SMALL[:3]
    encoder: Any = SMALL_ENCODERS["iterative"]
    votes = []
    for each in (NoSearch(), search):
        settings = config(search=each)
        settings = settings.model_copy(
            update={"model": settings.model.model_copy(update={"encoder": encoder})}
        )
        reasoner = build_reasoner(settings, 1)
        outcomes = evaluate(reasoner, settings, key(tasks, 4), tasks, PuzzleTable(), Stop())
        votes.append([outcome.candidates for outcome in outcomes])
    assert votes[0] == votes[1]
