"""/api/v1/runs/{id}/histograms: how weights, gradients, contexts or a script's numbers were distributed."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import Response
from pydantic import Field
from sqlalchemy import Engine

from backend.db.session import reading_scope, session_scope
from backend.domain.histograms import LAST, MAX_COUNT, Counted, Histogram, about, bounds, title_of
from backend.histograms import service as histograms
from backend.histograms.service import Column
from backend.kit.exports.table_files import Columns, Head, check_format, columns_of, long_table_file
from backend.kit.fast_json import dumped
from backend.kit.lists import items_of
from backend.kit.model import Model
from backend.kit.problems import unknown
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.metrics.frames import MAX_STEP, MAX_WALL_TIME
from backend.web import notify
from backend.web.deps import Database, InParts, RunId
from backend.web.errors import responses
from backend.web.inputs import Input
from backend.web.routing import EDITOR, LOG, VIEWER, Router, needs

router = Router(reads=VIEWER, writes=EDITOR, prefix="/runs/{run_id}/histograms", tags=["series"])

MAX_HISTOGRAMS = 500  # of a request
ROWS: Head = {
    "histogram": "text",
    "step": "int",
    "wall_time": "float",
    "low": "float",
    "high": "float",
    "count": "int",
}
BINS = (
    "Bin m from 4 to 1019 holds numbers from e(m) up to, not including, e(m + 1), where e(m) is "
    "(4 + m mod 4) x 2^(m div 4 - 129), and bin m from 1 to 3 those from m x 2^-128; bin -m the same below "
    "zero; bin 0 what is nearer to zero. Ascending, without empty bins."
)
Bin = Annotated[int, Field(ge=-LAST, le=LAST)]
Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]


class HistogramView(Model):
    """The histograms of one name, a column for each step. Of a long run columns are left out, never the first
    or the last."""

    title: str = Field(examples=["Gradients: encoder"])
    about: str
    step: list[int]
    wall_time: list[float]
    bins: list[list[int]] = Field(description=BINS)
    counts: list[list[int]] = Field(description="Numbers in each of `bins`.")
    nan: list[int]
    infinite: list[int]
    quantiles: list[list[float] | None] = Field(
        description="The numbers below which 5, 25, 50, 75 and 95 % of the finite ones lie, as if they lay "
        "evenly in their bin."
    )
    low: list[int | None] = Field(
        description="The lowest bin that had a number at this step, or at one after it that was left out."
    )
    high: list[int | None] = Field(description="The highest such bin.")
    not_finite: list[int] = Field(description="Most NaN and infinity at one of these steps.")


class HistogramsView(Model):
    """Histograms of one run by name."""

    run: str
    histograms: dict[str, HistogramView]


class LoggedHistogram(Input):
    """How often which numbers occur, at one step."""

    name: str = Field(min_length=1, max_length=200, examples=["activations/layer1"])
    step: int = Field(ge=0, le=MAX_STEP)
    wall_time: float | None = Field(
        None, ge=0, le=MAX_WALL_TIME, description="Seconds since the Unix epoch; now, if left out."
    )
    bins: list[Bin] = Field(max_length=2 * LAST + 1, description=BINS, examples=[[-480, 0, 480]])
    counts: list[Count] = Field(
        max_length=2 * LAST + 1, description="Numbers in each of `bins`.", examples=[[3, 1, 4]]
    )
    nan: int = Field(0, ge=0, le=MAX_COUNT)
    infinite: int = Field(0, ge=0, le=MAX_COUNT)


class LoggedHistograms(Input):
    """Histograms of any names and steps."""

    histograms: list[LoggedHistogram] = Field(max_length=MAX_HISTOGRAMS)


class WrittenHistograms(Model):
    """What was written; it is committed."""

    histograms: int


@router.get("", response_model=HistogramsView, responses=responses(401, 404))
def read_histograms(
    run_id: RunId,
    engine: Database,
    names: Annotated[
        str, Query(description="Comma-separated; empty means all.", examples=["context/values"])
    ] = "",
) -> Response:
    """Histograms over steps, and their quantiles."""
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        known = list(histograms.last_steps(session, run_id))
        wanted = items_of(names) or known
        for name in wanted:
            if name not in known:
                raise unknown("histogram", name, known, "This run has none.")
        found = {name: _view(name, histograms.read(session, run_id, name)) for name in wanted}
    return Response(dumped({"run": run_id, "histograms": found}), media_type="application/json")


@router.get("/export", response_class=Response, responses=responses(401, 404, 422))
def export_histograms(
    run_id: RunId,
    engine: Database,
    format: Annotated[str, Query(description="`json`, `csv` or `parquet`.")] = "csv",
) -> InParts:
    """A file with every bin of every histogram, one a line: its ends, and how many numbers it has.

    Ends that are NaN or infinite stand for NaN and for infinity of either sign.
    """
    check_format(format)
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        names = list(histograms.last_steps(session, run_id))
    return InParts(long_table_file(f"run-{run_id}-histograms", ROWS, _tables(engine, run_id, names), format))


@router.post("", responses=responses(401, 404, 409, 413, 422))
@needs(LOG)
def log_histograms(run_id: RunId, body: LoggedHistograms, engine: Database) -> WrittenHistograms:
    """Log histograms of an external run. Idempotent: the same run, name and step is written over. This is a
    heartbeat, too."""
    now = time.time()
    for at, each in enumerate(body.histograms):
        histograms.check_counts(f"histograms.{at}", each.bins, each.counts)
    counted = [
        Counted(
            each.step,
            now if each.wall_time is None else each.wall_time,
            {each.name: Histogram(tuple(each.bins), tuple(each.counts), each.nan, each.infinite)},
        )
        for each in body.histograms
    ]
    with session_scope(engine) as session:
        external_runs.add_histograms(session, run_id, counted)
    notify.logged(run_id)
    return WrittenHistograms(histograms=len(counted))


def _view(name: str, columns: list[Column]) -> dict[str, Any]:
    """As `dumped` takes it."""
    return {
        "title": title_of(name),
        "about": about(name),
        "step": [each.step for each in columns],
        "wall_time": [each.wall_time for each in columns],
        "bins": [list(each.histogram.bins) for each in columns],
        "counts": [list(each.histogram.counts) for each in columns],
        "nan": [each.histogram.nan for each in columns],
        "infinite": [each.histogram.infinite for each in columns],
        "quantiles": [each.histogram.quantiles() for each in columns],
        "low": [each.low for each in columns],
        "high": [each.high for each in columns],
        "not_finite": [each.not_finite for each in columns],
    }


def _tables(engine: Engine, run_id: str, names: list[str]) -> Iterator[Columns]:
    for name in names:
        with reading_scope(engine) as session:
            columns = histograms.read(session, run_id, name)
        yield columns_of(ROWS, [row for each in columns for row in _rows(name, each)])


def _rows(name: str, column: Column) -> Iterator[tuple[Any, ...]]:
    counts = column.histogram
    for number, count in zip(counts.bins, counts.counts, strict=True):
        yield name, column.step, column.wall_time, *bounds(number), count
    for end, count in ((math.nan, counts.nan), (math.inf, counts.infinite)):
        if count:
            yield name, column.step, column.wall_time, end, end, count
