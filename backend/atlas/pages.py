"""`/atlas?runs=…`: contexts of runs on one map, over their steps."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from backend.atlas import drawing, service
from backend.atlas.contexts import AtlasChoice, AtlasPage, CourseShown, Key
from backend.atlas.service import Atlas
from backend.atlas.strip import strip
from backend.db.session import reading_scope
from backend.kit.lists import items_of
from backend.web.deps import Database
from backend.web.rendering import render
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, include_in_schema=False)


@router.get("/atlas")
def atlas_page(
    engine: Database,
    runs: Annotated[list[str] | None, Query(max_length=64)] = None,
    step: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    colour: Annotated[str, Query(max_length=20)] = "",
    task: Annotated[str, Query(max_length=200)] = "",
    between: Annotated[str, Query(max_length=40)] = "",
) -> HTMLResponse:
    """The map at a step, the last one if none is named; a script has the others, and what a play answered
    between two contexts. Without runs, or with too many of them, runs to choose from."""
    ids = list(dict.fromkeys(items_of(",".join(runs or ()))))
    with reading_scope(engine) as session:
        if not 1 <= len(ids) <= service.MAX_RUNS:
            return render(AtlasChoice(service.candidates(session, ids), bool(ids)))
        atlas = service.atlas(session, ids)
    return render(_page(atlas, step, colour, task, between))


def _page(atlas: Atlas, step: int | None, colour: str, task: str, between: str) -> AtlasPage:
    steps = atlas.steps
    at = max((at for at, each in enumerate(steps) if step is None or each <= step), default=0)
    colourings = drawing.colourings(atlas)
    chosen = colourings.get(colour) or next(iter(colourings.values()))
    tasks = {
        task.key: f"{task.id} ({task.rule})" if task.rule else task.id
        for course in atlas.courses
        for task in course.tasks
    }
    return AtlasPage(
        ids=",".join(course.run.id for course in atlas.courses),
        steps=steps,
        at=at,
        shown=[_shown(atlas, number, steps[at]) for number in range(len(atlas.courses)) if steps],
        picture=drawing.drawn(atlas, steps[at] if steps else 0, chosen),
        strip=strip(atlas),
        tasks=tasks,
        task=task if task in tasks else "",
        keys=[Key(each.name, each.title, drawing.key(each)) for each in colourings.values()],
        colour=chosen.name,
        data=drawing.compact(atlas, colourings),
        between=between,
    )


def _shown(atlas: Atlas, number: int, step: int) -> CourseShown:
    course = atlas.courses[number]
    moment = drawing.moment_at(course, step)
    mark = drawing.swatch(number) if len(atlas.courses) > 1 else Markup()
    return CourseShown(course, mark, moment, drawing.cells(moment), drawing.answers(course, moment))
