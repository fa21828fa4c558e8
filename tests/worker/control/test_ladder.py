"""The ladder: one config over all rungs, each scored on its own held-out rules."""

from __future__ import annotations

from backend.domain.experiment.generated import augmentation_problems
from worker.experiments.control import ladder
from worker.experiments.control.chart import Row, draw_shares
from worker.experiments.control.variants import QUICK


def test_every_rung_is_trained_on_and_scored_apart() -> None:
    config = ladder.ladder_config(QUICK, seed=2)
    assert config.data.training_sets[1] == "procedural/ladder/move/train"
    assert [part.name for part in config.evaluation.sets] == [
        f"procedural/ladder/{name}/test"
        for name in ("recolour", "move", "compose", "count", "conditional", "object")
    ]
    assert config.seed == 2
    assert not list(augmentation_problems(config))  # no rung's held-out rules are shown


def test_the_chart_names_every_rung_with_its_share() -> None:
    svg = draw_shares("Ladder", [Row("move", 0.5, 0.4, 0.6), Row("count <1", 0.0, 0.0, 0.1)])
    assert "<title>Ladder</title>" in svg
    assert "50%" in svg
    assert "count &lt;1" in svg
