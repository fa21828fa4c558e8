"""Find runs: filter, sort, and pages by cursor."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import NoReturn

from sqlalchemy.orm import Session

from backend.db.repositories import run_facts as facts_rows
from backend.db.repositories import runs as rows
from backend.db.tables import Run
from backend.domain.config_problems import flatten
from backend.domain.errors import FieldProblem, InvalidInput
from backend.domain.run import RunStatus
from backend.services import filters
from backend.services.filter_names import bind, is_known, suggestion
from backend.services.filter_parser import parse
from backend.services.filters import Comparison, Expression, Literal, Name, Value
from backend.services.run_facts import Facts
from backend.services.run_view import RunView

BATCH = 200  # runs looked at by one set of queries
MOST = 1000  # runs of one page
NEWEST_FIRST = "-created"
HEADLINES = (
    "accuracy/token",
    "accuracy/exact",
    "loss/prediction",
    "encoder/scale_free_variance",
    "encoder/gradient_coverage",
    "loss",
)


@dataclass(frozen=True)
class RunPage:
    """Runs in order, and the cursor of the next page (None: this was the last)."""

    runs: list[RunView]
    next_cursor: str | None


Found = tuple[list[Run], str | None]


def find(
    session: Session,
    filter_text: str = "",
    limit: int = 50,
    cursor: str | None = None,
    status: str | None = None,
    sort: str = NEWEST_FIRST,
    metrics: Collection[str] = HEADLINES,
) -> RunPage:
    """Runs that match a filter, newest first or by any name of the filter language (`-name`: descending).

    The views carry the metrics called `metrics` where a run has them.
    """
    if not 1 <= limit <= MOST:
        _invalid("limit", f"must be 1 to {MOST}, not {limit}.")
    expression = _expression(session, filter_text, status)
    if sort in ("", NEWEST_FIRST):
        found, more = _newest(session, expression, limit, cursor)
    else:
        found, more = _sorted(session, expression, limit, cursor, sort)
    return RunPage(Facts(session, found, metrics).views(), more)


def _expression(session: Session, filter_text: str, status: str | None) -> Expression | None:
    parts: list[Expression] = []
    if status:
        parts.append(Comparison(Name("status", 1), "==", Literal(_status(status), 1)))
    if written := parse(filter_text):
        wanted = [name.text for name in filters.names(written)]
        parts.append(bind(written, _extra_names(session, wanted)))
    return filters.All(tuple(parts)) if parts else None


def _extra_names(session: Session, wanted: Sequence[str]) -> set[str]:
    """Metrics, and config paths of external runs; asked for only when a wanted name needs them."""
    extra: set[str] = set()
    if not all(is_known(name, extra) for name in wanted):
        extra |= set(facts_rows.metric_names(session))
    if not all(is_known(name, extra) for name in wanted):
        extra |= {path for config in facts_rows.external_configs(session) for path in flatten(config)}
    return extra


def _matching(
    session: Session,
    expression: Expression | None,
    sort: str = "",
    before: tuple[float, str] | None = None,
) -> Iterator[tuple[Run, Facts]]:
    """Matching runs, newest first, each with the facts of its batch."""
    used = [*([name.text for name in filters.names(expression)] if expression else ()), sort]
    while batch := rows.newest(session, BATCH, before):
        facts = Facts(session, batch, metrics=used)
        for run in batch:
            if expression is None or filters.matches(expression, partial(facts.value, run)):
                yield run, facts
        if len(batch) < BATCH:
            return
        before = (batch[-1].created_at, batch[-1].id)


def _newest(session: Session, expression: Expression | None, limit: int, cursor: str | None) -> Found:
    found: list[Run] = []
    for run, _ in _matching(session, expression, before=_position(cursor)):
        found.append(run)
        if len(found) > limit:
            break
    shown = found[:limit]
    more = f"{shown[-1].created_at!r}:{shown[-1].id}" if len(found) > limit else None
    return shown, more


def _sorted(
    session: Session, expression: Expression | None, limit: int, cursor: str | None, sort: str
) -> Found:
    """All matching runs in the order of a value; runs without one come last whatever the direction."""
    name = sort.removeprefix("-")
    extra = _extra_names(session, [name])
    if not is_known(name, extra):
        _invalid("sort", f"there is nothing called {name!r}.", suggestion(name, extra))
    found = [(facts.value(run, name), run) for run, facts in _matching(session, expression, name)]
    having = [pair for pair in found if pair[0] is not None]
    having.sort(key=lambda pair: _order(pair[0]), reverse=sort.startswith("-"))
    ordered = [run for _, run in having] + [run for value, run in found if value is None]
    start = _offset(cursor)
    shown = ordered[start : start + limit]
    more = str(start + limit) if start + limit < len(ordered) else None
    return shown, more


def _order(value: Value) -> tuple[int, float, str]:
    """Numbers before texts; a list by its first item."""
    first = value[0] if isinstance(value, tuple) and value else value
    if isinstance(first, int | float):
        return 0, float(first), ""
    return 1, 0.0, str(first).lower()


def _status(text: str) -> str:
    if text not in tuple(RunStatus):
        close = get_close_matches(text, tuple(RunStatus), n=1)
        hint = f"Did you mean {close[0]}?" if close else f"It is one of {', '.join(RunStatus)}."
        _invalid("status", f"is never {text!r}.", hint)
    return text


def _position(cursor: str | None) -> tuple[float, str] | None:
    if cursor is None:
        return None
    created_at, _, run_id = cursor.partition(":")
    try:
        return float(created_at), run_id
    except ValueError:
        _invalid(
            "cursor", f"{cursor!r} is not a cursor of this list.", "Take next_cursor of the page before."
        )


def _offset(cursor: str | None) -> int:
    if cursor is not None and not cursor.isdecimal():
        _invalid(
            "cursor", f"{cursor!r} is not a cursor of this list.", "Take next_cursor of the page before."
        )
    return int(cursor or 0)


def _invalid(field: str, message: str, hint: str = "") -> NoReturn:
    raise InvalidInput("The runs cannot be listed like that.", problems=[FieldProblem(field, message, hint)])
