"""Single values of all runs, for filters and orders: a few columns of each row, never the row."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Subquery,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.orm import Session

from backend.metrics.tables import Series
from backend.runs.group_tables import RunGroup
from backend.runs.status import RunStatus
from backend.runs.tables import Alarm, Run

Summary = Literal["last", "min", "max"]
Condition = ColumnElement[bool]

# Tables rather than classes: a row of them is a plain tuple, of which there are many.
RUN, SERIES = Run.__table__.c, Series.__table__.c
SUMMARIES: Mapping[Summary, str] = {"last": "last_value", "min": "min_value", "max": "max_value"}
COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "id": RUN.id,
    "name": RUN.name,
    "status": RUN.status,
    "origin": RUN.origin,
    "variant": RUN.variant,
    "variation": RUN.variation,
    "verdict": RUN.verdict,
    "tag": RUN.tags,
    "notes": RUN.notes,
    "owner_id": RUN.owner_id,
    "project": RUN.project,
    "seed": RUN.seed,
    "step": RUN.step,
    "created": RUN.created_at,
    "started": RUN.started_at,
    "finished": RUN.finished_at,
    "stopped": case((RUN.status == RunStatus.LOST, RUN.beat_at), else_=RUN.finished_at),
    "archived": RUN.archived_at.is_not(None),
    "group_id": RUN.group_id,
    "scores": RUN.scores,
}


@dataclass
class Narrowed:
    """Which runs: conditions on their rows, and on the series that stand beside them. `archived` None means
    all; `only` are ids; `before` is (created_at, id) of the last run already seen."""

    archived: bool | None = None
    before: tuple[float, str] | None = None
    only: Collection[str] | None = None
    where: list[Condition] = field(default_factory=list)
    ranks: Subquery | None = None
    series: dict[str, FromClause] = field(default_factory=dict)  # by the metric's name

    def beside(self, metric: str) -> FromClause:
        """The series of this name of every run, null where a run has none."""
        return self.series.setdefault(metric, Series.__table__.alias(f"series_{len(self.series)}"))

    def ranked(self, places: Mapping[str, int], sqlite: bool) -> ColumnElement[Any]:
        """The place of every run's configuration, null where it has none."""
        listed = json.dumps(places)
        read = func.json_each(listed) if sqlite else func.json_each_text(cast(literal(listed), JSON))
        pairs = read.table_valued("key", "value")
        # With a limit SQLite reads the list once, and makes an index of it.
        self.ranks = select(pairs.c.key, pairs.c.value).limit(max(1, len(places))).subquery()
        return cast(self.ranks.c.value, Integer)

    def select(self, session: Session, *columns: Any) -> Select[Any]:
        """The columns of these runs."""
        tables = Run.__table__
        for name, series in self.series.items():
            own = and_(series.c.run_id == RUN.id, series.c.name == name, series.c.last_step >= 0)
            tables = tables.outerjoin(series, own)
        if self.ranks is not None:
            tables = tables.outerjoin(self.ranks, self.ranks.c.key == RUN.variation)
        query = select(*columns).select_from(tables).where(*self.where)
        if self.archived is not None:
            query = query.where(RUN.archived_at.is_not(None) if self.archived else RUN.archived_at.is_(None))
        if self.only is not None:
            query = query.where(among(session, RUN.id, self.only))
        if self.before is not None:
            query = query.where(tuple_(RUN.created_at, RUN.id) < self.before)
        return query


NEWEST = (RUN.created_at.desc(), RUN.id.desc())


def of_all(
    session: Session, columns: Sequence[str], sections: Sequence[str], runs: Narrowed
) -> Sequence[Sequence[Any]]:
    """Per run, newest first: its id and when it was made, these columns, these sections of its config."""
    wanted: list[Any] = [COLUMNS[name] for name in columns]
    query = runs.select(
        session, RUN.id, RUN.created_at, *wanted, *(RUN.config[section] for section in sections)
    )
    return session.execute(query.order_by(*NEWEST)).all()


def ids(session: Session, runs: Narrowed, order: Sequence[Any], start: int, limit: int | None) -> list[str]:
    """Ids of these runs by `order` and then newest first, from the place `start` on."""
    query = runs.select(session, RUN.id).order_by(*order, *NEWEST).limit(limit).offset(start)
    return list(session.scalars(query))


def numbers(
    session: Session, runs: Narrowed, value: ColumnElement[Any], is_there: Condition
) -> list[tuple[str, str, int | None, Any]]:
    """(id, configuration, seed, value or None) of these runs, newest first."""
    query = runs.select(session, RUN.id, RUN.variation, RUN.seed, value, is_there).order_by(*NEWEST)
    return [
        (run_id, key, seed, of if there else None) for run_id, key, seed, of, there in session.execute(query)
    ]


def among(session: Session, column: ColumnElement[str], texts: Collection[str]) -> Condition:
    """Whether a column is one of the texts, of which there may be more than a statement has parameters."""
    listed = json.dumps([*texts])
    if is_sqlite(session):
        items = func.json_each(listed)
    else:
        items = func.json_array_elements_text(cast(literal(listed), JSON))
    return column.in_(select(items.table_valued("value").c.value))


def tagged(session: Session, text: str) -> Condition:
    """Whether a run has a tag."""
    read = func.json_each if is_sqlite(session) else func.json_array_elements_text
    tags = read(RUN.tags).table_valued("value")
    return exists(select(literal(1)).select_from(tags).where(tags.c.value == text))


def is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def in_group(text: str) -> Condition:
    """Whether a run is of the group of this id or name."""
    return RUN.group_id.in_(select(RunGroup.id).where((RunGroup.id == text) | (RunGroup.name == text)))


def with_alarm(name: str) -> Condition:
    return RUN.id.in_(select(Alarm.run_id).where(Alarm.name == name))


def has_series(session: Session, metric: str) -> bool:
    """Whether any run has recorded it."""
    query = select(SERIES.id).where(SERIES.name == metric, SERIES.last_step >= 0).limit(1)
    return session.execute(query).first() is not None


def configurations(session: Session, external: bool | None = None) -> list[str]:
    """Keys of all configurations, or of those of runs that were logged from outside."""
    query = select(RUN.variation).distinct()
    return list(session.scalars(query.where(RUN.origin == "external") if external else query))


def configs_of(
    session: Session, keys: Collection[str], section: str | None, external: bool
) -> Sequence[Sequence[Any]]:
    """(configuration, config or this section of it) of one run of each of the configurations."""
    one = select(func.min(RUN.id)).where(among(session, RUN.variation, keys)).group_by(RUN.variation)
    own = RUN.origin == "external" if external else RUN.origin != "external"
    query = select(RUN.variation, RUN.config[section] if section else RUN.config)
    return session.execute(query.where(RUN.id.in_(one), own)).all()


def external_names(session: Session) -> dict[str, str]:
    """External run -> its name."""
    found = session.execute(select(RUN.id, RUN.name).where(RUN.origin == "external"))
    return {run.id: run.name for run in found}


def external_configs(session: Session, only: Collection[str] | None = None) -> dict[str, dict[str, Any]]:
    """Run id -> config of the runs, of all or of these, that were logged from outside."""
    query = select(RUN.id, RUN.config).where(RUN.origin == "external")
    if only is not None:
        query = query.where(among(session, RUN.id, only))
    return {run_id: config for run_id, config in session.execute(query)}  # noqa: C416


def metric(
    session: Session, name: str, summary: Summary = "last", only: Collection[str] | None = None
) -> dict[str, float | None]:
    """Run id -> last, least or greatest value of a metric, for the runs that have it; the last may be NaN."""
    query = select(SERIES.run_id, SERIES[SUMMARIES[summary]]).where(
        SERIES.name == name, SERIES.last_step >= 0
    )
    if only is not None:
        query = query.where(among(session, SERIES.run_id, only))
    return {run_id: value for run_id, value in session.execute(query)}  # noqa: C416


def group_names(session: Session) -> dict[str, str]:
    """Group id -> name."""
    return {group_id: name for group_id, name in session.execute(select(RunGroup.id, RunGroup.name))}  # noqa: C416


def alarm_names(session: Session) -> dict[str, list[str]]:
    """Run id -> names of its alarms."""
    found: dict[str, list[str]] = {}
    for run_id, name in session.execute(select(Alarm.run_id, Alarm.name).order_by(Alarm.step, Alarm.id)):
        found.setdefault(run_id, []).append(name)
    return found
