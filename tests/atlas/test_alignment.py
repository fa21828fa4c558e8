"""Clouds of contexts on one map: turned, reflected and scaled copies meet, whatever tasks they lack."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.atlas.alignment import Cloud, Placed, agreement, on_one_map
from backend.snapshots.geometry import principal_coordinates, spread
from tests.support.records.contexts import contexts

NAMES = tuple(f"task {number}" for number in range(12))


def cloud(made: NDArray[np.float64], names: tuple[str, ...] = NAMES) -> Cloud:
    """As the database keeps it."""
    coordinates = principal_coordinates(made.reshape(-1, made.shape[-1]))
    return Cloud(names, coordinates.astype(np.float64).reshape(*made.shape[:2], -1))


def turned(made: NDArray[np.float64], seed: int, scale: float = 1.0) -> NDArray[np.float64]:
    """The same contexts, their space rotated, for odd seeds also reflected, and scaled."""
    numbers = made.shape[-1]
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(numbers, numbers)))[0]
    if (np.linalg.det(rotation) > 0) == bool(seed % 2):
        rotation[:, 0] *= -1
    return scale * made @ rotation


def by_task(placed: Placed, names: tuple[str, ...] = NAMES) -> dict[str, NDArray[np.float64]]:
    return dict(zip(names, placed.positions, strict=True))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", [1.0, 0.01, 300.0])
def test_a_turned_reflected_scaled_copy_lies_where_the_original_does(seed: int, scale: float) -> None:
    made = contexts(3, 0.4)
    first, second = on_one_map([cloud(made), cloud(turned(made, seed, scale))])
    assert np.allclose(first.positions, second.positions, atol=1e-4)
    assert (first.common, second.common) == (12, 12)
    assert first.shown > 0.5


@pytest.mark.parametrize("kept", [range(6), range(4, 12), range(3)])
def test_a_copy_that_lacks_tasks_lies_where_the_original_does(kept: range) -> None:
    """Its energy is that of fewer tasks, so it has nearly the same size and not quite."""
    made = contexts(3, 0.4)
    few = [*kept]
    names = tuple(NAMES[place] for place in few)
    whole, part = on_one_map([cloud(made), cloud(turned(made[few], 1), names)])
    assert part.common == len(few)
    original, copy = by_task(whole), by_task(part, names)
    size = np.abs(whole.positions).max()
    for name in names:
        assert np.abs(original[name] - copy[name]).max() < 0.15 * size


def test_other_tasks_of_a_copy_come_to_their_places_through_the_common_ones() -> None:
    """Tasks 0 to 7 in one cloud, 4 to 11 in the other: what only the second has is where the whole has it."""
    made = contexts(3, 0.4)
    left, right = NAMES[:8], NAMES[4:]
    whole, _, second = on_one_map(
        [cloud(made), cloud(turned(made[:8], 2), left), cloud(turned(made[4:], 3), right)]
    )
    original, copy = by_task(whole), by_task(second, right)
    size = np.abs(whole.positions).max()
    assert all(np.abs(original[name] - copy[name]).max() < 0.15 * size for name in NAMES[8:])


def test_clouds_are_turned_through_others_where_they_share_nothing_themselves() -> None:
    made = contexts(3, 0.4)
    parts = [range(5), range(2, 9), range(6, 12)]
    clouds = [
        cloud(turned(made[[*part]], number), tuple(NAMES[place] for place in part))
        for number, part in enumerate(parts)
    ]
    assert all(placed.common >= 3 for placed in on_one_map(clouds))


def test_with_too_few_common_tasks_a_cloud_keeps_its_own_axes() -> None:
    made = contexts(3, 0.4)
    names = (*NAMES[:2], *(f"other {number}" for number in range(10)))
    first, alone = on_one_map([cloud(made), cloud(contexts(4, 0.3), names)])
    assert (first.common, alone.common) == (12, 0)
    assert np.isfinite(alone.positions).all()


def test_clouds_that_share_nothing_with_the_widest_are_turned_onto_one_another() -> None:
    """The steps of a run that was trained on other tasks than the one beside it: no step turns or flips."""
    made = contexts(4, 0.3)
    others = tuple(f"other {number}" for number in range(12))
    steps = [cloud(turned(made, seed), others) for seed in range(5)]
    first, *placed = on_one_map([cloud(contexts(3, 0.6)), *steps])
    assert first.common == 12
    assert [each.common for each in placed] == [12] * 5
    assert all(np.allclose(placed[0].positions, each.positions, atol=1e-4) for each in placed)


@pytest.mark.parametrize("beside", [[], [contexts(3, 0.4)]])
def test_one_context_for_all_is_one_point(beside: list[NDArray[np.float64]]) -> None:
    collapsed = np.ones((12, 2, 48)) * np.linspace(1, 2, 48)
    *_, point = on_one_map([*map(cloud, beside), cloud(collapsed)])
    assert np.ptp(point.positions.reshape(-1, 2), axis=0).max() < 1e-6
    assert point.shown == 1


def test_the_radius_is_the_root_of_the_scale_free_variance() -> None:
    for apart in (0.5, 0.05, 0.001):
        made = contexts(3, apart).reshape(24, -1)
        variance = np.square(made - made.mean(0)).mean() / np.square(made).mean()
        for scale in (1.0, 1000.0):
            assert spread(principal_coordinates(scale * made)) == pytest.approx(variance, rel=1e-2, abs=1e-6)


def test_agreement_is_1_for_a_copy_and_that_of_chance_for_a_stranger() -> None:
    made = contexts(3, 0.4)
    copy = agreement(cloud(made), cloud(turned(made, 1, 5.0)))
    assert copy is not None
    assert copy.value == pytest.approx(1, abs=1e-4)
    assert copy.high < 0.9
    strangers = [agreement(cloud(made), cloud(contexts(seed, 0.4))) for seed in range(10, 20)]
    assert sum(each is not None and each.low <= each.value <= each.high for each in strangers) >= 7
    assert agreement(cloud(made), cloud(np.ones((12, 2, 48)))) is None
    assert agreement(cloud(made[:2], NAMES[:2]), cloud(made)) is None
