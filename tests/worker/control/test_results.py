"""What results say over seeds, against values that scipy gives."""

from __future__ import annotations

import pytest

from tests.worker.control.results import solved, variant
from worker.experiments.control.results import Solved

# p, low and high of Wilson's interval with the effective number of trials of Korn and Graubard, never above
# the 100 tasks, from scipy.stats.t and scipy.stats.norm 1.17.1.
BY_SCIPY = {
    (81, 68, 68): (0.723333, 0.515036, 0.865524),
    (95, 97, 92): (0.946667, 0.846330, 0.982820),
    (88, 90, 92): (0.9, 0.825634, 0.944771),
    (4, 3, 5): (0.04, 0.015663, 0.098371),
    (0, 0, 0): (0.0, 0.0, 0.036993),
}


@pytest.mark.parametrize(("counts", "expected"), BY_SCIPY.items())
def test_the_interval_of_a_share_is_that_of_its_seeds(
    counts: tuple[int, ...], expected: tuple[float, float, float]
) -> None:
    found = solved(*counts)
    assert (found.share.mean, *found.interval) == pytest.approx(expected, abs=1e-6)


def test_one_seed_says_nothing_of_other_seeds() -> None:
    assert solved(90).interval == (0.0, 1.0)


def test_the_same_tasks_asked_three_times_are_not_three_times_as_many() -> None:
    assert solved(0, 0, 0).interval == solved(0, 0, 0, 0, 0, 0).interval


def test_results_of_other_seeds_or_tasks_are_not_paired() -> None:
    with pytest.raises(ValueError, match="same seeds"):
        solved(5, 5).minus(solved(5, 5, 5))
    other = Solved({seed: {f"x{task}": 0.0 for task in range(100)} for seed in range(2)})
    with pytest.raises(ValueError, match="same tasks"):
        solved(5, 5).minus(other)
    assert solved(5).minus(solved(4)) is None


def test_the_course_is_the_average_over_the_evaluated_steps() -> None:
    learned = variant("a", (0, 10), (50, 60), (100, 50))
    assert learned.course.shares == pytest.approx([0.5, 0.4])
    assert learned.first_steps_above(0.5) == [100, 100]
    assert learned.first_steps_above(0.9) == [150, None]
