"""Runs of Trackio: the SQLite file that it keeps for each project. Read without its library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from etrm_lab.imports import BadSource, Line, Point, SourceRun, left_out, number, without_media
from etrm_lab.output import tell_once
from etrm_lab.sqlite_files import opened, rows
from etrm_lab.values import flattened

HINT = "Give Trackio's file of a project, such as ~/.cache/huggingface/trackio/PROJECT.db."


def runs_of(path: Path) -> Iterator[SourceRun]:
    """The runs of a project, or of all projects in a folder."""
    files = [path] if path.is_file() else sorted(path.glob("*.db"))
    if not files:
        raise BadSource(f"{path} has no .db files. {HINT}")
    for file in files:
        if path.is_file() or _is_project(file):
            yield from _runs_in(file)


def _is_project(file: Path) -> bool:
    """Whether a file of a folder is that of a project; Trackio keeps others beside them."""
    with opened(file, (), HINT) as database:
        names = {name for (name,) in rows(file, database, "SELECT name FROM sqlite_master")}
    return "metrics" in names


def _runs_in(file: Path) -> Iterator[SourceRun]:
    with opened(file, ("metrics",), HINT) as database:
        _tell_of_system(file, database)
        columns = {row[1] for row in rows(file, database, "PRAGMA table_info(metrics)")}
        if not {"run_name", "step", "timestamp", "metrics"} <= columns:
            raise BadSource(f"{file}: its table metrics is not Trackio's. {HINT}")
        key = "run_id" if "run_id" in columns else "run_name"  # names are no ids since runs may share one
        text = (
            f"SELECT coalesce({key}, run_name), run_name, min(timestamp) FROM metrics GROUP BY 1 ORDER BY 3"
        )
        for run, name, started in rows(file, database, text):
            yield SourceRun(
                identity=f"{file.stem}/{run}/{started}",
                name=name,
                records=lambda run=run: _records(file, key, run),  # type: ignore[misc]
                project=file.stem,
                config=_config(file, database, key, run),
            )


def _tell_of_system(file: Path, database: Any) -> None:
    """Say that what Trackio samples of the machine is not imported: it has times and no steps."""
    names = {name for (name,) in rows(file, database, "SELECT name FROM sqlite_master")}
    if "system_metrics" in names and any(rows(file, database, "SELECT 1 FROM system_metrics LIMIT 1")):
        tell_once(f"{file}: the measures of the machine are left out: they have no step.")


def _config(file: Path, database: Any, key: str, run: str) -> dict[str, Any]:
    columns = {row[1] for row in rows(file, database, "PRAGMA table_info(configs)")}
    if "config" not in columns:
        return {}
    where = f"coalesce({key}, run_name)" if key in columns else "run_name"
    found: dict[str, Any] = {}
    for (text,) in rows(file, database, f"SELECT config FROM configs WHERE {where} = ?", run):
        found.update(_object(file, text))
    return {name: value for name, value in found.items() if not str(name).startswith("_")}


def _records(file: Path, key: str, run: str) -> Iterator[Point | Line]:
    text = f"SELECT step, timestamp, metrics FROM metrics WHERE coalesce({key}, run_name) = ? ORDER BY id"
    with opened(file, ("metrics",), HINT) as database:
        for step, stamp, metrics in rows(file, database, text, run):
            wall_time = _seconds(file, stamp)
            for name, value in flattened(without_media(_object(file, metrics))):
                if (found := number(value)) is not None:
                    yield Point(name, int(step), wall_time, found)
                elif isinstance(value, bool):
                    yield Point(name, int(step), wall_time, float(value))
                elif isinstance(value, str):
                    yield Line(f"{name} at step {step:,}: {value}", wall_time)
                elif value is not None:
                    tell_once(left_out(name))
        yield from _alerts(file, database, key, run)


def _alerts(file: Path, database: Any, key: str, run: str) -> Iterator[Line]:
    columns = {row[1] for row in rows(file, database, "PRAGMA table_info(alerts)")}
    if not {key, "title", "timestamp"} <= columns:
        return
    text = f"SELECT title, text, step, timestamp FROM alerts WHERE {key} = ? ORDER BY id"
    for title, more, step, stamp in rows(file, database, text, run):
        at = "" if step is None else f" at step {step:,}"
        yield Line(f"Alert{at}: {title}{': ' if more else ''}{more or ''}", _seconds(file, stamp))


def _object(file: Path, text: Any) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise BadSource(f"{file} holds {str(text)[:40]!r} where an object in JSON belongs. {HINT}")
    return value


def _seconds(file: Path, stamp: Any) -> float:
    """Of a time in ISO form; one without a zone is UTC."""
    try:
        time = datetime.fromisoformat(str(stamp).replace("Z", "+00:00"))
    except ValueError:
        raise BadSource(f"{file} holds the time {stamp!r}, which is not in ISO form. {HINT}") from None
    return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
