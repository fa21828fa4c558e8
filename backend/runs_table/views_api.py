"""/api/v1/views: named views of the table of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Path
from pydantic import Field

from backend.db.session import reading_scope, session_scope
from backend.runs_table import saved_views
from backend.runs_table.saved_views import SavedViewView
from backend.web.deps import Database
from backend.web.errors import responses
from backend.web.inputs import Input
from backend.web.routing import EDITOR, VIEWER, Router

router = Router(reads=VIEWER, writes=EDITOR, prefix="/views", tags=["runs"])
ViewName = Annotated[str, Path(description="Name of a saved view.", examples=["encoders that learn"])]


class Query(Input):
    """What the view shows."""

    query: str = Field(
        description="What follows the `?` of the table's address: filter, sort, column, baseline, group.",
        examples=["filter=pass1+%3E+0&sort=-pass1"],
    )
    seen: str | None = Field(
        None, description="The view's query as you saw it, empty for a new one: 409 if it is another by now."
    )


@router.get("", responses=responses(401))
def list_views(engine: Database) -> Sequence[SavedViewView]:
    """The saved views, by name."""
    with reading_scope(engine) as session:
        return saved_views.views(session)


@router.put("/{name:path}", responses=responses(401, 409, 422))
def save_view(name: ViewName, body: Query, engine: Database) -> SavedViewView:
    """Save a view, or give the one of this name another query."""
    with session_scope(engine) as session:
        return saved_views.save(session, name, body.query, body.seen)


@router.delete("/{name:path}", status_code=204, responses=responses(401, 404))
def delete_view(name: ViewName, engine: Database) -> None:
    """Forget a view; the runs stay."""
    with session_scope(engine) as session:
        saved_views.remove(session, name)
