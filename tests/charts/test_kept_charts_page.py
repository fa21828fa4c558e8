"""Charts drawn before are given again only as long as they are still right."""

from __future__ import annotations

import json

import httpx
import numpy as np
from sqlalchemy import Engine

from backend.charts import panels
from backend.charts.cache import Chart, Kept, as_json
from backend.charts.smoothing import rounded
from backend.charts.view import ChartView
from backend.db.session import session_scope
from backend.domain.records import MetricFrame
from backend.lifecycle import service as runs
from backend.metrics import service as series
from tests.support.records.recorded import record_run


def chart(title: str = "A", points: int = 100) -> Chart:
    panel = panels.Panel("p", "Learning", title, ("loss",), "number", "About.")
    steps = list(range(points))
    trace = {"x": steps, "y": steps, "mode": "lines", "meta": {}}
    return Chart(panel, {"data": [trace], "title": title}, ChartView())


def test_the_chart_that_was_not_asked_for_the_longest_goes_first() -> None:
    kept = Kept(most_numbers=500)
    for key in ("a", "b"):
        kept.keep(key, 1, chart(key))
    assert kept.get("a", 1)
    kept.keep("c", 1, chart("c"))
    assert [key for key in "abc" if kept.get(key, 1)] == ["a", "c"]
    kept.keep("c", 1, chart("again"))  # in its own place: nothing else has to go
    assert [key for key in "abc" if kept.get(key, 1)] == ["a", "c"]
    kept.keep("large", 1, chart("large", points=1000))
    assert kept.get("large", 1)  # one always stays, however large


def test_a_chart_of_another_version_takes_the_place_of_the_old_one() -> None:
    """A page that is looked at while its run trains leaves one chart behind, not one for each version."""
    kept = Kept(most_numbers=500)
    kept.keep("other", 1, chart())
    for version in range(10):
        assert kept.get("a", version) is None
        kept.keep("a", version, chart())
    assert kept.get("a", 9)
    assert kept.get("a", 8) is None
    assert kept.get("other", 1)


def test_figures_are_told_by_panel() -> None:
    assert json.loads(as_json({"x/y": chart("A"), "z": chart("B")}))["figures"].keys() == {"x/y", "z"}


def test_new_points_an_alarm_and_a_new_name_are_in_the_next_drawing(
    page_client: httpx.Client, page_db: Engine
) -> None:
    one, two = (record_run(page_db, points=20, tasks=0, seed=seed, name="same") for seed in (0, 1))

    def last(run_id: str) -> float:
        answer = page_client.get(f"/runs/{run_id}/figures", params={"panel": ["loss", "act"]}).json()[
            "figures"
        ]
        loss = next(trace for trace in answer["loss"]["data"] if trace["meta"]["metric"] == "loss")
        assert answer["act"]["version"] == answer["loss"]["version"]
        value: float = loss["y"][-1]
        return value

    def compared() -> list[tuple[str, float]]:
        asked = {"runs": f"{one},{two}", "panel": "loss"}
        data = page_client.get("/compare/figures", params=asked).json()["figures"]["loss"]["data"]
        return [(each["name"], each["y"][-1]) for each in data if each["meta"]["role"] == "raw"]

    before, both = last(one), compared()
    assert last(one) == before
    assert compared() == both
    stills = page_client.get(f"/runs/{one}").text
    with session_scope(page_db) as session:
        series.append(session, one, MetricFrame([99_999], [1.79e9], {"loss": [123.25]}))
    assert last(one) == 123.25
    assert page_client.get(f"/runs/{one}").text != stills
    assert [value for _, value in compared()] == [123.25, both[1][1]]
    with session_scope(page_db) as session:
        runs.edit(session, two, name="other")
    assert [name for name, _ in compared()] == ["same", "other"]


def test_values_are_shipped_to_seven_digits() -> None:
    values = rounded(np.array([0.0, 1 / 3, -2 / 3e10, 123_456_789.5, 0.1]))
    assert values.tolist() == [0.0, 0.3333333, -6.666667e-11, 123_456_800.0, 0.1]
