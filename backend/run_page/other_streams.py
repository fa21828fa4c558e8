"""The table of runs and one evaluation, as their event streams tell them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from backend.evaluation import service as evaluations
from backend.evaluation.views import EvaluationView
from backend.kit.errors import NotFound
from backend.run_view.views import until_now
from backend.runs_table import search as run_search
from backend.web import notify
from backend.web.live.packets import packet
from backend.web.live.source import First

TABLE_ROWS = 200  # newest runs that the table's stream follows
WAITING_AGES = 15.0  # seconds: why something waits changes when a worker falls silent, and nobody writes that


@dataclass(frozen=True)
class TableStart:
    """How a reader of the table begins."""

    changes_only: bool = False  # leave out how the runs are at the start


class TableSource:
    """The newest runs, each when it changes; config and traceback are left out. `deleted` names runs that are
    gone."""

    pause = 1.0
    ages = WAITING_AGES
    over = has_more = False
    channel = notify.RUNS

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Any]] | None = None

    def look(self, session: Session) -> list[bytes]:
        """Rows that are not as they were."""
        page = run_search.find(session, limit=TABLE_ROWS)
        rows = {run.id: run.model_dump(mode="json", exclude={"config", "traceback"}) for run in page.runs}
        before, self._rows = self._rows, rows
        if before is None:
            return []
        events = [
            packet("status", row)
            for row in reversed(rows.values())
            if _steady(before.get(row["id"])) != _steady(row)
        ]
        if page.next_cursor is None:  # else a missing run may only have left the newest ones
            gone = [run_id for run_id in before if run_id not in rows]
            events += [packet("deleted", {"id": run_id}) for run_id in gone]
        return events

    def first(self, session: Session, start: TableStart) -> First:
        """All rows, unless only changes are wanted."""
        if start.changes_only:
            return First()
        return First([packet("status", until_now(row)) for row in reversed((self._rows or {}).values())])


class EvaluationSource:
    """One evaluation, when it changes; `end` once it is over."""

    pause = 0.5
    has_more = False

    def __init__(self, evaluation_id: int) -> None:
        self._id = evaluation_id
        self.channel: str | None = None
        self.ages: float | None = None
        self.over = False
        self._view: EvaluationView | None = None

    def look(self, session: Session) -> list[bytes]:
        """The evaluation if it is not as it was."""
        before = self._view
        try:
            view = self._view = evaluations.get(session, self._id)
        except NotFound:
            self._view, self.over = None, True
            return [packet("end", {"deleted": True})] if before else []
        self.channel = notify.channel_of(view.run_id)
        self.over = not view.is_active
        self.ages = WAITING_AGES if view.is_active else None
        if before is None or before == view:
            return []
        return self._events(view)

    def first(self, session: Session, start: None) -> First:
        """The evaluation as it is; NotFound."""
        return First(self._events(self._view or evaluations.get(session, self._id)))

    def _events(self, view: EvaluationView) -> list[bytes]:
        end = [packet("end", {"status": view.status})] if self.over else []
        return [packet("evaluation", view.model_dump(mode="json")), *end]


def _steady(row: dict[str, Any] | None) -> dict[str, Any] | None:
    """A row without what changes by itself as time goes by."""
    return {key: value for key, value in row.items() if key != "duration"} if row else None
