"""What the control was to show, and whether it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.domain.records import Score
from backend.domain.statistics import Difference, Mean, mean_of, paired_bootstrap
from worker.experiments.control.results import SearchResult, VariantResult

LEARNED, UNLEARNED, HALF = 0.8, 0.05, 0.5


@dataclass(frozen=True)
class Bar:
    """Something that was to be shown, and whether it was."""

    claim: str
    found: str
    holds: bool


def judged(
    variants: Sequence[VariantResult], seeds: Sequence[VariantResult], searches: Sequence[SearchResult]
) -> list[Bar]:
    """The claims that these results can decide; `seeds` are further seeds of some variants."""
    by_letter = {each.variant.letter: each for each in variants}
    found = [_at_least(by_letter["a"])]
    found += [_at_most(by_letter[letter]) for letter in "bd" if letter in by_letter]
    ignorant = [by_letter[letter] for letter in "bd" if letter in by_letter]
    found += [_above_all(by_letter["a"], ignorant)] if ignorant else []
    if "c" in by_letter:
        found.append(_worse_or_slower(_pairs([*variants, *seeds], "a", "c")))
    if searches:
        found += _search_bars(searches, variants[-1].variant.config.model.act.max_steps)
    return found


def _pairs(
    results: Sequence[VariantResult], best: str, other: str
) -> list[tuple[VariantResult, VariantResult]]:
    """Two variants seed by seed."""
    ours, theirs = (
        {each.variant.config.seed: each for each in results if each.variant.letter == letter}
        for letter in (best, other)
    )
    return [(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]


def _search_bars(searches: Sequence[SearchResult], usual_steps: int) -> list[Bar]:
    plain = [each for each in searches if each.signal == "none"]
    guided = [each for each in searches if each.signal == "gradient"]
    start = min(plain, key=lambda each: abs(each.passes - usual_steps))
    searched, longest = guided[-1], max(plain, key=lambda each: each.score.solved)
    gain = paired_bootstrap(searched.scores, start.scores)
    lead = paired_bootstrap(searched.scores, longest.scores)
    return [
        Bar(
            "e: search raises pass@1",
            f"{count(start.score)} without, {count(searched.score)} with {searched.amount} gradient "
            f"steps; difference {difference(gain)}",
            gain.low > 0,
        ),
        Bar(
            "e: steps with a signal beat ACT steps without one",
            f"{searched.amount} gradient steps against the best of the ACT steps ({longest.amount}): "
            f"{count(searched.score)} and {count(longest.score)}; difference {difference(lead)}",
            lead.low > 0,
        ),
    ]


def _at_least(result: VariantResult) -> Bar:
    claim = f"{result.variant.letter}: solves {LEARNED:.0%} of held-out rules or more"
    return Bar(claim, count(result.score), result.score.solved >= LEARNED * result.score.n)


def _at_most(result: VariantResult) -> Bar:
    claim = f"{result.variant.letter}: solves {UNLEARNED:.0%} or less"
    return Bar(claim, count(result.score), result.score.solved <= UNLEARNED * result.score.n)


def _above_all(best: VariantResult, others: Sequence[VariantResult]) -> Bar:
    """The order, which a short run shows as well."""
    leads = {each.variant.letter: paired_bootstrap(best.scores, each.scores) for each in others}
    found = ", ".join(f"{difference(lead)} over {letter}" for letter, lead in leads.items())
    claim = f"{best.variant.letter}: solves more than {' and '.join(leads)}"
    return Bar(claim, found, all(lead.low > 0 for lead in leads.values()))


def _worse_or_slower(pairs: Sequence[tuple[VariantResult, VariantResult]]) -> Bar:
    """Clearly worse in the end, or clearly behind over the whole of training; pairs of (a, the other)."""
    (best, other), *more = pairs
    behind = [best.mean_share - other.mean_share for best, other in pairs]
    if more:
        final = _of_seeds([_share(best) - _share(other) for best, other in pairs])
        course = _of_seeds(behind)
        holds = any(each is not None and each.low is not None and each.low > 0 for each in (final, course))
        leads = f"{_mean(final)} in the end, {_mean(course)} on average over training"
    else:
        lead = paired_bootstrap(best.scores, other.scores)
        holds = lead.low > 0
        leads = f"{difference(lead)} in the end, {100 * behind[0]:+.0f} points on average over training"
    halves = (", ".join(step(each) for each in side) for side in zip(*pairs, strict=True))
    found = f"a leads by {leads}; half the rules at step {' against '.join(halves)}"
    claim = f"{other.variant.letter}: clearly worse than a, or clearly slower"
    return Bar(claim, found, holds)


def _share(result: VariantResult) -> float:
    return result.score.solved / result.score.n


def _of_seeds(values: Sequence[float]) -> Mean | None:
    return mean_of([100 * value for value in values])


def _mean(mean: Mean | None) -> str:
    if mean is None:
        return "nothing"
    if mean.low is None or mean.high is None:
        return f"{mean.mean:+.0f} points"
    return f"{mean.mean:+.0f} points [{mean.low:+.0f}, {mean.high:+.0f}]"


def step(result: VariantResult) -> str:
    """The first evaluated one at which half of the held-out rules were solved."""
    half = result.first_step_above(HALF)
    return "never" if half is None else f"{half:,}"


def count(score: Score) -> str:
    """`81/100 (81 % [72, 87])`."""
    share, low, high = (100 * value for value in (score.solved / score.n, *score.interval))
    return f"{score.solved:g}/{score.n} ({share:.0f} % [{low:.0f}, {high:.0f}])"


def difference(found: Difference) -> str:
    """In points, with its interval."""
    mean, low, high = (100 * value for value in (found.mean, found.low, found.high))
    return f"{mean:+.0f} points [{low:+.0f}, {high:+.0f}]"
