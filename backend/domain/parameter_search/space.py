"""Where a parameter search looks: the configurations that its fields can make of a config."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from backend.domain.config.messages import shown
from backend.domain.config.problems import apply_overrides, parse_experiment
from backend.domain.experiment import ExperimentConfig
from backend.domain.parameter_search.definition import ParameterSearch, invalid
from backend.domain.sweeps import Span, variation_label
from backend.domain.sweeps.definition import Axis
from backend.domain.sweeps.draws import takes_whole
from backend.domain.sweeps.expansion import MAX_NAME_LENGTH
from backend.domain.sweeps.labels import SEPARATOR
from backend.kit.errors import FieldProblem, InvalidConfig

LAST_SEED = 2**31 - 1
Configuration = Mapping[str, Any]  # path -> value


def experiment_of(
    base: Mapping[str, Any], search: ParameterSearch, values: Configuration, number: int, at: int
) -> ExperimentConfig:
    """The config of a trial's run: `values` in the JSON of a config, with its seed number `at` from 0, named
    after both. InvalidConfig where the values do not go together."""
    config = _with(base, values)
    seed = config.seed + at
    parts = (
        config.name or config.variant,
        f"trial {number}",
        variation_label(values, search.sweep),
        f"seed {seed}" if search.seeds > 1 else "",
    )
    name = SEPARATOR.join(filter(None, parts))
    name = name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 1]}…"
    return config.model_copy(update={"seed": seed, "name": name})


def check_fields(config: ExperimentConfig, search: ParameterSearch) -> None:
    """InvalidInput where a path is no field, or a choice or an end of a range is no value of it.

    What does not go together with the rest of the config is left to the trials: other fields may differ, too.
    """
    base, problems = config.model_dump(mode="json"), []
    for path, axis in search.fields.items():
        for value in _ends(axis, path):
            try:
                _with(base, {path: value})
            except InvalidConfig as error:
                own = [each for each in error.problems if f"{each.field}.".startswith(f"{path}.")]
                if own:
                    where = "" if own[0].field == path else f"{own[0].field} "
                    message = f"{shown(value)}: {where}{own[0].message}"
                    problems.append(FieldProblem(f"search.fields.{path}", message, own[0].hint))
                    break
    if config.seed + search.seeds - 1 > LAST_SEED:
        message = f"count up from {config.seed} past the largest seed."
        problems.append(FieldProblem("search.seeds", message, "Lower the config's seed."))
    if problems:
        raise invalid(*problems)


def _with(base: Mapping[str, Any], values: Configuration) -> ExperimentConfig:
    written = [f"{path}={json.dumps(value)}" for path, value in values.items()]
    return parse_experiment(apply_overrides(base, written))


def _ends(axis: Axis, path: str) -> Iterator[Any]:
    """What stands for all values of a field."""
    if not isinstance(axis, Span):
        yield from axis
    elif takes_whole(axis, path):
        yield from (math.ceil(axis.low), math.floor(axis.high))
    else:
        yield from (axis.low, axis.high)
