"""The table of runs and the curves of one as files, written while they are taken along."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from types import NoneType
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.db.session import reading_scope
from backend.domain.records import Score
from backend.kit.exports.parquet import Kind
from backend.kit.exports.table_files import (
    FORMATS,
    Columns,
    Head,
    LongFile,
    check,
    check_format,
    columns_of,
    long_table_file,
)
from backend.kit.exports.tensorboard import MEDIA_TYPE as EVENTS_TYPE
from backend.kit.exports.tensorboard import event_parts
from backend.kit.expressions import Expression
from backend.kit.filters.tree import Value
from backend.lifecycle import service as runs
from backend.metrics import expressions
from backend.metrics import service as series
from backend.metrics.pyramid.queries import StepRange
from backend.run_view import configs
from backend.run_view.facts import held_out_of
from backend.run_view.filter_names import FLAGS, PASSES, TEXTS, TIMES, config_path, is_explicit, is_metric
from backend.run_view.values import RunLine, RunValues, score_of
from backend.run_view.views import ResultView
from backend.runs_table.search import all_ids

ALWAYS = (
    "id",
    "name",
    "variant",
    "seed",
    "status",
    "step",
    "created",
    "finished",
    "duration",
    "owner",
    "project",
)
KINDS: Head = {
    **dict.fromkeys(TEXTS, "text"),
    **dict.fromkeys((*TIMES, "duration"), "float"),
    **dict.fromkeys(FLAGS, "bool"),
    **dict.fromkeys(("seed", "step"), "int"),
}
PART = 250  # runs that are read at once
CURVE_FORMATS = (*FORMATS, "tensorboard")
CURVES: Head = {"metric": "text", "step": "int", "wall_time": "float", "value": "float"}


def table(engine: Engine, filter_text: str, columns: Sequence[str], sort: str, as_: str) -> LongFile:
    """Every run that matches: facts, pass@k with its denominator, its 95 % Wilson interval and how it was
    measured (scores of equal `protocol` are comparable), and the columns asked for, by any name of the filter
    language. InvalidInput for an unknown one.

    Which runs these are is decided now, and what they have is read while the file is taken along: a few
    hundred runs at a time, so that any number of them fits in memory and other requests come between.
    """
    check_format(as_)
    names = [*dict.fromkeys((*ALWAYS, *(name for name in columns if name not in PASSES)))]
    with reading_scope(engine) as session:
        run_ids = all_ids(session, filter_text, sort, names)
    kinds = _kinds(engine, run_ids, names)
    scores: Head = {
        f"{name}{part}": "int" if part == "_tasks" else "float"
        for name in PASSES
        for part in ("", "_solved", "_tasks", "_low", "_high")
    }
    own: Head = {"measured_on": "text", "protocol": "text", **scores}
    head: Head = {}
    for name, kind in kinds.items():
        while name in own or name in head:  # a script may call a field as the file calls a column
            name = f"{name}_"
        head[name] = kind
    head |= own
    tables = (columns_of(head, rows) for rows in _rows(engine, run_ids, kinds))
    return long_table_file("runs", head, tables, as_)


def _rows(engine: Engine, run_ids: Sequence[str], kinds: Head) -> Iterator[list[tuple[Any, ...]]]:
    """The lines, part by part; runs that have gone meanwhile are left out."""
    for part in _parts(run_ids):
        with reading_scope(engine) as session:
            values = RunValues.of_runs(session, [*kinds, *PASSES], part)
            measured = {run_id: _measured(of) for run_id, of in held_out_of(session, part).items()}
            lines = {line.id: line for line in values.lines}
            rows = [
                (
                    *(_as(kind, _plain(values.value(line, name))) for name, kind in kinds.items()),
                    *measured.get(line.id, (None, None)),
                    *_passes(values, line),
                )
                for run_id in part
                if (line := lines.get(run_id))
            ]
        yield rows


def _parts(run_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (run_ids[start : start + PART] for start in range(0, len(run_ids), PART))


def _kinds(engine: Engine, run_ids: Sequence[str], names: Sequence[str]) -> Head:
    """What the values of every column are, of all runs together; those of configs have to be looked at."""
    with reading_scope(engine) as session:
        kinds: dict[str, set[type]] = {
            name: set() for name in names if name not in KINDS and not _is_number(session, name)
        }
    for part in _parts(run_ids) if kinds else ():
        with reading_scope(engine) as session:
            values = RunValues.of_runs(session, list(kinds), part)
            for line in values.lines:
                for name, of in kinds.items():
                    of.add(_type(_plain(values.value(line, name))))
    return {name: _kind(kinds[name]) if name in kinds else KINDS.get(name, "float") for name in names}


def _is_number(session: Session, name: str) -> bool:
    """Whether all runs have a number there, or nothing: `loss` may be a text in a script's config."""
    if is_explicit(name) or not is_metric(name):
        return is_explicit(name)
    of_scripts = configs.by_configuration(session, config_path(name))
    return of_scripts is not None and all(value is None for value in of_scripts.values())


def curves(
    engine: Engine,
    run_id: str,
    names: Collection[str] | None,
    as_: str,
    parsed: Mapping[str, Expression] | None = None,
) -> LongFile:
    """Every recorded point of the metrics (None: all) and of the expressions, one a line, also as an events
    file; NotFound.

    Which steps these are is decided now, and the points are read while the file is taken along: tens of
    thousands at a time. Points of later steps are left out, and those of a run that is deleted meanwhile
    end where that is noticed.
    """
    check("format", as_, CURVE_FORMATS)
    with reading_scope(engine) as session:
        runs.check_exists(session, run_id)
        parts = series.parts(session, run_id, names) if names is None or names else []
        spans = series.spans(session, run_id, expressions.metrics_of(parsed.values())) if parsed else []
    every = chain(_curve_parts(engine, run_id, parts), _expression_parts(engine, run_id, parsed or {}, spans))
    if as_ == "tensorboard":
        points = ((name, curve.steps, curve.wall_times, curve.values) for name, curve in every)
        return LongFile(f"events.out.tfevents.run-{run_id}", EVENTS_TYPE, event_parts(points))
    tables: Iterator[Columns] = (
        [[name] * len(curve.steps), curve.steps, curve.wall_times, curve.values] for name, curve in every
    )
    return long_table_file(f"run-{run_id}-curves", CURVES, tables, as_)


def _curve_parts(
    engine: Engine, run_id: str, parts: Sequence[series.Part]
) -> Iterator[tuple[str, series.Curve]]:
    """The points by name and step, part by part."""
    for part in parts:
        first, last = part.steps
        with reading_scope(engine) as session:
            found = series.read(session, run_id, part.names, first=first, last=last)
        yield from ((name, curve) for name, curve in found.items() if len(curve.steps))


def _expression_parts(
    engine: Engine, run_id: str, parsed: Mapping[str, Expression], spans: Sequence[StepRange]
) -> Iterator[tuple[str, series.Curve]]:
    """The points of one expression after the other, part by part."""
    for text, tree in parsed.items():
        for span in spans:
            with reading_scope(engine) as session:
                found = expressions.read_part(session, run_id, (), {text: tree}, span)
            yield from ((name, curve) for name, curve in found.items() if len(curve.steps))


def _measured(result: ResultView) -> tuple[str, str]:
    """What a run's scores were measured on, and the key of that protocol."""
    return (", ".join(filter(None, (result.set, result.caveat, result.measured_at))), result.protocol.key)


def _passes(values: RunValues, line: RunLine) -> list[float | int | None]:
    made: list[float | int | None] = []
    for name, k in PASSES.items():
        score = score_of(line, k)
        if score is None:
            made += [None] * 5
            continue
        low, high = Score(*score).interval
        share = values.value(line, name)
        made += [share if isinstance(share, float) else None, score[0], score[1], low, high]
    return made


def _plain(value: Value) -> Any:
    """Several values in one cell: `a; b`."""
    return "; ".join(str(each) for each in value) if isinstance(value, tuple) else value


def _type(value: Any) -> type:
    """That of a value; one that no column of whole numbers can hold counts as a float."""
    return float if isinstance(value, int) and abs(value) >= 2**63 else type(value)


def _kind(types: Collection[type]) -> Kind:
    """What a column's values are, all of them together; text where they are of several kinds."""
    kinds = {*types} - {NoneType}
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        return "int"
    return "float" if kinds and kinds <= {int, float} else "text"


def _as(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    return float(value) if kind == "float" else str(value) if kind == "text" else value
