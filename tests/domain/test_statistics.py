"""Statistics against values from published tables, by hand, and from their definitions."""

from __future__ import annotations

import math
import random
from itertools import combinations, product

import pytest

from backend.domain.intervals import wilson_interval
from backend.domain.records import Score
from backend.domain.statistics import (
    Mean,
    difference_of_shares,
    holm,
    mcnemar_exact,
    mean_of,
    mean_of_shares,
    mean_over_seeds,
    paired_bootstrap,
    pass_at,
    pass_curve,
    ranks_by_task,
    student_t,
    task_scores,
)


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.7062047), (2, 4.3026527), (3, 3.1824463), (4, 2.7764451), (9, 2.2621572), (30, 2.0422725)],
)
def test_the_quantile_is_that_of_the_tables(freedom: int, quantile: float) -> None:
    assert student_t(freedom) == pytest.approx(quantile, abs=1e-7)


def test_many_degrees_of_freedom_come_near_the_normal_distribution() -> None:
    assert student_t(100_000) == pytest.approx(1.95996, abs=1e-4)


def test_a_mean_has_the_interval_of_its_scatter() -> None:
    found = mean_of([1.0, 2.0, 3.0, 4.0])
    assert found is not None
    assert (found.n, found.mean) == (4, 2.5)
    half = 3.1824463 * 1.2909944 / 2  # t, deviation, square root of n
    assert (found.low, found.high) == pytest.approx((2.5 - half, 2.5 + half))


def test_an_interval_ends_where_its_values_can_end() -> None:
    """Student's half width of these three is 0.24 (scipy.stats.ttest_1samp, version 1.17.1)."""
    values = [0.72, 0.79, 0.91]
    free, cut = mean_of(values), mean_of(values, bounds=(-1.0, 1.0))
    assert free is not None
    assert free.high is not None
    assert free.high > 1
    assert cut == Mean(3, free.mean, free.low, 1.0)
    assert mean_over_seeds(values, (-1.0, 1.0)) == cut
    assert mean_over_seeds(values, (0.0, 1.0), 8) == mean_of_shares(values, 8)
    logged = [0.98, 1.02]  # a script may log what no share is
    assert mean_of(logged, bounds=(-1.0, 1.0)) == mean_of(logged)


def test_one_value_has_no_interval_and_none_no_mean() -> None:
    found = mean_of([0.3])
    assert found is not None
    assert (found.mean, found.low, found.high) == (0.3, None, None)
    assert mean_of([]) is None


@pytest.mark.parametrize(
    "solved", [(0, 8), (0, 0), (8, 8), (0, 1), (7, 8, 8), (1, 0, 0, 0, 0), (4, 4), (0, 8, 0, 8)]
)
def test_an_interval_of_shares_over_seeds_holds_the_mean_and_stays_within_0_and_1(
    solved: tuple[int, ...],
) -> None:
    found = mean_of_shares([each / 8 for each in solved], 8)
    assert found
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.mean <= found.high <= 1
    low, high = wilson_interval(found.mean * 8, 8)
    assert found.high - found.low >= high - low - 1e-12  # more seeds are not more tasks


def test_shares_away_from_0_and_1_have_about_the_interval_of_student() -> None:
    shares = [0.5, 0.51, 0.49, 0.52, 0.48]
    found, student = mean_of_shares(shares), mean_of(shares)
    assert found
    assert student
    assert (found.low, found.high) == pytest.approx((student.low, student.high), abs=2e-3)


def test_seeds_that_agree_exactly_say_nothing_of_how_they_scatter() -> None:
    assert mean_of_shares([0.547, 0.547]) == mean_of([0.547, 0.547]) == Mean(2, 0.547, None, None)


def test_values_that_are_no_shares_have_the_interval_of_student() -> None:
    assert mean_of_shares([41.0, 43.0]) == mean_of([41.0, 43.0])
    assert mean_of_shares([0.3], 8) == mean_of([0.3])
    assert mean_of_shares([]) is None


def holds(found: Mean | None, value: float) -> bool:
    assert found
    return found.low is not None and found.high is not None and found.low <= value <= found.high


def test_the_interval_over_few_seeds_holds_the_expected_share_as_often_as_it_says() -> None:
    draw = random.Random(1)
    chances = [1 / (1 + math.exp(-draw.gauss(-2, 2))) for _ in range(16)]  # of easy and hard tasks
    expected = sum(chances) / 16
    held = student_held = 0
    for _ in range(1000):
        shares = [sum(draw.random() < chance for chance in chances) / 16 for _ in range(3)]
        held += holds(mean_of_shares(shares, 16), expected)
        student_held += holds(mean_of(shares), expected)
    assert held >= 940
    assert student_held < held


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(0, 0, 1.0), (3, 3, 1.0), (5, 0, 0.0625), (6, 0, 0.03125), (1, 9, 22 / 1024), (10, 2, 158 / 4096)],
)
def test_mcnemar_counts_the_tail_of_fair_coins(only_a: int, only_b: int, p: float) -> None:
    assert mcnemar_exact(only_a, only_b) == pytest.approx(p, abs=1e-12)
    assert mcnemar_exact(only_b, only_a) == mcnemar_exact(only_a, only_b)


# Fifteen p-values of Benjamini and Hochberg (1995), J. Royal Statistical Society B 57, 289-300, section 3.2,
# and what R's p.adjust(p, "holm") makes of them.
PUBLISHED_P = (
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
    0.7590, 1.0,
)  # fmt: skip
BY_R = (0.0015, 0.0056, 0.0247, 0.1140, 0.2211, 0.2780, 0.2780, 0.2780, 0.3213, *[1.0] * 6)


def test_holm_adjusts_as_published() -> None:
    order = random.Random(0).sample(range(15), 15)

    adjusted = holm([PUBLISHED_P[at] for at in order])

    assert adjusted == pytest.approx([BY_R[at] for at in order], abs=1e-9)
    assert sum(p < 0.05 for p in adjusted) == 3
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert (holm([]), holm([0.04])) == ([], [0.04])


def test_holm_is_the_closure_of_bonferroni() -> None:
    draw = random.Random(1)
    for _ in range(200):
        p_values = [round(draw.random() ** 3, 2) for _ in range(draw.randint(1, 6))]
        places = range(len(p_values))
        subsets = [each for size in places for each in combinations(places, size + 1)]
        closed = [  # a hypothesis is rejected where every intersection of it with others is
            max(min(1.0, len(each) * min(p_values[at] for at in each)) for each in subsets if place in each)
            for place in places
        ]
        assert holm(p_values) == pytest.approx(closed)


def test_holm_keeps_false_decisions_rare_among_many_comparisons() -> None:
    draw, decided_alone, decided = random.Random(2), 0, 0
    for _ in range(1000):
        p_values = [draw.random() for _ in range(20)]  # twenty comparisons without a difference
        decided_alone += min(p_values) < 0.05
        decided += min(holm(p_values)) < 0.05
    assert decided_alone > 550
    assert decided < 75


def test_a_task_counts_the_share_of_its_test_inputs() -> None:
    ranks = {"a": [1], "b": [2, None], "c": [3, 1], "d": [None]}
    assert ranks_by_task((task, rank) for task, of in ranks.items() for rank in of) == ranks
    assert task_scores(ranks, 2) == {"a": 1.0, "b": 0.5, "c": 0.5, "d": 0.0}
    assert pass_at(ranks, 1) == Score(1.5, 4)
    assert pass_curve(ranks) == {1: Score(1.5, 4), 2: Score(2.0, 4), 3: Score(2.5, 4)}
    assert pass_curve({}) == {1: Score(0, 0), 2: Score(0, 0)}


def test_the_bootstrap_is_that_of_its_definition() -> None:
    """Four tasks: all 4^4 resamples, each as likely, against the drawn ones."""
    a, b = {"p": 1.0, "q": 1.0, "r": 0.5, "s": 0.0}, {"p": 0.0, "q": 1.0, "r": 0.0, "s": 0.0}
    found = paired_bootstrap(a, b)
    exact = sorted(sum(drawn) / 4 for drawn in product([1.0, 0.0, 0.5, 0.0], repeat=4))
    assert found.mean == 0.375
    assert (found.low, found.high) == pytest.approx((exact[6], exact[-7]), abs=0.126)
    mirrored = paired_bootstrap(b, a)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=0.126)


def test_the_bootstrap_covers_what_plain_resampling_covers() -> None:
    draw = random.Random(1)
    a = {str(task): float(draw.random() < 0.4) for task in range(200)}
    b = {str(task): draw.choice([0.0, 0.0, 0.5, 1.0]) for task in range(200)}
    differences = [a[task] - b[task] for task in a]
    plain = sorted(sum(draw.choices(differences, k=200)) / 200 for _ in range(10_000))
    found = paired_bootstrap(a, b)
    assert (found.low, found.high) == pytest.approx((plain[250], plain[-251]), abs=0.006)
    assert paired_bootstrap(a, b) == found
    assert paired_bootstrap(a, b, seed=1) != found


def test_equal_scores_differ_by_nothing_and_unlike_tasks_are_refused() -> None:
    same = paired_bootstrap({"p": 1.0, "q": 0.5}, {"q": 0.5, "p": 1.0})
    assert (same.mean, same.is_decided) == (0, False)
    assert (same.low, same.high) == pytest.approx((-0.657620, 0.657620), abs=1e-5)  # two tasks say little
    tasks = [str(task) for task in range(16)]
    sure = paired_bootstrap(dict.fromkeys(tasks, 1.0), dict.fromkeys(tasks, 0.0))
    assert (sure.low, sure.high, sure.is_decided) == (pytest.approx(1 - 0.193611, abs=1e-5), 1, True)
    with pytest.raises(ValueError, match="same tasks"):
        paired_bootstrap({"p": 1.0}, {"q": 1.0})
    with pytest.raises(ValueError, match="same tasks"):
        paired_bootstrap({}, {})


def test_shares_of_different_tasks_have_newcombes_interval() -> None:
    found = difference_of_shares(Score(56, 70), Score(48, 80))  # Newcombe 1998, table II, (a)
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    assert difference_of_shares(Score(0, 0), Score(1, 2)) is None
