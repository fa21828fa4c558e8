"""Logging points from a script, and reading curves."""

from __future__ import annotations

import math
import time
from typing import Any

import httpx
import pytest


def log(client: httpx.Client, run: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/api/v1/runs/{run}/metrics", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def read(client: httpx.Client, run: str, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/api/v1/runs/{run}/series", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_what_was_logged_is_read_back(client: httpx.Client, external: str) -> None:
    values = {"loss": [0.9, 0.5, 0.25], "accuracy/token": [0.1, None, 0.3]}
    written = log(client, external, step=[0, 1, 2], wall_time=[10.0, 11.0, 12.5], values=values)
    assert written == {"version": 1, "steps": 3}
    found = read(client, external)
    assert (found["run"], found["version"]) == (external, 1)
    assert found["series"]["loss"] == {
        "step": [0, 1, 2],
        "value": [0.9, 0.5, 0.25],
        "wall_time": [10.0, 11.0, 12.5],
        "points": 3,
        "nan_steps": [],
    }
    assert found["series"]["accuracy/token"]["step"] == [0, 2]
    run = client.get(f"/api/v1/runs/{external}").json()
    assert run["step"] == 2
    assert run["metrics"]["loss"] == {"last": 0.25, "min": 0.25, "max": 0.9, "step": 2}


def test_logging_the_same_again_changes_nothing_and_other_values_replace(
    client: httpx.Client, external: str
) -> None:
    for _ in range(2):
        log(client, external, step=[1, 2], wall_time=[1.0, 2.0], values={"loss": [0.9, 0.8]})
    log(client, external, step=[2, 3], wall_time=[3.0, 4.0], values={"loss": [0.7, 0.6]})
    curve = read(client, external, names="loss")["series"]["loss"]
    assert (curve["step"], curve["value"], curve["wall_time"]) == (
        [1, 2, 3],
        [0.9, 0.7, 0.6],
        [1.0, 3.0, 4.0],
    )


def test_nan_and_infinity_are_values_that_come_back_as_null_and_are_listed(
    client: httpx.Client, external: str
) -> None:
    log(client, external, step=[1, 2, 3, 4], values={"loss": ["NaN", 1.0, "Infinity", "-Infinity"]})
    bare = b'{"step": [5], "values": {"loss": [NaN]}}'  # what Python's json module writes
    assert client.post(f"/api/v1/runs/{external}/metrics", content=bare).status_code == 200
    curve = read(client, external)["series"]["loss"]
    assert curve["value"] == [None, 1.0, None, None, None]
    assert curve["nan_steps"] == [1, 3, 4, 5]


def test_without_a_wall_time_the_time_of_writing_counts(client: httpx.Client, external: str) -> None:
    log(client, external, step=[1], values={"loss": [1]})
    (wall_time,) = read(client, external)["series"]["loss"]["wall_time"]
    assert wall_time == pytest.approx(time.time(), abs=10)


def test_a_window_and_a_number_of_points_keep_every_extreme(client: httpx.Client, external: str) -> None:
    steps = list(range(10_000))
    loss = [math.sin(step / 500) for step in steps]
    loss[4321] = 99.0
    log(client, external, step=steps, values={"loss": loss, "other": loss})
    curve = read(client, external, names="loss", max_points=100)["series"]["loss"]
    assert len(curve["step"]) <= 100
    assert curve["points"] == 10_000
    assert 99.0 in curve["value"]
    assert (curve["step"][0], curve["step"][-1]) == (0, 9999)
    window = read(client, external, names="loss,other", **{"from": 100, "to": 102})["series"]
    assert {name: curve["step"] for name, curve in window.items()} == {
        "loss": [100, 101, 102],
        "other": [100, 101, 102],
    }


def test_an_unknown_metric_names_the_known_ones(client: httpx.Client, external: str) -> None:
    log(client, external, step=[1], values={"loss": [1.0], "accuracy": [0.5]})
    answer = client.get(f"/api/v1/runs/{external}/series", params={"names": "loss,acuracy"})
    assert answer.status_code == 404
    found = answer.json()["error"]
    assert "'acuracy'" in found["message"]
    assert found["hint"] == "Did you mean 'accuracy'? It has accuracy, loss."


def test_a_megabyte_of_points_is_written_at_once(client: httpx.Client, external: str) -> None:
    steps = list(range(50_000))
    begin = time.monotonic()
    log(client, external, step=steps, values={"loss": [0.5] * len(steps)})
    assert time.monotonic() - begin < 60  # a second or two on a free machine; a row each takes minutes
    assert read(client, external)["series"]["loss"]["points"] == 50_000


def test_what_was_sampled_of_the_machine_is_no_data_of_the_training_yet(
    client: httpx.Client, external: str
) -> None:
    def page(**values: list[float]) -> str:
        body = {"step": [1], "values": values}
        assert client.post(f"/api/v1/runs/{external}/metrics", json=body).status_code == 200
        return client.get(f"/runs/{external}").text

    sampled = page(**{"system/cpu_utilisation": [0.5], "system/gpu_power/1": [250.0]})
    assert "<h2>System</h2>" in sampled
    assert "No data yet" in sampled
    learning = page(loss=[1.0])
    assert "No data yet" not in learning
    assert learning.index("<h2>Learning</h2>") < learning.index("<h2>System</h2>")


def test_an_expression_is_read_like_a_metric(client: httpx.Client, external: str) -> None:
    log(client, external, step=[1, 2, 3], values={"train": [3, 2, 1], "heldout": [4, None, 4]})

    found = read(client, external, names='train - heldout,"max(train, heldout)",train,train / (train - 1)')[
        "series"
    ]

    assert set(found) == {"train - heldout", "max(train, heldout)", "train", "train / (train - 1)"}
    assert (found["train - heldout"]["step"], found["train - heldout"]["value"]) == ([1, 3], [-1, -3])
    assert found["max(train, heldout)"]["value"] == [4, 4]
    assert found["train / (train - 1)"]["value"] == [1.5, 2, None]
    assert (found["train / (train - 1)"]["undefined"], found["train / (train - 1)"]["nan_steps"]) == (1, [3])


def test_a_mistake_in_an_expression_is_told_by_its_column(client: httpx.Client, external: str) -> None:
    log(client, external, step=[1], values={"train": [3], "heldout": [4]})

    for names, said in (
        ("train - heldot", f"column 9: Run {external} has no metric 'heldot'."),
        ("2 * train-heldout", "Put spaces around the sign: train - heldout."),
        ("train +", "column 8: expected a number, a name or ("),
    ):
        answer = client.get(f"/api/v1/runs/{external}/series", params={"names": names})
        [field] = answer.json()["error"]["fields"]
        assert (answer.status_code, field["field"]) == (422, "expression")
        assert said in f"{field['message']} {field['hint']}"


def test_an_expression_is_exported_with_every_point(client: httpx.Client, external: str) -> None:
    steps = list(range(3000))
    log(
        client, external, step=steps, values={"train": [2.0] * 3000, "heldout": [0.5] * 3000}, wall_time=steps
    )

    params = {"names": "train - heldout", "format": "csv"}
    lines = client.get(f"/api/v1/runs/{external}/series/export", params=params).text.splitlines()

    assert lines[1:] == [f"train - heldout,{step},{step}.0,1.5" for step in steps]
