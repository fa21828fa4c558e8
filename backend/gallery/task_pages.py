"""`/tasks`: the tasks of a set; `/tasks/{set}/{id}`: one puzzle and what every run made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import Query
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from backend.data import service as datasets
from backend.db.session import reading_scope
from backend.domain.arc.task import MAX_ID_LENGTH
from backend.evaluation_page import traces
from backend.evaluation_page.failure_modes import MODES
from backend.evaluation_page.traces import AdaptationView, SearchView, StepsView, VotesView
from backend.gallery import service as gallery
from backend.gallery.contexts import RunOnTask, TaskPage, TasksPage, TaskTile
from backend.gallery.service import SIZES, Answer
from backend.kit.errors import InvalidInput, NotFound
from backend.kit.problems import not_valid
from backend.web.deps import Database
from backend.web.rendering import render
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, include_in_schema=False)

TILES = 60


@router.get("/tasks")
def tasks_page(
    engine: Database,
    set: str = "",
    task: Annotated[str, Query(max_length=MAX_ID_LENGTH)] = "",
    size: str = "",
    cursor: str | None = None,
) -> HTMLResponse:
    """The tasks of a set as thumbnails, the first set's if none is named."""
    if size and size not in SIZES:
        raise InvalidInput("Invalid query.", problems=[not_valid("size", size, SIZES)])
    with reading_scope(engine) as session:
        sets = datasets.sets(session)
        name = set or next((each.name for each in sets), "")
        page = datasets.page(session, name, TILES, cursor, task, SIZES.get(size)) if name else None
        found = page.tasks if page else ()
        solved = gallery.solved_by_task(session, name, [each.id for each in found])
    asked = {key: value for key, value in {"set": name, "task": task, "size": size}.items() if value}
    more = page.next_cursor if page else None
    context = TasksPage(
        sets=sets,
        set_name=name,
        text=task,
        size=size,
        tiles=[TaskTile(each, *solved.get(each.id, (0, 0))) for each in found],
        next_address=f"/tasks?{urlencode(asked | {'cursor': more})}" if more else None,
    )
    return render(context)


@router.get("/tasks/{set_name:path}/{task_id}")
def task_page(
    set_name: str,
    task_id: str,
    engine: Database,
    test: Annotated[int, Query(ge=1, description="Number of the test input.")] = 1,
    outcome: Annotated[int | None, Query(description="Whose votes are shown.")] = None,
    evaluation: Annotated[int | None, Query(description="The same, by the evaluation it belongs to.")] = None,
) -> HTMLResponse:
    """One puzzle, every run's answer to one of its test inputs, and the votes behind one of them."""
    with reading_scope(engine) as session:
        task = datasets.task(session, set_name, task_id)
        index = min(test, len(task.tests)) - 1
        answers = gallery.of_task(session, set_name, task_id, index)
        before, behind = datasets.neighbours(session, set_name, task_id)
        newest = answers[0] if answers else None
        wanted = (
            each for each in answers if outcome == each.outcome_id or evaluation == each.source.evaluation
        )
        chosen = next(wanted, newest)
        found = _traces(session, chosen) if chosen else _Traces()
    runs = _by_run(answers)
    context = TaskPage(
        set_name=set_name,
        task=task,
        test_index=index,
        runs=runs,
        by_variant=_by_variant(runs),
        chosen=chosen,
        votes=found.votes,
        steps=found.steps,
        adaptation=found.adaptation,
        search=found.search,
        flips=_flips(found.steps) if found.steps else (),
        before=before,
        behind=behind,
        meanings=MODES,
    )
    return render(context)


class _Traces(NamedTuple):
    """Who voted for what, the ACT steps, the adaptation and the search; None where there was none."""

    votes: VotesView | None = None
    steps: StepsView | None = None
    adaptation: AdaptationView | None = None
    search: SearchView | None = None


def _traces(session: Session, answer: Answer) -> _Traces:
    """Everything that was kept of how an answer came about."""
    place = (answer.source.evaluation, answer.outcome.task_id, answer.outcome.test_index)
    found = _Traces()
    with suppress(NotFound):
        found = found._replace(votes=traces.votes(session, *place))
    with suppress(NotFound):
        found = found._replace(steps=traces.steps(session, *place))
    with suppress(NotFound):
        found = found._replace(adaptation=traces.adaptation(session, *place))
    with suppress(NotFound):
        found = found._replace(search=traces.search(session, *place))
    return found


def _flips(steps: StepsView) -> list[tuple[int, bool]]:
    """(step, whether it is right from there on) wherever the answer becomes right or wrong."""
    found: list[tuple[int, bool]] = []
    right = False
    for each in steps.steps:
        if each.correct is not None and each.correct != right:
            right = each.correct
            found.append((each.step, right))
    return found


def _by_run(answers: Sequence[Answer]) -> list[RunOnTask]:
    """Answers, newest first, as runs: the newest answer of each, and one for each checkpoint."""
    by_run: dict[str, list[Answer]] = {}
    for answer in answers:
        by_run.setdefault(answer.source.run_id, []).append(answer)
    return [RunOnTask(found[0], _by_step(found)) for found in by_run.values()]


def _by_step(answers: Sequence[Answer]) -> list[Answer]:
    """One answer a step: where a checkpoint was asked by several protocols, that of the newest answer, and
    without it the newest."""
    usual = answers[0].source.settings
    ordered = sorted(answers, key=lambda each: (each.source.settings == usual, each.source.evaluation))
    found = {each.source.step: each for each in ordered}
    return [found[step] for step in sorted(found)]


def _by_variant(runs: Sequence[RunOnTask]) -> dict[str, tuple[int, int]]:
    """Variant -> runs whose newest first attempt is right, of how many; the best first."""
    asked = Counter(run.newest.source.variant for run in runs)
    right = Counter(run.newest.source.variant for run in runs if run.is_right)
    ordered = sorted(asked, key=lambda name: (-right[name] / asked[name], name))
    return {name: (right[name], asked[name]) for name in ordered}
