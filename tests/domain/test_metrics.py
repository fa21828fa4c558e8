"""One description of each metric: every place that shows or judges it agrees on its unit and its bounds."""

from __future__ import annotations

import math

import pytest

from backend.charts.panels import arranged
from backend.domain.hypothesis.measure import parse
from backend.domain.metrics import GROUPS, METRICS, NAMES, Metric, metric
from backend.runs_table.cells import text_of, unit_of


def test_names_and_titles_are_unique_and_every_metric_is_explained() -> None:
    assert len(set(NAMES)) == len(METRICS)
    assert len({each.title for each in METRICS}) == len(METRICS)
    assert all(each.about.endswith(".") for each in METRICS)


def test_the_metrics_of_a_chart_have_one_unit() -> None:
    for panel in arranged(NAMES):
        assert {metric(name).unit for name in panel.metrics} == {panel.axis}, panel.id
    assert {group.id for group in GROUPS} <= {panel.id for panel in arranged(NAMES)}


@pytest.mark.parametrize("each", METRICS, ids=lambda each: each.name)
def test_table_chart_and_hypothesis_agree_on_what_a_metric_is(each: Metric) -> None:
    assert unit_of(f"{each.name}:max") == each.unit
    assert parse(each.name).range == each.bounds
    if each.charted:
        (panel,) = arranged([each.name])
        assert panel.axis == each.unit


@pytest.mark.parametrize(
    ("name", "shown", "bounds"),
    [
        ("contrast/retrieval", "50.0\N{NARROW NO-BREAK SPACE}%", (0.0, 1.0)),
        ("encoder/scale_free_variance", "50.0\N{NARROW NO-BREAK SPACE}%", (0.0, 1.0)),
        ("encoder/pairwise_cosine", "0.500", (-1.0, 1.0)),
        ("a/script's own", "0.500", (-math.inf, math.inf)),
    ],
)
def test_shares_are_percentages_and_a_cosine_is_a_number(
    name: str, shown: str, bounds: tuple[float, float]
) -> None:
    assert text_of(name, 0.5) == shown
    assert metric(name).bounds == bounds


def test_a_difference_of_measures_has_the_range_of_both() -> None:
    assert parse("encoder/pairwise_cosine - accuracy/token").range == (-2.0, 1.0)
