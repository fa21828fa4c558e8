"""What stands twice is seen at every door: JSON API, files, form and command line."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from backend.domain.arc.files import parse_tasks
from backend.domain.config.files import read_experiment
from backend.domain.config.problems import parse_json
from backend.kit.errors import InvalidConfig, InvalidTaskFile

TASK = json.dumps({"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[0]]}]})
TWICE = {
    "a task": f'{{"a": {TASK}, "b": {TASK}, "a": {TASK}}}',
    "a part of a task": f'{{"a": {TASK[:-1]}, "train": [{{"input": [[3]], "output": [[4]]}}]}}}}',
    "a grid": '{"a": {"train": [{"input": [[1]], "output": [[2]], "output": [[3]]}], "test": []}}',
    "a task in other letters": f'{{"a": {TASK}, "\\u0061": {TASK}}}',
}


def post(client: httpx.Client, path: str, text: str, method: str = "POST") -> httpx.Response:
    return client.request(method, path, content=text, headers={"Content-Type": "application/json"})


def ids(client: httpx.Client) -> list[str]:
    return [run["id"] for run in client.get("/api/v1/runs").json()["runs"]]


@pytest.mark.parametrize("tasks", TWICE.values(), ids=TWICE)
def test_a_set_is_refused_by_the_api_as_by_a_file(client: httpx.Client, tasks: str) -> None:
    with pytest.raises(InvalidTaskFile, match="twice"):
        parse_tasks(tasks.encode(), "file.json")
    before = client.get("/api/v1/sets").json()
    answer = post(client, "/api/v1/sets", f'{{"name": "sent twice", "tasks": {tasks}}}')
    assert answer.status_code == 422
    assert "twice" in answer.text
    assert client.get("/api/v1/sets").json() == before


def test_a_field_that_a_form_sends_twice_is_refused(client: httpx.Client) -> None:
    before = ids(client)
    files = [("name", (None, b"one")), ("name", (None, b"two")), ("file", ("a.json", TASK.encode()))]
    answer = client.post("/api/v1/sets", files=files)
    assert answer.status_code == 422
    assert answer.json()["error"]["fields"][0]["field"] == "name"
    body = "preset=quick&seed=1&seed=2"
    answer = client.post(
        "/runs/new", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 422
    assert ids(client) == before


def test_a_key_twice_is_refused_by_every_route_that_takes_json(client: httpx.Client) -> None:
    made = post(client, "/api/v1/runs/external", '{"name": "mine", "config": {"lr": 1}}')
    run = f"/api/v1/runs/{made.json()['id']}"
    asked = [
        ("POST", f"{run}/metrics", '{"step": [0], "values": {"loss": [1], "loss": [2]}}', "loss"),
        ("POST", "/api/v1/runs/external", '{"name": "b", "config": {"a": {"lr": 1, "lr": 2}}}', "lr"),
        ("POST", "/api/v1/runs", '{"preset": "quick", "seed": 1, "seed": 2}', "seed"),
        ("PATCH", run, '{"notes": "a", "notes": "b"}', "notes"),
        ("POST", "/api/v1/dashboards", '{"name": "d", "content": {"panels": [], "panels": []}}', "panels"),
        ("PUT", "/api/v1/views/v", '{"query": "a", "query": "b"}', "query"),
    ]
    for method, path, body, key in asked:
        answer = post(client, path, body, method)
        assert answer.status_code == 422, (path, answer.text)
        assert answer.json()["error"]["fields"][0]["field"] == key
    answer = post(client, "/api/v1/config/validate", '{"preset": "quick", "seed": 1, "seed": 2}').json()
    assert not answer["valid"]
    assert answer["problems"][0]["field"] == "seed"
    assert client.get(run).json()["notes"] == ""


def test_a_config_file_with_a_key_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"preset": "quick", "training": {"steps": 3, "steps": 30000}}')
    with pytest.raises(InvalidConfig, match="'steps' stands twice"):
        read_experiment(str(file))


@pytest.mark.parametrize("text", ["{}", '{"seed": 3}', '{"name": "x", "preset": null}', '{"training": {}}'])
def test_a_config_that_says_nothing_queues_no_full_run(client: httpx.Client, text: str) -> None:
    before = ids(client)
    answer = post(client, "/api/v1/runs", text)
    assert answer.status_code == 422
    assert "A config is required" in answer.text
    assert ids(client) == before
    with pytest.raises(InvalidConfig):
        parse_json(text)
