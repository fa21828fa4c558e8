"""What is to be done next in a study: which runs and evaluations are queued, or that it is over.

A pure function of what there is: it may be asked again at any time, by anybody, and says the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from backend.domain.study.configs import Design
from backend.domain.study.definition import Claim, split
from backend.domain.study.known import Known, Scoring, Training
from backend.domain.study.verdicts import ClaimResult, judged

Work: TypeAlias = Training | Scoring
PLAIN_SHARE = 0.02  # of the seconds of a training: an evaluation of the answer as it is

ALL_DECIDED = "Every claim is decided or has had all its rounds."
OUT_OF_TIME = "What is left does not fit into the budget: give it more hours to continue."
OVER_BUDGET = "The budget of hours is spent: give it more to continue."
BLOCKED = "What failed keeps the other claims from being decided: resume it, then continue the study."


@dataclass(frozen=True)
class Plan:
    """What is to be done; nothing of it has happened yet."""

    work: Sequence[Work] = ()  # to be queued now, in this order
    cancel: bool = False  # what runs: the budget is spent
    over: str = ""  # why the study is finished; empty: it is not


def plan(design: Design, known: Known, hours: float) -> Plan:
    """What is due in a study that is running, within a budget of hours by the clock."""
    results = judged(design, known)
    left = hours * 3600 - known.spent
    if left <= 0 and any(each.is_open for each in results):
        return Plan(cancel=True, over=OVER_BUDGET)
    pace = _pace(design, known)
    at_once = max(1, min(design.scale.at_once, known.workers))
    capacity = left * at_once - _outstanding(design, known, pace)
    chosen: dict[Work, None] = {}
    is_short = False
    for group in _groups(design, known, results):
        missing = [work for work in dict.fromkeys(group) if work not in chosen]
        costs = [pace * stated_seconds(design, work) for work in missing]
        if sum(costs) > capacity or max(costs, default=0.0) > left:
            is_short = True
            continue
        capacity -= sum(costs)
        chosen |= dict.fromkeys(missing)
    if chosen or known.active:
        ready = [work for work in chosen if _is_ready(design, work, known)]
        ready.sort(key=lambda work: isinstance(work, Training))  # evaluations first: they are short
        return Plan(ready[: max(0, design.scale.at_once - known.active)])
    if is_short:
        return Plan(over=OUT_OF_TIME)
    return Plan(over=BLOCKED if any(each.trouble for each in results) else ALL_DECIDED)


def rounds_of(design: Design) -> list[list[Work]]:
    """What each round adds to those before it, were every claim still undecided when it begins."""
    before: dict[Work, None] = {}
    rounds = []
    for each in design.scale.rounds:
        works = dict.fromkeys(
            work
            for claim in design.study.claims
            for seed in range(each.seeds)
            for work in _missing(design, claim, seed, each.tasks, Known())
        )
        rounds.append([work for work in works if work not in before])
        before |= works
    return rounds


def _groups(design: Design, known: Known, results: Sequence[ClaimResult]) -> Iterator[list[Work]]:
    """What is missing, in parts that are of use only as a whole.

    Of the first round seed by seed, so that a budget that is too small leaves every claim with some seeds; of
    a later round all of a claim's, for half a round judges nothing.
    """
    first = design.scale.rounds[0]
    for seed in range(first.seeds):
        for result in results:
            if result.is_open and not result.rounds:
                yield list(_missing(design, result.claim, seed, first.tasks, known))
    for result in results:
        if result.is_open and result.rounds:
            of_round = design.scale.rounds[result.rounds]
            seeds = range(of_round.seeds)
            yield [
                work for seed in seeds for work in _missing(design, result.claim, seed, of_round.tasks, known)
            ]


def _missing(design: Design, claim: Claim, seed: int, tasks: int | None, known: Known) -> Iterator[Work]:
    """What a claim lacks of a seed: runs that others start from come first."""
    for test in claim.tests:
        for name in test.samples:
            for configuration in reversed(_chain(design, split(name)[0])):
                if (training := Training(configuration, seed)) not in known.trainings:
                    yield training
        for sample in design.samples(test) if test.is_score else ():
            if (scoring := Scoring(sample, seed, tasks)) not in known.scorings:
                yield scoring


def _chain(design: Design, name: str) -> list[str]:
    """A configuration, the one that it starts from, and so on."""
    chain, start = [name], design.start_of(name)
    while start is not None:
        chain.append(start)
        start = design.start_of(start)
    return chain


def _is_ready(design: Design, work: Work, known: Known) -> bool:
    """Whether the weights that it needs are there."""
    if isinstance(work, Scoring):
        needed: str | None = work.sample.configuration
    else:
        needed = design.start_of(work.configuration)
    if needed is None:
        return True
    trained = known.trainings.get(Training(needed, work.seed))
    return trained is not None and trained.state == "finished"


def stated_seconds(design: Design, work: Work) -> float:
    """Of a run or an evaluation, as the file estimates them."""
    if isinstance(work, Training):
        return design.seconds(work.configuration)
    if work.sample.measurement:
        return design.seconds(work.sample.configuration, work.sample.measurement)
    return PLAIN_SHARE * design.seconds(work.sample.configuration)


def _pace(design: Design, known: Known) -> float:
    """Measured seconds for a stated one, over all runs that finished."""
    finished = [(work, each) for work, each in known.trainings.items() if each.state == "finished"]
    stated = sum(stated_seconds(design, work) for work, _ in finished)
    return sum(each.seconds for _, each in finished) / stated if stated else 1.0


def _outstanding(design: Design, known: Known, pace: float) -> float:
    """Seconds that what is under way will still take."""
    under_way: list[tuple[Work, float]] = [
        (work, each.seconds) for work, each in known.trainings.items() if each.state == "active"
    ]
    under_way += [(work, each.seconds) for work, each in known.scorings.items() if each.state == "active"]
    return sum(max(0.0, pace * stated_seconds(design, work) - seconds) for work, seconds in under_way)
