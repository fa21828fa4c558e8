"""A notebook asks the lab for runs, curves, results and predictions."""

from __future__ import annotations

import math
import re

import httpx
import pytest

import etrm_lab
from backend.domain.arc.grid import PALETTE
from etrm_lab.start import as_id
from tests.support.web import WebServer

TASK = {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[3]], "output": [[4]]}]}


@pytest.fixture
def api(server: WebServer) -> etrm_lab.Api:
    return etrm_lab.Api(server.url, server.token)


@pytest.fixture
def queried(client: httpx.Client) -> str:
    """Id of a run with curves and predictions."""
    config = {"optimiser": {"lr": 0.5}}
    made = client.post(
        "/api/v1/runs/external", json={"name": "a <b>", "project": "queried", "config": config}
    )
    run_id = str(made.json()["id"])
    values = {"loss": [0.5, "NaN", 0.25], "accuracy": [None, 0.5, None]}
    client.post(f"/api/v1/runs/{run_id}/metrics", json={"step": [1, 2, 3], "values": values})
    client.post("/api/v1/sets", json={"name": "queried", "tasks": {"one": TASK, "two": TASK}})
    predictions = [
        {"task": "one", "candidates": [{"grid": "4"}]},
        {"task": "two", "candidates": [{"grid": "3"}]},
    ]
    answer = client.post(
        f"/api/v1/runs/{run_id}/predictions", json={"set": "queried", "predictions": predictions}
    )
    assert answer.is_success, answer.text
    return run_id


def test_runs_are_found_by_the_filters_of_the_lab(api: etrm_lab.Api, queried: str) -> None:
    found = api.runs(filter='project == "queried" and optimiser.lr > 0.1', order="-created", limit=1)
    assert [run.id for run in found] == [queried]
    (row,) = found.rows
    assert (row["name"], row["config.optimiser.lr"]) == ("a <b>", 0.5)
    assert len(api.runs(filter=f'id == "{queried}" and optimiser.lr > 0.6')) == 0
    assert "&lt;b&gt;" in found._repr_html_()
    assert "&lt;b&gt;" in found[0]._repr_html_()
    with pytest.raises(ValueError, match="use filter="):
        api.runs(filters={"group": "x"})
    with pytest.raises(ValueError, match="not found"):
        api.run("nothing000")


def test_curves_come_as_points_and_as_steps(api: etrm_lab.Api, queried: str) -> None:
    run = api.run(f"me/project/{queried}")
    assert [(each["step"], each["value"]) for each in run.curves(["accuracy"])] == [(2, 0.5)]
    steps = list(run.scan_history())
    assert [each["_step"] for each in steps] == [1, 2, 3]
    assert math.isnan(steps[1]["loss"])
    assert [each["loss"] for each in run.scan_history(keys=["loss"])][::2] == [0.5, 0.25]
    assert run.summary == {"loss": 0.25, "accuracy": 0.5}


def test_a_run_is_asked_for_as_it_was_logged(api: etrm_lab.Api, client: httpx.Client) -> None:
    """By the id that `init` took, in a project whose name has a slash, with the columns of every row."""
    body = {"name": "mine", "id": as_id("my run"), "project": "queried/2"}
    run_id = client.post("/api/v1/runs/external", json=body).json()["id"]
    client.post(f"/api/v1/runs/{run_id}/metrics", json={"step": [4], "values": {"loss": [0.5]}})
    run = api.run("me/queried/my run")
    assert run.id == run_id
    assert [row["_step"] for row in run.scan_history(keys=["_step", "_timestamp", "loss"])] == [4]
    assert [row["loss"] for row in run.history(keys=["_step", "loss"], pandas=False)] == [0.5]
    for path in ("me/queried/2", "queried/2"):
        assert [found.id for found in api.runs(path)] == [run_id]
    with pytest.raises(ValueError, match="Nothing was logged as id='another'"):
        api.run("another")


def test_results_and_predictions_come_as_rows(api: etrm_lab.Api, client: httpx.Client, queried: str) -> None:
    run = api.run(queried)
    (result,) = run.results()
    assert (result["set"], result["pass@1_solved"], result["pass@1_n"], result["pass@1"]) == (
        "queried",
        1,
        2,
        0.5,
    )
    assert result["pass@1_low"] < 0.5 < result["pass@1_high"]
    (wrong,) = run.predictions(failure_mode="copied input")
    assert (wrong["task_id"], wrong["candidates"][0]["grid"]) == ("two", "3")
    assert len(run.predictions()) == 2
    assert [each["id"] for each in api.compare(run)["runs"]] == [queried]
    other = client.post("/api/v1/runs/external", json={"name": "<other>"}).json()["id"]
    assert "&lt;other&gt;" in api.compare(run, other)._repr_html_()


def test_a_grid_is_drawn_in_the_colours_of_the_lab() -> None:
    drawn = etrm_lab.Grid([[0, 1], [2, 9]])
    assert repr(drawn) == "01\n29"
    colours = re.findall(r'<rect x="\d" y="\d" width="1" height="1" fill="(#\w+)"', drawn._repr_html_())
    assert colours == [PALETTE[colour] for colour in (0, 1, 2, 9)]
    with pytest.raises(ValueError, match="no grid"):
        etrm_lab.Grid([[10]])
