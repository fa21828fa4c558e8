"""`etrm-lab import`: runs of other trackers, each turned into a journal and sent as any other.

A source lists its runs and reads each one record after another; the journals of all runs of an import are
written before the first of them is put in place, so a file that cannot be read leaves nothing behind.
"""

from __future__ import annotations

import argparse
import filecmp
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from etrm_lab.answers import Failure
from etrm_lab.connection import Away, Lab
from etrm_lab.delivery import Delivery, Over
from etrm_lab.exit_codes import ExitCode
from etrm_lab.histogram import Histogram
from etrm_lab.journal import Busy, Journal, encode
from etrm_lab.logins import chosen
from etrm_lab.output import tell, tell_once
from etrm_lab.sender import PROMISE_SECONDS
from etrm_lab.session import MAX_STEP
from etrm_lab.start import FOLDER, as_id
from etrm_lab.values import config_of, metric_name, one_line, text_of

KINDS = {
    "tensorboard": "TensorBoard: a folder with event files, or with folders of them",
    "wandb": "Weights & Biases: an exported history (CSV, JSON, JSON lines), or an offline run folder",
    "mlflow": "MLflow: a file store (mlruns), or its SQLite file",
    "trackio": "Trackio: the SQLite file of a project, or a folder of them",
}
MAX_WALL_TIME = 1e11  # seconds, as the lab takes them
MAX_NAMES = 500  # of one record; a request of the lab holds about twice as many


class BadSource(Exception):
    """A file that cannot be imported; the text names it and says what to do."""

    exit_code = ExitCode.FAILED


class NoSource(BadSource):
    """There is no such file."""

    exit_code = ExitCode.NOT_FOUND


class Point(NamedTuple):
    """One value of a metric; `wall_time` in seconds since the Unix epoch."""

    name: str
    step: int
    wall_time: float
    value: float


class Line(NamedTuple):
    """A text for the run's log."""

    text: str
    wall_time: float


class Distribution(NamedTuple):
    """A histogram at one step."""

    name: str
    step: int
    wall_time: float
    histogram: Histogram


Imported = Point | Line | Distribution


@dataclass(frozen=True)
class SourceRun:
    """A run as another tracker has it.

    `identity` is the same wherever and whenever the run is imported; the id in the lab is derived from it.
    `records` reads the run again at every call, and raises BadSource.
    """

    identity: str
    name: str
    records: Callable[[], Iterable[Imported]]
    project: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    status: str = "finished"
    cause: str = ""


class _Written(NamedTuple):
    run_id: str
    name: str
    part: Path
    points: int
    lines: int
    histograms: int


def add_command(commands: Any) -> None:
    """Add `import` to the command line."""
    parser = commands.add_parser(
        "import", help="bring in runs of another tracker", description=import_runs.__doc__
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, text in KINDS.items():
        one = kinds.add_parser(kind, help=text, description=f"{text}. Importing again is safe.")
        one.add_argument("path", type=Path)
        one.add_argument("--project", help="project in the lab; default: what the source calls it")
        one.add_argument("--name", help="name of the run in the lab, where there is only one")
        one.add_argument("--dir", type=Path, default=Path(FOLDER), help=f"of the journals; default: {FOLDER}")
        one.add_argument("--url", help="address of the lab; default: ETRM_URL, or that of etrm login")
        one.add_argument("--token", help="default: ETRM_TOKEN, or that of etrm login")


def import_runs(asked: argparse.Namespace, runs: list[dict[str, Any]]) -> ExitCode:
    """Import runs of another tracker. Importing the same runs again adds what is new."""
    address, secret = chosen(asked.url, asked.token)
    try:
        lab = Lab(address, secret) if address else None
        written = _write_all(asked)
    except BadSource as error:
        raise Failure(str(error), code=error.exit_code, field="path") from None
    except ValueError as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{error.filename or asked.path}: {error.strerror or error}", field="path") from None
    code = ExitCode.DONE
    try:
        for one in written:
            run = {"run": one.run_id, "name": one.name, "points": one.points, "lines": one.lines}
            try:
                where = _deliver(one, asked.dir, lab)
                print(f"{one.run_id}: {one.name}: {_told(one)}; {where}", flush=True)
                runs.append(run | {"state": where})
            except Away as away:
                left = "The rest stays in the journals; send them later: etrm-lab sync."
                print(f"Error: {one.run_id}: {away} {left}", file=sys.stderr)
                runs.append(run | {"error": str(away)})
                code, lab = away.exit_code, None  # the others get their journals
            except (Busy, Over) as problem:
                print(f"{one.run_id}: {problem}", file=sys.stderr)
                runs.append(run | {"error": str(problem)})
                code = ExitCode.FAILED
    finally:
        _remove(written)
    return code


def _write_all(asked: argparse.Namespace) -> list[_Written]:
    """The journals of all runs, beside where they belong; none is left where one cannot be written."""
    if not asked.path.exists():
        raise NoSource(f"{asked.path} does not exist.")
    runs: list[SourceRun] = list(import_module(f"etrm_lab.{asked.kind}_files").runs_of(asked.path))
    if asked.name and len(runs) > 1:
        names = ", ".join(run.name for run in runs[:5])
        raise BadSource(f"--name is for one run; {asked.path} has {len(runs)}: {names}. Leave --name out.")
    asked.dir.mkdir(parents=True, exist_ok=True)
    written: list[_Written] = []
    ids: set[str] = set()
    try:
        for run in runs:
            run_id = as_id(f"{asked.kind}:{run.identity}")
            if run_id in ids:
                raise BadSource(f"{asked.path} holds the run {run.name} twice. Import one of the copies.")
            ids.add(run_id)
            one = _write(run, run_id, asked)
            if one.points or one.lines or one.histograms or run.config:
                written.append(one)
            else:
                one.part.unlink()
                tell(f"{run.name} has neither numbers nor text nor a config: it is left out.")
        if not written:
            raise BadSource(f"{asked.path} holds no run with numbers or text. Is it of {asked.kind}?")
    except BaseException:
        _remove(written)
        raise
    return written


def _write(run: SourceRun, run_id: str, asked: argparse.Namespace) -> _Written:
    name = one_line(asked.name or run.name, 120) or run_id
    project = one_line(run.project if asked.project is None else asked.project, 60)
    try:
        config = config_of(run.config)
    except ValueError as error:
        raise BadSource(f"{asked.path}: {run.name}: {error}") from None
    opening = {"id": run_id, "name": name, "project": project, "config": config}
    part = asked.dir / f"{run_id}.part"
    points = lines = histograms = 0
    try:
        with part.open("w", encoding="utf-8", errors="replace") as out:
            out.write(_line({"kind": "start", "run": {**opening, "heartbeat_seconds": PROMISE_SECONDS}}))
            if config:  # a run that is imported again has one already, which this replaces
                out.write(_line({"kind": "config", "config": config}))
            for record in _records(run.records()):
                points += len(record.get("values", ()))
                lines += record["kind"] == "text"
                histograms += record["kind"] == "histogram"
                out.write(_line(record))
            out.write(_line({"kind": "finish", "status": run.status, "cause": text_of(run.cause, 2000)}))
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return _Written(run_id, name, part, points, lines, histograms)


def _line(record: Mapping[str, Any]) -> str:
    return encode(record) + "\n"


def _records(source: Iterable[Imported]) -> Iterator[dict[str, Any]]:
    """Records of a journal: points that follow each other at one step are one."""
    names: dict[str, str] = {}
    row: dict[str, Any] = {}
    for one in source:
        if isinstance(one, Line):
            yield {"kind": "text", "text": text_of(one.text), "level": "info", "wall_time": _time(one)}
            continue
        if not 0 <= one.step <= MAX_STEP:
            tell_once(
                f"{one.name} is left out at step {one.step}: steps are whole numbers from 0 on.", "step"
            )
            continue
        if isinstance(one, Distribution):
            name = names.get(one.name) or names.setdefault(one.name, metric_name(one.name))
            start = {"kind": "histogram", "name": name, "step": one.step, "wall_time": _time(one)}
            yield {**start, **one.histogram.record()}
            continue
        if row and (row["step"] != one.step or len(row["values"]) >= MAX_NAMES):
            yield row
            row = {}
        name = names.get(one.name) or names.setdefault(one.name, metric_name(one.name))
        row = row or {"kind": "points", "step": one.step, "wall_time": 0.0, "values": {}}
        row["values"][name] = float(one.value)  # of two at one step the last counts
        row["wall_time"] = _time(one)
    if row:
        yield row


def _time(one: Imported) -> float:
    return min(max(one.wall_time, 0.0), MAX_WALL_TIME) if math.isfinite(one.wall_time) else 0.0


def _deliver(one: _Written, folder: Path, lab: Lab | None) -> str:
    """Put the journal in its place, and send what the lab does not have; what became of it."""
    journal = Journal(folder, one.run_id)
    try:
        if not filecmp.cmp(one.part, journal.path, shallow=False):
            journal.acknowledged = 0  # what the lab has already is stored once
            os.replace(one.part, journal.path)
            journal.close()
            journal = Journal(folder, one.run_id)
        if lab is None:
            return f"in {journal.path}. Send it: etrm-lab sync"
        delivery = Delivery(journal, lab)
        pending = delivery.pending
        while delivery.send_some():
            pass
        where = f"{lab.url}/runs/{one.run_id}"
        return f"sent to {where}" if pending else f"unchanged in {where}"
    finally:
        journal.close()


def _told(one: _Written) -> str:
    parts = [f"{one.points:,} point{'s' * (one.points != 1)}"]
    if one.histograms:
        parts.append(f"{one.histograms:,} histogram{'s' * (one.histograms != 1)}")
    if one.lines:
        parts.append(f"{one.lines:,} line{'s' * (one.lines != 1)} of text")
    return ", ".join(parts)


def _remove(written: Iterable[_Written]) -> None:
    for one in written:
        with suppress(OSError):
            one.part.unlink(missing_ok=True)


def missing_extra(library: str, extra: str) -> BadSource:
    """The error where a library that reads the files is not installed."""
    return BadSource(
        f"Reading these files needs {library}. Install it: pip install 'etrm-lab-client[{extra}]', "
        f"or pip install {library}."
    )


def left_out(name: str) -> str:
    """What is told of a value that has no place in a curve or a log."""
    return f"{name} is left out: only numbers and text are imported."


def without_media(values: Mapping[str, Any]) -> dict[str, Any]:
    """A step's values without pictures, tables and histograms, which W&B and Trackio mark by a type: inside
    of them, or beside their other parts under `NAME/_type`."""
    media = {name for name, value in values.items() if isinstance(value, dict) and "_type" in value}
    media |= {name.removesuffix("/_type") for name in values if name.endswith("/_type")}
    for name in sorted(media):
        tell_once(left_out(name))
    return {
        name: value
        for name, value in values.items()
        if name not in media and name.rpartition("/")[0] not in media
    }


def number(value: Any) -> float | None:
    """A number as trackers write it in text or JSON; None for what is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:  # an integer of more than 308 digits
            return math.inf if value > 0 else -math.inf
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
