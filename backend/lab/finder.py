"""Find anything by its name: a page, a run, a group, a task, a set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from sqlalchemy.orm import Session

from backend.data import queries as tasks
from backend.runs import group_queries as groups
from backend.runs import queries as runs
from backend.web import pages

EACH = 6  # most hits of one kind


@dataclass(frozen=True)
class Hit:
    """Something that was found; `address` is its page."""

    kind: str  # page, run, group, task
    name: str
    about: str
    address: str


def find(session: Session, text: str) -> list[Hit]:
    """What has `text` in its name, an id included; with no text, the pages and the newest runs."""
    wanted = text.strip()
    return [*_pages(wanted), *_runs(session, wanted), *_groups(session, wanted), *_tasks(session, wanted)]


def _pages(wanted: str) -> Iterator[Hit]:
    for page in pages.search(wanted):
        yield Hit("page", page.title, page.about, page.path)


def _runs(session: Session, wanted: str) -> Iterator[Hit]:
    for run in runs.called(session, wanted, EACH):
        about = " · ".join(filter(None, (run.id, run.variant or run.origin, run.status)))
        yield Hit("run", run.name, about, f"/runs/{run.id}")


def _groups(session: Session, wanted: str) -> Iterator[Hit]:
    for group in groups.called(session, wanted, EACH) if wanted else ():
        yield Hit("group", group.name, group.id, f"/groups/{group.id}")


def _tasks(session: Session, wanted: str) -> Iterator[Hit]:
    for set_name, task_id in tasks.called(session, wanted, EACH) if wanted else ():
        yield Hit("task", task_id, set_name, f"/tasks/{quote(set_name)}/{quote(task_id, safe='')}")
