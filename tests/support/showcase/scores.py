"""Evaluations of the made-up runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import lru_cache

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.alerts import service as alarms
from backend.db.session import session_scope
from backend.domain.arc.files import read_built_in
from backend.domain.arc.task import Task
from backend.domain.arc.votes import tally
from backend.domain.experiment import ExperimentConfig
from backend.domain.measurement import settings_of
from backend.domain.records import EvaluationKey, EvaluationSummary, Score, TestOutcome
from backend.evaluation import outcomes as predictions
from backend.lifecycle import service as runs
from backend.runs import queries as run_rows
from backend.scores.tables import Evaluation
from tests.support.showcase.answers import Solver, outcome
from worker.training.health.alarms import Alarms

ATTEMPTS = (1, 2, 5, 10)


def evaluate(engine: Engine, run_id: str, solver: Solver, steps: Sequence[int], finished: float) -> None:
    """Score the checkpoints of rising `steps` on the sets of the run's config, the last one at `finished`."""
    for at, step in enumerate(steps):
        back = len(steps) - 1 - at
        with session_scope(engine) as session:
            row = run_rows.get(session, run_id)
            assert row
            config = ExperimentConfig.model_validate(row.config)
            learned = replace(solver, skill=solver.skill - 0.55 * back)
            summaries = [
                _score(session, run_id, config, learned, kind, step, finished - 1_000 * back)
                for kind in (0, 1)
            ]
            if not back:
                _note_memorising(session, run_id, config, step, summaries)


@lru_cache
def fitting(set_name: str, side: int, number: int) -> tuple[Task, ...]:
    """The first tasks of a set that fit a canvas, truths included."""
    found = [task for task in read_built_in(set_name) if task.visible_side <= side and task.side <= side]
    return tuple(found[:number])


def _score(
    session: Session,
    run_id: str,
    config: ExperimentConfig,
    solver: Solver,
    at: int,
    step: int,
    finished: float,
) -> EvaluationSummary:
    asked = config.evaluation.sets[at]
    tasks = fitting(asked.name, max(config.data.canvas_sizes), asked.first_tasks or 400)
    if at:  # trained on: known by heart
        solver = replace(solver, skill=solver.skill + (0.0 if solver.collapsed else 3.2))
    key = EvaluationKey(
        asked.name,
        step,
        task_ids=tuple(task.id for task in tasks),
        **(asdict(settings_of(config)) | {"act_steps": solver.act_steps}),
    )
    evaluation_id = predictions.start_evaluation(session, run_id, key)
    outcomes = [
        outcome(task, test, solver, f"{config.variant} {config.seed} {step}")
        for task in tasks
        for test in range(len(task.tests))
    ]
    for each in outcomes:
        predictions.add_outcome(session, evaluation_id, each)
    summary = EvaluationSummary(
        key,
        passes={k: Score(_solved(tasks, outcomes, k), len(tasks)) for k in ATTEMPTS},
        failure_modes=_modes(outcomes),
        seconds=(41.0 + config.seed) * (9 if solver.searches else 1) * len(tasks) / 64,
        extras={
            "test_inputs": len(outcomes),
            "by_dihedral": tally((each.trace, each.truth_rank) for each in outcomes if each.trace),
            **({"search_decodes": 300 * 16 * len(outcomes)} if solver.searches else {}),
        },
    )
    predictions.finish_evaluation(session, evaluation_id, summary)
    row = session.get(Evaluation, evaluation_id)
    assert row
    row.created_at, row.finished_at = finished - summary.seconds, finished
    return summary


def _solved(tasks: Sequence[Task], outcomes: Sequence[TestOutcome], k: int) -> float:
    """Tasks solved within k attempts; one with several test inputs counts the share solved."""
    by_task: dict[str, list[bool]] = {task.id: [] for task in tasks}
    for each in outcomes:
        by_task[each.task_id].append(each.truth_rank is not None and each.truth_rank <= k)
    return sum(sum(solved) / len(solved) for solved in by_task.values())


def _modes(outcomes: Sequence[TestOutcome]) -> dict[str, int]:
    modes = [each.candidates[0].failure_mode for each in outcomes]
    wrong = [mode for mode in modes if mode]
    return {mode: wrong.count(mode) for mode in dict.fromkeys(wrong)}


def _note_memorising(
    session: Session, run_id: str, config: ExperimentConfig, step: int, summaries: Sequence[EvaluationSummary]
) -> None:
    rules = Alarms(config.health)
    last = runs.get(session, run_id).metrics.get("accuracy/exact")
    rules.exacts = [last.last] if last and last.last is not None else []
    for alarm in rules.check_scores(step, summaries[:1]):  # the held-out set
        alarms.raise_once(session, run_id, alarm)
