"""A run's log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from backend.domain.log_levels import LEVELS, Level
from backend.domain.records import LogLine
from backend.metrics import cursor_queries as run_cursors
from backend.runs import journal_queries as journal
from backend.runs.tables import LogLine as LogLineRow

MAX_LINE = 20_000  # characters; a progress bar without line ends must not fill the database


def append(session: Session, run_id: str, lines: Iterable[LogLine]) -> None:
    """Add lines at the end of the log."""
    rows = [
        {"run_id": run_id, "wall_time": line.wall_time, "level": line.level, "text": line.text[:MAX_LINE]}
        for line in lines
    ]
    if rows:
        # Ids are given before a commit: with two writers a tail could pass a lower id that comes later.
        run_cursors.hold(session, run_id)
        journal.add_log_lines(session, rows)


def append_once(session: Session, run_id: str, lines: Sequence[LogLine], among: int = 5000) -> int:
    """Add those lines that are not there yet, by time and text: they may have been sent before. How many were
    added. New lines are later than those that are there, so that mostly the newest `among` of them tell."""
    run_cursors.hold(session, run_id)
    most = max(among, len(lines))
    newest = journal.last_log_lines(session, run_id, most, _wanted("", "info"))
    known = {(line.wall_time, line.text) for line in newest}
    times = [line.wall_time for line in lines]
    if times and len(newest) == most and min(times) <= max(line.wall_time for line in newest):
        known |= journal.log_lines_between(session, run_id, min(times), max(times))
    new = [line for line in lines if (line.wall_time, line.text[:MAX_LINE]) not in known]
    append(session, run_id, new)
    return len(new)


def tail(
    session: Session,
    run_id: str,
    after_id: int | None = None,
    limit: int = 500,
    text: str = "",
    least: Level = "info",
) -> Sequence[LogLineRow]:
    """Up to `limit` lines, oldest first: those after the line `after_id`, or the newest ones if None.

    Only lines that hold `text`, in any case, and are at least as grave as `least`.
    """
    wanted = _wanted(text, least)
    if after_id is None:
        return journal.last_log_lines(session, run_id, limit, wanted)
    return journal.log_lines_after(session, run_id, after_id, limit, wanted)


def of_all_runs(
    session: Session, text: str, least: Level = "info", before_id: int | None = None, limit: int = 100
) -> Sequence[tuple[LogLineRow, str]]:
    """Such lines of all runs, newest first, before the line `before_id`; each with the name of its run."""
    found = journal.log_lines_of_all(session, before_id, limit, _wanted(text, least))
    return [(line, name) for line, name in found]


def _wanted(text: str, least: Level) -> ColumnElement[bool]:
    return journal.log_lines_with(text, LEVELS[LEVELS.index(least) :])
