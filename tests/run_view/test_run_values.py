"""Filters, orders and groups over all runs at once: what a name means for each of them."""

from __future__ import annotations

import math

import pytest
from sqlalchemy import Engine

from backend.alerts import service as alarms
from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick
from backend.domain.records import Alarm, EvaluationKey, EvaluationSummary, MetricFrame, Score
from backend.evaluation import outcomes as predictions
from backend.kit.errors import InvalidInput, NotFound
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.runs_table import saved_views
from backend.runs_table import search as run_search

HELD_OUT = "arc-agi-1/evaluation"


def found(engine: Engine, filter_text: str, **more: object) -> list[str]:
    with reading_scope(engine) as session:
        return [run.name for run in run_search.find(session, filter_text, **more).runs]  # type: ignore[arg-type]


@pytest.fixture
def three_runs(engine: Engine) -> dict[str, str]:
    """Two seeds of one config and a wider one; losses 3, 2, 1 that were 0.5, 5 and NaN on the way."""
    wide = quick().model_dump(mode="json")
    wide["model"]["core"]["width"] = 128
    configs = [quick(), quick().model_copy(update={"seed": 1}), quick().model_validate(wide)]
    ids = {}
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
        for name, config, on_the_way, last in zip(
            "abc", configs, [0.5, 5.0, math.nan], [3, 2, 1], strict=True
        ):
            run = runs.create(session, config.model_copy(update={"name": name}))
            series.append(session, run.id, MetricFrame([1, 2], [1.0, 2.0], {"loss": [on_the_way, last]}))
            ids[name] = run.id
    return ids


def test_a_metric_is_filtered_and_sorted_by_its_last_least_and_greatest(
    engine: Engine, three_runs: dict[str, str]
) -> None:
    assert found(engine, "loss < 2.5", sort="name") == ["b", "c"]
    assert found(engine, "loss:max >= 3", sort="name") == ["a", "b"]
    assert found(engine, "", sort="loss:min") == ["a", "c", "b"]
    assert found(engine, "", sort="-loss:max", limit=2) == ["b", "a"]
    with session_scope(engine) as session:  # what is written over no longer counts
        series.append(session, three_runs["b"], MetricFrame([1], [3.0], {"loss": [2.5]}))
    assert found(engine, "loss:max == 5") == []
    assert found(engine, "loss:max == 2.5") == ["b"]


def test_config_fields_alarms_and_scores_are_names_too(engine: Engine, three_runs: dict[str, str]) -> None:
    key = EvaluationKey(HELD_OUT, 2, "ema", 8, 4, ("t0", "t1"))
    with session_scope(engine) as session:
        alarms.raise_once(session, three_runs["a"], Alarm("collapse", 1, 0.0, 0.1, "One context."))
        evaluation = predictions.start_evaluation(session, three_runs["b"], key)
        predictions.finish_evaluation(session, evaluation, EvaluationSummary(key, {1: Score(1, 2)}))

    assert found(engine, "model.core.width == 128") == ["c"]
    assert found(engine, f'evaluation.sets.name == "{HELD_OUT}" and seed == 1') == ["b"]
    assert found(engine, 'alarm == "collapse"') == ["a"]
    assert found(engine, "pass1 == 0.5") == ["b"]
    assert found(engine, "", sort="-pass1")[0] == "b"
    with session_scope(engine) as session:  # scored again: until that is done there is no score
        predictions.start_evaluation(session, three_runs["b"], key)
    assert found(engine, "pass1 == 0.5") == []


def test_runs_that_differ_in_their_seed_are_one_variation(engine: Engine, three_runs: dict[str, str]) -> None:
    with reading_scope(engine) as session:
        a, b, c = (runs.get(session, three_runs[name]).variation for name in "abc")
    assert a == b != c
    assert found(engine, f'variation == "{a}"', sort="name") == ["a", "b"]


def test_archived_runs_are_left_out_unless_asked_for(engine: Engine, three_runs: dict[str, str]) -> None:
    with session_scope(engine) as session:
        assert runs.edit(session, three_runs["a"], archived=True).archived

    assert found(engine, "", sort="name") == ["b", "c"]
    assert found(engine, "") == ["c", "b"]
    assert found(engine, "loss > 0", sort="name") == ["b", "c"]
    assert found(engine, "archived == true") == ["a"]
    with pytest.raises(InvalidInput) as caught:
        found(engine, 'archived == "yes"')
    assert "true or false" in caught.value.problems[0].message
    with session_scope(engine) as session:
        runs.edit(session, three_runs["a"], archived=False)
    assert found(engine, "", sort="name") == ["a", "b", "c"]


def test_every_name_that_is_offered_can_be_asked_for(engine: Engine, three_runs: dict[str, str]) -> None:
    with reading_scope(engine) as session:
        known = run_search.known_names(session)
        assert {"loss", "pass1", "archived", "model.core.width"} <= {each.name for each in known}
        assert next(each.values for each in known if each.name == "status")[0] == "queued"
        for each in known:
            assert len(run_search.find(session, sort=each.name, metrics=()).runs) == 3, each.name


def test_the_course_of_a_run_that_is_over_is_kept(engine: Engine, three_runs: dict[str, str]) -> None:
    run = three_runs["a"]
    steps = list(range(3, 1003))
    with session_scope(engine) as session:
        values = {"loss": [1.0 if step != 500 else 9.0 for step in steps]}
        series.append(session, run, MetricFrame(steps, [float(step) for step in steps], values))
        assert series.courses(session, [run], "loss") == {}
        series.compact(session, run)
        kept = series.courses(session, [run], "loss")[run]

    assert kept.shape[1] <= series.COURSE
    assert kept[1].max() == 9.0  # the spike
    assert (kept[0][0], kept[0][-1]) == (0.0, 1.0)


def test_a_view_is_kept_replaced_and_forgotten(engine: Engine, three_runs: dict[str, str]) -> None:
    with session_scope(engine) as session:
        saved_views.save(session, " wide ", "?sort=-loss&filter=loss+%3E+1&column=seed&column=loss%3Amin")
        assert [(view.name, view.query) for view in saved_views.views(session)] == [
            ("wide", "filter=loss+%3E+1&sort=-loss&column=seed&column=loss%3Amin")
        ]
        saved_views.save(session, "wide", "group=seed")
        assert saved_views.views(session)[0].query == "group=seed"
        for wrong, field in (("cursor=3", "query"), ("filter=los+%3E+1", "filter"), ("sort=los", "sort")):
            with pytest.raises(InvalidInput) as caught:
                saved_views.save(session, "wrong", wrong)
            assert caught.value.problems[0].field == field
        with pytest.raises(NotFound, match="View 'wid' not found") as missing:
            saved_views.remove(session, "wid")
        assert "Did you mean 'wide'?" in missing.value.hint
        saved_views.remove(session, "wide")
        assert saved_views.views(session) == []
