"""What a parameter search is, and every way its definition can be wrong in words that name the field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from backend.domain import metrics
from backend.domain.config.messages import shown
from backend.domain.hypothesis.measure import Measure, parse, unknown_series
from backend.domain.intervals import SHARE, Bounds
from backend.domain.sweeps import MAX_RUNS, Sweep, parse_sweep
from backend.domain.sweeps.definition import Axis
from backend.kit.errors import FieldProblem, InvalidInput
from backend.kit.model import Model
from backend.kit.problems import did_you_mean

MAX_AT_ONCE = 64
Better = Literal["higher", "lower"]

# A field of a search -> that of the sweep whose rules it follows.
_AS_IN_SWEEPS = {"fields": "random", "trials": "count", "seeds": "seeds", "draw_seed": "draw_seed"}
_WANTED = {
    "objective": "a measure such as pass@1 or accuracy/token",
    "at_once": f"a whole number from 1 to {MAX_AT_ONCE}",
    "prune_from": "a step, or null",
    "sampler": "tpe or random",
}


class ParameterSearch(Model):
    """What is varied, what is to become good, and how much may be spent on it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    fields: dict[str, Axis] = Field(
        description="What is varied, by path: a list of choices, or a range.",
        examples=[{"optimisation.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}],
    )
    objective: str = Field(
        "pass@1",
        description="pass@k of the evaluation that the config asks for, on its first held-out set unless it "
        "names another, or a recorded series (its last value; with :min or :max its least or greatest).",
        examples=["pass@1 on arc-agi-1/evaluation", "accuracy/exact:max"],
    )
    trials: int = Field(20, ge=1, le=MAX_RUNS, description="Configurations to try.")
    seeds: int = Field(3, ge=1, le=MAX_RUNS, description="Runs of a trial that is never pruned.")
    at_once: int = Field(1, ge=1, le=MAX_AT_ONCE, description="Most runs that wait or run at once.")
    prune_from: int | None = Field(
        None,
        ge=0,
        description="Step from which a run may be pruned by its reports; null: half of its steps.",
    )
    sampler: Literal["tpe", "random"] = Field("tpe", description="Optuna's sampler.")
    draw_seed: int = Field(0, ge=0, le=2**31 - 1, description="Of the sampler.")

    @property
    def sweep(self) -> Sweep:
        """The random sweep of the same fields: what the group of its runs varies."""
        return Sweep(random=self.fields, count=self.trials, seeds=self.seeds, draw_seed=self.draw_seed)

    @property
    def measure(self) -> Measure:
        """The objective; of one term."""
        return parse(self.objective)

    @property
    def better(self) -> Better:
        """Which values of the objective are good."""
        term = self.measure.first
        return "lower" if not term.k and metrics.metric(term.series).better == "lower" else "higher"

    @property
    def bounds(self) -> Bounds:
        """Within what the values of the objective lie."""
        return self.measure.first.range

    @property
    def is_share(self) -> bool:
        """Whether they lie between 0 and 1."""
        return self.bounds == SHARE

    @property
    def runs(self) -> int:
        """The most runs that it makes."""
        return self.trials * self.seeds


def parse_search(raw: object) -> ParameterSearch:
    """The parameter search that a JSON object describes; InvalidInput with one problem for each mistake."""
    if not isinstance(raw, Mapping):
        message = f"must be an object, not {shown(raw)}."
        raise invalid(FieldProblem("search", message, 'Try {"fields": {"model.core.width": [64, 128]}}.'))
    problems = list(_problems_of_sweep(raw))
    search = None
    try:
        search = ParameterSearch.model_validate(raw)
    except ValidationError as error:
        for details in error.errors():
            name = str(details["loc"][0])
            if name not in _AS_IN_SWEEPS:
                problems.append(_problem_of(name, details["type"], details["input"]))
    if search is not None:
        problems += _rules_of_objective(search.objective)
    if problems or search is None:
        raise invalid(*problems)
    return search


def invalid(*problems: FieldProblem) -> InvalidInput:
    """A refusal of the search, which names its fields as `search.trials` and `search.fields.PATH`."""
    return InvalidInput("The parameter search is not valid.", problems=problems)


def _problems_of_sweep(raw: Mapping[str, Any]) -> Iterator[FieldProblem]:
    """What the rules of sweeps have against its fields."""
    if not isinstance(raw.get("fields"), Mapping) or not raw["fields"]:
        hint = 'For example {"model.core.width": [64, 128]}.'
        yield FieldProblem("search.fields", "must name at least one field to vary.", hint)
        return
    trials, seeds = (
        raw.get(name, ParameterSearch.model_fields[name].default) for name in ("trials", "seeds")
    )
    if (
        isinstance(trials, int)
        and isinstance(seeds, int)
        and trials > 0 < seeds
        and trials * seeds > MAX_RUNS
    ):
        message = (
            f"makes up to {trials * seeds:,} runs ({trials} trials × {seeds} seeds); at most {MAX_RUNS}."
        )
        yield FieldProblem("search.trials", message, "Use fewer trials or fewer seeds.")
        return
    sweep = {_AS_IN_SWEEPS[name]: value for name, value in raw.items() if name in _AS_IN_SWEEPS}
    try:
        parse_sweep({"count": trials, "seeds": seeds, **sweep})
    except InvalidInput as error:
        for problem in error.problems:
            yield FieldProblem(_field_of(problem.field), problem.message, problem.hint)
        return
    for path, axis in raw["fields"].items():
        if isinstance(axis, list | tuple) and len({json.dumps(each) for each in axis}) < len(axis):
            yield FieldProblem(f"search.fields.{path}", "has a choice twice.", "Remove one of them.")


def _field_of(field: str) -> str:
    """The field of a search for one of the sweep."""
    for name, of_sweep in _AS_IN_SWEEPS.items():
        if f"{field}.".startswith(f"sweep.{of_sweep}."):
            return f"search.{name}{field.removeprefix(f'sweep.{of_sweep}')}"
    return field


def _problem_of(name: str, kind: str, given: object) -> FieldProblem:
    if kind == "extra_forbidden":
        known = list(ParameterSearch.model_fields)
        hint = did_you_mean(name, known, f"Known here: {', '.join(known)}.")
        return FieldProblem(f"search.{name}", "unknown field.", hint)
    return FieldProblem(f"search.{name}", f"must be {_WANTED[name]}, not {shown(given)}.")


def _rules_of_objective(text: str) -> Iterator[FieldProblem]:
    field = "search.objective"
    try:
        measure = parse(text)
    except ValueError as error:
        yield FieldProblem(field, f"{error}.")
        return
    if measure.second is not None:
        yield FieldProblem(field, "has two terms.", "Choose one: pass@1, or a recorded series.")
        return
    for problem in unknown_series(measure):
        yield FieldProblem(field, problem)
        return
    name = measure.first.series
    if name and not metrics.metric(name).better:
        good = [each.name for each in metrics.METRICS if each.better and not each.is_of_system]
        hint = f"Choose pass@1 or one of {', '.join(good)}."
        yield FieldProblem(field, f"{name} is neither better when higher nor when lower.", hint)
