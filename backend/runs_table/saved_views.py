"""Named views of the table of runs: what stands in its address, kept for everybody. Nothing here commits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl, urlencode

from pydantic import Field
from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.kit.errors import Conflict, FieldProblem, NotFound
from backend.kit.model import Model
from backend.kit.problems import invalid, unknown
from backend.kit.text import trimmed
from backend.runs_table import queries as rows
from backend.runs_table import search as run_search

_invalid = partial(invalid, "The view was not saved.")

MAX_NAME_LENGTH, MAX_QUERY_LENGTH = 60, 4000
PARTS = ("filter", "sort", "column", "baseline", "group")  # of the address that make a view


class SavedViewView(Model):
    """A kept view."""

    name: str = Field(examples=["encoders that learn"])
    query: str = Field(
        description="What follows the `?` of the table's address.",
        examples=["filter=pass1+%3E+0&sort=-pass1"],
    )


@dataclass(frozen=True)
class Parts:
    """What a view chooses: which runs, in which order, with which columns besides those of every table."""

    filter: str = ""
    sort: str = ""
    columns: tuple[str, ...] = ()

    @property
    def query(self) -> str:
        """The address's query of it."""
        said = [("filter", self.filter), ("sort", self.sort), *(("column", each) for each in self.columns)]
        return urlencode([(key, value) for key, value in said if value])


def views(session: Session) -> Sequence[SavedViewView]:
    """All, by name."""
    return [SavedViewView(name=row.name, query=row.query) for row in rows.all_views(session)]


def read(session: Session, name: str) -> Parts:
    """What the view of this name chooses; NotFound, with the nearest name."""
    found = next((view for view in views(session) if view.name == name), None)
    if found is None:
        raise _missing(session, name)
    return parts_of(found.query)


def parts_of(query: str) -> Parts:
    """The choices that an address's query makes."""
    pairs = parse_qsl(query)
    said = dict(pairs)
    columns = tuple(value for key, value in pairs if key == "column")
    return Parts(said.get("filter", ""), said.get("sort", ""), columns)


def save(session: Session, name: str, query: str, seen: str | None = None) -> SavedViewView:
    """Keep a view, or give the one of this name another query. InvalidInput names what is wrong with it.

    `seen`: its query as the writer saw it, "" for none; Conflict, with both, if it is another now.
    """
    name = trimmed(name)
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        raise _invalid("name", f"must be 1 to {MAX_NAME_LENGTH} characters long.")
    kept = _checked(session, query)
    now = next((view.query for view in views(session) if view.name == name), "")
    if seen is not None and now not in (seen.removeprefix("?"), kept):
        message = f"is now: {now or 'deleted'}"
        raise Conflict(
            f"The view {name!r} was not saved: somebody else changed it meanwhile.",
            "Look at theirs, or save yours under another name.",
            problems=[FieldProblem("query", message, f"Yours: {kept}")],
        )
    rows.put(session, name, kept, time.time())
    if now != kept:
        audit.note(session, Action.SAVED, Subject("view", name))
    return SavedViewView(name=name, query=kept)


def remove(session: Session, name: str) -> None:
    """NotFound, with the nearest name, if there is none of this name."""
    if not rows.remove(session, name):
        raise _missing(session, name)
    audit.note(session, Action.DELETED, Subject("view", name))


def _missing(session: Session, name: str) -> NotFound:
    return unknown("view", name, [view.name for view in views(session)])


def _checked(session: Session, query: str) -> str:
    """The query without parts that say nothing, in one order."""
    if len(query) > MAX_QUERY_LENGTH:
        raise _invalid("query", f"must be at most {MAX_QUERY_LENGTH} characters long.")
    pairs = parse_qsl(query.removeprefix("?"))
    unknown = [key for key, _ in pairs if key not in PARTS]
    if unknown:
        raise _invalid("query", f"has {unknown[0]!r}.", f"A view is made of {', '.join(PARTS)}.")
    said = dict(pairs)
    run_search.find(session, said.get("filter", ""), 1, sort=said.get("sort", ""), metrics=())
    return urlencode(sorted(pairs, key=lambda pair: PARTS.index(pair[0])))
