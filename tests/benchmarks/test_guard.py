"""Nothing that is measured beside a reference in one process has become several times slower.

The ratios, their limits and why these do not depend on how busy a machine is: `benchmarks/guard.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from benchmarks.guard import FACTOR, RATIOS, Bench, Ratio, Sides, bench


@pytest.fixture(scope="module")
def filled() -> Iterator[Bench]:
    with bench() as made:
        yield made


@pytest.mark.parametrize("ratio", RATIOS, ids=lambda ratio: ratio.name)
def test_a_ratio_stays_below_its_limit(ratio: Ratio, filled: Bench) -> None:
    measured = ratio.measure(filled)
    assert measured <= ratio.limit, f"usually {ratio.usual} ({ratio.spread})"


def test_the_guard_sees_what_has_become_slower(filled: Bench) -> None:
    def spin(seconds: float) -> None:
        until = time.process_time() + seconds
        while time.process_time() < until:
            pass

    def sides(times: float) -> Sides:
        return lambda: spin(0.02 * times), lambda: spin(0.02)

    same, slower = (Ratio("", lambda _, n=n: sides(n), usual=1.0, spread="") for n in (1, 2 * FACTOR))
    assert same.measure(filled) <= same.limit < slower.measure(filled)
