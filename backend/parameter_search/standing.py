"""Where a parameter search stands: its trials with what their runs reached, read from the rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from sqlalchemy.orm import Session

from backend.domain.experiment.hypothesis_rules import first_held_out
from backend.domain.hypothesis.measure import Term
from backend.domain.parameter_search import (
    Estimate,
    ParameterSearch,
    Report,
    Seed,
    Trial,
    TrialStatus,
    Value,
    best_of,
    estimate,
    parse_search,
)
from backend.metrics import service as series
from backend.metrics.thinning import MIN_POINTS
from backend.parameter_search import queries as rows
from backend.parameter_search.asking import Tried
from backend.parameter_search.tables import SearchRow, TrialRow
from backend.run_view.facts import Facts
from backend.run_view.headline import own_results
from backend.run_view.views import RunView
from backend.runs import group_queries as group_rows
from backend.runs import queries as run_rows
from backend.runs.status import RunStatus


@dataclass(frozen=True)
class Standing:
    """A search as it stands now. `trials` are those of `trial_rows`, in the same order."""

    row: SearchRow
    search: ParameterSearch
    config: Mapping[str, Any]  # what its trials change
    trial_rows: list[TrialRow]
    trials: Sequence[Trial]
    active: int  # runs that have not ended

    def seeds_of(self, number: int) -> int:
        """How many seeds of a trial were queued; 0 for one that was added since."""
        return len(self.trials[number - 1].seeds) if number <= len(self.trials) else 0

    def tried(self) -> list[Tried]:
        """The trials as the sampler is to know them."""
        return [_tried(row, trial) for row, trial in zip(self.trial_rows, self.trials, strict=True)]


def load(session: Session, group_id: str, whole: bool = False) -> Standing | None:
    """The search of a group; None where it has none. Of trials that are over, the runs are read only for the
    `whole`: what came of them is kept."""
    row, group = rows.get(session, group_id), group_rows.get(session, group_id)
    if row is None or group is None:
        return None
    search = parse_search(row.definition)
    trial_rows, own_runs = list(rows.trials(session, group_id)), rows.runs(session, group_id)
    read = {each.number for each in trial_rows if whole or each.status == "running"}
    runs = _Runs(session, search, [each.run_id for each in own_runs if each.number in read and each.run_id])
    seeds: dict[int, list[Seed]] = {each.number: [] for each in trial_rows}
    for each in own_runs:
        seed = runs.seed(each.run_id) if each.number in read else Seed(each.run_id, "finished")
        seeds[each.number].append(seed)
    trials = [_trial(each, seeds[each.number]) for each in trial_rows]
    trials = [_with_report(each, trials, runs) for each in trials]
    return Standing(row, search, group.config, trial_rows, trials, rows.active(session, group_id))


def _trial(row: TrialRow, seeds: Sequence[Seed]) -> Trial:
    result = row.outcome.get("result")
    return Trial(row.number, cast(TrialStatus, row.status), seeds, Estimate(**result) if result else None)


def _tried(row: TrialRow, trial: Trial) -> Tried:
    report = row.outcome.get("report")
    reported = (int(report["step"]), float(report["own"]["mean"])) if report else None
    return Tried(row.parameters, trial.status, trial.result, reported)


def _with_report(trial: Trial, trials: Sequence[Trial], runs: _Runs) -> Trial:
    """The trial with what its running seed has reached, once it has come far enough to be pruned.

    A recorded series of a single seed has no interval, so nothing is read for it.
    """
    newest = trial.seeds[-1] if trial.seeds else None
    if trial.status != "running" or newest is None or newest.state != "active" or newest.run_id is None:
        return trial
    best = best_of(trials, runs.search, besides=trial.number, sure=True)
    if best is None or (not runs.search.measure.first.k and len(trial.seeds) == 1):
        return trial
    step = runs.reported(newest.run_id)
    if step is None:
        return trial
    own = runs.at_step([seed.run_id for seed in trial.seeds], step)
    bar = runs.at_step([seed.run_id for seed in best.seeds if seed.state == "finished"], step)
    return replace(trial, report=Report(step, own, bar))


class _Runs:
    """Runs of a search, and what they reached of its objective."""

    def __init__(self, session: Session, search: ParameterSearch, run_ids: Sequence[str]) -> None:
        self._session, self.search, self._term = session, search, search.measure.first
        self._views: dict[str, RunView] = {}
        self._read(run_ids)

    def seed(self, run_id: str | None) -> Seed:
        """How a run that was read ended, or that it has not."""
        run = self._views.get(run_id or "")
        if run is None:
            return Seed(None, "cancelled")
        if run.status in (RunStatus.CANCELLED, RunStatus.CANCELLING):
            return Seed(run.id, "cancelled")
        if run.status == RunStatus.FAILED:
            return Seed(run.id, "failed", cause=run.status_cause)
        if run.status != RunStatus.FINISHED:
            return Seed(run.id, "active")
        value = self._objective(run)
        if value is None:
            cause = f"it has no {self.search.objective} that its config asks for"
            return Seed(run.id, "finished", cause=cause)
        if not math.isfinite(value.value):
            return Seed(run.id, "finished", cause=f"its {self.search.objective} is not a finite number")
        return Seed(run.id, "finished", value)

    def reported(self, run_id: str) -> int | None:
        """The last step at which a run reported its objective; None: not yet where it may be pruned."""
        run = self._views[run_id]
        if self._term.k:
            steps = {each.step for each in run.results}
            last = max((step for step in steps if self._score(run, step)), default=None)
        else:
            recorded = run.metrics.get(self._term.series)
            last = recorded.step if recorded else None
        steps_asked = run.experiment.training.steps if run.experiment else 0
        due = steps_asked // 2 if self.search.prune_from is None else self.search.prune_from
        return last if last is not None and last >= due else None

    def at_step(self, run_ids: Sequence[str | None], step: int) -> Estimate | None:
        """The objective of these runs as it was at a step; None where one of them does not say."""
        known_ids = [each for each in run_ids if each]
        if self._term.k:
            self._read([each for each in known_ids if each not in self._views])
            values = [self._score(run, step) for each in known_ids if (run := self._views.get(each))]
        else:
            names = [self._term.series]
            curves = series.of_runs(self._session, known_ids, names, MIN_POINTS, last=step)
            values = [_summary(curves[each].get(self._term.series), self._term) for each in known_ids]
        finite = [each for each in values if each is not None and math.isfinite(each.value)]
        return estimate(finite, self.search.bounds) if len(finite) == len(run_ids) else None

    def _read(self, run_ids: Sequence[str]) -> None:
        found = list(run_rows.several(self._session, run_ids).values()) if run_ids else []
        views = Facts(self._session, found, self.search.measure.series).views()
        self._views |= {each.id: each for each in views}

    def _objective(self, run: RunView) -> Value | None:
        """What a finished run reached."""
        if self._term.k:
            return self._score(run)
        recorded = run.metrics.get(self._term.series)
        if recorded is None:
            return None
        of_summary = {"last": recorded.last, "min": recorded.min, "max": recorded.max}
        value = of_summary[self._term.summary]
        return Value(value) if value is not None else None

    def _score(self, run: RunView, step: int | None = None) -> Value | None:
        """pass@k by the config's own evaluation: its newest one, or that of a step."""
        if run.experiment is None:
            return None
        results = [each for each in run.results if step is None or each.step == step]
        first = first_held_out(run.experiment.data.training_sets, run.evaluated_sets)
        result = own_results(run.experiment, results).get(self._term.set_name or first)
        score = result.pass_at(self._term.k) if result else None
        return Value(score.solved / score.n, score.n) if score and score.n else None


def _summary(curve: series.Curve | None, term: Term) -> Value | None:
    """The last, least or greatest value of a curve; thinning keeps all three."""
    if curve is None or not len(curve.values):
        return None
    if term.summary == "last":
        return Value(float(curve.values[-1]))
    finite = curve.values[np.isfinite(curve.values)]
    if not len(finite):
        return None
    return Value(float(finite.min() if term.summary == "min" else finite.max()))
