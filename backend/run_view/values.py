"""What the names of the filter language mean for every run, fetched name by name and not run by run.

A table of thousands of runs is filtered, sorted and grouped by a few names. Each is one query for a narrow
column; the runs themselves are loaded only for the page that is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import filterfalse
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from backend.domain.learning import GAP, Learnt, judge
from backend.domain.measurement import Protocol, from_json
from backend.domain.metrics.names import BASELINE
from backend.domain.records import Score
from backend.kit.boundary import or_else, shielded
from backend.kit.filters.tree import Value
from backend.kit.format import finite
from backend.metrics import recent
from backend.people import service as accounts
from backend.run_view import configs
from backend.run_view import value_queries as rows
from backend.run_view.filter_names import PASSES, at_path, config_path, is_config_path, is_explicit, metric_of
from backend.run_view.learning import ACCURACIES
from backend.run_view.value_queries import Narrowed
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
    "learning": ("status", "step", "scores", "origin"),
    **dict.fromkeys(PASSES, ("scores",)),
    **{name: (name,) for name in _PLAIN},
}

Read = Callable[["RunLine"], Value]


class RunLine(NamedTuple):
    """One run, as far as it was asked for."""

    id: str
    created_at: float
    columns: Mapping[str, Any]
    sections: Mapping[str, Any]  # of its config


PROTOCOL = "protocol"  # in a run's scores, beside k -> [solved, n]
UNKNOWN = "unknown"  # beside them too: true where nobody knows whether the tasks were trained on


class RunValues:
    """The runs that a condition leaves, newest first, with the values of `names`."""

    def __init__(self, session: Session, names: Collection[str], runs: Narrowed | None = None) -> None:
        runs = runs or Narrowed()
        self._session = session
        self._now = time.time()
        self._only = runs.only
        needed = ["training.steps", "health.largest_gap"] if "learning" in names else []
        paths = [name for name in [*names, *needed] if name not in _NEEDS and name != "alarm"]
        # Of all runs by configuration, which the process remembers; of a few, what lies in their rows.
        self._configs = {
            path: configs.by_configuration(session, path)
            for path in map(config_path, filterfalse(is_explicit, paths))
            if self._only is None
        }
        columns = [each for name in names for each in _NEEDS.get(name, ())]
        if any(self._configs.values()):
            columns.append("variation")
        own = [
            path
            for path in map(config_path, filter(is_config_path, paths))
            if self._configs.get(path) is None
        ]
        columns, sections = list(dict.fromkeys(columns)), list(dict.fromkeys(map(configs.section_of, own)))
        middle = 2 + len(columns)
        self.lines = [
            RunLine(
                row[0],
                row[1],
                dict(zip(columns, row[2:middle], strict=True)) if columns else {},
                dict(zip(sections, row[middle:], strict=True)) if sections else {},
            )
            for row in rows.of_all(session, columns, sections, runs)
        ]
        self._external: dict[str, dict[str, Any]] | None = None
        self._reads: dict[str, Read] = {name: self._read(name) for name in names}

    @classmethod
    def of_runs(cls, session: Session, names: Collection[str], run_ids: Collection[str]) -> RunValues:
        """Of these runs alone."""
        return cls(session, names, Narrowed(only=run_ids))

    def value(self, line: RunLine, name: str) -> Value:
        """What a run has under one of the names; None where it has nothing, or nothing that can be read."""
        try:
            return self._reads[name](line)
        except Exception:  # noqa: BLE001 — read once more, and told of in the log
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
        """The verdict on learning, from the last points of the accuracies and the score that is kept with the
        run."""
        means = recent.means(self._session, ACCURACIES, self._only)
        token, exact = (means[name] for name in ACCURACIES)
        baseline = rows.metric(self._session, BASELINE, only=self._only)
        planned = self._read("training.steps")
        largest_gap = self._read("health.largest_gap")

        def read(line: RunLine) -> Value:
            is_ours = line.columns["origin"] != "external"
            steps, score, largest = planned(line), score_of(line, 1), largest_gap(line)
            learnt = Learnt(
                steps=line.columns["step"],
                planned=steps if isinstance(steps, int) and is_ours else None,
                is_over=RunStatus(line.columns["status"]).is_over,
                token=token[line.id].mean if line.id in token else None,
                exact=exact[line.id].mean if line.id in exact else None,
                baseline=finite(baseline.get(line.id)),
                held_out=Score(*score) if score and not line.columns["scores"].get(UNKNOWN) else None,
                largest_gap=largest if isinstance(largest, int | float) and is_ours else GAP,
            )
            return judge(learnt).word

        return read

    def _metric_or_config(self, name: str) -> Read:
        if is_config_path(name):
            return self._in_config(config_path(name))
        metric, summary = metric_of(name)
        found = rows.metric(self._session, metric, summary, self._only)
        if is_explicit(name):
            return lambda line: found.get(line.id)
        other = self._in_config(config_path(name))
        return lambda line: found[line.id] if line.id in found else other(line)

    def _in_config(self, path: str) -> Read:
        shared = self._configs.get(path)
        if shared is not None:
            return (lambda line: shared.get(line.columns["variation"])) if shared else (lambda _: None)
        external = self._external_configs()
        section, ours = configs.section_of(path), is_config_path(path)

        def read(line: RunLine) -> Value:
            if line.id in external:
                return at_path(external[line.id], path)
            return configs.in_config(line.sections[section], path) if ours else None

        return read

    def _external_configs(self) -> dict[str, dict[str, Any]]:
        if self._external is None:
            self._external = rows.external_configs(self._session, self._only)
        return self._external


def score_of(line: RunLine, k: int) -> tuple[float, int] | None:
    """(tasks solved, tasks) on the held-out set, of a line that was asked for any pass@k."""
    score = line.columns["scores"].get(str(k))
    return (score[0], score[1]) if score else None


def protocol_of(line: RunLine) -> Protocol | None:
    """How that was measured; None without a score."""
    return from_json(line.columns["scores"].get(PROTOCOL))


def _share(score: tuple[float, int] | None) -> float | None:
    return score[0] / score[1] if score else None


def _group(group_id: str | None, names: dict[str, str]) -> Value:
    return (group_id, names[group_id]) if group_id in names else None


def _duration(line: RunLine, now: float) -> float | None:
    started: float | None = line.columns["started"]
    return None if started is None else max(0.0, (line.columns["stopped"] or now) - started)


def ids(lines: Sequence[RunLine]) -> list[str]:
    """Of these runs, in order."""
    return [line.id for line in lines]
