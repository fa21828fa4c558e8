"""Runs of MLflow: its file store (`mlruns`), and its SQLite file. Read without its library."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from etrm_lab.imports import BadSource, Line, Point, SourceRun
from etrm_lab.sqlite_files import opened, rows
from etrm_lab.start import as_id

# As SQL and the file store have them.
ENDS = {
    "FINISHED": ("finished", ""),
    "3": ("finished", ""),
    "FAILED": ("failed", "MLflow has the run as failed."),
    "4": ("failed", "MLflow has the run as failed."),
    "KILLED": ("cancelled", "MLflow has the run as killed."),
    "5": ("cancelled", "MLflow has the run as killed."),
}
NO_END = ("finished", "MLflow has no end of this run: it had not ended when it was imported, or was killed.")
DATABASE = "mlflow.db"  # which MLflow makes where it is started, unless there is a file store
TRASH = ".trash"  # where a file store keeps deleted runs and experiments
PARENT = "mlflow.parentRunId"
LARGEST = 1.7976931348623157e308  # what SQL has for infinity


def runs_of(path: Path) -> Iterator[SourceRun]:
    """The runs of a store, but for deleted ones."""
    yield from _of_database(path) if path.is_file() else _of_folder(path)


def _of_folder(path: Path) -> Iterator[SourceRun]:
    """Run folders at most three levels down, of a run, an experiment, a store or the folder around it; and
    the runs of a database in that folder."""
    found = (path / DATABASE).is_file()
    if found:
        yield from _of_database(path / DATABASE)
    for depth in ("", "*/", "*/*/", "*/*/*/"):
        for meta_file in sorted(path.glob(f"{depth}meta.yaml")):
            meta = _meta(meta_file)
            if "artifact_uri" not in meta or not (run_id := meta.get("run_id") or meta.get("run_uuid", "")):
                continue  # of an experiment, or of a model
            found = True
            if meta.get("lifecycle_stage") != "deleted" and TRASH not in meta_file.relative_to(path).parts:
                yield _run_in(meta_file.parent, run_id, meta)
    if not found:
        beside = path.resolve().parent / DATABASE
        hint = f"Give {beside}." if beside.is_file() else f"Give its mlruns folder or its {DATABASE}."
        raise BadSource(f"{path} has no runs of MLflow (mlruns/EXPERIMENT/RUN/meta.yaml). {hint}")


def _run_in(folder: Path, run_id: str, meta: dict[str, str]) -> SourceRun:
    tags = _texts(folder / "tags")
    experiment = folder.parent / "meta.yaml"
    project = _meta(experiment).get("name", "") if experiment.is_file() else ""
    status, cause = ENDS.get(meta.get("status", ""), NO_END)
    started = _seconds(meta.get("start_time", ""))

    def records() -> Iterator[Point | Line]:
        yield from _tag_lines(tags, started)
        root = folder / "metrics"
        for file in sorted(each for each in root.rglob("*") if each.is_file()):
            yield from _points_of(file, file.relative_to(root).as_posix())

    return SourceRun(
        identity=run_id,
        name=meta.get("run_name") or tags.get("mlflow.runName") or run_id,
        records=records,
        project=_project(project),
        config={name: _plain(text) for name, text in _texts(folder / "params").items()},
        status=status,
        cause=cause,
    )


def _points_of(file: Path, name: str) -> Iterator[Point]:
    """Lines of milliseconds, value and step; old files have no step."""
    with file.open(encoding="utf-8") as lines:
        for at, line in enumerate(lines, 1):
            parts = line.split()
            try:
                if parts:
                    step = int(parts[2]) if len(parts) > 2 else 0
                    yield Point(name, step, int(parts[0]) / 1000, float(parts[1]))
            except (ValueError, IndexError):
                what = "a line of a metric: milliseconds, value, step"
                raise BadSource(
                    f"{file}, line {at} is not {what}. Mend or remove it and import again."
                ) from None


def _meta(file: Path) -> dict[str, str]:
    """The keys of a flat YAML file as text. Long texts are folded: a line that is indented continues the one
    before."""
    found = {}
    text = file.read_text(encoding="utf-8", errors="replace")
    for line in re.sub(r"\n +(?=\S)", " ", text).splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith((" ", "-", "#")):
            found[name.strip()] = _unquoted(value.strip())
    return found


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    return "" if text in ("null", "~") else text


def _texts(folder: Path) -> dict[str, str]:
    """Each file below a folder: its path and its text."""
    return {
        file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8", errors="replace")
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def _of_database(path: Path) -> Iterator[SourceRun]:
    hint = "Give MLflow's SQLite file or its mlruns folder."
    with opened(path, ("runs", "metrics", "params", "experiments"), hint) as database:
        found = rows(
            path,
            database,
            "SELECT run_uuid, runs.name, status, start_time, experiments.name FROM runs"
            " LEFT JOIN experiments USING (experiment_id)"
            " WHERE runs.lifecycle_stage = 'active' ORDER BY start_time, run_uuid",
        )
        for run_id, name, status, start, experiment in found:
            params = dict(_of(path, database, "params", run_id))
            tags = dict(_of(path, database, "tags", run_id))
            end, cause = ENDS.get(status, NO_END)
            yield SourceRun(
                identity=run_id,
                name=name or tags.get("mlflow.runName") or run_id,
                records=lambda run_id=run_id, tags=tags, start=start: _stored(  # type: ignore[misc]
                    path, run_id, tags, (start or 0) / 1000
                ),
                project=_project(experiment or ""),
                config={key: _plain(text) for key, text in params.items()},
                status=end,
                cause=cause,
            )


def _of(path: Path, database: sqlite3.Connection, table: str, run_id: str) -> Iterator[tuple[str, str]]:
    text = f"SELECT key, value FROM {table} WHERE run_uuid = ? ORDER BY key"
    yield from rows(path, database, text, run_id)


def _stored(path: Path, run_id: str, tags: dict[str, str], start: float) -> Iterator[Point | Line]:
    yield from _tag_lines(tags, start)
    text = (
        "SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ?"
        " ORDER BY key, step, timestamp, value"
    )
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        for key, value, time, step, is_nan in rows(path, database, text, run_id):
            number = (
                math.nan if is_nan else math.copysign(math.inf, value) if abs(value) >= LARGEST else value
            )
            yield Point(key, step, time / 1000, number)


def _tag_lines(tags: dict[str, str], wall_time: float) -> Iterator[Line]:
    own = {name: text for name, text in tags.items() if not name.startswith("mlflow.")}
    if note := tags.get("mlflow.note.content"):
        yield Line(note, wall_time)
    if parent := tags.get(PARENT):
        yield Line(f"Nested in run {as_id(f'mlflow:{parent}')}.", wall_time)
    if own:
        yield Line("Tags: " + ", ".join(f"{name} = {text}" for name, text in sorted(own.items())), wall_time)


def _project(experiment: str) -> str:
    return "" if experiment == "Default" else experiment


def _seconds(milliseconds: str) -> float:
    return int(milliseconds) / 1000 if milliseconds.isdecimal() else 0.0


def _plain(text: str) -> Any:
    """MLflow keeps parameters as Python writes them: what it writes of a number or a truth value is that
    again. Whatever else looks like a number (007, 12e45 of a hash, 1_000) stays text."""
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        with suppress(ValueError):
            if str(value := kind(text)) == text:
                return value
    return text
