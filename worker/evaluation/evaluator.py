"""Scores a reasoner on test inputs: views, ACT steps, undo, vote, judge; one test input at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from backend.domain.arc.task import Task
from backend.domain.arc.votes import ActStep, QuestionVotes, SearchTrace, cost_of_adaptation, tally
from backend.domain.experiment import ExperimentConfig, NoSearch, TrmModel
from backend.domain.interventions import Intervention, kind_of
from backend.domain.records import (
    NO_EMBEDDING,
    TRUTH_UNKNOWN,
    UNCOUNTED,
    WITHOUT_EMBEDDING,
    EvaluationKey,
    EvaluationSummary,
    TestOutcome,
)
from backend.domain.statistics import pass_at, ranks_by_task
from worker.data.puzzles import PuzzleTable
from worker.evaluation.adapting import Adapter, answering
from worker.evaluation.contexts import Replacing
from worker.evaluation.decoding import Searching, decode
from worker.evaluation.judging import gathered, judge, not_fitting, together
from worker.evaluation.plan import Plan, PlannedBatch
from worker.evaluation.undoing import votes_of
from worker.evaluation.views import Question, seed_of
from worker.kit.device import Device
from worker.kit.stopping import Stop, Stopped
from worker.models.reasoner import Reasoner

ATTEMPTS = (1, 2, 5, 10)  # the k of pass@k
BLANK, RANDOM = Intervention.BLANK, Intervention.RANDOM


def evaluate(
    reasoner: Reasoner,
    config: ExperimentConfig,
    key: EvaluationKey,
    tasks: Iterable[Task],
    puzzles: PuzzleTable,
    stop: Stop,
    already: Collection[tuple[str, int]] = (),
    adapter: Adapter | None = None,
) -> Iterator[TestOutcome]:
    """One outcome per test input of `tasks` as soon as its views are done; a stop ends it between batches,
    or between the steps of an adaptation or a search.

    `already` are (task id, test index) to skip: those an earlier, stopped evaluation has done. The others
    come out as if it had never stopped. `key` says how many views and ACT steps. Test inputs that fit no
    canvas come first, as failed. `adapter` makes the model of each task where the config asks for that.
    """
    plan = plan_of(tasks, config, key.views, puzzles, adapter, kind_of(key.intervention))
    yield from (not_fitting(each, config) for each in plan.fitting_none if each.name not in already)
    parts: dict[tuple[str, int], list[QuestionVotes]] = {}
    for number in range(plan.batches):
        planned = plan.batch(number)
        missing = [each for each in planned.questions if each.name not in already]
        if not missing:
            continue
        if stop.requested:
            return
        try:
            answered = answer(reasoner, config, planned, key.act_steps, adapter, stop)
        except Stopped:
            return
        for part in answered:
            parts.setdefault((part.task_id, part.test_index), []).append(part)
        for question in missing:
            if plan.batches_of(question)[-1] == number:
                yield outcome_of(question, parts.pop(question.name), plan, config)


def plan_of(
    tasks: Iterable[Task],
    config: ExperimentConfig,
    views: int,
    puzzles: PuzzleTable,
    adapter: Adapter | None,
    intervention: Intervention = Intervention.NONE,
) -> Plan:
    """The batches of an evaluation of `tasks`. Those of an adaptation have rows of its own puzzle table."""
    return Plan(tasks, config, views, adapter.puzzles if adapter else puzzles, intervention)


def answer(
    reasoner: Reasoner,
    config: ExperimentConfig,
    planned: PlannedBatch,
    act_steps: int,
    adapter: Adapter | None = None,
    stop: Stop | None = None,
) -> list[QuestionVotes]:
    """What the views of one batch vote for, by question: adapt, then search, then decode. Stopped where a
    stop is asked for while it adapts or searches."""
    device = Device(next(reasoner.parameters()).device, config.training.precision)
    reasoner, adaptation = answering(reasoner, config, planned, adapter, stop)
    first = [row for row, view in enumerate(planned.views) if view.views[0].number == 0]
    traced = first if config.evaluation.trace_steps else []
    searching = _searching(config, planned)
    replacing = _replacing(config, planned)
    decoded = decode(reasoner, planned.batch(), act_steps, device, traced, searching, first, replacing, stop)
    votes = votes_of(planned.views, decoded.final)
    steps: dict[Question, tuple[ActStep, ...]] = {}
    searches: dict[Question, list[SearchTrace]] = {}
    for row, view in enumerate(planned.views):
        if decoded.searches:
            searches.setdefault(view.question, []).append(decoded.searches[row])
        if row in decoded.steps:
            steps[view.question] = tuple(
                ActStep(step, grid, probability)
                for step, (grid, probability) in enumerate(decoded.steps[row], 1)
            )
    return [
        QuestionVotes(
            each.task.id,
            each.test_index,
            tuple(votes[each]),
            steps.get(each, ()),
            together(searches.get(each, [])),
            adaptation,
        )
        for each in planned.questions
    ]


def outcome_of(
    question: Question, parts: list[QuestionVotes], plan: Plan, config: ExperimentConfig
) -> TestOutcome:
    """The outcome of a question whose batches are all done; one without an embedding is noted as such."""
    whole = gathered(question, parts)
    outcome = judge(question, whole, config.evaluation.keep_candidates, plan.room_of(question))
    if outcome.note == TRUTH_UNKNOWN or not plan.lacks_embedding(question):
        return outcome
    return replace(outcome, note=NO_EMBEDDING)


def summarise(key: EvaluationKey, outcomes: Iterable[TestOutcome], seconds: float) -> EvaluationSummary:
    """pass@k over the tasks evaluated, and why first attempts fail. Unknown truths do not count, and tasks
    that TRM has no embedding for are stated apart."""
    outcomes = list(outcomes)
    judged = [outcome for outcome in outcomes if outcome.note not in UNCOUNTED]
    ranks = _ranks(judged)
    traces = [(outcome.trace, outcome.truth_rank) for outcome in judged if outcome.trace]
    firsts = (outcome.candidates[0].failure_mode for outcome in judged if outcome.candidates)
    return EvaluationSummary(
        key=key,
        passes={k: pass_at(ranks, k) for k in ATTEMPTS},
        failure_modes=dict(Counter(mode.value for mode in firsts if mode is not None)),
        seconds=seconds,
        extras={
            **({"by_dihedral": tally(traces)} if traces else {}),
            **_apart(outcomes),
            **_cost_of_search(outcomes, seconds),
            **cost_of_adaptation(outcome.trace for outcome in outcomes if outcome.test_index == 0),
        },
    )


def _ranks(outcomes: Iterable[TestOutcome]) -> dict[str, list[int | None]]:
    """Task id -> the truth's rank in each of its test inputs."""
    return ranks_by_task((outcome.task_id, outcome.truth_rank) for outcome in outcomes)


def _apart(outcomes: Iterable[TestOutcome]) -> dict[str, Any]:
    """The tasks without an embedding and what became of them; nothing where there are none."""
    ranks = _ranks(outcome for outcome in outcomes if outcome.note == NO_EMBEDDING)
    if not ranks:
        return {}
    scores = {str(k): pass_at(ranks, k) for k in ATTEMPTS}
    passes = {k: [score.solved, score.n] for k, score in scores.items()}
    return {WITHOUT_EMBEDDING: {"tasks": sorted(ranks), "passes": passes}}


def _cost_of_search(outcomes: Sequence[TestOutcome], seconds: float) -> dict[str, float]:
    """What a task's search costs: its decodes, and the seconds of the whole evaluation."""
    decodes = [each.trace.search.decodes for each in outcomes if each.trace and each.trace.search]
    tasks = len({outcome.task_id for outcome in outcomes})
    if not decodes:
        return {}
    return {"search_decodes_per_task": sum(decodes) / tasks, "seconds_per_task": seconds / tasks}


def _searching(config: ExperimentConfig, planned: PlannedBatch) -> Searching | None:
    """How the latents of a batch are refined; None where they are not."""
    search = config.evaluation.search
    if isinstance(search, NoSearch):
        return None
    return Searching(search, [seed_of(view, config.seed) for view in planned.views])


def _replacing(config: ExperimentConfig, planned: PlannedBatch) -> Replacing | None:
    """What takes the place of the contexts that an encoder finds; None where they stay. TRM's are rows of
    its table, which the plan has chosen."""
    if isinstance(config.model, TrmModel) or planned.intervention not in (BLANK, RANDOM):
        return None
    is_random = planned.intervention == RANDOM
    return Replacing([seed_of(view, config.seed) for view in planned.views] if is_random else None)
