"""What a script says of a run that it logs itself: its id, config, log, alarms and predictions."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest

from etrm_lab import provenance

TASK = {
    "train": [{"input": [[1, 1], [1, 1]], "output": [[2, 2], [2, 2]]}],
    "test": [
        {"input": [[3, 3], [3, 4]], "output": [[4, 4], [4, 3]]},
        {"input": [[5]], "output": [[6]]},
    ],
}


@pytest.fixture(scope="module")
def task_set(server: Any) -> str:
    with server.client() as client:
        answer = client.post("/api/v1/sets", json={"name": "logged", "tasks": {"one": TASK, "two": TASK}})
        assert answer.status_code == 201, answer.text
    return "logged"


def errors(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [each["field"] for each in answer.json()["error"]["fields"]]


def test_a_script_that_chose_its_id_asks_again_and_continues(client: httpx.Client) -> None:
    body = {"name": "mine", "id": "abcde12345", "config": {"lr": 1}}
    for _ in range(2):
        answer = client.post("/api/v1/runs/external", json=body)
        assert (answer.status_code, answer.json()["id"]) == (201, "abcde12345"), answer.text
    ended = {"status": "failed", "cause": "ValueError: boom"}
    assert client.post("/api/v1/runs/abcde12345/finish", json=ended).is_success
    again = client.post("/api/v1/runs/external", json=body).json()
    assert (again["status"], again["status_cause"], again["finished_at"]) == ("running", "", None)
    kinds = [each["kind"] for each in client.get("/api/v1/runs/abcde12345/history").json()]
    assert kinds == ["started", "failed", "resumed"]
    assert errors(client.post("/api/v1/runs/external", json=body | {"id": "UPPER"})) == ["id"]


def test_the_id_of_a_run_of_the_lab_is_refused(client: httpx.Client, queued: str) -> None:
    answer = client.post("/api/v1/runs/external", json={"name": "mine", "id": queued})
    assert answer.status_code == 409, answer.text
    client.post(f"/api/v1/runs/{queued}/cancel")


def test_a_line_that_is_sent_twice_is_in_the_log_once(client: httpx.Client, external: str) -> None:
    lines = [{"text": f"epoch {at}", "wall_time": 1000.25 + at} for at in range(3)]
    path = f"/api/v1/runs/{external}/log"
    assert client.post(path, json={"lines": lines[:2]}).json() == {"added": 2}
    assert client.post(path, json={"lines": lines}).json() == {"added": 1}
    assert [each["text"] for each in client.get(path).json()["lines"]] == ["epoch 0", "epoch 1", "epoch 2"]


def test_what_a_script_is_computed_with_may_hold_a_long_diff(client: httpx.Client, external: str) -> None:
    """As long as the client reads one: its digest is of all of it, so it is sent whole."""
    changes = '+"a long line of a notebook"\n' * (provenance.MAX_CHANGES // 29)
    body = {"commit": "a" * 40, "changes": changes}
    answer = client.put(f"/api/v1/runs/{external}/provenance", json=body)
    assert answer.is_success, answer.text
    digest = hashlib.sha256(changes.encode()).hexdigest()
    assert (answer.json()["diff"], answer.json()["cut"]) == (digest, True)


def test_the_config_is_replaced_while_the_run_is_logged(client: httpx.Client, external: str) -> None:
    answer = client.put(f"/api/v1/runs/{external}/config", json={"config": {"lr": 2, "deep": {"a": 1}}})
    assert answer.json()["config"] == {"lr": 2, "deep": {"a": 1}}
    client.post(f"/api/v1/runs/{external}/finish")
    answer = client.put(f"/api/v1/runs/{external}/config", json={"config": {}})
    assert answer.status_code == 409, answer.text


def test_an_alarm_is_raised_once_per_name(client: httpx.Client, external: str) -> None:
    path = f"/api/v1/runs/{external}/alarms"
    alarm = {"name": "spike", "text": "The loss rose.", "step": 3, "value": 9.5}
    assert client.post(path, json=alarm).json() == {"new": True}
    assert client.post(path, json=alarm).json() == {"new": False}
    assert errors(client.post(path, json=alarm | {"name": "lost"})) == ["name"]
    (seen,) = client.get(f"/api/v1/runs/{external}").json()["alarms"]
    assert (seen["name"], seen["step"], seen["value"], seen["threshold"]) == ("spike", 3, 9.5, None)


def test_predictions_of_a_script_are_judged_as_an_evaluation(
    client: httpx.Client, external: str, task_set: str
) -> None:
    path = f"/api/v1/runs/{external}/predictions"
    asked = {"set": task_set, "step": 50, "weights": "ema", "views": 8, "act_steps": 16}
    right, wrong = {"grid": "44/43", "votes": 3}, {"grid": [[3, 3], [3, 4]], "votes": 5, "confidence": 0.5}
    first = {"task": "one", "test": 0, "candidates": [right, wrong]}
    answer = client.post(path, json=asked | {"predictions": [first]})
    assert answer.is_success, answer.text
    (result,) = client.get(f"/api/v1/runs/{external}/evaluations").json()
    scores = {each["k"]: (each["solved"], each["n"]) for each in result["passes"]}
    assert (scores[1], scores[2]) == ((0, 1), (0.5, 1))  # the other test input of the task is not solved
    assert (result["status"], result["failure_modes"]) == ("finished", {"copied input": 1})

    more = [
        {"task": "one", "test": 1, "candidates": [{"grid": "6"}]},
        {"task": "two", "test": 0, "candidates": []},
    ]
    again = client.post(path, json=asked | {"predictions": [*more, first]}).json()
    assert again == answer.json()  # the same evaluation
    (result,) = client.get(f"/api/v1/runs/{external}/evaluations").json()
    scores = {each["k"]: (each["solved"], each["n"]) for each in result["passes"]}
    assert (scores[1], scores[2]) == ((0.5, 2), (1, 2))
    cards = client.get(path).json()["predictions"]
    modes = {(each["task_id"], each["test_index"]): each["candidates"] for each in cards}
    assert [each["failure_mode"] for each in modes["one", 0]] == ["copied input", None]
    assert modes["one", 1][0]["correct"]
    assert modes["two", 0] == []
    gallery = client.get("/api/v1/gallery", params={"evaluation": again["evaluation"]})
    assert len(gallery.json()["items"]) == 4
    html = {"Accept": "text/html"}
    for page in (f"/runs/{external}", f"/evaluations/{again['evaluation']}", f"/runs/{external}/predictions"):
        assert client.get(page, headers=html).status_code == 200, page


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"set": "loged"}, "set"),
        ({"predictions": [{"task": "three", "candidates": []}]}, "predictions.0.task"),
        ({"predictions": [{"task": "one", "test": 2, "candidates": []}]}, "predictions.0.test"),
        (
            {"predictions": [{"task": "one", "candidates": [{"grid": "1x"}]}]},
            "predictions.0.candidates.0.grid",
        ),
        (
            {"predictions": [{"task": "one", "candidates": [{"grid": [[1, 2], [3]]}]}]},
            "predictions.0.candidates.0.grid",
        ),
        (
            {"predictions": [{"task": "one", "candidates": [{"grid": [[10]]}]}]},
            "predictions.0.candidates.0.grid",
        ),
        ({"weights": "best"}, "weights"),
        ({"predictions": []}, "predictions"),
    ],
)
def test_predictions_that_cannot_be_kept_are_refused_by_their_field(
    client: httpx.Client, external: str, task_set: str, change: dict[str, Any], field: str
) -> None:
    body = {"set": task_set, "predictions": [{"task": "one", "candidates": []}]} | change
    assert errors(client.post(f"/api/v1/runs/{external}/predictions", json=body)) == [field]
