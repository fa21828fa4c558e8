"""Find runs: filter, sort, and pages by cursor."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal as OneOf

from sqlalchemy.orm import Session

from backend.domain import metrics as registry
from backend.domain.config.messages import models_of
from backend.domain.experiment.model import EtrmModel
from backend.domain.metrics.names import COVERAGE, EXACT, LOSS, SCALE_FREE, TOKEN
from backend.kit import cursors
from backend.kit.errors import InvalidInput
from backend.kit.filters import tree as filters
from backend.kit.filters.parser import parse
from backend.kit.filters.tree import Comparison, Expression, Literal, Name, Value
from backend.kit.problems import did_you_mean, invalid_query, not_valid
from backend.run_view import configs, value_queries
from backend.run_view import queries as facts_rows
from backend.run_view.conditions import InSql, Unsayable
from backend.run_view.facts import Facts
from backend.run_view.filter_names import (
    BUILT_IN,
    CHOICES,
    CONFIG_PATHS,
    asked_as,
    bind,
    is_known,
    meant_by_word,
    refusal,
    remarks,
    suggestion,
)
from backend.run_view.value_queries import Narrowed
from backend.run_view.values import RunLine, RunValues, ids
from backend.run_view.views import RunView
from backend.runs import queries as rows
from backend.runs.status import RunStatus
from backend.runs.tables import Run

MAX_LIMIT = 1000  # runs of one page
NEWEST_FIRST = "-created"
VARIANTS = ("trm", *(kind for kind in models_of(EtrmModel.model_fields["encoder"].annotation)))
HEADLINES = (TOKEN, EXACT, "loss/prediction", SCALE_FREE, COVERAGE, LOSS)


@dataclass(frozen=True)
class KnownName:
    """A name of the filter language, what it is of, and the texts it can be, where these are few."""

    name: str
    kind: OneOf["run", "metric", "config"]
    values: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True)
class RunPage:
    """Runs in order, and the cursor of the next page (None: this was the last)."""

    runs: list[RunView]
    next_cursor: str | None


Part = OneOf["filter", "sort", "column"]
STORED: tuple[Part, ...] = ("filter", "sort", "column")  # was checked when it was saved
Found = tuple[Sequence[Run], str | None]


def find(
    session: Session,
    filter_text: str = "",
    limit: int = 50,
    cursor: str | None = None,
    status: str | None = None,
    sort: str = NEWEST_FIRST,
    metrics: Collection[str] = HEADLINES,
    lenient: tuple[Part, ...] = (),
) -> RunPage:
    """Runs that match a filter, newest first or by any name of the filter language (`-name`: descending).

    The views carry the metrics called `metrics` where a run has them. In the parts called `lenient` a typing
    error is a name that no run has.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid_query("limit", f"must be 1 to {MAX_LIMIT}, not {limit}.")
    expression = _expression(session, filter_text, status, "filter" in lenient)
    if sort in ("", NEWEST_FIRST):
        found, more = _newest(session, expression, limit, cursor)
    else:
        if "sort" not in lenient:
            _check_name(session, "sort", sort.removeprefix("-"))
        found, more = _sorted(session, expression, limit, cursor, sort)
    return RunPage(Facts(session, found, metrics).views(), more)


def matching(
    session: Session, filter_text: str, names: Collection[str] = (), lenient: tuple[Part, ...] = ()
) -> tuple[RunValues, list[RunLine]]:
    """All runs that match a filter, newest first, with the values of `names`. InvalidInput as `find`."""
    for name in names if "column" not in lenient else ():
        _check_name(session, "column", name)
    return _values(session, _expression(session, filter_text, None), names)


def numbers(
    session: Session, filter_text: str, name: str
) -> Sequence[tuple[str, str, int | None, Value]] | None:
    """(id, configuration, seed, number under `name`) of all runs that match, newest first; None where the
    database cannot say it. InvalidInput as `find`."""
    expression = _expression(session, filter_text, None)
    narrowed = Narrowed(_archived(expression))
    sql = InSql(session, narrowed)
    with suppress(Unsayable):
        number = sql.number(name)
        if sql.narrow(expression) is None:
            return value_queries.numbers(session, narrowed, number.value, number.is_there)
    return None


def all_ids(session: Session, filter_text: str, sort: str, columns: Collection[str] = ()) -> list[str]:
    """Ids of all runs that match a filter, in order. InvalidInput as `find`, and for unknown `columns`."""
    for name in (*columns, *([sort.removeprefix("-")] if sort else [])):
        _check_name(session, "column", name)
    return _ordered(session, _expression(session, filter_text, None), sort, 0, None)


def values_of(
    session: Session, run_ids: Collection[str], names: Sequence[str], lenient: tuple[Part, ...] = ()
) -> dict[str, dict[str, Value]]:
    """Run id -> what it has under each name of the filter language; InvalidInput for a typing error."""
    for name in names if "column" not in lenient else ():
        _check_name(session, "column", name)
    values = RunValues.of_runs(session, names, run_ids)
    return {line.id: {name: values.value(line, name) for name in names} for line in values.lines}


def any_run(session: Session) -> bool:
    """Whether the lab has a run, archived or not."""
    return rows.any_run(session)


def projects(session: Session) -> Sequence[str]:
    """Names of all projects, in order."""
    return facts_rows.projects(session)


def check_filter(session: Session, filter_text: str) -> None:
    """InvalidInput for a filter that `find` would refuse."""
    _expression(session, filter_text, None)


def known_names(session: Session) -> list[KnownName]:
    """Everything that a filter, an order or a column may ask for; what a completion offers."""
    built_in = [
        KnownName(name, "run", CHOICES.get(name, VARIANTS if name in ("encoder", "variant") else ()))
        for name in BUILT_IN
    ]
    recorded = sorted({*registry.NAMES, *facts_rows.metric_names(session)})
    metrics = [KnownName(asked_as(name), "metric", title=_title(name)) for name in recorded]
    return built_in + metrics + [KnownName(path, "config") for path in sorted(CONFIG_PATHS)]


def refused_name(session: Session, name: str) -> tuple[str, str] | None:
    """What is wrong with a name that is probably a typing error, and a hint; None for any other."""
    return None if is_known(name, _extra_names(session, [name])) else refusal(name)


def notes_on(session: Session, filter_text: str, names: Collection[str]) -> list[str]:
    """What to tell of a query that is valid: how its filter was understood, where that may surprise, and each
    name that no run has a value for and that is not registered."""
    written = parse(filter_text, meant_by_word)
    wanted = [*_names(written), *filter(None, names)]
    extra = _extra_names(session, wanted)
    unknown = [name for name in dict.fromkeys(wanted) if not is_known(name, extra)]
    remarked = [*remarks(written), *_unknown_encoders(written)]
    missing = [f"No run has recorded {name!r}. {suggestion(name, extra)}".rstrip() for name in unknown]
    return [*remarked, *missing]


def _unknown_encoders(expression: Expression | None) -> list[str]:
    """What to say of encoders that nobody could train here: runs of other labs may still have them."""
    asked = [
        item.right.value
        for item in (filters.comparisons(expression) if expression else ())
        if isinstance(item.left, Name) and item.left.text in ("encoder", "variant")
        if isinstance(item.right, Literal) and item.operator in ("==", "in")
    ]
    texts = [text for value in asked for text in (value if isinstance(value, tuple) else (value,)) if text]
    unknown = [text for text in map(str, texts) if text not in VARIANTS]
    return [f"No encoder is called {text!r}. {did_you_mean(text, VARIANTS)}".rstrip() for text in unknown]


def _title(name: str) -> str:
    """A registered metric's title; empty for another."""
    return registry.metric(name).title if name in registry.NAMES else ""


def _expression(
    session: Session, filter_text: str, status: str | None, lenient: bool = False
) -> Expression | None:
    parts: list[Expression] = []
    if status:
        parts.append(Comparison(Name("status", 1), "==", Literal(_status(status), 1)))
    if written := parse(filter_text, meant_by_word):
        wanted = [name.text for name in filters.names(written)]
        parts.append(bind(written, _extra_names(session, wanted), lenient))
    return filters.All(tuple(parts)) if parts else None


def _extra_names(session: Session, wanted: Sequence[str]) -> set[str]:
    """Metrics, and config paths of external runs; asked for only when a wanted name needs them."""
    extra: set[str] = set()
    if not all(is_known(name, extra) for name in wanted):
        extra |= set(facts_rows.metric_names(session))
    if not all(is_known(name, extra) for name in wanted):
        extra |= configs.external_paths(session)
    return extra


def _values(
    session: Session,
    expression: Expression | None,
    more: Collection[str] = (),
    before: tuple[float, str] | None = None,
) -> tuple[RunValues, list[RunLine]]:
    """The runs that match, newest first, and what is known of them."""
    narrowed = Narrowed(_archived(expression), before)
    left = InSql(session, narrowed).narrow(expression)
    values = RunValues(session, [*_names(left), *more], narrowed)
    if left is None:
        return values, values.lines
    return values, [line for line in values.lines if filters.matches(left, values.of(line))]


def _names(expression: Expression | None) -> list[str]:
    return [name.text for name in filters.names(expression)] if expression else []


def _archived(expression: Expression | None) -> bool | None:
    """Archived runs are left out unless the filter says something about that, or names the runs."""
    return None if {"archived", "id"} & set(_names(expression)) else False


def _newest(session: Session, expression: Expression | None, limit: int, cursor: str | None) -> Found:
    before = cursors.read(cursor, float, str)
    wanted = _ordered(session, expression, NEWEST_FIRST, 0, limit + 1, before)
    return cursors.cut(rows.of_ids(session, wanted), limit, lambda run: (run.created_at, run.id))


def _sorted(
    session: Session, expression: Expression | None, limit: int, cursor: str | None, sort: str
) -> Found:
    """Pages in the order of a value: the cursor is how many runs they have shown."""
    (start,) = cursors.read(cursor, int) or (0,)
    wanted = _ordered(session, expression, sort, start, limit + 1)
    return rows.of_ids(session, wanted[:limit]), str(start + limit) if len(wanted) > limit else None


def _ordered(
    session: Session,
    expression: Expression | None,
    sort: str,
    start: int,
    limit: int | None,
    before: tuple[float, str] | None = None,
) -> list[str]:
    """Ids of the runs that match, in order; runs without a value come last whatever the direction."""
    name, falling = sort.removeprefix("-"), sort.startswith("-")
    is_newest_first = sort in ("", NEWEST_FIRST)
    narrowed = Narrowed(_archived(expression), before)
    sql = InSql(session, narrowed)
    with suppress(Unsayable):
        order = [] if is_newest_first else sql.order(name, falling)
        if sql.narrow(expression) is None:
            return value_queries.ids(session, narrowed, order, start, limit)
    values, lines = _values(session, expression, () if is_newest_first else [name], before)
    if not is_newest_first:
        lines = filters.in_order([(values.value(line, name), line) for line in lines], falling)
    return ids(lines[start:][:limit])


def _check_name(session: Session, field: str, name: str) -> None:
    if refused := refused_name(session, name):
        raise invalid_query(field, *refused)


def _status(text: str) -> str:
    if text not in tuple(RunStatus):
        raise InvalidInput("Invalid query.", problems=[not_valid("status", text, RunStatus)])
    return text
