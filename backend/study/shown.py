"""A study as people see it: what stands in the rows, in words and numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from backend.domain.hypothesis.measure import Measure
from backend.domain.hypothesis.words import bar_words, number
from backend.domain.published import CAVEATS, PUBLISHED, PublishedResult
from backend.domain.study import (
    ClaimResult,
    Design,
    SampleResult,
    Scoring,
    Test,
    TestResult,
    Training,
    judged,
    rounds_of,
    stated_seconds,
)
from backend.domain.study.definition import Round
from backend.kit.format import NBSP, counted, signed, significant
from backend.study.standing import Standing
from backend.study.tables import StudyRow
from backend.study.views import (
    ClaimOutline,
    ClaimView,
    PublishedView,
    RoundOutline,
    SampleView,
    StudyOutline,
    StudyRunView,
    StudySummary,
    StudyView,
    TestView,
)

MINUS = "\N{MINUS SIGN}"
_POINTS = f"{NBSP}points"


def summary(row: StudyRow, title: str, spent: float) -> StudySummary:
    """A study in a list; `spent` seconds."""
    return StudySummary.model_validate(_facts(row, title, spent))


def view(found: Standing) -> StudyView:
    """All of it, with the verdicts that its rows come to."""
    row, design, known = found.row, found.design, found.known
    study, scale = design.study, design.scale
    runs = [
        StudyRunView(
            configuration=training.configuration,
            title=study.configurations[training.configuration].title,
            seed=training.seed,
            run_id=trained.run_id,
            state=trained.state,
            seconds=trained.seconds,
        )
        for training, trained in sorted(known.trainings.items())
    ]
    return StudyView.model_validate(
        _facts(row, study.title, known.spent)
        | {
            "about": study.about,
            "scale_title": scale.title,
            "scale_about": scale.about,
            "rounds": [_round(each) for each in scale.rounds],
            "claims": [_claim(design, each) for each in judged(design, known)],
            "runs": runs,
            "active": known.active,
        }
    )


def outline(design: Design, name: str) -> StudyOutline:
    """What there is to read of a study before it is started."""
    study, scale = design.study, design.scale
    return StudyOutline(
        name=name,
        title=study.title,
        about=study.about,
        scale=design.scale_name,
        scales=list(study.scales),
        scale_title=scale.title,
        scale_about=scale.about,
        hours=scale.hours,
        at_once=scale.at_once,
        rounds=[
            _round_outline(design, each, works)
            for each, works in zip(scale.rounds, rounds_of(design), strict=True)
        ],
        claims=[
            ClaimOutline(
                name=claim.name,
                section=claim.section,
                claim=claim.claim,
                about=claim.about,
                asks=[_asks(design, test) for test in claim.tests],
                confidence=design.confidence(claim),
                would_change=claim.would_change,
            )
            for claim in study.claims
        ],
    )


def _round_outline(design: Design, of_round: Round, works: Sequence[Training | Scoring]) -> RoundOutline:
    runs = sum(isinstance(work, Training) for work in works)
    seconds = sum(stated_seconds(design, work) for work in works)
    return RoundOutline(
        words=_round(of_round),
        runs=runs,
        evaluations=len(works) - runs,
        hours=seconds / 3600 / design.scale.at_once,
    )


def _facts(row: StudyRow, title: str, spent: float) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "title": title,
        "scale": row.scale,
        "status": row.status,
        "cause": row.cause,
        "hours": row.hours,
        "hours_spent": spent / 3600,
        "created_at": row.created_at,
        "ended_at": row.ended_at,
    }


def _round(of: Round) -> str:
    tasks = counted(of.tasks, "task") if of.tasks else "all tasks"
    return f"{counted(of.seeds, 'seed')} of {tasks}"


def _claim(design: Design, result: ClaimResult) -> ClaimView:
    claim = result.claim
    return ClaimView(
        name=claim.name,
        section=claim.section,
        claim=claim.claim,
        about=claim.about,
        verdict=result.verdict,
        is_open=result.is_open,
        confidence=result.confidence,
        rounds=result.rounds,
        of_rounds=len(design.scale.rounds),
        trouble=result.trouble,
        would_change=claim.would_change,
        tests=[_test(design, each) for each in result.tests],
        published=[_published(row) for row in PUBLISHED if row.model in claim.published],
    )


def _test(design: Design, result: TestResult) -> TestView:
    test, measure = result.test, _measure(result.test)
    is_bounded = not math.isinf(measure.range[0])
    return TestView(
        measure=test.measure,
        of=test.of,
        minus=test.minus,
        comparison=test.comparison,
        bar=test.bar,
        asks=_asks(design, test),
        unit=("points" if test.minus else "share") if is_bounded else "number",
        value=result.value,
        low=result.low,
        high=result.high,
        seeds=result.seeds,
        verdict=result.verdict,
        words=_words(measure, result),
        samples=[_sample(test, each) for each in result.samples],
    )


def _asks(design: Design, test: Test) -> str:
    """`pass@1 of encoder minus cached > 0.0 points`."""
    sides = [design.study.title_of(name) for name in test.samples]
    bar = bar_words(_measure(test), test.comparison, test.bar)
    return f"{test.measure} of {' minus '.join(sides)} {bar}"


def _measure(test: Test) -> Measure:
    """The measure that the test's value is of: a difference has twice the range, and is told in points."""
    term = test.measured.first
    return Measure(term) if test.minus is None else Measure(term, "-", term)


def _words(measure: Measure, result: TestResult) -> str:
    if result.value is None:
        return "not measured yet"
    seeds = counted(result.seeds, "seed")
    if result.low is None or result.high is None:
        return f"{_signed(measure, result.value)}, {seeds}, no interval"
    ends = _interval(measure, result.low, result.high)
    return f"{_signed(measure, result.value)} {ends}, {seeds}"


def _signed(measure: Measure, value: float) -> str:
    """The value with its unit; a difference with its sign."""
    if not measure.sign:
        return number(measure, value).replace("-", MINUS)
    if math.isinf(measure.range[0]):
        return f"{'+' if value > 0 else ''}{significant(value)}".replace("-", MINUS)
    return f"{signed(100 * value)}{_POINTS}"


def _interval(measure: Measure, low: float, high: float) -> str:
    """`[57.4 to 93.5]`: the value before it has the unit."""
    ends = (_signed(measure, end).removesuffix(_POINTS).removesuffix(f"{NBSP}%") for end in (low, high))
    return f"[{' to '.join(ends)}]"


def _sample(test: Test, result: SampleResult) -> SampleView:
    mean, measure = result.mean, test.measured
    words = "not measured yet"
    if mean is not None:
        interval = ""
        if mean.low is not None and mean.high is not None:
            interval = f" {_interval(measure, mean.low, mean.high)}"
        of_tasks = f" of {counted(result.tasks, 'task')}" if result.tasks else ""
        words = f"{_signed(measure, mean.mean)}{interval}, {counted(mean.n, 'seed')}{of_tasks}"
    seeds = sorted(result.values)
    return SampleView(
        sample=result.sample,
        title=result.title,
        mean=mean.mean if mean else None,
        low=mean.low if mean else None,
        high=mean.high if mean else None,
        seeds=seeds,
        values=[result.values[seed] for seed in seeds],
        tasks=result.tasks,
        words=words,
    )


def _published(row: PublishedResult) -> PublishedView:
    facts = [f"pass@{k}{NBSP}{text}" for k, text in row.pass_at.items()]
    if row.train_accuracy is not None:
        facts.append(f"train accuracy (tokens){NBSP}{row.train_accuracy:.2f} %")
    if row.cross_sample_variance is not None:
        facts.append(f"cross-sample variance{NBSP}{row.cross_sample_variance:g}")
    steps = f", {row.steps // 1000}k steps" if row.steps else ""
    return PublishedView(
        model=f"{row.model}{steps}", words=", ".join(facts), caveats=[CAVEATS[each] for each in row.caveats]
    )
