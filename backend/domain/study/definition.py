"""What a study is, and every way its file can be wrong in words that name the field."""

from __future__ import annotations

import datetime
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from backend.domain.config.messages import shown
from backend.domain.hypothesis.measure import Comparison, Measure, holds, parse, unknown_series
from backend.domain.published import PUBLISHED
from backend.kit.errors import FieldProblem, InvalidInput
from backend.kit.model import Model
from backend.kit.problems import did_you_mean, one_of
from backend.kit.text import MAX_DEPTH
from backend.kit.text import problems as text_problems

MAX_SEEDS, MAX_ROUNDS, MAX_AT_ONCE, MAX_CLAIMS, MAX_HOURS = 64, 6, 64, 64, 10_000.0
MAX_TEXT, MAX_NAMES, MAX_TASKS = 2000, 64, 1_000_000
PLAIN = ""  # the measurement that takes the answer as it is
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_WITH_NULLS = ("overrides", "options")
NOT_VALID = "The study is not valid."

Text = Annotated[str, Field(max_length=MAX_TEXT)]
Title = Annotated[str, Field(min_length=1, max_length=120)]


class _Part(Model):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Round(_Part):
    """After so many seeds and tasks the claims are judged."""

    seeds: int = Field(ge=2, le=MAX_SEEDS, description="Runs of each configuration, from seed 0 on.")
    tasks: int | None = Field(
        None, ge=2, le=MAX_TASKS, description="The first n tasks in id order; null: all."
    )


class Scale(_Part):
    """How large the runs of a study are, and what may be spent on them."""

    title: Title
    about: Text = ""
    hours: float = Field(gt=0, le=MAX_HOURS, description="Budget, by the clock.")
    at_once: int = Field(1, ge=1, le=MAX_AT_ONCE, description="Most runs and evaluations at once.")
    preset: str = Field("quick", description="What every configuration starts from.")
    overrides: dict[str, Any] = Field({}, description="Its changes: nested, or by dotted paths.")
    rounds: tuple[Round, ...] = Field(
        min_length=1,
        max_length=MAX_ROUNDS,
        description="Ascending. A round after the first is run only for claims that are undecided.",
    )


class Start(_Part):
    """Weights that a run begins with: those of the run of another configuration under the same seed."""

    configuration: str
    weights: Literal["ema", "raw"] = "ema"
    part: Literal["all", "decoder"] = "all"


class OnScale(_Part):
    """What differs between scales."""

    seconds: float = Field(gt=0, description="Estimated, of one run or evaluation on the scale's machine.")
    overrides: dict[str, Any] = Field({}, description="Changes: nested, or by dotted paths.")


class Configuration(_Part):
    """What is trained, under several seeds."""

    title: Title
    overrides: dict[str, Any] = Field({}, description="Changes: nested, or by dotted paths.")
    starts_from: Start | None = None
    scales: dict[str, OnScale]


class Measurement(_Part):
    """Another way to evaluate trained weights: options of an evaluation."""

    title: Title
    options: dict[str, Any] = Field(description="As for `POST /runs/ID/evaluations`, but set and tasks.")
    seconds: dict[str, float] = Field(description="Estimated, by scale.")


class Test(_Part):
    """A number that is held against a bar: of a sample, or of one minus another.

    A sample is a configuration, or CONFIGURATION/MEASUREMENT.
    """

    of: str
    minus: str | None = None
    measure: str = Field("pass@1", description="pass@k, or a recorded series.")
    comparison: Comparison = ">"
    bar: float = 0.0

    @property
    def samples(self) -> tuple[str, ...]:
        return (self.of,) if self.minus is None else (self.of, self.minus)

    @property
    def measured(self) -> Measure:
        """What is measured; of one term."""
        return parse(self.measure)

    @property
    def range(self) -> tuple[float, float]:
        """Within what its value can lie: that of a difference is twice as wide."""
        low, high = self.measured.first.range
        return (low, high) if self.minus is None else (low - high, high - low)

    @property
    def is_score(self) -> bool:
        """Whether it is of tasks solved, rather than of a recorded series."""
        return bool(self.measured.first.k)


class Claim(_Part):
    """A claim; supported where every test of it is, refuted where one of them is."""

    name: str
    section: Text = Field("", description="Of the paper.")
    claim: Title
    about: Text = Field("", description="What is compared, and why that tests the claim.")
    would_change: Text = Field("", description="What would change the verdict.")
    published: tuple[str, ...] = Field((), description="Models of the published results that stand beside.")
    tests: tuple[Test, ...] = Field(min_length=1, max_length=8)

    @property
    def samples(self) -> list[str]:
        """Names of all its samples."""
        return list(dict.fromkeys(name for test in self.tests for name in test.samples))


class Study(_Part):
    """Claims, what is run for them, and at which scales."""

    title: Title
    about: Text = ""
    scales: dict[str, Scale] = Field(min_length=1, max_length=8)
    configurations: dict[str, Configuration] = Field(min_length=1, max_length=MAX_NAMES)
    measurements: dict[str, Measurement] = Field({}, max_length=MAX_NAMES)
    claims: tuple[Claim, ...] = Field(min_length=1, max_length=MAX_CLAIMS)

    def title_of(self, sample: str) -> str:
        """`per-demonstration VAE, gradient search`."""
        configuration, measurement = split(sample)
        title = self.configurations[configuration].title
        return f"{title}, {self.measurements[measurement].title}" if measurement else title


def split(sample: str) -> tuple[str, str]:
    """Configuration and measurement of a sample."""
    configuration, _, measurement = sample.partition("/")
    return configuration, measurement


def read_study(text: str) -> Study:
    """The study that a TOML file describes; InvalidInput with one problem for each mistake."""
    return parse_study(from_toml(text))


def from_toml(text: str) -> dict[str, Any]:
    """The object that a TOML file describes. TOML has no null: overrides and options write it as a text."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(NOT_VALID, problems=[FieldProblem("study", f"is not TOML: {error}.")]) from None
    except RecursionError:
        message = f"is nested too deeply: at most {MAX_DEPTH} tables and lists inside one another."
        raise InvalidInput(NOT_VALID, problems=[FieldProblem("study", message)]) from None
    if problems := [*text_problems(raw), *_dates(raw)]:
        raise InvalidInput(NOT_VALID, problems=problems)
    read: dict[str, Any] = _with_nulls(raw, False)
    return read


def _dates(value: Any, *path: str) -> Iterator[FieldProblem]:
    """What TOML has and no field of a study, or of a config, takes."""
    if isinstance(value, datetime.date | datetime.time):
        yield FieldProblem(".".join(path), f"must not be a date or a time: {value}.", "Write it as a text.")
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield from _dates(member, *path, key)
    elif isinstance(value, list):
        for at, member in enumerate(value):
            yield from _dates(member, *path, str(at))


def _with_nulls(raw: Any, is_inside: bool) -> Any:
    """`raw` with "null" inside overrides and options as None."""
    if isinstance(raw, Mapping):
        return {key: _with_nulls(value, is_inside or key in _WITH_NULLS) for key, value in raw.items()}
    if isinstance(raw, list):
        return [_with_nulls(value, is_inside) for value in raw]
    return None if is_inside and raw == "null" else raw


def parse_study(raw: object) -> Study:
    """The same of an object."""
    if not isinstance(raw, Mapping):
        message = f"must be an object, not {shown(raw)}."
        hint = "See backend/study/discussion.toml for an example."
        raise InvalidInput(NOT_VALID, problems=[FieldProblem("study", message, hint)])
    try:
        study = Study.model_validate(raw)
    except ValidationError as error:
        raise InvalidInput(NOT_VALID, problems=list(_shapes(error))) from None
    if problems := list(_rules(study)):
        raise InvalidInput(NOT_VALID, problems=problems)
    return study


def _shapes(error: ValidationError) -> Iterator[FieldProblem]:
    for details in error.errors():
        field = ".".join(map(str, details["loc"]))
        if details["type"] == "missing":
            yield FieldProblem(field, "is missing.")
        elif details["type"] == "extra_forbidden":
            yield FieldProblem(field, "unknown field.", _near(details["loc"]))
        elif details["type"] in ("too_short", "too_long"):
            limits = {key: details.get("ctx", {}).get(key) for key in ("min_length", "max_length")}
            least, most = limits["min_length"], limits["max_length"]
            yield FieldProblem(field, f"needs at least {least}." if least else f"has more than {most}.")
        else:
            message = details["msg"].removeprefix("Input ").removeprefix("Value error, ")
            yield FieldProblem(field, f"{message}, not {shown(details['input'])}.")


def _near(path: Sequence[int | str]) -> str:
    """The fields of the part that a path leads to: the nearest to its last name, or all."""
    names = [str(each) for each in path]
    of_part: type[Model] = Study
    inside: Mapping[str, type[Model]] = {
        "scales": OnScale if names[0] == "configurations" else Scale,
        "rounds": Round,
        "configurations": Configuration,
        "starts_from": Start,
        "measurements": Measurement,
        "claims": Claim,
        "tests": Test,
    }
    for name in names[:-1]:
        of_part = inside.get(name, of_part)
    known = list(of_part.model_fields)
    return did_you_mean(names[-1], known, f"Known here: {', '.join(known)}.")


def _rules(study: Study) -> Iterator[FieldProblem]:
    """What no single field can tell."""
    for part in ("scales", "configurations", "measurements"):
        for name in getattr(study, part):
            if not _NAME.fullmatch(name):
                yield FieldProblem(
                    f"{part}.{name}", "is not a valid name.", "Use lower-case letters, digits, _ and -."
                )
    for name, scale in study.scales.items():
        yield from _rules_of_scale(f"scales.{name}.rounds", scale)
    for name, configuration in study.configurations.items():
        yield from _rules_of_configuration(f"configurations.{name}", name, configuration, study)
    for name, measurement in study.measurements.items():
        field = f"measurements.{name}.seconds"
        yield from _rules_of_scales(field, list(measurement.seconds), study)
        for scale_name, seconds in measurement.seconds.items():
            if not seconds > 0:
                yield FieldProblem(f"{field}.{scale_name}", f"must be above 0, not {shown(seconds)}.")
    names = [claim.name for claim in study.claims]
    for place, claim in enumerate(study.claims):
        field = f"claims.{place}"
        if not _NAME.fullmatch(claim.name):
            hint = "Use lower-case letters, digits, _ and -."
            yield FieldProblem(f"{field}.name", f"{claim.name!r} is not a valid name.", hint)
        elif claim.name in names[:place]:
            yield FieldProblem(f"{field}.name", f"{claim.name!r} is the name of another claim.")
        models = [row.model for row in PUBLISHED]
        for model in claim.published:
            if model not in models:
                message = f"unknown published model {model!r}."
                yield FieldProblem(f"{field}.published", message, one_of(model, models))
        for number, test in enumerate(claim.tests):
            yield from _rules_of_test(f"{field}.tests.{number}", test, study)


def _rules_of_scale(field: str, scale: Scale) -> Iterator[FieldProblem]:
    for before, after in zip(scale.rounds, scale.rounds[1:], strict=False):
        more = _tasks(after) > _tasks(before)
        if after.seeds < before.seeds or _tasks(after) < _tasks(before):
            yield FieldProblem(field, "must ascend: a round has the seeds and tasks of the one before.")
        elif after.seeds == before.seeds and not more:
            yield FieldProblem(field, "has the same round twice.", "Give the later one more seeds or tasks.")


def _tasks(of: Round) -> float:
    return math.inf if of.tasks is None else of.tasks


def _rules_of_configuration(
    field: str, name: str, configuration: Configuration, study: Study
) -> Iterator[FieldProblem]:
    yield from _rules_of_scales(f"{field}.scales", list(configuration.scales), study)
    before, start = [name], configuration.starts_from
    while start is not None:
        target = f"{field}.starts_from.configuration"
        if start.configuration not in study.configurations:
            hint = one_of(start.configuration, study.configurations)
            yield FieldProblem(target, f"unknown configuration {start.configuration!r}.", hint)
            return
        if start.configuration in before:
            yield FieldProblem(target, f"leads back to {start.configuration}.", "Start from another one.")
            return
        before.append(start.configuration)
        start = study.configurations[start.configuration].starts_from


def _rules_of_scales(field: str, names: Sequence[str], study: Study) -> Iterator[FieldProblem]:
    for name in names:
        if name not in study.scales:
            yield FieldProblem(f"{field}.{name}", "unknown scale.", one_of(name, study.scales))
    for name in study.scales:
        if name not in names:
            yield FieldProblem(f"{field}.{name}", "is missing.", "Every scale needs an estimate of seconds.")


def _rules_of_test(field: str, test: Test, study: Study) -> Iterator[FieldProblem]:
    for name, sample in (("of", test.of), ("minus", test.minus)):
        if sample is not None:
            yield from _rules_of_sample(f"{field}.{name}", sample, study)
    if test.minus == test.of:
        yield FieldProblem(f"{field}.minus", "is the same sample as of.", "Name another one.")
    try:
        measure = test.measured
    except ValueError as error:
        yield FieldProblem(f"{field}.measure", f"{error}.")
        return
    if measure.second is not None:
        yield FieldProblem(f"{field}.measure", "has two terms.", "Choose one: pass@1, or a recorded series.")
        return
    for problem in unknown_series(measure):
        yield FieldProblem(f"{field}.measure", problem)
        return
    if not test.is_score and any(split(sample)[1] for sample in test.samples):
        message = f"is {test.measure}, which a training records: measurements have scores alone."
        yield FieldProblem(f"{field}.measure", message, "Name the configuration without a measurement.")
    low, high = test.range
    if not low <= test.bar <= high:
        message = f"must lie in {low:g} to {high:g}, not {shown(test.bar)}."
        yield FieldProblem(f"{field}.bar", message)
    elif (of_all := holds(low, test.comparison, test.bar)) == holds(high, test.comparison, test.bar):
        message = f"is met by {'every' if of_all else 'no'} value."
        yield FieldProblem(f"{field}.bar", message, "Choose another bar or comparison.")


def _rules_of_sample(field: str, sample: str, study: Study) -> Iterator[FieldProblem]:
    configuration, measurement = split(sample)
    if configuration not in study.configurations:
        hint = one_of(configuration, study.configurations)
        yield FieldProblem(field, f"unknown configuration {configuration!r}.", hint)
    if ("/" in sample) and measurement not in study.measurements:
        hint = one_of(measurement, study.measurements)
        yield FieldProblem(field, f"unknown measurement {measurement!r}.", hint)
