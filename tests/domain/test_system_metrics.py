"""What is sampled of a machine is shown, and nothing is concluded from it."""

from __future__ import annotations

import pytest

from backend.charts import panels
from backend.comparison.charts import panels_of
from backend.domain.dashboards import MEASURES, of_comparison
from backend.domain.hypothesis.measure import parse, unknown_series
from backend.domain.metrics import METRICS, OF_TRAINING, metric
from backend.domain.metrics.system import POWER, SYSTEM_METRICS, UTILISATION, is_of_system, of_device
from backend.domain.retention import goal_of

NAMES = tuple(each.name for each in SYSTEM_METRICS)


def test_they_are_metrics_in_a_section_of_their_own() -> None:
    assert set(NAMES) <= {each.name for each in METRICS}
    assert set(NAMES).isdisjoint(OF_TRAINING)
    assert {each.section for each in SYSTEM_METRICS} == {"System"}
    assert {each.better for each in SYSTEM_METRICS} == {""}
    assert all(is_of_system([name]) for name in NAMES)
    assert not any(is_of_system([name]) for name in OF_TRAINING)


def test_the_gpus_of_a_run_share_the_charts() -> None:
    second = of_device(UTILISATION, 1)
    [panel] = panels.arranged([UTILISATION, second])
    assert (panel.section, panel.title, panel.metrics) == ("System", "GPU utilisation", (UTILISATION, second))
    assert [panels.title_of(name) for name in panel.metrics] == ["GPU 0", "GPU 1"]
    assert metric(second).unit == "share"
    [alone] = panels.arranged([second])  # the first fell off its bus
    assert (alone.section, alone.metrics) == ("System", (second,))
    assert metric(f"{UTILISATION}/x").section == "Other"


def test_no_hypothesis_goal_bar_or_comparison_is_made_of_them() -> None:
    [problem] = unknown_series(parse(POWER))
    assert problem.startswith(f"names no recorded series '{POWER}'")
    with pytest.raises(ValueError, match="names no recorded series"):
        goal_of(POWER, "higher")
    assert set(NAMES).isdisjoint(MEASURES)
    assert [panel.metrics for panel in panels_of(["loss", *NAMES])] == [("loss",)]
    own = of_comparison(["aaaaaaaaaa"], "run", {"reward", *NAMES})
    assert [panel.title for panel in own.panels] == ["reward"]
