"""What the claims of a study come to, from what there is of it. Pure: the same rows, the same verdicts.

A claim is judged only when all of its samples have every seed and task of a round; the first round that
decides it stands. Each look may decide, and each test of a claim, so their intervals are wider than 95 %:
`Design.confidence`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from backend.domain.crossed import crossed_difference
from backend.domain.hypothesis.judge import Verdict, verdict_on_bar
from backend.domain.intervals import SHARE, Bounds
from backend.domain.statistics import Mean, mean_of_shares, mean_over_seeds, task_scores
from backend.domain.study.configs import Design
from backend.domain.study.definition import Claim, Round, Test, split
from backend.domain.study.known import Known, Scored, Scoring, Trained, Training

Key = TypeVar("Key", str, int)
Scores = Mapping[str, float]  # task id -> share of its test inputs solved


@dataclass(frozen=True)
class SampleResult:
    """One side of a test: its mean over the seeds, with a 95 % interval."""

    sample: str
    title: str
    values: Mapping[int, float]  # by seed
    mean: Mean | None  # None: nothing is measured yet
    tasks: int | None  # that each seed was asked; None of a recorded series


@dataclass(frozen=True)
class TestResult:
    """A test, what it rests on, and its verdict. `low` and `high` are None with fewer than two seeds."""

    test: Test
    samples: Sequence[SampleResult]
    value: float | None
    low: float | None
    high: float | None
    seeds: int
    verdict: Verdict


@dataclass(frozen=True)
class ClaimResult:
    """A claim and its verdict; undecided as long as no round is complete."""

    claim: Claim
    verdict: Verdict
    confidence: float  # of the intervals of its tests
    tests: Sequence[TestResult]
    rounds: int  # that are complete, as far as the one that decided
    is_open: bool  # whether another round could still decide it
    trouble: str = ""  # why its next round cannot be completed; empty: it can


def judged(design: Design, known: Known) -> list[ClaimResult]:
    """Every claim, in the study's order."""
    return [_judged(design, claim, known) for claim in design.study.claims]


def _judged(design: Design, claim: Claim, known: Known) -> ClaimResult:
    confidence = design.confidence(claim)
    complete = 0
    tests: list[TestResult] = []
    verdict: Verdict = "undecided"
    for of_round in design.scale.rounds:
        results = [_result(design, test, of_round, known, confidence) for test in claim.tests]
        if any(each.seeds < of_round.seeds for each in results):
            break
        complete, tests, verdict = complete + 1, results, _together(results)
        if verdict != "undecided":
            break
    if not complete:  # what there is so far decides nothing
        first = design.scale.rounds[0]
        partial = [_result(design, test, first, known, confidence) for test in claim.tests]
        tests = [replace(each, verdict="undecided") for each in partial]
    trouble = ""
    if verdict == "undecided" and complete < len(design.scale.rounds):
        trouble = _trouble(design, claim, design.scale.rounds[complete], known)
    is_open = verdict == "undecided" and complete < len(design.scale.rounds) and not trouble
    return ClaimResult(claim, verdict, confidence, tests, complete, is_open, trouble)


def _together(results: Sequence[TestResult]) -> Verdict:
    """Supported where every test is, refuted where one is."""
    verdicts = {each.verdict for each in results}
    if "refuted" in verdicts:
        return "refuted"
    return "supported" if verdicts == {"supported"} else "undecided"


def _result(design: Design, test: Test, of_round: Round, known: Known, confidence: float) -> TestResult:
    if test.is_score:
        return _of_scores(design, test, of_round, known, confidence)
    return _of_series(design, test, of_round, known, confidence)


def _of_scores(design: Design, test: Test, of_round: Round, known: Known, confidence: float) -> TestResult:
    k = test.measured.first.k
    sides: list[dict[int, Scores]] = []
    for sample in design.samples(test):
        side: dict[int, Scores] = {}
        for seed in range(of_round.seeds):
            scored = known.scorings.get(Scoring(sample, seed, of_round.tasks))
            if scored and scored.state == "finished" and scored.ranks:
                side[seed] = task_scores(scored.ranks, k)
        sides.append(side)
    tasks = sorted(_common([set(scores) for side in sides for scores in side.values()]))
    samples = [
        _sample(design, name, {seed: _share(of, tasks) for seed, of in side.items() if tasks}, len(tasks))
        for name, side in zip(test.samples, sides, strict=True)
    ]
    seeds = sorted(_common([set(side) for side in sides]))
    if not seeds or not tasks:
        return TestResult(test, samples, None, None, None, 0, "undecided")
    tables = [[[side[seed][task] for task in tasks] for seed in seeds] for side in sides]
    if len(tables) == 1:
        shares = [math.fsum(row) / len(tasks) for row in tables[0]]
        # More seeds are not more tasks: they are asked the same ones.
        mean = mean_of_shares(shares, len(tasks), confidence)
        assert mean
        return _held(test, samples, mean.mean, mean.low, mean.high, len(seeds))
    if len(seeds) < 2 or len(tasks) < 2:
        value = _share_of(tables[0]) - _share_of(tables[1])
        return TestResult(test, samples, value, None, None, len(seeds), "undecided")
    found = crossed_difference(tables[0], tables[1], confidence)
    return _held(test, samples, found.mean, found.low, found.high, len(seeds))


def _of_series(design: Design, test: Test, of_round: Round, known: Known, confidence: float) -> TestResult:
    sides: list[dict[int, float]] = []
    for name in test.samples:
        side: dict[int, float] = {}
        for seed in range(of_round.seeds):
            trained = known.trainings.get(Training(split(name)[0], seed))
            value = trained.series.get(test.measure) if trained and trained.state == "finished" else None
            if value is not None and math.isfinite(value):
                side[seed] = value
        sides.append(side)
    samples = [
        _sample(design, name, side, None, test.measured.range)
        for name, side in zip(test.samples, sides, strict=True)
    ]
    seeds = sorted(_common([set(side) for side in sides]))
    if not seeds:
        return TestResult(test, samples, None, None, None, 0, "undecided")
    values = [sides[0][seed] - (sides[1][seed] if test.minus else 0.0) for seed in seeds]
    # Shares that agree exactly count as one trial each: none with this mean scatter more.
    mean = mean_over_seeds(values, test.range, None if len(set(values)) > 1 else len(values), confidence)
    assert mean
    if mean.low == mean.high:  # seeds that agree exactly say nothing of how they scatter
        return TestResult(test, samples, mean.mean, None, None, len(seeds), "undecided")
    return _held(test, samples, mean.mean, mean.low, mean.high, len(seeds))


def _held(
    test: Test, samples: list[SampleResult], value: float, low: float | None, high: float | None, seeds: int
) -> TestResult:
    """Against the bar, with the whole interval."""
    if low is None or high is None:
        return TestResult(test, samples, value, None, None, seeds, "undecided")
    verdict = verdict_on_bar((low, high), test.comparison, test.bar)
    return TestResult(test, samples, value, low, high, seeds, verdict)


def _sample(
    design: Design, name: str, values: Mapping[int, float], tasks: int | None, bounds: Bounds = SHARE
) -> SampleResult:
    listed = [values[seed] for seed in sorted(values)]
    mean = mean_over_seeds(listed, bounds, tasks)
    return SampleResult(name, design.study.title_of(name), dict(values), mean, tasks)


def _trouble(design: Design, claim: Claim, of_round: Round, known: Known) -> str:
    """Why a round of a claim cannot be completed."""
    for test in claim.tests:
        samples = design.samples(test) if test.is_score else ()
        for seed in range(of_round.seeds):
            for name in test.samples:
                if reason := _failed_training(design, split(name)[0], seed, known):
                    return reason
            for sample in samples:
                scored = known.scorings.get(Scoring(sample, seed, of_round.tasks))
                if scored and scored.state == "failed":
                    named = f"Evaluation {scored.evaluation}" if scored.evaluation else "An evaluation"
                    return f"{named} of {sample.configuration}, seed {seed}: {_cause(scored)}."
        done = [
            scored.ranks.keys()
            for sample in samples
            for seed in range(of_round.seeds)
            if (scored := known.scorings.get(Scoring(sample, seed, of_round.tasks)))
            and scored.state == "finished"
        ]
        if len(done) == len(samples) * of_round.seeds > 0 and not _common([set(tasks) for tasks in done]):
            return f"No task was scored for every sample and seed: {' and '.join(test.samples)}."
        for name in test.samples if not test.is_score else ():
            for seed in range(of_round.seeds):
                trained = known.trainings.get(Training(split(name)[0], seed))
                if trained and trained.state == "finished" and test.measure not in trained.series:
                    return f"Run {trained.run_id} has no {test.measure}."
    return ""


def _failed_training(design: Design, name: str, seed: int, known: Known) -> str:
    chain: str | None = name
    while chain is not None:
        trained = known.trainings.get(Training(chain, seed))
        if trained and trained.state == "failed":
            named = f"Run {trained.run_id}" if trained.run_id else "A run"
            return f"{named} ({chain}, seed {seed}): {_cause(trained)}."
        chain = design.start_of(chain)
    return ""


def _cause(of: Trained | Scored) -> str:
    return of.cause.rstrip(".") or "failed"


def _common(sets: Sequence[set[Key]]) -> set[Key]:
    return set.intersection(*sets) if sets else set()


def _share(scores: Scores, tasks: Sequence[str]) -> float:
    return math.fsum(scores[task] for task in tasks) / len(tasks)


def _share_of(table: Sequence[Sequence[float]]) -> float:
    return math.fsum(math.fsum(row) / len(row) for row in table) / len(table)
