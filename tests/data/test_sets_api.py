"""Task sets over the API."""

from __future__ import annotations

import json

import httpx

TASK = {
    "train": [{"input": [[1, 2]], "output": [[2, 1]]}, {"input": [[3]], "output": [[4]]}],
    "test": [{"input": [[0, 5]], "output": [[5, 0]]}, {"input": [[7]]}],
}


def test_the_built_in_sets_and_their_tasks_are_there(client: httpx.Client) -> None:
    sets = {each["name"]: each for each in client.get("/api/v1/sets").json()}
    assert sets["arc-agi-1/training"]["tasks"] == sets["arc-agi-1/evaluation"]["tasks"] == 400
    ids = client.get("/api/v1/sets/arc-agi-1/training/tasks").json()
    assert len(ids) == 400
    task = client.get(f"/api/v1/sets/arc-agi-1/training/tasks/{ids[0]}").json()
    assert task["id"] == ids[0]
    assert set(task["tests"][0]["output"]) <= set("0123456789/")


def test_a_file_and_the_same_as_json_make_the_same_set(client: httpx.Client) -> None:
    files = {"file": ("puzzle.json", json.dumps(TASK).encode())}
    made = client.post("/api/v1/sets", data={"name": "from-file"}, files=files)
    assert made.status_code == 201, made.text
    assert (made.json()["tasks"], made.json()["origin"]) == (1, "imported")
    assert client.get("/api/v1/sets/from-file/tasks/puzzle").json() == {
        "set": "from-file",
        "id": "puzzle",
        "demonstrations": [{"input": "12", "output": "21"}, {"input": "3", "output": "4"}],
        "tests": [{"input": "05", "output": "50"}, {"input": "7", "output": None}],
        "pairs": None,
    }
    made = client.post("/api/v1/sets", json={"name": "from/json", "tasks": {"puzzle": TASK}})
    assert made.status_code == 201, made.text
    one, other = (
        client.get(f"/api/v1/sets/{name}/tasks/puzzle").json() for name in ("from-file", "from/json")
    )
    assert one | {"set": ""} == other | {"set": ""}


def test_solutions_are_imported_beside_their_tasks(client: httpx.Client) -> None:
    open_task = {"train": TASK["train"], "test": [{"input": [[7]]}]}
    body = {"name": "solved", "tasks": {"a": open_task}, "solutions": {"a": [[[8]]]}}
    assert client.post("/api/v1/sets", json=body).status_code == 201
    assert client.get("/api/v1/sets/solved/tasks/a").json()["tests"] == [{"input": "7", "output": "8"}]


def test_a_set_is_replaced_only_on_purpose(client: httpx.Client) -> None:
    body = {"name": "mine", "tasks": {"a": TASK}}
    assert client.post("/api/v1/sets", json=body).status_code == 201
    assert client.post("/api/v1/sets", json=body).status_code == 201
    other = body | {"tasks": {"a": TASK, "b": TASK}}
    assert client.post("/api/v1/sets", json=other).status_code == 409
    assert client.post("/api/v1/sets", json=other | {"replace": True}).json()["tasks"] == 2


def test_tasks_sent_as_json_are_imported_all_or_none(client: httpx.Client) -> None:
    """By the check as by the import, and as one fault is told; those of a file are left out and named."""
    wrong = TASK | {"train": [{"input": [[10]], "output": [[1]]}]}
    tasks = {"good": TASK, "bad": wrong, "worse": {}}
    told = {
        "message": "tasks: task bad, demonstration 1, input, row 1, column 1: 10 is not a colour.",
        "hint": "Colours are the integers 0 to 9.",
    }
    body = {"name": "whole", "tasks": tasks}

    refused = client.post("/api/v1/sets", json=body)
    checked = client.post("/api/v1/sets/check", json=body).json()
    page = client.post("/data", json=body)

    assert refused.status_code == page.status_code == 422
    assert {key: refused.json()["error"][key] for key in told} == told
    assert (checked["valid"], checked["message"]) == (False, " ".join(told.values()))
    assert "10 is not a colour" in page.text
    assert "whole" not in [each["name"] for each in client.get("/api/v1/sets").json()]
    files = {"file": ("tasks.json", json.dumps(tasks).encode())}
    made = client.post("/api/v1/sets", data={"name": "part"}, files=files).json()
    assert (made["tasks"], len(made["left_out"])) == (1, 2)


def test_imported_sets_are_checked_for_leaks_and_removed(client: httpx.Client) -> None:
    pair = {"input": [[1, 2]], "output": [[2, 1]]}
    same = {"input": [[4], [3]], "output": [[3], [4]]}  # turned and recoloured
    for name, given in (("leaky/a", pair), ("leaky/b", same)):
        task = {"train": [given], "test": [{"input": [[5]]}]}
        assert client.post("/api/v1/sets", json={"name": name, "tasks": {name[-1]: task}}).status_code == 201

    report = client.get("/api/v1/leaks", params={"training": "leaky/a", "evaluated": "leaky/b"}).json()

    assert report["leaks"] == [{"training_task": "a", "evaluated_task": "b", "what": "demonstration 1"}]
    assert (report["tasks"], report["training_tasks"], report["evaluated_tasks"]) == (1, 1, 1)
    assert client.delete("/api/v1/sets/leaky/b").status_code == 204
    assert client.delete("/api/v1/sets/leaky/b").status_code == 404
    assert client.delete("/api/v1/sets/arc-agi-1/training").status_code == 409
    missing = client.get("/api/v1/leaks", params={"training": "leaky/a", "evaluated": "leaky/b"})
    assert missing.status_code == 404
    client.delete("/api/v1/sets/leaky/a")
