"""The configs and evaluations of a study: which run each configuration is, and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from backend.domain.config.problems import apply_overrides, assignments, parse_experiment
from backend.domain.evaluation_request import EvaluationRequest, parse_request
from backend.domain.experiment import ExperimentConfig
from backend.domain.study.definition import NOT_VALID, Claim, Configuration, Scale, Study, Test, split
from backend.domain.study.known import Sample
from backend.kit.errors import FieldProblem, InvalidInput

_ANY_RUN = "any"  # in place of the run that weights will come from, while a config is only checked
# Of an evaluation, what a measurement cannot choose: the tests and rounds do.
_FIXED = ("set", "tasks", "first_tasks", "that_fit", "step", "workers")


@dataclass(frozen=True)
class Design:
    """A study at one of its scales."""

    study: Study
    scale_name: str

    @property
    def scale(self) -> Scale:
        return self.study.scales[self.scale_name]

    def config(self, name: str, seed: int, start: tuple[str, int] | None = None) -> ExperimentConfig:
        """The config of a configuration under a seed. `start`: run and step that its weights come from, where
        it starts from another configuration's. InvalidConfig."""
        configuration = self.study.configurations[name]
        changes = [
            *assignments(self.scale.overrides),
            *assignments(configuration.overrides),
            *assignments(configuration.scales[self.scale_name].overrides),
            f"seed={seed}",
            f'name="{name}"',
        ]
        if configuration.starts_from:
            run, step = start or (_ANY_RUN, 0)
            chosen = {"weights": configuration.starts_from.weights, "part": configuration.starts_from.part}
            begin = {"kind": "run", "run": run, "step": step, **chosen}
            changes += assignments({"training.initialise_from": begin})
        return parse_experiment(apply_overrides({"preset": self.scale.preset}, changes))

    @cached_property
    def configs(self) -> Mapping[str, ExperimentConfig]:
        """Every configuration under seed 0; what starts from a run names none that exists."""
        return {name: self.config(name, 0) for name in self.study.configurations}

    def samples(self, test: Test) -> tuple[Sample, ...]:
        """Of a test by scores: the sample, and the one that is subtracted."""
        term = test.measured.first
        parts = [split(name) for name in test.samples]
        return tuple(Sample(each, of, self.configs[each].set_of(term)) for each, of in parts)

    @property
    def measured(self) -> list[Sample]:
        """The samples that take a measurement, each once."""
        tests = [test for claim in self.study.claims for test in claim.tests if test.is_score]
        samples = dict.fromkeys(sample for test in tests for sample in self.samples(test))
        return [sample for sample in samples if sample.measurement]

    def start_of(self, name: str) -> str | None:
        """The configuration that this one starts from."""
        start = self._configuration(name).starts_from
        return start.configuration if start else None

    def seconds(self, name: str, measurement: str = "") -> float:
        """The file's estimate of a run, or of an evaluation by a measurement."""
        if measurement:
            return self.study.measurements[measurement].seconds[self.scale_name]
        return self._configuration(name).scales[self.scale_name].seconds

    def confidence(self, claim: Claim) -> float:
        """Of the intervals that judge a claim: each round may decide it, and so may each of its tests, so
        that they share the 5 % between them (Bonferroni)."""
        return 1 - 0.05 / (len(self.scale.rounds) * len(claim.tests))

    def request(self, sample: Sample, tasks: int | None) -> EvaluationRequest:
        """What is asked of trained weights: the config's own evaluation, but for the measurement's options.

        InvalidInput for options that no evaluation has.
        """
        own = self.configs[sample.configuration].evaluation
        of_set = next((each for each in own.sets if each.name == sample.set_name), None)
        raw: dict[str, Any] = {
            "set": sample.set_name,
            "first_tasks": tasks,
            "that_fit": of_set.that_fit if of_set else False,
            "weights": own.weights,
            "views": own.views,
            "distinct_views": own.distinct_views,
            "act_steps": own.act_steps,
            "batch_size": own.batch_size,
            "trim": own.trim,
        }
        for name, chosen in (("search", own.search), ("adaptation", own.adaptation)):
            dumped = chosen.model_dump(mode="json")
            raw[name] = None if dumped["kind"] == "none" else dumped
        options = self.study.measurements[sample.measurement].options if sample.measurement else {}
        return parse_request(raw | options)

    def _configuration(self, name: str) -> Configuration:
        return self.study.configurations[name]


def check(design: Design) -> None:
    """InvalidInput for what would be refused of the runs and evaluations of a study at its scale."""
    if problems := list(_problems(design)):
        raise InvalidInput(NOT_VALID, problems=problems)


def _problems(design: Design) -> Iterator[FieldProblem]:
    configs: dict[str, ExperimentConfig] = {}
    for name in design.study.configurations:
        try:
            configs[name] = design.config(name, 0)
        except InvalidInput as error:
            for problem in error.problems:
                message = f"{problem.field}: {problem.message}"
                yield FieldProblem(f"configurations.{name}", message, problem.hint)
    for name, measurement in design.study.measurements.items():
        yield from _problems_of_options(f"measurements.{name}.options", measurement.options)
    for place, claim in enumerate(design.study.claims):
        for number, test in enumerate(claim.tests):
            field = f"claims.{place}.tests.{number}.measure"
            named: dict[str, str] = {}  # set -> a sample that is scored on it
            for sample in test.samples:
                config = configs.get(split(sample)[0])
                if config is None or not test.is_score:
                    continue
                set_name = config.set_of(test.measured.first)
                if set_name:
                    named.setdefault(set_name, sample)
                if set_name not in [each.name for each in config.evaluation.sets]:
                    wanted = set_name or "any held-out set"
                    yield FieldProblem(field, f"the config of {sample} does not evaluate {wanted}.")
            if len(named) > 1:
                told = " and ".join(f"{sample} on {name}" for name, sample in named.items())
                hint = f"Name one set: {test.measure} on SET."
                yield FieldProblem(field, f"compares scores of different sets: {told}.", hint)


def _problems_of_options(field: str, options: Mapping[str, Any]) -> Iterator[FieldProblem]:
    for name in options:
        if name in _FIXED:
            hint = "The test's measure and the scale's rounds choose it."
            yield FieldProblem(f"{field}.{name}", "cannot be chosen here.", hint)
    try:
        parse_request({name: value for name, value in options.items() if name not in _FIXED})
    except InvalidInput as error:
        for problem in error.problems:
            yield FieldProblem(f"{field}.{problem.field}", problem.message, problem.hint)
