"""`/atlas?runs=…`: contexts of runs on one map, over their steps."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Query
from fastapi.responses import HTMLResponse

from backend.atlas import drawing, service
from backend.atlas.contexts import AtlasChoice, AtlasPage, CourseShown, Key
from backend.db.session import reading_scope
from backend.kit.errors import InvalidInput
from backend.kit.lists import items_of
from backend.web.deps import Database
from backend.web.rendering import render
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, include_in_schema=False)


@router.get("/atlas")
def atlas_page(
    engine: Database,
    runs: Annotated[str, Query(max_length=400)] = "",
    step: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    colour: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """The map at a step, the last one if none is named; a script has the others."""
    ids = items_of(runs)
    if not ids:
        return render(AtlasChoice(""))
    try:
        with reading_scope(engine) as session:
            atlas = service.atlas(session, ids)
    except InvalidInput as error:
        return render(AtlasChoice(" ".join(map(str, error.problems))), HTTPStatus.UNPROCESSABLE_ENTITY)
    steps = atlas.steps
    at = max((at for at, each in enumerate(steps) if step is None or each <= step), default=0)
    shown = [(course, drawing.moment_at(course, steps[at])) for course in atlas.courses if steps]
    colourings = drawing.colourings(atlas)
    chosen = colourings.get(colour) or next(iter(colourings.values()))
    return render(
        AtlasPage(
            ids=",".join(ids),
            steps=steps,
            at=at,
            shown=[
                CourseShown(course, moment, drawing.cells(moment), drawing.answers(course, moment))
                for course, moment in shown
            ],
            picture=drawing.drawn(atlas, steps[at] if steps else 0, chosen),
            keys=[Key(each.name, each.title, drawing.key(each)) for each in colourings.values()],
            colour=chosen.name,
            data=drawing.compact(atlas, colourings),
        )
    )
