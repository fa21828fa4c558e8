"""Judges what a training recorded, by the thresholds of its config. Each alarm is raised once a run."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from statistics import mean, median
from typing import Any

from backend.domain import health
from backend.domain.experiment import HealthConfig
from backend.domain.records import Alarm, EvaluationSummary
from backend.kit.format import fine_percent, points

_RECENT = 5  # times the patience: points of which the median is the usual gradient norm


class Alarms:
    """The rules and what they remember: how long a state has lasted, and which alarms were raised."""

    def __init__(self, config: HealthConfig, gradient_cut: tuple[str, bool] | None = None) -> None:
        """`gradient_cut`: the field of the model that cuts the encoder off from the loss, and its value."""
        self.config = config
        self.gradient_cut = gradient_cut
        self.raised: list[str] = []
        self.lasted: dict[str, int] = defaultdict(int)  # alarm -> recorded points in a row
        self.norms: list[float] = []  # the recent gradient norms
        self.exacts: list[float] = []  # the recent exact training accuracies: each is of one batch

    def check(self, step: int, values: Mapping[str, float]) -> Iterator[Alarm]:
        """The alarms that the point of `step` gives reason for, each the first of its name."""
        if health.EXACT in values:
            self.exacts = [*self.exacts, values[health.EXACT]][-self.config.patience :]
        rules = (self._starvation, self._collapse, self._explosion, self._unused_context)
        yield from self._first(rule(step, values) for rule in rules)

    def check_scores(self, step: int, held_out: Iterable[EvaluationSummary]) -> Iterator[Alarm]:
        """The alarms that evaluations of `step` on held-out tasks give reason for."""
        yield from self._first(self._memorisation(step, summary) for summary in held_out)

    def state_dict(self) -> dict[str, Any]:
        """What the rules remember; thresholds are the config's."""
        return {
            "raised": self.raised,
            "lasted": dict(self.lasted),
            "norms": self.norms,
            "exacts": self.exacts,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.raised, self.norms = state["raised"], state["norms"]
        newest = state.get("exact")  # what older checkpoints have alone
        self.exacts = state.get("exacts", [] if newest is None else [newest])
        self.lasted = defaultdict(int, state["lasted"])

    def _first(self, alarms: Iterable[Alarm | None]) -> Iterator[Alarm]:
        for alarm in alarms:
            if alarm is not None and alarm.name not in self.raised:
                self.raised.append(alarm.name)
                yield alarm

    def _lasts(self, name: str, present: bool) -> bool:
        """Count a recorded point; whether the state has lasted for as long as patience says."""
        self.lasted[name] = self.lasted[name] + 1 if present else 0
        return self.lasted[name] >= self.config.patience

    def _starvation(self, step: int, values: Mapping[str, float]) -> Alarm | None:
        least = self.config.least_coverage
        coverages = {name: values[name] for name in (health.COVERAGE, health.SAMPLES) if name in values}
        lowest = min(coverages.values(), default=1.0)
        lasts = self._lasts(health.STARVATION, lowest < least)
        if lowest >= least or not (lasts or lowest == 0):
            return None
        text = (
            f"Starvation: only {fine_percent(lowest, 0)} of the encoder receives a gradient "
            f"({', '.join(f'{name} {fine_percent(value, 0)}' for name, value in coverages.items())}). "
            f"Weights without a gradient cannot learn: {self._cause()}"
        )
        return Alarm(health.STARVATION, step, lowest, least, text)

    def _cause(self) -> str:
        if self.gradient_cut is None:
            return "what cuts the encoder off from the loss, a frozen part?"
        path, value = self.gradient_cut
        return f"{path} is {str(value).lower()}, which cuts the encoder off from the loss."

    def _collapse(self, step: int, values: Mapping[str, float]) -> Alarm | None:
        variance = values.get(health.SCALE_FREE, math.inf)
        if not self._lasts(health.COLLAPSE, variance < self.config.least_variance):
            return None
        text = (
            f"Collapse: {fine_percent(variance)} of context variance is between samples "
            f"for {self.lasted[health.COLLAPSE]} points in a row, so the core cannot tell tasks apart."
        )
        return Alarm(health.COLLAPSE, step, variance, self.config.least_variance, text)

    def _explosion(self, step: int, values: Mapping[str, float]) -> Alarm | None:
        norm, patience, jump = values[health.NORM], self.config.patience, self.config.largest_jump
        usual = median(self.norms) if len(self.norms) >= patience else math.inf
        self.norms = [*self.norms, norm][-_RECENT * patience :]
        limit = jump * usual
        if norm <= limit:
            return None
        text = (
            f"Gradient explosion: the norm {norm:.3g} is over {jump:g} times the recent median {usual:.3g}."
        )
        return Alarm(health.EXPLOSION, step, norm, limit, text)

    def _unused_context(self, step: int, values: Mapping[str, float]) -> Alarm | None:
        cost, least = values.get(health.COST), self.config.least_reliance
        if cost is None:  # no probe in this interval
            return None
        if not self._lasts(health.UNUSED_CONTEXT, cost < least):
            return None
        text = (
            f"Unused context: with another task's context the decoder loses {points(cost)} of token "
            f"accuracy, in each of {self.lasted[health.UNUSED_CONTEXT]} probes in a row less than "
            f"{least * 100:g}. It predicts without knowing the task."
        )
        return Alarm(health.UNUSED_CONTEXT, step, cost, least, text)

    def _memorisation(self, step: int, summary: EvaluationSummary) -> Alarm | None:
        score, largest = summary.passes.get(1), self.config.largest_gap
        if not self.exacts or score is None or not score.n:
            return None
        exact = mean(self.exacts)
        gap = health.gap(exact, score.interval[1])
        if gap <= largest:
            return None
        text = (
            f"Memorisation: {exact:.0%} of the grids are right in training, and {score.solved:g} of "
            f"{score.n} held-out tasks are solved (pass@1 on {summary.key.set_name}), {gap * 100:.0f} points "
            "below even at the upper end of the interval. Rules are remembered, not inferred."
        )
        return Alarm(health.MEMORISATION, step, gap, largest, text)
