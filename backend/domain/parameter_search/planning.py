"""What is to be done next in a parameter search: which trials end and why, and which runs are queued.

A pure function of what there is: it may be asked again at any time, by anybody, and says the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from backend.domain.intervals import Bounds
from backend.domain.parameter_search.definition import ParameterSearch
from backend.domain.parameter_search.estimates import Estimate, Value, estimate, is_worse
from backend.kit.format import NBSP, counted, percent, significant

TrialStatus = Literal["running", "complete", "pruned", "failed", "cancelled"]


@dataclass(frozen=True)
class Seed:
    """One run of a trial. `value` is its objective once it has finished; None: `cause` says why not."""

    run_id: str | None  # None: it was deleted
    state: Literal["active", "finished", "failed", "cancelled"]
    value: Value | None = None
    cause: str = ""


@dataclass(frozen=True)
class Report:
    """What the running seed of a trial has reached: the objective of its trial and of the best one so far,
    each over its seeds, at the same step."""

    step: int
    own: Estimate | None
    best: Estimate | None


@dataclass(frozen=True)
class Trial:
    """A configuration that was tried. `report` is there while its newest seed runs and may be pruned."""

    number: int  # from 1
    status: TrialStatus
    seeds: Sequence[Seed] = ()
    result: Estimate | None = None  # of a trial that is over, as kept
    report: Report | None = None

    def estimate(self, bounds: Bounds) -> Estimate | None:
        """Its objective over the seeds that finished."""
        if self.status != "running":
            return self.result
        return estimate([each.value for each in self.seeds if each.value], bounds)


@dataclass(frozen=True)
class Ending:
    """A trial ends: with which status, and why. `result`: over the seeds that finished; `report`: by which a
    run of it was pruned."""

    number: int
    status: TrialStatus
    reason: str
    result: Estimate | None = None
    report: Report | None = None


@dataclass(frozen=True)
class Plan:
    """What is to be done; nothing of it has happened yet."""

    endings: Sequence[Ending] = ()
    next_seeds: Sequence[int] = field(default=())  # trials whose next seed is due
    new_trials: int = 0


def best_of(
    trials: Sequence[Trial], search: ParameterSearch, besides: int | None = None, sure: bool = False
) -> Trial | None:
    """The trial with the best mean of those that were neither pruned nor ended early, but for the one called
    `besides`; `sure`: of those with an interval."""
    candidates: list[tuple[float, Trial]] = []
    for trial in trials:
        reached = trial.estimate(search.bounds)
        if trial.number == besides or reached is None or trial.status not in ("running", "complete"):
            continue
        if not sure or reached.low is not None:
            candidates.append((reached.mean if search.better == "higher" else -reached.mean, trial))
    return max(candidates, key=lambda pair: (pair[0], -pair[1].number))[1] if candidates else None


def plan(trials: Sequence[Trial], search: ParameterSearch, active: int, asks: bool) -> Plan:
    """What is due. `active` runs of the search have not ended; without `asks` no run is added."""
    endings = [ending for trial in trials if (ending := _ending(trial, trials, search))]
    ended = {each.number for each in endings}
    if not asks:
        return Plan(endings)
    free = max(0, search.at_once - active)
    due = [trial.number for trial in trials if trial.number not in ended and _waits_for_seed(trial, search)]
    next_seeds = due[:free]
    new = min(free - len(next_seeds), search.trials - len(trials))
    return Plan(endings, next_seeds, max(0, new))


def words(reached: Estimate, search: ParameterSearch) -> str:
    """`12.5 % [5.0 % to 28.1 %] over 2 seeds`."""
    interval = ""
    if reached.low is not None and reached.high is not None:
        interval = f" [{number(reached.low, search)} to {number(reached.high, search)}]"
    return f"{number(reached.mean, search)}{interval} over {counted(reached.seeds, 'seed')}"


def number(value: float, search: ParameterSearch) -> str:
    """A value of the objective."""
    return percent(value) if search.is_share else significant(value)


def _waits_for_seed(trial: Trial, search: ParameterSearch) -> bool:
    over = all(seed.state == "finished" for seed in trial.seeds)
    return trial.status == "running" and over and len(trial.seeds) < search.seeds


def _ending(trial: Trial, trials: Collection[Trial], search: ParameterSearch) -> Ending | None:
    """How a running trial ends now; None: it does not."""
    if trial.status != "running":
        return None
    reached = trial.estimate(search.bounds)
    for seed in trial.seeds:
        if seed.run_id is None or seed.state == "cancelled":
            reason = f"Run {seed.run_id} was cancelled." if seed.run_id else "A run of it was deleted."
            return Ending(trial.number, "cancelled", reason, reached)
        if seed.state == "failed" or (seed.state == "finished" and seed.value is None):
            return Ending(trial.number, "failed", f"Run {seed.run_id}: {seed.cause or 'failed'}.", reached)
    best = best_of(list(trials), search, besides=trial.number, sure=True)
    if any(seed.state == "active" for seed in trial.seeds):
        return _pruned_within(trial, best, reached, search)
    if len(trial.seeds) >= search.seeds:
        return Ending(trial.number, "complete", "", reached)
    bar = best.estimate(search.bounds) if best else None
    if reached and best and bar and is_worse(reached, bar, search.better):
        return Ending(trial.number, "pruned", _why(search, reached, best.number, bar), reached)
    return None


def _pruned_within(
    trial: Trial, best: Trial | None, reached: Estimate | None, search: ParameterSearch
) -> Ending | None:
    report = trial.report
    if best is None or report is None or not is_worse(report.own, report.best, search.better):
        return None
    assert report.own
    assert report.best
    reason = f"At step {report.step:,}: {_why(search, report.own, best.number, report.best)}"
    return Ending(trial.number, "pruned", reason, reached, report)


def _why(search: ParameterSearch, own: Estimate, best: int, bar: Estimate) -> str:
    side = "below" if search.better == "higher" else "above"
    return (
        f"{search.objective} is {words(own, search)}, wholly {side} that of trial{NBSP}{best}: "
        f"{words(bar, search)}."
    )
