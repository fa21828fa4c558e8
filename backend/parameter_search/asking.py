"""Which configuration to try next: asked of Optuna, whose study is made again from our rows every time.

So the database alone knows of a search, and any web server can continue it. Optuna is the extra `optuna`;
everything that needs it is imported when it is asked.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from backend.domain.parameter_search import Configuration, Estimate, ParameterSearch
from backend.domain.sweeps import Span
from backend.domain.sweeps.definition import Axis
from backend.domain.sweeps.draws import rounded, takes_whole
from backend.kit.errors import Conflict

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

TRIES = 20  # of the sampler, for a configuration that was not tried before
RANDOM_TRIES = 300  # after that, by chance
NOT_INSTALLED = "Optuna is not installed."
HOW_TO_INSTALL = "Install the extra optuna: pip install 'optuna>=4,<5'."


@dataclass(frozen=True)
class Tried:
    """A configuration that was tried, and what came of it: over the seeds that finished, and (step, mean) of
    the report by which a run of it was pruned."""

    values: Configuration
    status: str
    result: Estimate | None = None
    report: tuple[int, float] | None = None


def is_installed() -> bool:
    """Whether this process can ask."""
    return find_spec("optuna") is not None


def check_installed() -> None:
    """Conflict, which names the extra, where Optuna is missing."""
    if not is_installed():
        raise Conflict(f"A parameter search needs Optuna. {NOT_INSTALLED}", HOW_TO_INSTALL)


def ask(search: ParameterSearch, tried: Sequence[Tried], count: int) -> list[Configuration]:
    """Up to `count` configurations that were not tried yet; fewer where no more were found.

    The same rows give the same answer.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is experimental in it, and ranges that it shortens
        space = {path: _distribution(axis, path) for path, axis in search.fields.items()}
        sampler = _sampler(search, len(tried))
        direction = "maximize" if search.better == "higher" else "minimize"
        study = optuna.create_study(direction=direction, sampler=sampler)
        study.add_trials([_frozen(each, space) for each in tried])
        return _new(study, search, space, tried, count)


def _new(
    study: Study,
    search: ParameterSearch,
    space: dict[str, BaseDistribution],
    tried: Sequence[Tried],
    count: int,
) -> list[Configuration]:
    from optuna.samplers import RandomSampler
    from optuna.trial import TrialState

    known = {_key(each.values) for each in tried}
    chosen: list[Configuration] = []
    for attempt in range(TRIES + RANDOM_TRIES):
        if len(chosen) == count:
            break
        if attempt == TRIES:
            study.sampler = RandomSampler(seed=search.draw_seed + len(tried))
        asked = study.ask(space)
        values = {path: _value(axis, path, asked.params[path]) for path, axis in search.fields.items()}
        if _key(values) in known:
            study.tell(asked, state=TrialState.FAIL)
            continue
        known.add(_key(values))
        chosen.append(values)
    return chosen


def _sampler(search: ParameterSearch, number: int) -> BaseSampler:
    """With a seed of its own for each trial: a study made again draws on instead of repeating itself."""
    from optuna.samplers import RandomSampler, TPESampler

    seed = search.draw_seed + number
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    return TPESampler(seed=seed, constant_liar=True)  # several trials run at once


def _frozen(tried: Tried, space: dict[str, BaseDistribution]) -> Any:
    """A trial as Optuna knows it; one that was pruned has a value, too, or a report."""
    from optuna.trial import TrialState, create_trial

    params = {path: _internal(value, space[path]) for path, value in tried.values.items()}
    common: dict[str, Any] = {"params": params, "distributions": space}
    if tried.status == "running":
        return create_trial(state=TrialState.RUNNING, **common)
    if tried.status in ("complete", "pruned") and tried.result:
        return create_trial(state=TrialState.COMPLETE, value=tried.result.mean, **common)
    if tried.status == "pruned" and tried.report:
        return create_trial(state=TrialState.PRUNED, intermediate_values=dict([tried.report]), **common)
    return create_trial(state=TrialState.FAIL, **common)


def _distribution(axis: Axis, path: str) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(axis, Span):
        return CategoricalDistribution([json.dumps(value, sort_keys=True) for value in axis])
    if takes_whole(axis, path):
        low, high = math.ceil(axis.low), math.floor(axis.high)
        step = max(1, round(axis.step)) if axis.step is not None else 1
        return IntDistribution(low, low + (high - low) // step * step, log=axis.log, step=step)
    return FloatDistribution(axis.low, axis.high, log=axis.log, step=axis.step)


def _internal(value: Any, distribution: BaseDistribution) -> Any:
    from optuna.distributions import CategoricalDistribution

    if isinstance(distribution, CategoricalDistribution):
        return json.dumps(value, sort_keys=True)
    return value


def _value(axis: Axis, path: str, param: Any) -> Any:
    """A parameter of Optuna's as the value of a config."""
    if not isinstance(axis, Span):
        return json.loads(param)
    if takes_whole(axis, path) or axis.step is not None:
        return param
    return rounded(axis, param)


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)
