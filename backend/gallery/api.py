"""/api/v1/gallery: what evaluations made of test inputs, across runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field

from backend.data import service as datasets
from backend.data.api import GRID, PairView, SetName
from backend.db.session import reading_scope
from backend.domain.arc.task import MAX_ID_LENGTH
from backend.evaluation_page.predictions_api import CandidateView, candidate_view
from backend.gallery import service as gallery
from backend.gallery.service import CHANGES, MAX_PAGE, SIZES, Answer, Filter, Item
from backend.kit.model import Model
from backend.kit.problems import invalid_query
from backend.web.deps import Database
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, tags=["gallery"])


def _filter(
    evaluation: Annotated[
        list[str], Query(description="Ids of evaluations to set side by side: A, B and so on; none: all.")
    ] = [],  # noqa: B006 — read, never changed
    run: Annotated[list[str], Query(description="Ids of runs.")] = [],  # noqa: B006
    set: Annotated[str, Query(description="Name of a set.", examples=["arc-agi-1/evaluation"])] = "",
    variant: str = "",
    task: Annotated[str, Query(description="Part of a task's id.", max_length=MAX_ID_LENGTH)] = "",
    mode: Annotated[str, Query(description="Of the first attempt (of A), or `correct`.")] = "",
    size: Annotated[str, Query(description=f"{', '.join(SIZES)}: by the task's longest side.")] = "",
    change: Annotated[str, Query(description=f"{', '.join(CHANGES)}: between A and B.")] = "",
    attempts: Annotated[int, Query(ge=1, le=1000, description="Within which one counts as solved.")] = 1,
) -> Filter:
    return Filter(
        evaluations=tuple(_number(each) for each in evaluation if each),
        set_name=set,
        runs=tuple(filter(None, run)),
        variant=variant,
        task=task,
        mode=mode,
        size=size,
        change=change,
        attempts=attempts,
    )


GalleryFilter = Annotated[Filter, Depends(_filter)]


class SourceView(Model):
    """Which evaluation an answer comes from."""

    evaluation: int
    run: str
    run_name: str
    variant: str
    seed: int | None
    step: int
    weights: str
    views: int
    act_steps: int
    search: str = Field(description="The search's config as JSON; empty without one.")
    adaptation: str = Field(description="The adaptation's config as JSON; empty without one.")
    canvas: str = Field(description='"trimmed +N": to N cells around the visible grids; empty: square.')
    distinct_views: bool = Field(description="Views that look alike vote once.")


class AnswerView(Model):
    """What one evaluation made of a test input."""

    outcome: int = Field(description="Id, for the address of its votes on the task's page.")
    source: SourceView
    truth_rank: int | None = Field(description="Among all candidates; null without a vote.")
    views: int = Field(description="How many voted.")
    note: str
    candidates: list[CandidateView]


class GalleryItem(Model):
    """A test input with one answer per evaluation; null where one has not asked it."""

    set: str
    task_id: str
    test_index: int
    demonstrations: list[PairView]
    input: str | None = Field(description=f"{GRID} null where the task has gone from its set.")
    truth: str | None
    answers: list[AnswerView | None]


class GalleryPage(Model):
    """A page of test inputs; pass `next_cursor` as `cursor` for the next one."""

    items: list[GalleryItem]
    next_cursor: str | None
    modes: dict[str, int] = Field(description="First attempts by how they failed, whatever `mode` asks for.")
    not_comparable: dict[int, str] = Field(
        {}, description="Evaluation -> why its answers are not comparable with those of A; else left out."
    )


@router.get("/gallery", responses=responses(401, 404, 422))
def read_gallery(
    wanted: GalleryFilter,
    engine: Database,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 24,
    cursor: str | None = None,
) -> GalleryPage:
    """List test inputs and the answers to them, newest evaluation first."""
    with reading_scope(engine) as session:
        page = gallery.page(session, wanted, limit, cursor)
        modes = gallery.modes(session, wanted)
        reasons = gallery.obstacles_of(session, wanted.evaluations)
    items = [_item(each) for each in page.items]
    return GalleryPage(items=items, next_cursor=page.next_cursor, modes=modes, not_comparable=reasons)


@router.get("/sets/{name:path}/tasks/{task_id}/answers", responses=responses(401, 404, 422))
def read_answers(
    name: SetName,
    task_id: str,
    engine: Database,
    test: Annotated[int, Query(ge=1, description="Number of the test input, from 1.")] = 1,
) -> list[AnswerView]:
    """What every evaluation made of one test input of a task, newest first."""
    with reading_scope(engine) as session:
        datasets.task(session, name, task_id)
        found = gallery.of_task(session, name, task_id, test - 1)
    return [_answer(each) for each in found]


def _item(item: Item) -> GalleryItem:
    pairs = item.task.demonstrations if item.task else ()
    return GalleryItem(
        set=item.set_name,
        task_id=item.task_id,
        test_index=item.test_index,
        demonstrations=[PairView(input=pair.input.digits, output=pair.output.digits) for pair in pairs],
        input=item.test_input.digits if item.test_input else None,
        truth=item.truth.digits if item.truth else None,
        answers=[_answer(each) if each else None for each in item.answers],
    )


def _answer(answer: Answer) -> AnswerView:
    source = answer.source
    return AnswerView(
        source=SourceView(
            evaluation=source.evaluation,
            run=source.run_id,
            run_name=source.run_name,
            variant=source.variant,
            seed=source.seed,
            step=source.step,
            **asdict(source.settings),
        ),
        outcome=answer.outcome_id,
        truth_rank=answer.outcome.truth_rank,
        views=answer.outcome.views,
        note=answer.outcome.note,
        candidates=[candidate_view(each) for each in answer.outcome.candidates],
    )


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise invalid_query("evaluation", f"{text!r} is not the number of an evaluation.")
    return int(text)
