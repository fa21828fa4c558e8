"""What the control is to show, and whether it does: each claim judged by an interval over seeds and tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from backend.domain.hypothesis.judge import Verdict, verdict_on_bar, verdict_on_difference
from backend.domain.hypothesis.measure import Comparison
from worker.experiments.control import wording
from worker.experiments.control.methods import Method
from worker.experiments.control.results import MethodResult, Solved, VariantResult

LEARNED = 0.75  # what (a) must be shown to solve; trained for 80 % and more
IGNORANT = 0.05  # at most, of what cannot know the rule
RANDOM_FEATURES = 0.2  # at most, with an encoder that never learns: its features say which colours occur
HALF = 0.5

Holds = Literal["holds", "does not hold", "undecided"]
_WORDS: Mapping[Verdict, Holds] = {
    "supported": "holds",
    "refuted": "does not hold",
    "undecided": "undecided",
}


@dataclass(frozen=True)
class Bar:
    """A claim, what was found, and the verdict of the rule for hypotheses."""

    claim: str
    found: str
    verdict: Holds


def judged(variants: Sequence[VariantResult], measured: Sequence[MethodResult]) -> list[Bar]:
    """The claims that these results can decide."""
    by_letter = {each.letter: each for each in variants}
    return [*_learning_bars(by_letter), *_cached_bars(by_letter), *_thinking_bars(by_letter, measured)]


def _learning_bars(by_letter: Mapping[str, VariantResult]) -> Iterator[Bar]:
    limits: tuple[tuple[str, Comparison, float], ...] = (
        ("a", ">=", LEARNED),
        ("b", "<=", RANDOM_FEATURES),
        ("f", "<=", IGNORANT),
    )
    for letter, comparison, limit in limits:
        if letter in by_letter:
            yield _limit(letter, by_letter[letter].final, comparison, limit)
    for better, worse, why in (
        ("a", "b", "an encoder that learns solves more"),
        ("a", "f", "demonstrations read by an encoder solve more than no demonstrations"),
        ("d", "f", "TRM solves more of the tasks whose demonstrations it trained on"),
    ):
        if better in by_letter and worse in by_letter:
            claim = f"{better} above {worse}: {why}"
            yield _difference(claim, by_letter[better].final, by_letter[worse].final)


def _cached_bars(by_letter: Mapping[str, VariantResult]) -> Iterator[Bar]:
    """Worse in the end and slower on the way are two claims."""
    if "a" not in by_letter or "c" not in by_letter:
        return
    fresh, cached = by_letter["a"], by_letter["c"]
    yield _difference("a above c: a cached context solves less in the end", fresh.final, cached.final)
    slower = _difference("a above c: a cached context learns more slowly", fresh.course, cached.course)
    halves = [wording.steps(each.first_steps_above(HALF)) for each in (fresh, cached)]
    found = f"on average over training {slower.found}; half the rules at step {' against '.join(halves)}"
    yield Bar(slower.claim, found, slower.verdict)


def _thinking_bars(by_letter: Mapping[str, VariantResult], measured: Sequence[MethodResult]) -> Iterator[Bar]:
    """Of every variant: whether each method with a signal beats none, and the same compute without one."""
    by_amount = {(each.letter, each.method.name, each.decodes): each for each in measured}
    for result in _largest(measured):
        if not result.method.has_signal:
            continue
        letter, label = result.letter, result.method.label
        amount = f"{result.passes:,.0f} grids"
        if letter in by_letter:
            claim = f"{letter}: {label} solves more than the answer as it is"
            yield _difference(f"{claim} ({amount})", result.solved, by_letter[letter].final)
        blind = by_amount.get((letter, "none", result.decodes))
        if blind:
            claim = f"{letter}: {label} solves more than ACT steps without a signal"
            yield _difference(f"{claim} ({amount})", result.solved, blind.solved)


def _largest(measured: Sequence[MethodResult]) -> list[MethodResult]:
    """Each variant's methods with the most compute."""
    largest: dict[tuple[str, str], MethodResult] = {}
    for result in measured:
        key = (result.letter, result.method.name)
        if key not in largest or largest[key].decodes < result.decodes:
            largest[key] = result
    return list(largest.values())


def pairs_of(methods: Sequence[Method]) -> list[tuple[Method, Method]]:
    """Every two methods once, those with a signal first."""
    order = list(reversed(methods))
    return [(one, other) for place, one in enumerate(order) for other in order[place + 1 :]]


def _limit(letter: str, solved: Solved, comparison: Comparison, limit: float) -> Bar:
    most = "at least" if comparison == ">=" else "at most"
    claim = f"{letter}: solves {most} {limit:.0%} of held-out rules"
    verdict = verdict_on_bar(solved.interval, comparison, limit)
    return Bar(claim, wording.share(solved), _WORDS[verdict])


def _difference(claim: str, better: Solved, worse: Solved) -> Bar:
    found = better.minus(worse)
    text = f"{wording.points(found)} points: {wording.short_share(better)} and {wording.short_share(worse)}"
    return Bar(claim, text, _WORDS[verdict_on_difference(found) if found else "undecided"])
