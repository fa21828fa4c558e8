"""/api/v1/runs as a script uses it."""

from __future__ import annotations

import httpx
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.config.presets import quick
from backend.queue import claims as queue
from tests.support.processes import Lab
from tests.support.records.recorded import record_run


def test_a_config_becomes_a_queued_run_at_its_location(client: httpx.Client) -> None:
    made = client.post("/api/v1/runs", json={"preset": "quick", "seed": 3, "training": {"steps": 20}})
    assert made.status_code == 201
    run = client.get(made.headers["Location"]).json()
    assert run["status"] == "queued"
    assert run["name"] == "quick"
    assert run["progress"] == {
        "phase": "",
        "done": 0,
        "total": 20,
        "share": 0.0,
        "seconds_left": None,
    }
    whole = quick().model_dump(mode="json")
    assert run["config"] == whole | {"seed": 3, "training": whole["training"] | {"steps": 20}}
    assert "no worker" in run["waiting_reason"]


def test_a_queued_run_is_cancelled_and_can_be_resumed(client: httpx.Client, queued: str) -> None:
    cancelled = client.post(f"/api/v1/runs/{queued}/cancel").json()
    assert (cancelled["status"], cancelled["status_cause"]) == ("cancelled", "cancelled by the user")
    again = client.post(f"/api/v1/runs/{queued}/cancel")
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "conflict"
    assert "is cancelled" in again.json()["error"]["message"]
    resumed = client.post(f"/api/v1/runs/{queued}/resume")
    assert resumed.json()["status"] == "queued"
    assert "starts at step 0" in resumed.json()["status_cause"]
    history = client.get(f"/api/v1/runs/{queued}/history").json()
    assert [each["kind"] for each in history] == ["queued", "cancelled", "resumed"]


def test_a_clone_has_its_overrides_and_its_parent(client: httpx.Client, queued: str) -> None:
    plain = client.post(f"/api/v1/runs/{queued}/clone")
    assert plain.status_code == 201
    changed = client.post(f"/api/v1/runs/{queued}/clone", json={"overrides": {"training": {"steps": 9}}})
    assert changed.json()["config"]["training"]["steps"] == 9
    assert changed.json()["parent_id"] == plain.json()["parent_id"] == queued
    wrong = client.post(f"/api/v1/runs/{queued}/clone", json={"overrides": {"sede": 1}})
    assert wrong.status_code == 422
    assert wrong.json()["error"]["fields"][0] == {
        "field": "sede",
        "message": "unknown field.",
        "hint": "Did you mean 'seed'?",
    }


def test_health_gives_each_measure_with_its_number_and_threshold(
    client: httpx.Client, database: Engine, queued: str
) -> None:
    assert client.get(f"/api/v1/runs/{queued}/health").json()["word"] == "no data yet"
    found = client.get(f"/api/v1/runs/{record_run(database)}/health").json()
    assert (found["level"], found["word"]) == ("quiet", "healthy")  # and no score shows that it generalises
    assert (found["learning"]["level"], found["learning"]["word"]) == ("warning", "underfits")
    assert "The decoder uses it: another task's context costs 41 points" in found["sentence"]
    reliance = next(each for each in found["evidence"] if each["topic"] == "decoder reliance")
    assert (reliance["metric"], reliance["threshold"]) == ("reliance/cost", 0.01)
    assert reliance["value"] > 0.4
    assert client.get("/api/v1/runs/nosuchrun0/health").status_code == 404


def test_name_tags_and_notes_are_edited_and_found(client: httpx.Client, queued: str) -> None:
    edit = {"name": "renamed", "tags": ["only-this-one"], "notes": "why"}
    edited = client.patch(f"/api/v1/runs/{queued}", json=edit).json()
    assert {key: edited[key] for key in edit} == edit
    found = client.get("/api/v1/runs", params={"filter": 'tag == "only-this-one"', "metrics": ""}).json()
    assert [run["id"] for run in found["runs"]] == [queued]
    assert found["next_cursor"] is None


def test_the_list_is_paged_filtered_and_sorted(client: httpx.Client) -> None:
    for seed in range(901, 906):
        client.post("/api/v1/runs", json={"preset": "quick", "seed": seed})
    query = {"filter": "seed > 900 and seed < 906", "limit": "2", "sort": "seed", "status": "queued"}
    seeds, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = client.get("/api/v1/runs", params=query | more).json()
        seeds.append([run["seed"] for run in page["runs"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seeds == [[901, 902], [903, 904], [905]]


def test_a_run_that_is_over_is_deleted_with_its_files(client: httpx.Client, queued: str, lab: Lab) -> None:
    refused = client.delete(f"/api/v1/runs/{queued}")
    assert (refused.status_code, refused.json()["error"]["hint"]) == (409, "Cancel it first.")
    folder = lab.artifacts / queued
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(b"x")
    client.post(f"/api/v1/runs/{queued}/cancel")
    assert client.delete(f"/api/v1/runs/{queued}").status_code == 204
    assert client.get(f"/api/v1/runs/{queued}").status_code == 404
    assert not folder.exists()


def test_a_failed_run_shows_cause_and_traceback(client: httpx.Client, queued: str, database: Engine) -> None:
    with session_scope(database) as session:
        claim = queue.claim(session, queued, "host-1")
        assert claim
        queue.fail(session, claim, "ValueError: boom", "Traceback …\nValueError: boom")
    run = client.get(f"/api/v1/runs/{queued}").json()
    assert (run["status"], run["status_cause"]) == ("failed", "ValueError: boom")
    assert run["traceback"].startswith("Traceback")


def test_an_external_run_ends_as_its_script_says(client: httpx.Client, external: str) -> None:
    assert client.get(f"/api/v1/runs/{external}").json()["config"] == {"lr": 0.1}
    ended = client.post(f"/api/v1/runs/{external}/finish", json={"status": "failed", "cause": "diverged"})
    assert (ended.json()["status"], ended.json()["status_cause"]) == ("failed", "diverged")
    assert client.post(f"/api/v1/runs/{external}/finish").status_code == 409


def test_the_queue_tells_waiting_runs_in_order_and_the_workers(client: httpx.Client, queued: str) -> None:
    answer = client.get("/api/v1/queue").json()
    assert answer["runs"][-1]["id"] == queued
    assert answer["runs"][-1]["waiting_reason"]
    assert answer["workers"] == client.get("/api/v1/workers").json() == []


def test_presets_schema_and_validation_serve_the_form(client: httpx.Client) -> None:
    presets = {each["name"]: each for each in client.get("/api/v1/presets").json()}
    assert presets["quick"]["config"]["training"]["steps"] == quick().training.steps
    schema = client.get("/api/v1/config/schema").json()
    assert schema["properties"]["seed"]["title"] == "Seed"
    good = client.post("/api/v1/config/validate", json={"preset": "quick"}).json()
    assert (good["valid"], good["problems"]) == (True, [])
    assert good["config"] == presets["quick"]["config"]
    bad = client.post("/api/v1/config/validate", json={"preset": "quick", "seed": -1}).json()
    assert (bad["valid"], bad["problems"][0]["field"], bad["config"]) == (False, "seed", None)


def test_log_checkpoints_evaluations_and_predictions_of_a_new_run_are_empty(
    client: httpx.Client, queued: str
) -> None:
    base = f"/api/v1/runs/{queued}"
    assert client.get(f"{base}/log").json() == {"lines": [], "last_id": 0}
    assert client.get(f"{base}/checkpoints").json() == []
    assert client.get(f"{base}/evaluations").json() == []
    assert client.get(f"{base}/predictions").json() == {"predictions": [], "next_cursor": None}
    assert client.get(f"{base}/series").json() == {"run": queued, "version": 0, "series": {}}


def test_the_queue_is_listed_in_its_order_and_reordered(client: httpx.Client) -> None:
    made = [client.post("/api/v1/runs", json={"preset": "quick"}).json()["id"] for _ in range(3)]

    def mine(answer: httpx.Response) -> list[str]:
        assert answer.status_code == 200, answer.text
        return [run["id"] for run in answer.json()["runs"] if run["id"] in made]

    assert mine(client.get("/api/v1/queue")) == made
    assert mine(client.post(f"/api/v1/queue/{made[2]}/move", json={"position": 1})) == [made[2], *made[:2]]
    raised = client.post(f"/api/v1/queue/{made[1]}/priority", json={"priority": "high"})
    assert mine(raised) == [made[1], made[2], made[0]]
    assert raised.json()["priorities"][0] == "high"
    assert client.post(f"/api/v1/queue/{made[1]}/priority", json={"priority": "top"}).status_code == 422
    assert client.post("/api/v1/queue/nothinghere/move", json={"position": 1}).status_code == 404
    for run in made:
        client.post(f"/api/v1/runs/{run}/cancel")
