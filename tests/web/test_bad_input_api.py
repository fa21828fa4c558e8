"""Every kind of bad input: its status, the field it names, and what it tells to do."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

TASK = {"train": [{"input": [[1, 2]], "output": [[2, 1]]}], "test": [{"input": [[1]], "output": [[2]]}]}
QUICK = {"preset": "quick"}


def error(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The error of a refused request; it never shows our code."""
    assert answer.status_code == status, answer.text
    assert "Traceback" not in answer.text
    found: dict[str, Any] = answer.json()["error"]
    assert found["message"]
    return found


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (QUICK | {"training": {"stepz": 3}}, "training.stepz", "Did you mean 'steps'?"),
        (QUICK | {"learning_rate": 1e-3}, "learning_rate", "optimisation.learning_rate"),
        (QUICK | {"training": {"steps": "many"}}, "training.steps", "must be a whole number"),
        (QUICK | {"training": 3}, "training", "must be an object"),
        (QUICK | {"training": {"steps": 0}}, "training.steps", "at least 1"),
        (QUICK | {"optimisation": {"learning_rate": 2}}, "optimisation.learning_rate", "at most 1"),
        (QUICK | {"model": {"kind": "trn"}}, "model.kind", "Did you mean 'trm'?"),
        ({"preset": "quik"}, "preset", "Did you mean 'quick'?"),
        (
            QUICK | {"data": {"training_sets": ["arc-agi-1/trainin"]}},
            "data.training_sets.0",
            "Did you mean 'arc-agi-1/training'?",
        ),
    ],
)
def test_a_config_with_a_mistake_names_its_field(
    client: httpx.Client, body: dict[str, Any], field: str, said: str
) -> None:
    found = error(client.post("/api/v1/runs", json=body), 422)
    assert found["code"] == "invalid_config"
    problem = next(each for each in found["fields"] if each["field"] == field)
    assert said in f"{problem['message']} {problem['hint']}"
    verdict = client.post("/api/v1/config/validate", json=body).json()
    assert not verdict["valid"]
    assert problem in verdict["problems"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"preset": "quick",}', "Line 1, column 20 is not JSON"),
        (b"", "is not JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[1, 2]", "not a list"),
        (b'"quick"', 'not "quick"'),
        (b"[" * 100_000, "JSON"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(client: httpx.Client, body: bytes, said: str) -> None:
    found = error(client.post("/api/v1/runs", content=body), 422)
    assert said in found["fields"][0]["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/api/v1/runs/external", {"name": "x", "confg": {}}, "confg"),
        ("POST", "/api/v1/runs/external", {}, "name"),
        ("POST", "/api/v1/runs/external", {"name": "x", "config": [1]}, "config"),
        ("POST", "/api/v1/runs/external", {"name": "   "}, "name"),
        ("GET", "/api/v1/runs?limit=0", None, "limit"),
        ("GET", "/api/v1/runs?limit=5000", None, "limit"),
        ("GET", "/api/v1/runs?cursor=zzz", None, "cursor"),
        ("GET", "/api/v1/runs/{external}/series?from=-1", None, "from"),
        ("GET", "/api/v1/runs/{external}/series?max_points=1", None, "max_points"),
        ("GET", "/api/v1/runs/{external}/predictions?failure_mode=wrng+size", None, "failure_mode"),
        ("GET", "/api/v1/runs/{external}/predictions?limit=0", None, "limit"),
        ("GET", "/api/v1/runs/{external}/predictions?cursor=x", None, "cursor"),
        ("GET", "/api/v1/runs/{external}/log?limit=0", None, "limit"),
        ("PATCH", "/api/v1/runs/{external}", {"nmae": "x"}, "nmae"),
        ("PATCH", "/api/v1/runs/{external}", {"tags": ["x" * 61]}, "tags"),
        ("POST", "/api/v1/runs/{external}/finish", {"status": "running"}, "status"),
        ("GET", "/api/v1/runs?status=faild", None, "status"),
        ("GET", "/api/v1/runs?sort=sed", None, "sort"),
        ("GET", "/api/v1/runs?filter=seed%20=%203", None, "filter"),
        ("POST", "/api/v1/sets", {"name": "x"}, "tasks"),
        ("POST", "/api/v1/sets", {"name": "../x", "tasks": TASK}, "name"),
        ("POST", "/api/v1/sets", {"name": "arc-agi-1/training", "tasks": TASK}, "name"),
    ],
)
def test_a_wrong_field_or_parameter_is_named(
    client: httpx.Client, external: str, method: str, path: str, body: dict[str, Any] | None, field: str
) -> None:
    found = error(client.request(method, path.format(external=external), json=body), 422)
    assert [each["field"] for each in found["fields"]] == [field]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v1/runs/nosuchrun0", "Run 'nosuchrun0' not found."),
        ("/api/v1/runs/nosuchrun0/series", "Run 'nosuchrun0' not found"),
        ("/api/v1/runs/nosuchrun0/log", "Run 'nosuchrun0' not found"),
        ("/api/v1/runs/nosuchrun0/events", "Run 'nosuchrun0' not found"),
        ("/api/v1/runs/nosuchrun0/predictions", "Run 'nosuchrun0' not found"),
        ("/api/v1/sets/arc-agi-1/trainin/tasks", "Task set 'arc-agi-1/trainin' not found"),
        ("/api/v1/sets/arc-agi-1/training/tasks/zzz", "Task 'zzz' not found"),
        ("/api/v1/nothing", "Page not found"),
    ],
)
def test_what_does_not_exist_is_said_to(client: httpx.Client, path: str, said: str) -> None:
    assert said in error(client.get(path), 404)["message"]


def test_a_number_that_no_database_holds_is_refused(client: httpx.Client, external: str) -> None:
    answer = client.get(f"/api/v1/runs/{external}/series", params={"to": str(10**30)})
    assert [each["field"] for each in error(answer, 422)["fields"]] == ["to"]


def test_a_mistyped_id_suggests_the_run(client: httpx.Client, queued: str) -> None:
    assert queued in error(client.get(f"/api/v1/runs/{queued[:-1]}_"), 404)["hint"]


def test_a_wrong_method_is_said_to(client: httpx.Client) -> None:
    assert error(client.put("/api/v1/runs"), 405)["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"step": [1, 2], "values": {"loss": [1.0]}}, "values.loss", "1 entry for 2 steps"),
        ({"step": [1], "values": {"loss": [1.0, 2.0]}}, "values.loss", "2 entries for 1 step"),
        ({"step": [1], "wall_time": [], "values": {"loss": [1.0]}}, "wall_time", "0 entries for 1 step"),
        ({"step": [-1], "values": {"loss": [1.0]}}, "step", "whole numbers from 0"),
        ({"step": [1.5], "values": {"loss": [1.0]}}, "step", "whole numbers from 0"),
        ({"step": [2**60], "values": {"loss": [1.0]}}, "step", "whole numbers from 0"),
        ({"step": ["1"], "values": {"loss": [1.0]}}, "step", "flat list of numbers"),
        ({"step": [True], "values": {"loss": [1.0]}}, "step", "flat list of numbers"),
        ({"step": [1], "values": {"loss": ["high"]}}, "values.loss", "flat list of numbers"),
        ({"step": [1], "values": {"loss": ["0.5"]}}, "values.loss", "flat list of numbers"),
        ({"step": [1], "values": {"loss": [[1.0]]}}, "values.loss", "flat list of numbers"),
        ({"step": [1], "values": {"loss": 1.0}}, "values.loss", "must be a list"),
        ({"step": [1], "values": [1.0]}, "values", "must be an object"),
        ({"step": [1], "values": {"a,b": [1.0]}}, "values.a,b", "comma"),
        ({"step": [1], "values": {"a\x00": [1.0]}}, "values.a\x00", "control character"),
        ({"step": [1], "values": {" ": [1.0]}}, "values. ", "cannot name a metric"),
        ({"step": [1], "wall_time": [1.7e12], "values": {"loss": [1.0]}}, "wall_time", "Divide by 1000"),
        ({"steps": [1], "values": {"loss": [1.0]}}, "steps", "unknown field"),
        ({"step": [1]}, "values", "is missing"),
    ],
)
def test_metrics_with_a_mistake_are_refused_whole_and_named(
    client: httpx.Client, external: str, body: dict[str, Any], field: str, said: str
) -> None:
    found = error(client.post(f"/api/v1/runs/{external}/metrics", json=body), 422)
    problem = next(each for each in found["fields"] if each["field"] == field)
    assert said in f"{problem['message']} {problem['hint']}"
    assert client.get(f"/api/v1/runs/{external}/series").json()["series"] == {}


def test_metrics_of_a_run_that_is_not_the_scripts_own_are_refused(client: httpx.Client, queued: str) -> None:
    body = {"step": [1], "values": {"loss": [1.0]}}
    found = error(client.post(f"/api/v1/runs/{queued}/metrics", json=body), 409)
    assert "/api/v1/runs/external" in found["hint"]
    assert error(client.post("/api/v1/runs/nosuchrun0/metrics", json=body), 404)


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ([[1, 2], [3]], "row"),
        ([[10]], "10"),
        ([[1]] * 31, "31 rows"),
        ([], "empty"),
        ([["one"]], "one"),
        ("grid", "grid"),
    ],
)
def test_a_malformed_grid_is_refused_and_leaves_no_set(client: httpx.Client, grid: Any, said: str) -> None:
    tasks = {"good": TASK, "bad": {"train": [{"input": grid, "output": [[1]]}], "test": TASK["test"]}}
    found = error(client.post("/api/v1/sets", json={"name": "broken", "tasks": tasks}), 422)
    assert found["code"] == "invalid_task_file"
    assert said in found["message"] + found["hint"]
    assert "broken" not in [each["name"] for each in client.get("/api/v1/sets").json()]


@pytest.mark.parametrize(
    ("content", "said"), [(b"not json", "JSON"), (b"", "JSON"), (b"[]", ""), (b"{}", "task")]
)
def test_a_file_that_is_no_task_file_is_refused(client: httpx.Client, content: bytes, said: str) -> None:
    files = {"file": ("tasks.json", content)}
    found = error(client.post("/api/v1/sets", data={"name": "broken"}, files=files), 422)
    assert "tasks.json" in found["message"]
    assert said in found["message"] + found["hint"]


def test_an_upload_without_name_or_file_names_what_is_missing(client: httpx.Client) -> None:
    files = {"file": ("tasks.json", json.dumps(TASK).encode())}
    assert error(client.post("/api/v1/sets", files=files), 422)["fields"][0]["field"] == "name"
    answer = client.post("/api/v1/sets", data={"name": "x"}, files={"other": ("a", b"")})
    assert "No file" in error(answer, 422)["message"]


@pytest.mark.parametrize(
    ("path", "size", "limit"),
    [
        ("/api/v1/runs", 1_100_000, "1 MB"),
        ("/api/v1/runs/external", 1_100_000, "1 MB"),
        ("/api/v1/runs/abcdefghij/metrics", 17_000_000, "16 MB"),
        ("/api/v1/sets", 50 * 2**20, "50 MB"),
    ],
)
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_its_limit_is_refused_and_the_limit_named(
    client: httpx.Client, path: str, size: int, limit: str, announced: bool
) -> None:
    piece = b" " * 100_000
    pieces = (piece for _ in range(size // len(piece) + 1))
    answer = client.post(path, content=b" " * size if announced else pieces)
    found = error(answer, 413)
    assert (found["code"], limit in found["message"]) == ("too_large", True)


def test_a_file_of_50_mb_is_refused_as_an_upload(client: httpx.Client) -> None:
    files = {"file": ("big.json", b" " * (50 * 2**20))}
    found = error(client.post("/api/v1/sets", data={"name": "big"}, files=files), 413)
    assert "50 MB" in found["message"]
