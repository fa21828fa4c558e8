"""Differences over crossed seeds and tasks, against scipy's values, the definition in numpy, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from backend.domain.crossed import crossed_difference, unpaired_difference

NOTHING = [[0.0] * 50] * 3


def test_where_only_seeds_scatter_it_is_students_interval_over_them() -> None:
    """scipy.stats.ttest_1samp([0.1, 0.03, 0.21], 0), version 1.17.1."""
    found = crossed_difference([[0.10] * 50, [0.03] * 50, [0.21] * 50], NOTHING)
    assert found.mean == pytest.approx(0.34 / 3)
    assert (found.low, found.high) == pytest.approx((-0.1120716520, 0.3387383187), abs=1e-9)
    assert found.p_value == pytest.approx(0.1629778614, abs=1e-9)


def test_where_only_tasks_scatter_it_is_that_of_the_tasks() -> None:
    """Every seed solves the same of 50 tasks: 40 % more than nothing, se = sqrt(0.24 / 49)."""
    found = crossed_difference([[1.0] * 20 + [0.0] * 30] * 3, NOTHING)
    half = 1.962339 * (0.24 / 49) ** 0.5  # t of 1,000 degrees of freedom
    assert (found.low, found.high) == pytest.approx((0.4 - half, 0.4 + half), abs=1e-6)
    assert found.p_value < 1e-6


def test_no_difference_anywhere_is_undecided_and_the_same_everywhere_is_decided() -> None:
    none = crossed_difference(NOTHING, NOTHING)
    assert (none.mean, none.p_value) == (0, 1)
    assert not none.is_decided
    assert (none.low, none.high) == pytest.approx((-0.0713476, 0.0713476))  # Wilson's upper end of 0 of 50
    few = unpaired_difference([[0.0] * 16] * 5, [[0.0] * 16] * 3)
    assert (few.low, few.high) == pytest.approx((-0.193611, 0.193611), abs=1e-5)  # of 0 of 16: not of 0 of 80
    assert crossed_difference([[1.0] * 50] * 3, NOTHING).is_decided


def test_three_seeds_that_agree_in_sign_do_not_decide_by_that() -> None:
    """As (a) was before (c) by 10, 3 and 21 of 100 tasks: every resample of these seeds is above zero."""
    a = [[1.0] * count + [0.0] * (100 - count) for count in (81, 68, 68)]
    c = [[1.0] * count + [0.0] * (100 - count) for count in (71, 65, 47)]
    found = crossed_difference(a, c)
    assert found.low < 0 < found.high
    assert found.p_value > 0.05


def test_no_interval_of_a_difference_passes_what_a_difference_can_be() -> None:
    """Two seeds that lie far apart: Student's t of one degree of freedom is 12.7, of two 4.3."""
    a, b = [[1.0] * 12, [0.5] * 12], [[0.0] * 12] * 2
    paired, unpaired = crossed_difference(a, b), unpaired_difference(a, b)
    assert (paired.low, paired.mean, paired.high) == (-1.0, 0.75, 1.0)
    assert (unpaired.mean, unpaired.high) == (0.75, 1.0)
    assert unpaired.low == pytest.approx(0.75 - 4.3026527 * 0.25, abs=1e-6)
    assert min(paired.p_value, unpaired.p_value) > 0.05
    none = crossed_difference([[1.0] * 12] * 2, b)
    assert (none.mean, none.high) == (1.0, 1.0)
    assert none.low == pytest.approx(1 - 0.2424940, abs=1e-6)  # Wilson's upper end of 0 of 12


TABLES = st.tuples(st.integers(2, 5), st.integers(2, 12), st.integers(0, 2**32 - 1))


@given(TABLES)
def test_it_is_the_analysis_of_variance_of_the_textbook(drawn: tuple[int, int, int]) -> None:
    """Sums of squares by numpy, as expected mean squares restate them; antisymmetric; p agrees with it."""
    m, n, seed = drawn
    draw = np.random.default_rng(seed)
    a, b = draw.random((2, m, n)).round(2)
    found, turned = crossed_difference(a.tolist(), b.tolist()), crossed_difference(b.tolist(), a.tolist())

    table = a - b
    total = m * n * table.var()
    of_seeds, of_tasks = n * m * table.mean(1).var(), m * n * table.mean(0).var()
    seeds, tasks = of_seeds / (m - 1), of_tasks / (n - 1)
    rest = (total - of_seeds - of_tasks) / ((m - 1) * (n - 1))
    variance = (max(seeds, rest) + max(tasks - rest, 0)) / (m * n)

    assert found.mean == pytest.approx(table.mean(), abs=1e-12)
    half = (found.high - found.low) / 2
    assert -1 <= found.low <= found.mean <= found.high <= 1
    if found.low > -1 and found.high < 1:  # neither end was cut
        assert 1.95 * variance**0.5 <= half * (1 + 1e-6) + 1e-9
    assert half <= 12.71 * variance**0.5 + 1e-9
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-12)
    assert found.is_decided == (found.p_value < 0.05)


@pytest.mark.parametrize(("of_seeds", "of_tasks"), [(0.0, 0.0), (0.05, 0.2), (0.1, 0.0)])
def test_it_contains_the_difference_in_nineteen_of_twenty_trials(of_seeds: float, of_tasks: float) -> None:
    draw = np.random.default_rng(5)
    trials, inside = 300, 0
    for _ in range(trials):
        skill = 0.5 + of_seeds * draw.standard_normal((3, 1)) + of_tasks * draw.uniform(-1, 1, (1, 40))
        found = crossed_difference(_asked(skill, draw), _asked(np.full((3, 40), 0.5), draw))
        inside += found.low <= 0 <= found.high
    assert 0.91 * trials <= inside <= 0.995 * trials


def _asked(skill: NDArray[np.float64], draw: np.random.Generator) -> list[list[float]]:
    asked: list[list[float]] = (draw.random((3, 40)) < skill).astype(float).tolist()
    return asked


@given(TABLES)
def test_both_designs_agree_where_there_is_nothing_on_one_side(drawn: tuple[int, int, int]) -> None:
    """Seeds that solve nothing whichever they are: it does not matter whose they are."""
    m, n, seed = drawn
    a = np.random.default_rng(seed).random((m, n)).round(2).tolist()
    paired, unpaired = crossed_difference(a, [[0.0] * n] * m), unpaired_difference(a, [[0.0] * n] * m)
    assert unpaired.mean == pytest.approx(paired.mean, abs=1e-12)
    # Half of the degrees of freedom say so: the scatter of both sides is that of their mean.
    assert paired.low - 1e-9 <= unpaired.low <= unpaired.mean <= unpaired.high <= paired.high + 1e-9


def test_one_seed_each_is_students_interval_over_the_tasks() -> None:
    """By hand: 4 of 12 differences are 1, so t = (1/3) / sqrt((8/33) / 12), and t of 11 degrees is 2.2010."""
    found = unpaired_difference([[1.0] * 8 + [0.0] * 4], [[1.0] * 4 + [0.0] * 8])
    half = 2.2009852 * (8 / 33 / 12) ** 0.5
    assert (found.low, found.high) == pytest.approx((1 / 3 - half, 1 / 3 + half), abs=1e-6)
    assert 0.03 < found.p_value < 0.05


def test_where_only_seeds_scatter_two_unpaired_sides_are_students_two_samples() -> None:
    """By hand: the pooled variance is (0.0164667 + 0.005) / 3, and t of 3 degrees is 3.1824463."""
    found = unpaired_difference([[0.10] * 50, [0.03] * 50, [0.21] * 50], [[0.4] * 50, [0.5] * 50])
    half = 3.1824463 * ((0.01646667 + 0.005) / 3 * (1 / 3 + 1 / 2)) ** 0.5
    assert (found.low, found.high) == pytest.approx((-0.3366667 - half, -0.3366667 + half), abs=1e-6)


@pytest.mark.parametrize("m", [2, 3])
def test_seeds_that_scatter_over_many_tasks_do_not_decide_by_luck(m: int) -> None:
    """On 400 tasks the seeds' scatter is all there is; a bootstrap over so few covers 80 to 92 %."""
    draw = np.random.default_rng(5)
    trials, inside = 200, 0
    for _ in range(trials):
        skills = 0.5 + 0.1 * draw.standard_normal((2, m, 1))
        a, b = ((draw.random((m, 400)) < skill).astype(float).tolist() for skill in skills)
        found = unpaired_difference(a, b)
        inside += found.low <= 0 <= found.high
    assert 0.91 * trials <= inside <= 0.99 * trials


def test_tables_of_other_shapes_are_refused() -> None:
    for a, b in (([[1.0]], [[0.0]]), (NOTHING, []), ([], NOTHING), (NOTHING, [[0.0] * 49] * 2)):
        with pytest.raises(ValueError, match="same tasks"):
            unpaired_difference(a, b)
    for a, b in (([[1.0, 0.0]], [[1.0, 0.0]]), (NOTHING, NOTHING[:2]), (NOTHING, [[0.0] * 49] * 3)):
        with pytest.raises(ValueError, match="same seeds and tasks"):
            crossed_difference(a, b)
