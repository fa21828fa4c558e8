"""What a sweep is, and every way its definition can be wrong in words that name the field."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Discriminator, Field, JsonValue, Tag, ValidationError
from pydantic_core import ErrorDetails

from backend.domain.config.messages import shown
from backend.kit.errors import FieldProblem, InvalidInput
from backend.kit.model import Model
from backend.kit.problems import did_you_mean

MAX_RUNS = 256
NOT_SWEPT = {
    "name": "The runs are named after what varies.",
    "schema_version": "It says how the config is written.",
    "placement": "It says where the runs are trained and changes none of them.",
    "hypothesis": "It does not change the runs; each of them is judged by it.",
}


class _Part(Model):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Span(_Part):
    """Numbers from `low` to `high`, both included, all equally likely; with `log`, their logarithms are.

    With `step`, only `low` and what is whole steps above it.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = Field(None, description="Between two values; null: any number.", examples=[16])
    integer: bool | None = Field(
        None, description="Whole numbers only; null: as the field itself demands.", examples=[True]
    )


Values = Annotated[tuple[JsonValue, ...], Field(min_length=1)]


def _axis_kind(raw: object) -> str:
    return "span" if isinstance(raw, Mapping | Span) else "values"


Axis = Annotated[
    Annotated[Values, Tag("values")] | Annotated[Span, Tag("span")],
    Discriminator(_axis_kind),
]


class Sweep(_Part):
    """Which runs to make of one config: every seed of every variation.

    Paths are dotted as in `--set`: `model.core.width`, `model.encoder.kind`. A changed kind starts from the
    defaults of that kind, unless `same_depth`.
    """

    seeds: int = Field(1, ge=1, le=MAX_RUNS, description="Replicates: the config's seed, and those after it.")
    grid: dict[str, Values] = Field(
        default={},
        description="Values by path; every combination is run.",
        examples=[{"model.core.width": [64, 128]}],
    )
    random: dict[str, Axis] = Field(
        default={},
        description="Values or a range by path; each draw takes one of each.",
        examples=[{"optimisation.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}],
    )
    count: int | None = Field(None, ge=1, le=MAX_RUNS, description="Draws of `random`.")
    draw_seed: int = Field(0, ge=0, le=2**31 - 1, description="Of the draws: the same seed draws the same.")
    same_depth: bool = Field(
        False,
        description="Kinds that are compared keep the config's number of layers, and every other field that "
        "they have in common; false: each kind starts from its own defaults.",
    )

    @property
    def paths(self) -> tuple[str, ...]:
        """The swept fields, in the order of the definition."""
        return (*self.grid, *self.random)

    @property
    def combinations(self) -> int:
        """How many variations there are, each of which is run with every seed."""
        return math.prod(map(len, self.grid.values())) if not self.random else self.count or 0

    @property
    def size(self) -> int:
        """How many runs it makes."""
        return self.combinations * self.seeds


def parse_sweep(raw: object) -> Sweep:
    """The sweep that a JSON object describes; InvalidInput with one problem for each mistake."""
    if not isinstance(raw, Mapping):
        raise invalid(FieldProblem("sweep", f"must be an object, not {shown(raw)}.", 'Try {"seeds": 3}.'))
    try:
        sweep = Sweep.model_validate(raw)
    except ValidationError as error:
        raise invalid(*map(_problem_of, error.errors())) from error
    if problems := list(_rules(sweep)):
        raise invalid(*problems)
    return sweep


def invalid(*problems: FieldProblem) -> InvalidInput:
    """A refusal of the sweep, which names its fields as `sweep.seeds` and `sweep.grid.model.core.width`."""
    return InvalidInput("The sweep is not valid.", problems=problems)


def _rules(sweep: Sweep) -> Iterator[FieldProblem]:
    """What is wrong between the fields of a sweep, or with the paths."""
    if sweep.grid and sweep.random:
        yield FieldProblem(
            "sweep.random",
            "cannot be combined with a grid.",
            "Sweep a grid or at random; a list of values may be drawn at random as well.",
        )
        return
    yield from _rules_of_draws(sweep)
    kind = "grid" if sweep.grid else "random"
    for path in sweep.paths:
        yield from _rules_of_path(f"sweep.{kind}.{path}", path, sweep)
    for path, axis in sweep.random.items():
        if isinstance(axis, Span):
            yield from _rules_of_span(f"sweep.random.{path}", axis)
    yield from _rules_of_size(sweep)


def _rules_of_draws(sweep: Sweep) -> Iterator[FieldProblem]:
    if sweep.random and sweep.count is None:
        yield FieldProblem("sweep.count", "is missing.", "Set the number of random draws.")
    if sweep.count is not None and not sweep.random:
        yield FieldProblem(
            "sweep.count", "is the number of random draws.", "Leave it out, or sweep a field at random."
        )


def _rules_of_path(field: str, path: str, sweep: Sweep) -> Iterator[FieldProblem]:
    if not all(path.split(".")) or path != path.strip() or "=" in path:
        yield FieldProblem(field, f"{shown(path)} is not a field path.", "Write it as model.core.width.")
    elif (section := path.partition(".")[0]) in NOT_SWEPT:
        yield FieldProblem(field, "cannot be swept.", NOT_SWEPT[section])
    elif path == "seed" and sweep.seeds > 1:
        yield FieldProblem(
            field, "is what seeds repeats.", "Set seeds to 1, or leave seed out of what is swept."
        )
    for other in sweep.paths:
        if path.startswith(f"{other}."):
            yield FieldProblem(field, f"lies inside {other}, which is swept, too.", "Sweep one of the two.")


def _rules_of_span(field: str, span: Span) -> Iterator[FieldProblem]:
    if span.low >= span.high:
        message = f"goes from {span.low:g} to {span.high:g}: nothing lies between."
        yield FieldProblem(field, message, "Set low below high.")
    elif span.log and span.low <= 0:
        message = f"cannot start at {span.low:g} on a logarithmic scale."
        yield FieldProblem(field, message, "Set low above 0, or leave out log.")
    elif span.integer and math.ceil(span.low) > math.floor(span.high):
        message = f"has no whole number between {span.low:g} and {span.high:g}."
        yield FieldProblem(field, message, "Widen the range, or leave out integer.")
    if span.step is not None:
        yield from _rules_of_step(field, span, span.step)


def _rules_of_step(field: str, span: Span, step: float) -> Iterator[FieldProblem]:
    if span.log:
        yield FieldProblem(field, "cannot have both log and step.", "Leave one of them out.")
    elif not 0 < step <= span.high - span.low:
        message = f"cannot go from {span.low:g} to {span.high:g} in steps of {step:g}."
        yield FieldProblem(field, message, "Set a step above 0 that is not larger than the range.")


def _rules_of_size(sweep: Sweep) -> Iterator[FieldProblem]:
    if sweep.size > MAX_RUNS:
        factors = [f"{len(values)} of {path}" for path, values in sweep.grid.items()]
        factors += [f"{sweep.count} draws"] if sweep.random else []
        factors += [f"{sweep.seeds} seeds"] if sweep.seeds > 1 else []
        field = "sweep.count" if sweep.random else "sweep.grid"
        message = f"makes {sweep.size:,} runs ({' × '.join(factors)}); at most {MAX_RUNS} per sweep."
        yield FieldProblem(field, message, "Use fewer values or seeds, or sweep at random with a count.")
    elif sweep.size == 1 and not sweep.random:
        hint = "Set seeds to 2 or more, or give a swept field a second value."
        yield FieldProblem("sweep.seeds", "1, and no field has two values: nothing varies.", hint)


def _problem_of(details: ErrorDetails) -> FieldProblem:
    """One of pydantic's errors in our words; tags of the union are no part of the place."""
    steps = [str(step) for step in details["loc"] if step not in ("values", "span")]
    place, given = ".".join(("sweep", *steps)), shown(details["input"])
    match details["type"]:
        case "extra_forbidden":
            return FieldProblem(place, "unknown field.", _suggestion(steps))
        case "missing":
            return FieldProblem(place, "is missing.", "A range has low and high.")
        case "too_short":
            return FieldProblem(place, "has no value.", "Give the values to run, or take the field out.")
        case "greater_than_equal" | "less_than_equal":
            return FieldProblem(place, f"must be {_bounds(steps)}, not {given}.")
    return FieldProblem(place, f"must be {_wanted(steps)}, not {given}.")


def _suggestion(steps: Sequence[str]) -> str:
    known = list(Sweep.model_fields if len(steps) == 1 else Span.model_fields)
    return did_you_mean(steps[-1], known, f"Known here: {', '.join(known)}.")


def _bounds(steps: Sequence[str]) -> str:
    limits: dict[str, Any] = {}
    for each in Sweep.model_fields[steps[0]].metadata:
        limits |= {key: getattr(each, key) for key in ("ge", "le") if hasattr(each, key)}
    return f"{limits['ge']} to {limits['le']}"


_MEMBERS = {
    "low": "a number",
    "high": "a number",
    "log": "true or false",
    "step": "a number",
    "integer": "true or false",
}


def _wanted(steps: Sequence[str]) -> str:
    """What belongs at a place of a sweep."""
    if steps[0] in ("seeds", "count", "draw_seed"):
        return "a whole number"
    if steps[0] == "same_depth":
        return "true or false"
    if len(steps) == 1:
        return 'an object of paths, like {"model.core.width": [64, 128]}'
    if steps[0] == "random" and steps[-1] in _MEMBERS:
        return _MEMBERS[steps[-1]]
    return "a list of values" if steps[0] == "grid" else "a list of values, or an object with low and high"
