"""A claim holds where its whole interval does, fails where none of it does, and is undecided in between."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.worker.control.results import measured, variant
from worker.experiments.control.bars import Bar, judged
from worker.experiments.control.results import MethodResult, VariantResult

GOOD = {"a": (96, 95, 97), "b": (6, 5, 7), "c": (60, 62, 58), "d": (80, 82, 79), "f": (0, 0, 0)}
BAD = {"a": (6, 5, 7), "b": (60, 62, 61), "c": (60, 62, 58), "d": (0, 0, 0), "f": (40, 42, 41)}
UNDECIDED = {"a": (81, 68, 68), "b": (20, 16, 25), "c": (71, 65, 47), "d": (3, 2, 4), "f": (4, 3, 5)}


def _variants(solved: dict[str, tuple[int, ...]]) -> list[VariantResult]:
    return [variant(letter, [0, 0, 0], counts) for letter, counts in solved.items()]


def _bars(variants: Sequence[VariantResult], measurements: Sequence[MethodResult] = ()) -> dict[str, Bar]:
    return {bar.claim.split(":")[0] + bar.claim.split(":")[1]: bar for bar in judged(variants, measurements)}


def _verdicts(solved: dict[str, tuple[int, ...]]) -> list[str]:
    return [bar.verdict for bar in judged(_variants(solved), [])]


def test_every_claim_holds_where_it_should_and_fails_where_it_should() -> None:
    assert _verdicts(GOOD) == ["holds"] * 8
    assert _verdicts(BAD) == [
        *("does not hold",) * 3,  # a, b, f
        *("does not hold",) * 3,  # a above b, a above f, d above f
        *("does not hold",) * 2,  # a above c, in the end and on the way
    ]


def test_the_earlier_report_would_have_been_undecided() -> None:
    """81, 68 and 68 of 100: one seed met 80 % by its value, which was called "holds"."""
    found = judged(_variants({"a": UNDECIDED["a"], "c": UNDECIDED["c"]}), [])
    assert [bar.verdict for bar in found] == ["undecided"] * 3
    assert found[0].found == "72 % [52, 87], seeds 81, 68, 68 of 100"
    assert found[1].found.startswith("+11 [-11, +34] points")


@pytest.mark.parametrize("letter", ["a", "b", "f"])
def test_an_interval_that_includes_the_bar_decides_nothing(letter: str) -> None:
    (bar,) = judged(_variants({letter: UNDECIDED[letter]}), [])
    assert bar.verdict == "undecided"


def test_one_seed_never_decides() -> None:
    (bar,) = judged([variant("a", [99])], [])
    assert bar.verdict == "undecided"


def test_slower_and_worse_in_the_end_are_two_claims() -> None:
    fresh = variant("a", [60, 55, 62], [90, 88, 91])
    cached = variant("c", [20, 18, 24], [89, 90, 90])
    _, end, way = judged([fresh, cached], [])
    assert (end.verdict, way.verdict) == ("undecided", "holds")
    assert way.found.endswith("half the rules at step 50, 50, 50 against 100, 100, 100")


def test_thinking_longer_is_judged_against_no_search_and_against_the_same_compute() -> None:
    plain = variant("e", [5, 6, 4])
    results = [
        measured("e", "none", 24, 5, 6, 4),
        measured("e", "none", 903, 7, 8, 6),
        measured("e", "gradient", 24, 40, 42, 41),
        measured("e", "gradient", 903, 98, 99, 97),
        measured("e", "random", 903, 7, 8, 6),
    ]
    bars = [(bar.claim, bar.verdict) for bar in judged([plain], results)]
    assert bars == [
        ("e: gradient search solves more than the answer as it is (905 grids)", "holds"),
        ("e: gradient search solves more than ACT steps without a signal (905 grids)", "holds"),
        ("e: random search solves more than the answer as it is (905 grids)", "undecided"),
        ("e: random search solves more than ACT steps without a signal (905 grids)", "undecided"),
    ]
