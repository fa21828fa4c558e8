"""`/data`: the task sets, importing one, and whether one gives another away."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from backend.data import leaks
from backend.data import service as datasets
from backend.data.api import Import, posted_import
from backend.data.contexts import DataPage, SetCard
from backend.data.leaks import LeakReport
from backend.db.session import reading_scope, session_scope
from backend.kit.errors import EtrmError, NotFound
from backend.web.deps import Database
from backend.web.rendering import render
from backend.web.routing import EDITOR, VIEWER, Router

router = Router(reads=VIEWER, writes=EDITOR, include_in_schema=False)

SHOWN = 6  # tasks of a set as thumbnails


@router.get("/data")
def data_page(engine: Database, training: str = "", evaluated: str = "", imported: str = "") -> HTMLResponse:
    """All sets; with two of them named, what training on the one would tell of the other."""
    problem = ""
    report: LeakReport | None = None
    with reading_scope(engine) as session:
        if training and evaluated:
            try:
                report = leaks.check(session, training, evaluated)
            except NotFound as error:
                problem = f"{error.message} {error.hint}"
        cards = _cards(session)
    context = DataPage(
        sets=cards,
        training=training,
        evaluated=evaluated,
        report=report,
        leak_problem=problem,
        imported=imported,
        import_problem="",
        name="",
    )
    return render(context, HTTPStatus.NOT_FOUND if problem else HTTPStatus.OK)


@router.post("/data")
def import_set(given: Annotated[Import, Depends(posted_import)], engine: Database) -> Response:
    """Import a set from the form, for a browser without script; a mistake is told beside it."""
    try:
        with session_scope(engine) as session:
            made = datasets.import_files(
                session, given.name, given.files, given.solutions, given.replace, given.whole
            )
    except EtrmError as error:
        with reading_scope(engine) as session:
            cards = _cards(session)
        said = " ".join([error.message, *map(str, error.problems), error.hint])
        return render(DataPage(cards, "", "", None, "", "", said, given.name), error.status)
    if made.notes or made.left_out:
        with reading_scope(engine) as session:
            cards = _cards(session)
        return render(DataPage(cards, "", "", None, "", made.name, "", "", made.notes, made.left_out))
    return RedirectResponse(f"/data?imported={given.name}", HTTPStatus.SEE_OTHER)


def _cards(session: Session) -> list[SetCard]:
    return [
        SetCard(each, () if each.created_at is None else datasets.page(session, each.name, SHOWN).tasks)
        for each in datasets.available(session)
    ]
