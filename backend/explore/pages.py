"""`/explore?filter=…`: a set of runs as a scatter and as parallel coordinates; what goes with a result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import zip_longest
from typing import Annotated, Literal

from fastapi import Query
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from backend.db.session import reading_scope
from backend.explore import service as explore
from backend.explore.contexts import (
    MARKS,
    MOST_COMPARED,
    TABLE_ROWS,
    Asked,
    AxisAsked,
    ExploreImportance,
    ExplorePage,
    Pictures,
    Row,
)
from backend.explore.drawings import Style, legend, parallel, scatter
from backend.explore.importance import Field
from backend.explore.scales import Axis, colours, symbols, text
from backend.explore.service import Explored, Point
from backend.kit.errors import InvalidInput
from backend.kit.filters.tree import Value, finite
from backend.kit.problems import invalid_query
from backend.runs_table import search
from backend.web.deps import Database
from backend.web.rendering import render
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, include_in_schema=False)

USUAL_AXES = 5  # fields that vary, before the result
WIDE = 20.0  # times the least value is the greatest: from here on an axis is logarithmic by itself
Named = Annotated[str, Query(max_length=500)]
Filter = Annotated[str, Query(max_length=2000)]
Ids = Annotated[str, Query(max_length=4000)]
Several = Annotated[list[str] | None, Query(max_length=24)]


@router.get("/explore")
def explore_page(
    engine: Database,
    filter: Filter = "",
    runs: Ids = "",
    x: Named = "",
    y: Named = "",
    colour: Named = "",
    symbol: Named = "",
    by: Literal["run", "line", "mean"] = "run",
    log: Annotated[list[Literal["x", "y"]] | None, Query(max_length=2)] = None,
    axis: Several = None,
    low: Several = None,
    high: Several = None,
) -> HTMLResponse:
    """The runs that match the filter. What the address leaves out is chosen from what varies."""
    written = zip_longest(axis or (), low or (), high or (), fillvalue="")
    axes = tuple(AxisAsked(*map(str.strip, each)) for each in written if each[0].strip())
    x, y, colour, symbol = map(str.strip, (x, y, colour, symbol))
    asked = Asked(filter, runs, x, y, colour, symbol, by, frozenset(log or ()), axes)
    with reading_scope(engine) as session:
        known = {each.name: each.title for each in search.known_names(session)}
        try:
            asked, explored, fields = _found(session, asked)
            pictures = _pictures(asked, explored) if explored.points else None
            problem = ""
        except InvalidInput as error:
            explored, fields, pictures = None, [], None
            problem = " ".join([error.message, *map(str, error.problems)])
    chosen = pictures.chosen if pictures else ()
    ids = ",".join(point.id for point in chosen)
    return render(
        ExplorePage(
            asked=asked,
            problem=problem,
            explored=explored,
            fields=[field.path for field in fields],
            known=known,
            pictures=pictures,
            rows=[
                Row(point, [text(name, point.values.get(name)) for name in asked.names])
                for point in chosen[:TABLE_ROWS]
            ],
            compare=f"/compare?runs={ids}" if 2 <= len(chosen) <= MOST_COMPARED else "",
            marks=MARKS,
        )
    )


@router.get("/explore/importance")
def importance(
    engine: Database,
    of: Annotated[str, Query(max_length=500)],
    filter: Filter = "",
    runs: Ids = "",
) -> HTMLResponse:
    """Which fields go with a result."""
    with reading_scope(engine) as session:
        try:
            question, problem = explore.importance(session, explore.runs_of(filter, runs), of), ""
        except InvalidInput as error:
            question, problem = None, " ".join([error.message, *map(str, error.problems)])
    fields = question.fields if question else ()
    return render(
        ExploreImportance(
            question=question,
            problem=problem,
            of=of,
            decided=[each for each in fields if each.is_decided],
            undecided=[each for each in fields if not each.is_decided and not each.reason],
            without=[each for each in fields if each.reason],
        )
    )


def _found(session: Session, asked: Asked) -> tuple[Asked, Explored, Sequence[Field]]:
    """What the address leaves out, filled in; the runs with all of it, and the fields that vary."""
    runs = explore.runs_of(asked.filter, asked.runs)
    y = asked.y or explore.usual_result(session, runs)
    asked = replace(asked, y=y)
    explored = explore.explore(session, runs, asked.names)
    fields = explore.fields_of(session, explored.points)
    full = replace(
        asked,
        x=asked.x or _usual_x(fields),
        colour=asked.colour or ("encoder" if len({point.variant for point in explored.points}) > 1 else ""),
        axes=asked.axes or tuple(map(AxisAsked, [*(field.path for field in fields[:USUAL_AXES]), y])),
    )
    if set(full.names) - set(asked.names):
        explored = explore.explore(session, runs, full.names)
    return full, explored, fields


def _usual_x(fields: Sequence[Field]) -> str:
    """The ordered field with the most values, else the first choice, else when the runs were made."""
    ordered = [field for field in fields if field.kind == "ordered"]
    return (
        max(ordered, key=lambda field: field.levels).path
        if ordered
        else fields[0].path
        if fields
        else "created"
    )


def _pictures(asked: Asked, explored: Explored) -> Pictures:
    points = explored.points

    def values(name: str) -> list[Value]:
        return [point.values.get(name) for point in points]

    tones, shapes = colours(asked.colour, values(asked.colour)), symbols(asked.symbol, values(asked.symbol))
    axes = [
        (each, Axis.of(each.name, values(each.name), _is_wide(values(each.name)), padded=False))
        for each in asked.axes
    ]
    chosen = [point for point in points if all(_fits(point, each, axis) for each, axis in axes)]
    ids = {point.id for point in chosen}
    x, y = (
        Axis.of(name, values(name), log=letter in asked.log)
        for letter, name in (("x", asked.x), ("y", asked.y))
    )
    style = Style(tones, shapes, asked.by, {point.id for point in points if point.id not in ids})
    drawn = scatter(points, x, y, style)
    return Pictures(
        scatter=drawn,
        legends=legend(style),
        parallel=parallel(points, [axis for _, axis in axes], tones, ids),
        axes=axes,
        chosen=sorted(chosen, key=lambda point: _order(point.number(asked.y))),
        hidden=len(points) - drawn.shown,
    )


def _order(value: float | None) -> float:
    """The greatest first; those without a number last."""
    return math.inf if value is None else -value


def _is_wide(values: Sequence[Value]) -> bool:
    numbers = [number for value in values if (number := finite(value)) is not None]
    return bool(numbers) and min(numbers) > 0 and max(numbers) > WIDE * min(numbers)


def _fits(point: Point, asked: AxisAsked, axis: Axis) -> bool:
    """Whether a run is within what the axis narrows the runs to."""
    if not asked.low and not asked.high:
        return True
    value = point.values.get(asked.name)
    if axis.choices:
        return value is not None and axis.choice_of(value) == asked.low
    number = finite(value)
    low, high = _limit(asked, asked.low, -math.inf), _limit(asked, asked.high, math.inf)
    return number is not None and low <= number <= high


def _limit(asked: AxisAsked, written: str, otherwise: float) -> float:
    if not written:
        return otherwise
    with suppress(ValueError):
        if not math.isnan(number := float(written)):
            return number
    raise invalid_query(asked.name, f"{written!r} is not a number.", "Write for example 0.001.")
