"""The gallery: test inputs beside what evaluations made of them, one by one or several side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

from sqlalchemy import Row
from sqlalchemy.orm import Session

from backend.data.queries import task_from
from backend.data.tables import Task as TaskRow
from backend.domain.arc.grid import Grid
from backend.domain.arc.task import Task
from backend.domain.measurement import Settings
from backend.domain.records import FailureMode, TestOutcome
from backend.evaluation.outcomes import CORRECT, outcome_from
from backend.gallery import queries as rows
from backend.gallery.queries import Position, Wanted
from backend.kit import cursors
from backend.kit.boundary import Broken, shielded
from backend.kit.errors import InvalidInput, NotFound
from backend.kit.problems import invalid_query, not_valid
from backend.runs.tables import Run
from backend.scores import queries as evaluation_rows
from backend.scores import tables
from backend.scores.paired import obstacles

MAX_PAGE = 200
MAX_COLUMNS = 6
MAX_ANSWERS = 500  # evaluations shown of one test input
NO_ANSWER = "no answer"
MODES = (CORRECT, *FailureMode)
# name -> longest side of any grid of the task, from and to
SIZES: Mapping[str, tuple[int, int]] = {"small": (1, 10), "medium": (11, 20), "large": (21, 30)}
CHANGES: Mapping[str, str] = {
    "a_only": "A solves, B fails",
    "b_only": "B solves, A fails",
    "both": "both solve",
    "neither": "neither solves",
    "differ": "one of the two solves",
}


@dataclass(frozen=True)
class Filter:
    """What the gallery shows. Empty means all; `evaluations` stand side by side, A and B first."""

    evaluations: tuple[int, ...] = ()
    set_name: str = ""
    runs: tuple[str, ...] = ()
    variant: str = ""
    task: str = ""
    mode: str = ""  # of the first attempt (of A)
    size: str = ""
    change: str = ""
    attempts: int = 1


@dataclass(frozen=True)
class Source:
    """Which evaluation an answer comes from: a number is never shown without it."""

    evaluation: int
    run_id: str
    run_name: str
    variant: str
    seed: int | None
    set_name: str
    step: int
    settings: Settings
    status: str  # running, finished


@dataclass(frozen=True)
class Answer:
    """What one evaluation made of a test input; its candidates by rank."""

    source: Source
    outcome_id: int
    outcome: TestOutcome


@dataclass(frozen=True)
class Item:
    """A test input with one answer per evaluation shown, None where one has not asked it.

    `task`, `test_input` and `truth` are None where the task has gone from its set.
    """

    set_name: str
    task_id: str
    test_index: int
    task: Task | None
    test_input: Grid | None
    truth: Grid | None
    answers: tuple[Answer | None, ...]
    problem: str = ""  # why it cannot be shown; then there is nothing of it but where it belongs


@dataclass(frozen=True)
class Page:
    """Items and the cursor of the next page, None on the last."""

    items: tuple[Item, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class Choices:
    """What a filter can be set to."""

    sets: tuple[str, ...]
    variants: tuple[str, ...]
    evaluations: tuple[Source, ...]  # on the chosen set, newest first


def page(session: Session, wanted: Filter, limit: int = 24, cursor: str | None = None) -> Page:
    """The test inputs that match, newest evaluation first; InvalidInput names what cannot be used."""
    if not 1 <= limit <= MAX_PAGE:
        raise invalid_query("limit", f"must lie in 1 to {MAX_PAGE}, not {limit}.")
    checked = _checked(wanted)
    if wanted.change:
        _check_one_set(session, wanted)
    found = rows.rows(session, checked, limit + 1, _position(cursor))
    shown, more = cursors.cut(found, limit, _key)
    items = _side_by_side(session, shown, wanted) if wanted.evaluations else _one_by_one(session, shown)
    return Page(items, more)


def modes(session: Session, wanted: Filter) -> dict[str, int]:
    """How many of the first attempts are correct and how many failed how, whatever mode is filtered for."""
    counted: dict[str, int] = {}
    for correct, mode, number in rows.modes(session, _checked(replace(wanted, mode=""))):
        name = CORRECT if correct else (mode or NO_ANSWER)
        counted[name] = counted.get(name, 0) + number
    return {name: counted[name] for name in (*MODES, NO_ANSWER) if name in counted}


def of_task(session: Session, set_name: str, task_id: str, test_index: int) -> tuple[Answer, ...]:
    """What every evaluation made of a test input, newest first, at most `MAX_ANSWERS`."""
    found = rows.of_task(session, set_name, task_id, test_index, MAX_ANSWERS)
    candidates = _candidates(session, [outcome for outcome, *_ in found])
    made = (
        shielded(f"answer {outcome.id}", partial(_answer, _source(each, run), outcome, candidates))
        for outcome, each, run in found
    )
    return tuple(answer for answer in made if not isinstance(answer, Broken))


def solved_by_task(session: Session, set_name: str, task_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Task -> (test inputs solved at the first attempt, asked), over all evaluations that asked it."""
    return {task: (solved, asked) for task, solved, asked in rows.solved_by_task(session, set_name, task_ids)}


def sources(session: Session, evaluation_ids: Sequence[int]) -> tuple[Source, ...]:
    """These evaluations in this order; NotFound names one that is not there."""
    found = {each.id: _source(each, run) for each, run in rows.with_runs(session, evaluation_ids)}
    missing = [each for each in evaluation_ids if each not in found]
    if missing:
        raise NotFound(f"Evaluation {missing[0]} not found.", "A run's page lists its evaluations.")
    return tuple(found[each] for each in evaluation_ids)


def obstacles_of(session: Session, evaluation_ids: Sequence[int]) -> dict[int, str]:
    """Evaluation -> why it is not comparable with the first, in words; without those that are. NotFound."""
    sources(session, evaluation_ids)
    found = [each for name in evaluation_ids if (each := evaluation_rows.get(session, name))]
    reasons = {each.id: "; ".join(obstacles(found[0], each)) for each in found[1:]}
    return {name: reason for name, reason in reasons.items() if reason}


def earlier(session: Session, source: Source) -> tuple[Source, ...]:
    """Earlier finished evaluations of the same run on the same set with the same settings, newest first."""
    found = rows.with_runs(session, set_name=source.set_name, run_id=source.run_id, finished=True)
    others = [_source(evaluation, run) for evaluation, run in found]
    return tuple(
        other
        for other in others
        if other.settings == source.settings
        and (other.step, other.evaluation) < (source.step, source.evaluation)
    )


def newest_of_each_variant(session: Session, set_name: str) -> tuple[int, ...]:
    """Ids of the newest finished evaluation of every variant on a set, at most six."""
    return tuple(each for _, each in rows.newest_by_variant(session, set_name))[:MAX_COLUMNS]


def choices(session: Session, set_name: str) -> Choices:
    """What there is to choose from."""
    found = rows.with_runs(session, set_name=set_name or None)
    return Choices(
        tuple(rows.evaluated_sets(session)),
        tuple(filter(None, rows.evaluated_variants(session))),
        tuple(_source(each, run) for each, run in found),
    )


def _checked(wanted: Filter) -> Wanted:
    for field, value, known in (
        ("mode", wanted.mode, MODES),
        ("size", wanted.size, tuple(SIZES)),
        ("change", wanted.change, tuple(CHANGES)),
    ):
        if value and value not in known:
            raise InvalidInput("Invalid query.", problems=[not_valid(field, value, known)])
    if len(wanted.evaluations) > MAX_COLUMNS:
        raise invalid_query("evaluation", f"at most {MAX_COLUMNS} can be compared side by side.")
    if wanted.change and len(wanted.evaluations) < 2:
        raise invalid_query("change", "compares two evaluations.", "Give evaluation twice: A and B.")
    if wanted.attempts < 1:
        raise invalid_query("attempts", f"must be at least 1, not {wanted.attempts}.")
    return Wanted(
        evaluations=wanted.evaluations,
        set_name=wanted.set_name or None,
        run_ids=wanted.runs,
        variant=wanted.variant or None,
        task=wanted.task.strip(),
        mode=wanted.mode or None,
        sides=SIZES[wanted.size] if wanted.size else None,
        change=wanted.change or None,
        attempts=wanted.attempts,
    )


def _check_one_set(session: Session, wanted: Filter) -> None:
    """Tasks of two sets may share their ids and nothing else."""
    a, b = sources(session, wanted.evaluations[:2])
    if a.set_name != b.set_name:
        text = f"A and B are not comparable: different task sets ({a.set_name} and {b.set_name})."
        raise invalid_query("change", text, "Choose two evaluations on one set.")


Found = Sequence[Row[tables.Outcome, tables.Evaluation, Run, TaskRow | None]]


def _one_by_one(session: Session, found: Found) -> tuple[Item, ...]:
    candidates = _candidates(session, [outcome for outcome, *_ in found])

    def answers(outcome: tables.Outcome, evaluation: tables.Evaluation, run: Run) -> list[Answer | None]:
        return [_answer(_source(evaluation, run), outcome, candidates)]

    return tuple(
        _item(outcome, evaluation.set_name, task, partial(answers, outcome, evaluation, run))
        for outcome, evaluation, run, task in found
    )


def _side_by_side(session: Session, found: Found, wanted: Filter) -> tuple[Item, ...]:
    """One answer per evaluation asked for, in the order in which they were."""
    columns = sources(session, wanted.evaluations)
    task_ids = {outcome.task_id for outcome, *_ in found}
    others = rows.outcomes_at(session, wanted.evaluations, task_ids)
    candidates = _candidates(session, others)
    at = {(each.evaluation_id, each.task_id, each.test_index): each for each in others}

    def answers(outcome: tables.Outcome, set_name: str) -> list[Answer | None]:
        place = (outcome.task_id, outcome.test_index)
        given = [at.get((column.evaluation, *place)) for column in columns]
        return [
            None if each is None or column.set_name != set_name else _answer(column, each, candidates)
            for column, each in zip(columns, given, strict=True)
        ]

    return tuple(
        _item(outcome, evaluation.set_name, task, partial(answers, outcome, evaluation.set_name))
        for outcome, evaluation, _, task in found
    )


Candidates = Mapping[int, Sequence[tables.Prediction]]  # by the id of their outcome


def _candidates(session: Session, found: Sequence[tables.Outcome]) -> Candidates:
    return evaluation_rows.predictions_of(session, [each.id for each in found])


def _answer(source: Source, outcome: tables.Outcome, candidates: Candidates) -> Answer:
    return Answer(source, outcome.id, outcome_from(outcome, candidates.get(outcome.id, [])))


def _item(
    outcome: tables.Outcome,
    set_name: str,
    row: TaskRow | None,
    answers: Callable[[], Sequence[Answer | None]],
) -> Item:
    """One that cannot be read says so in its place."""
    made = shielded(f"task {outcome.task_id!r}", lambda: _whole_item(outcome, set_name, row, answers()))
    if isinstance(made, Broken):
        return Item(set_name, outcome.task_id, outcome.test_index, None, None, None, (), made.text)
    return made


def _whole_item(
    outcome: tables.Outcome, set_name: str, row: TaskRow | None, answers: Sequence[Answer | None]
) -> Item:
    task = task_from(row.id, row.demonstrations, row.tests) if row else None
    test = task.tests[outcome.test_index] if task and outcome.test_index < len(task.tests) else None
    return Item(
        set_name=set_name,
        task_id=outcome.task_id,
        test_index=outcome.test_index,
        task=task,
        test_input=test.input if test else None,
        truth=test.output if test else None,
        answers=tuple(answers),
    )


def _source(evaluation: tables.Evaluation, run: Run) -> Source:
    return Source(
        evaluation=evaluation.id,
        run_id=run.id,
        run_name=run.name,
        variant=run.variant,
        seed=run.seed,
        set_name=evaluation.set_name,
        step=evaluation.step,
        settings=Settings(**{field.name: getattr(evaluation, field.name) for field in fields(Settings)}),
        status=evaluation.status,
    )


def _position(cursor: str | None) -> Position | None:
    after = cursors.read(cursor, int, int, str)
    return (after[0], after[2], after[1]) if after else None


def _key(row: Row[tables.Outcome, tables.Evaluation, Run, TaskRow | None]) -> tuple[int, int, str]:
    return row[0].evaluation_id, row[0].test_index, row[0].task_id
