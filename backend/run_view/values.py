"""What the names of the filter language mean for every run, fetched name by name and not run by run.

A table of thousands of runs is filtered, sorted and grouped by a few names. Each is one query for a narrow
column; the runs themselves are loaded only for the page that is shown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from sqlalchemy.orm import Session

from backend.domain.experiment.identity import complete_section
from backend.domain.learning import GAP, Learnt, judge
from backend.domain.measurement import Protocol, from_json
from backend.domain.records import Score
from backend.kit.boundary import or_else, shielded
from backend.kit.filters.tree import Value
from backend.kit.format import finite
from backend.people import service as accounts
from backend.run_view import value_queries as rows
from backend.run_view.filter_names import (
    CONFIG_PATHS,
    PASSES,
    at_path,
    is_explicit,
    metric_of,
    without_numbers,
)
from backend.run_view.learning import METRICS
from backend.runs.status import RunStatus

_PLAIN = (
    "id",
    "name",
    "status",
    "origin",
    "variation",
    "verdict",
    "notes",
    "seed",
    "step",
    "created",
    "started",
    "finished",
    "archived",
)
_NEEDS = {
    "variant": ("variant",),
    "encoder": ("variant",),
    "tag": ("tag",),
    "group": ("group_id",),
    "owner": ("owner_id",),
    "project": ("project",),
    "duration": ("started", "stopped"),
    "learning": ("status", "step", "scores"),
    **dict.fromkeys(PASSES, ("scores",)),
    **{name: (name,) for name in _PLAIN},
}

Read = Callable[["RunLine"], Value]


@dataclass(frozen=True)
class RunLine:
    """One run, as far as it was asked for."""

    id: str
    created_at: float
    columns: dict[str, Any]
    sections: dict[str, Any]  # of its config


PROTOCOL = "protocol"  # in a run's scores, beside k -> [solved, n]
UNKNOWN = "unknown"  # beside them too: true where nobody knows whether the tasks were trained on


class RunValues:
    """All runs, or those whose ids are in `only`, newest first, with the values of `names`."""

    def __init__(
        self,
        session: Session,
        names: Collection[str],
        archived: bool | None = None,
        before: tuple[float, str] | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        self._session = session
        self._now = time.time()
        columns = list(dict.fromkeys(each for name in names for each in _NEEDS.get(name, ())))
        paths = [name for name in names if name not in _NEEDS and name != "alarm"]
        needed = ["training.steps", "health.largest_gap"] if "learning" in names else []
        sections = list(dict.fromkeys(_section(path) for path in [*paths, *needed] if _is_of_config(path)))
        self.lines = [
            RunLine(
                row[0],
                row[1],
                dict(zip(columns, row[2 : 2 + len(columns)], strict=True)),
                dict(zip(sections, row[2 + len(columns) :], strict=True)),
            )
            for row in rows.of_all(session, columns, sections, archived, before, only)
        ]
        self._only = only
        self._external: dict[str, dict[str, Any]] | None = None
        self._reads: dict[str, Read] = {name: self._read(name) for name in names}

    def value(self, line: RunLine, name: str) -> Value:
        """What a run has under one of the names; None where it has nothing, or nothing that can be read."""
        return or_else(shielded(f"{name} of run {line.id}", partial(self._reads[name], line)), None)

    def of(self, line: RunLine) -> Callable[[str], Value]:
        """The values of one run, as `filters.matches` asks for them."""
        return partial(self.value, line)

    def _read(self, name: str) -> Read:
        if name in PASSES:
            return lambda line: _share(score_of(line, PASSES[name]))
        match name:
            case "variant" | "encoder":
                return lambda line: line.columns["variant"] or None
            case "tag":
                return lambda line: tuple(line.columns["tag"])
            case "group":
                names = rows.group_names(self._session)
                return lambda line: _group(line.columns["group_id"], names)
            case "owner":
                people = accounts.names(self._session)
                return lambda line: people.get(line.columns["owner_id"])
            case "project":  # empty outside of all
                return lambda line: line.columns["project"] or None
            case "duration":
                return lambda line: _duration(line, self._now)
            case "learning":
                return self._learning()
            case "alarm":
                alarms = rows.alarm_names(self._session)
                return lambda line: tuple(alarms.get(line.id, ()))
        if name == "verdict":  # empty without a hypothesis
            return lambda line: line.columns[name] or None
        if name in _PLAIN:
            return lambda line: line.columns[name]
        return self._metric_or_config(name)

    def _learning(self) -> Read:
        """The verdict on learning, from the newest accuracies and the score that is kept with the run."""
        token, exact, baseline = (rows.metric(self._session, name, only=self._only) for name in METRICS)
        planned, external = self._read("training.steps"), self._external_configs()
        largest_gap = self._read("health.largest_gap")

        def read(line: RunLine) -> Value:
            steps, score, largest = planned(line), score_of(line, 1), largest_gap(line)
            learnt = Learnt(
                steps=line.columns["step"],
                planned=steps if isinstance(steps, int) and line.id not in external else None,
                is_over=RunStatus(line.columns["status"]).is_over,
                token=finite(token.get(line.id)),
                exact=finite(exact.get(line.id)),
                baseline=finite(baseline.get(line.id)),
                held_out=Score(*score) if score and not line.columns["scores"].get(UNKNOWN) else None,
                largest_gap=largest if isinstance(largest, int | float) and line.id not in external else GAP,
            )
            return judge(learnt).word

        return read

    def _metric_or_config(self, name: str) -> Read:
        path = _path(name)
        configs = self._external_configs()
        if _is_of_config(name):
            return lambda line: _in_config(line, path, configs)
        metric, summary = metric_of(name)
        explicit = is_explicit(name)
        found = rows.metric(self._session, metric, summary, self._only)

        def read(line: RunLine) -> Value:
            if line.id in found:
                return found[line.id]
            return at_path(configs[line.id], path) if line.id in configs and not explicit else None

        return read

    def _external_configs(self) -> dict[str, dict[str, Any]]:
        if self._external is None:
            self._external = rows.external_configs(self._session)
        return self._external


def score_of(line: RunLine, k: int) -> tuple[float, int] | None:
    """(tasks solved, tasks) on the held-out set, of a line that was asked for any pass@k."""
    score = line.columns["scores"].get(str(k))
    return (score[0], score[1]) if score else None


def protocol_of(line: RunLine) -> Protocol | None:
    """How that was measured; None without a score."""
    return from_json(line.columns["scores"].get(PROTOCOL))


def _in_config(line: RunLine, path: str, external: Mapping[str, dict[str, Any]]) -> Value:
    """What is stored at a path, or what the field was before there was one: its default."""
    if line.id in external:
        return at_path(external[line.id], path)
    found = at_path(line.sections, path)
    if found is not None:
        return found
    section = _section(path)
    stored = json.dumps(line.sections.get(section), sort_keys=True)
    return at_path({section: _completed(section, stored)}, path)


@lru_cache(maxsize=1024)  # seeds, and whole sweeps, share their sections
def _completed(section: str, stored: str) -> Any:
    return complete_section(section, json.loads(stored))


def _share(score: tuple[float, int] | None) -> float | None:
    return score[0] / score[1] if score else None


def _path(name: str) -> str:
    return "model.kind" if name == "model" else name.removeprefix("config.")


def _section(name: str) -> str:
    return _path(name).partition(".")[0]


def _is_of_config(name: str) -> bool:
    return name == "model" or without_numbers(name) in CONFIG_PATHS


def _group(group_id: str | None, names: dict[str, str]) -> Value:
    return (group_id, names[group_id]) if group_id in names else None


def _duration(line: RunLine, now: float) -> float | None:
    started: float | None = line.columns["started"]
    return None if started is None else max(0.0, (line.columns["stopped"] or now) - started)


def ids(lines: Sequence[RunLine]) -> list[str]:
    """Of these runs, in order."""
    return [line.id for line in lines]
