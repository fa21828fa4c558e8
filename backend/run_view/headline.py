"""Which evaluation speaks for a run: the one that its config asks for; others stand beside it.

A later evaluation with a search, more views or other tasks is a fact of its own. Were it the run's score,
seeds would no longer be measured alike, and their mean would fall apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from backend.domain.experiment import ExperimentConfig
from backend.domain.measurement import Protocol, settings_of
from backend.scores.measured import Measured

AnyMeasured = TypeVar("AnyMeasured", bound=Measured)


def own_results(config: ExperimentConfig | None, results: Sequence[AnyMeasured]) -> dict[str, AnyMeasured]:
    """Set -> its newest finished evaluation on the tasks and by the protocol that the config asks for."""
    if config is None:
        return {}
    settings = settings_of(config)
    limits = {each.name: each.first_tasks for each in config.evaluation.sets}
    asked_for: dict[str, list[AnyMeasured]] = {}
    for result in _finished(results):
        if result.set not in limits or result.protocol.settings != settings:
            continue
        limit = limits[result.set]
        if limit is None or result.n <= limit:
            asked_for.setdefault(result.set, []).append(result)
    return {name: _newest(_usual(found), found) for name, found in asked_for.items()}


def headlines(config: ExperimentConfig | None, results: Sequence[AnyMeasured]) -> dict[str, AnyMeasured]:
    """Set -> the result that stands for the run there: its own, or without one the newest by the plainest
    protocol. Sets with a result of the config's come first, in the order of the config."""
    own = own_results(config, results)
    others: dict[str, list[AnyMeasured]] = {}
    for result in _finished(results):
        if result.set not in own:
            others.setdefault(result.set, []).append(result)
    order = [each.name for each in config.evaluation.sets] if config else []
    found: Mapping[str, AnyMeasured] = own | {
        name: _newest(_usual(those), those) for name, those in others.items()
    }

    def place(name: str) -> tuple[bool, int]:
        return name not in own, order.index(name) if name in order else len(order)

    return {name: found[name] for name in sorted(found, key=place)}


def held_out(config: ExperimentConfig | None, results: Sequence[AnyMeasured]) -> AnyMeasured | None:
    """The result that `pass1` in a filter and a table means, or None.

    Where none is known to be held out, one of which that is unknown, and its `standing` says so.
    """
    for some in (
        [result for result in results if result.held_out],
        [result for result in results if result.maybe_held_out],
    ):
        if some:
            return next(iter(headlines(config, some).values()), None)
    return None


def over_checkpoints(results: Sequence[AnyMeasured]) -> dict[Protocol, list[AnyMeasured]]:
    """Protocol -> its finished results by step, the newest of each; of protocols that scored two or more."""
    by_protocol: dict[Protocol, dict[int, AnyMeasured]] = {}
    for result in sorted(_finished(results), key=lambda each: (each.step, each.id)):
        by_protocol.setdefault(result.protocol, {})[result.step] = result
    return {of: list(by_step.values()) for of, by_step in by_protocol.items() if len(by_step) > 1}


def _finished(results: Sequence[AnyMeasured]) -> list[AnyMeasured]:
    return [result for result in results if result.status == "finished"]


def _usual(results: Sequence[Measured]) -> Protocol:
    """The protocol of most tasks; of several, one without adaptation and search, then the one used first."""
    return max(results, key=lambda each: (each.n, not each.adaptation, not each.search, -each.id)).protocol


def _newest(protocol: Protocol, results: Sequence[AnyMeasured]) -> AnyMeasured:
    same = [result for result in results if result.protocol == protocol]
    return max(same, key=lambda result: (result.step, result.id))
