"""Importance of fields against a slow, independent computation, and where nothing may be said of it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.explore.importance import (
    MIN_CONFIGURATIONS,
    Column,
    Field,
    Importance,
    association,
    correlations,
    etas_squared,
    importances,
    midranks,
)
from backend.kit.filters.tree import Value

# Slow and plain: one configuration after the other, a resample as a list with repetitions.


def plain_ranks(values: Sequence[float]) -> list[float]:
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


def plain_correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    mean_a, mean_b = fmean(a), fmean(b)
    covariance = math.fsum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    spread = math.fsum((x - mean_a) ** 2 for x in a) * math.fsum((y - mean_b) ** 2 for y in b)
    return covariance / math.sqrt(spread) if spread > 1e-9 else None


def plain_eta_squared(groups: Sequence[object], values: Sequence[float]) -> float | None:
    mean = fmean(values)
    total = math.fsum((value - mean) ** 2 for value in values)
    if total < 1e-9:
        return None
    within = 0.0
    for group in set(groups):
        own = [value for value, of in zip(values, groups, strict=True) if of == group]
        within += math.fsum((value - fmean(own)) ** 2 for value in own)
    return 1 - within / total


NUMBERS = st.lists(st.integers(-5, 5).map(float), min_size=6, max_size=25)


@settings(deadline=None)
@given(values=NUMBERS)
def test_ranks(values: list[float]) -> None:
    assert midranks(np.array(values)).tolist() == plain_ranks(values)


@settings(deadline=None)
@given(data=st.data(), y=NUMBERS)
def test_effects_of_resamples_are_those_of_lists_with_repetitions(
    data: st.DataObject, y: list[float]
) -> None:
    n = len(y)
    x = data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    drawn = data.draw(st.lists(st.integers(0, n - 1), min_size=n, max_size=n))
    counts = np.bincount(drawn, minlength=n).astype(float)[None]
    ranks, others = plain_ranks(y), plain_ranks([float(each) for each in x])
    centred = np.array(ranks) - fmean(ranks)
    codes = np.unique(x, return_inverse=True)[1]

    rho = correlations(np.array(others) - fmean(others), centred, counts)[0]
    eta = etas_squared(codes, centred, counts)[0]

    expected_rho = plain_correlation([others[at] for at in drawn], [ranks[at] for at in drawn])
    expected_eta = plain_eta_squared([x[at] for at in drawn], [ranks[at] for at in drawn])
    assert (math.isnan(rho) and expected_rho is None) or rho == pytest.approx(expected_rho, abs=1e-7)
    assert (math.isnan(eta) and expected_eta is None) or eta == pytest.approx(expected_eta, abs=1e-7)


def study(n: int, seed: int = 0) -> tuple[list[Field], dict[str, float]]:
    """n configurations whose result follows the width, a little the kind, and the noise not at all."""
    draw = random.Random(seed)
    keys = [f"c{at}" for at in range(n)]
    width = {key: draw.choice([32, 64, 128, 256]) for key in keys}
    kind = {key: draw.choice(["slots", "graph", "plain"]) for key in keys}
    noise: dict[str, Value] = {key: draw.random() for key in keys}
    results = {key: math.log(width[key]) + (kind[key] == "slots") * 0.8 + draw.gauss(0, 0.3) for key in keys}
    fields = [Field("noise", noise), Field("kind", dict(kind)), Field("width", dict(width))]
    return fields, results


def by_path(fields: Sequence[Field], results: dict[str, float]) -> dict[str, Importance]:
    return {each.path: each for each in importances(fields, results)}


def test_the_whole_against_the_slow_way() -> None:
    """Effects to the digit; intervals and p-values, which are drawn, as near as chance lets them."""
    fields, results = study(40)
    found = by_path(fields, results)
    draw, keys = random.Random(1), list(results)
    ranks = plain_ranks([results[key] for key in keys])
    ps = {}
    for field in fields:
        values = [field.values[key] for key in keys]
        numbers = plain_ranks([float(v) for v in values]) if field.kind == "ordered" else []  # type: ignore[arg-type]

        def effect(places: Sequence[int], y: Sequence[float], values=values, numbers=numbers) -> float:  # type: ignore[no-untyped-def]
            ys = [y[at] for at in places]
            if numbers:
                return plain_correlation([numbers[at] for at in places], ys) or 0.0
            return plain_eta_squared([values[at] for at in places], ys) or 0.0

        everywhere = range(len(keys))
        own = effect(everywhere, ranks)
        drawn = sorted(effect(draw.choices(everywhere, k=len(keys)), ranks) for _ in range(1500))
        strength = abs(own)
        stronger = sum(
            abs(effect(everywhere, draw.sample(ranks, len(ranks)))) >= strength - 1e-12 for _ in range(1500)
        )
        ps[field.path] = (1 + stronger) / 1501
        each = found[field.path]
        assert each.effect == pytest.approx(own, abs=1e-12)
        assert each.low == pytest.approx(drawn[37], abs=0.06)
        assert each.high == pytest.approx(drawn[1462], abs=0.06)
        assert each.share == pytest.approx(own**2 if numbers else own)
    least = 0.0
    for place, path in enumerate(sorted(ps, key=ps.__getitem__)):
        least = max(least, min(1.0, (len(ps) - place) * ps[path]))
        assert found[path].p_adjusted == pytest.approx(least, abs=0.04)
    assert found["width"].is_decided
    assert not found["noise"].is_decided
    assert importances(fields, results)[0].path == "width"


def test_noise_is_rarely_decided() -> None:
    """Of forty fields of noise, looked at forty times, few sets have one that passes for decided."""
    wrong = 0
    for seed in range(40):
        draw = random.Random(seed)
        keys = [f"c{at}" for at in range(16)]
        fields = [Field(f"f{at}", {key: draw.choice(["a", "b", "c"]) for key in keys}) for at in range(5)]
        fields += [Field(f"n{at}", {key: draw.random() for key in keys}) for at in range(5)]
        wrong += any(each.is_decided for each in importances(fields, {key: draw.random() for key in keys}))
    assert wrong <= 6


def test_the_same_input_gives_the_same_numbers() -> None:
    assert importances(*study(20)) == importances(*study(20))


def test_a_diverged_run_counts_no_more_than_the_worst_other() -> None:
    fields, results = study(30)
    worst = min(results, key=results.__getitem__)
    assert importances(fields, results) == importances(fields, {**results, worst: -1e30})


def test_fields_that_changed_together_are_named() -> None:
    fields, results = study(30)
    width = fields[2].values
    layers = Field("layers", {key: {32: 1, 64: 2, 128: 3, 256: 4}[value] for key, value in width.items()})  # type: ignore[index]
    broad = Field("broad", {key: value in (128, 256) for key, value in width.items()})

    found = by_path([*fields, layers, broad], results)

    assert set(found["width"].together_with) == {"layers", "broad"}
    assert found["broad"].together_with == ("width", "layers")
    assert found["noise"].together_with == found["kind"].together_with == ()


@pytest.mark.parametrize(
    ("values", "results", "reason"),
    [
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], f"fewer than {MIN_CONFIGURATIONS} configurations have it"),
        ([1, 2, 3, 4, 5, 6], [7] * 6, "the result is the same everywhere"),
        (list("abcdef"), [1, 2, 3, 4, 5, 6], "every configuration has a value of its own"),
        ([*"aaaaaa", "b"], [1, 2, 3, 4, 5, 6], "the configurations with a result have one value of it"),
    ],
)
def test_where_nothing_may_be_said_it_says_why(
    values: list[Value], results: list[float], reason: str
) -> None:
    field = Field("x", {f"c{at}": value for at, value in enumerate(values)})
    [found] = importances([field], {f"c{at}": float(result) for at, result in enumerate(results)})
    assert (found.effect, found.p_adjusted, found.is_decided) == (None, None, False)
    assert found.reason == reason


def test_numbers_among_texts_are_choices() -> None:
    assert Field("x", {"a": 1, "b": "auto"}).kind == "choice"
    assert Field("x", {"a": True, "b": False}).kind == "choice"
    assert Field("x", {"a": 1, "b": 2.5}).kind == "ordered"


def test_a_field_that_few_configurations_have_is_measured_on_those() -> None:
    fields, results = study(30)
    some = list(results)[:12]
    found = by_path([Field("slots", {key: at % 3 for at, key in enumerate(some)}), *fields], results)
    assert found["slots"].configurations == 12
    assert found["width"].configurations == 30


def test_values_of_their_own_group_nothing() -> None:
    keys = [f"c{at}" for at in range(12)]
    draw = random.Random(3)
    names = Field("name", {key: key for key in keys})
    kinds = Field("kind", {key: draw.choice("ab") for key in keys})
    assert association(Column.of(names, keys), Column.of(kinds, keys)) == 0
