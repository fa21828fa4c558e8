"""Estimates rest on measured runs alone."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from backend.comparison import service as compare
from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick
from backend.domain.experiment import ExperimentConfig
from backend.domain.records import MetricFrame
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.run_view import estimates
from backend.runs.tables import Run


def changed(section: str, **values: object) -> ExperimentConfig:
    raw = quick().model_dump(mode="json")
    raw[section] |= values
    return ExperimentConfig.model_validate(raw)


def test_an_estimate_scales_the_measured_speed_by_steps_and_knows_nothing_of_other_configs(
    engine: Engine,
) -> None:
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
        assert estimates.of(session, quick()).measured_runs == 0
        for seed, speed in enumerate([100.0, 120.0, 400.0]):
            run = runs.create(session, quick().model_copy(update={"seed": seed}))
            speeds = [1.0, speed, speed, speed, 3.0]  # slow at first, and beside an evaluation at the end
            values = {"samples_per_second": speeds, "memory_bytes": [5e8 + seed, 1e8, 1e8, 1e8, 1e8]}
            series.append(session, run.id, MetricFrame([1, 2, 3, 4, 5], [1.0, 2.0, 3.0, 4.0, 5.0], values))
    longer = changed("training", steps=10 * quick().training.steps)
    with reading_scope(engine) as session:
        found = estimates.of(session, longer)
        other = estimates.of(session, changed("training", batch_size=2 * quick().training.batch_size))

    assert (found.measured_runs, found.samples_per_second, found.memory_bytes) == (3, 120.0, 5e8 + 2)
    assert found.seconds == pytest.approx(longer.training.steps * longer.training.batch_size / 120)
    assert found.process_hours == pytest.approx((found.seconds or 0) / 3600)
    assert other.measured_runs == 0
    assert other.seconds is None


def test_a_run_of_before_a_field_was_added_is_measured_and_found_like_its_repetition(engine: Engine) -> None:
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
        old, new = (runs.create(session, quick().model_copy(update={"seed": seed})) for seed in (0, 1))
        series.append(session, old.id, MetricFrame([1], [1.0], {"samples_per_second": [100.0]}))
        row = session.get_one(Run, old.id)
        training = {name: value for name, value in row.config["training"].items() if name != "accumulate"}
        row.config = {**row.config, "training": training}
    with reading_scope(engine) as session:
        assert estimates.of(session, quick()).measured_runs == 1
        assert runs.get(session, old.id).config | {"seed": 1} == runs.get(session, new.id).config
        assert len(compare.variations(compare.chosen(session, [old.id, new.id]))) == 1
