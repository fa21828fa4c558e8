"""/api/v1/search: anything by its name."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import ConfigDict, Field

from backend.db.session import reading_scope
from backend.kit.model import Model
from backend.lab import finder
from backend.web.deps import Database
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, tags=["search"])


class HitView(Model):
    """Something that was found."""

    model_config = ConfigDict(from_attributes=True)

    kind: str = Field(examples=["run"])
    name: str
    about: str
    address: str = Field(description="Its page.", examples=["/runs/k3v9x0q2ab"])


class Hits(Model):
    """What was found, a few of each kind."""

    hits: list[HitView]


@router.get("/search", responses=responses(401, 422))
def search(
    engine: Database,
    q: Annotated[str, Query(max_length=100, description="Part of a name or of an id.")] = "",
) -> Hits:
    """Pages, runs, groups and tasks that have the text in their name or id."""
    with reading_scope(engine) as session:
        return Hits(hits=[HitView.model_validate(each) for each in finder.find(session, q)])
