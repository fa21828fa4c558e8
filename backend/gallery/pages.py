"""`/gallery`: what evaluations made of test inputs, filtered, one by one or side by side."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from backend.db.session import reading_scope
from backend.evaluation_page.failure_modes import MODES
from backend.gallery import service as gallery
from backend.gallery.api import GalleryFilter
from backend.gallery.contexts import GalleryPage
from backend.gallery.service import Filter
from backend.kit.errors import EtrmError, InvalidInput, NotFound
from backend.web.deps import Database
from backend.web.rendering import render
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, include_in_schema=False)

CARDS, ROWS = 16, 100
FIRST_CARDS = 8  # more than a tall window shows; the others follow before they are scrolled to
EARLIER = 6  # checkpoints offered to compare with


@router.get("/gallery")
def gallery_page(
    asked: GalleryFilter,
    engine: Database,
    view: Literal["grid", "table"] = "grid",
    side: Literal["", "variants"] = "",
    cursor: str | None = None,
) -> HTMLResponse:
    """The cards or rows that match. What cannot be used is told, and left out."""
    problem: EtrmError | None = None
    with reading_scope(engine) as session:
        asked = _side_by_side(session, asked) if side else asked
        try:
            context = _context(session, asked, view, cursor)
        except (InvalidInput, NotFound) as error:
            problem = error
            context = _context(session, Filter(set_name=asked.set_name), view, None)
    if problem:
        context = replace(context, problem=" ".join([*map(str, problem.problems)] or [problem.message]))
    return render(context, HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK)


def _side_by_side(session: Session, asked: Filter) -> Filter:
    """Every variant's newest evaluation on the chosen set, or on the first that was evaluated."""
    sets = gallery.choices(session, "").sets
    set_name = asked.set_name or next(iter(sets), "")
    return replace(asked, set_name=set_name, evaluations=gallery.newest_of_each_variant(session, set_name))


def _context(session: Session, asked: Filter, view: str, cursor: str | None) -> GalleryPage:
    cards = CARDS if cursor else FIRST_CARDS
    page = gallery.page(session, asked, cards if view == "grid" else ROWS, cursor)
    columns = gallery.sources(session, asked.evaluations)
    earlier = gallery.earlier(session, columns[0])[:EARLIER] if columns else ()
    query = query_of(asked)
    return GalleryPage(
        asked=asked,
        items=page.items,
        columns=columns,
        earlier=earlier,
        not_comparable=gallery.obstacles_of(session, asked.evaluations),
        modes=gallery.modes(session, asked),
        choices=gallery.choices(session, asked.set_name),
        meanings=MODES,
        changes=gallery.CHANGES,
        view=view,
        next_address=f"/gallery?{query}&view={view}&cursor={page.next_cursor}" if page.next_cursor else None,
        query=query,
        problem="",
    )


def query_of(asked: Filter) -> str:
    """A filter as an address has it; what is empty is left out."""
    pairs: list[tuple[str, object]] = [("evaluation", each) for each in asked.evaluations]
    pairs += [("run", each) for each in asked.runs]
    texts = {
        "set": asked.set_name,
        "variant": asked.variant,
        "task": asked.task,
        "mode": asked.mode,
        "size": asked.size,
        "change": asked.change,
    }
    pairs += [(name, text) for name, text in texts.items() if text]
    pairs += [("attempts", asked.attempts)] if asked.attempts != 1 else []
    return urlencode(pairs)
