"""Hypotheses by the API: stated in a config or for a run of one's own, read and filtered."""

from __future__ import annotations

import httpx

STATED = {"kind": "bar", "claim": "It learns.", "measure": "accuracy/token", "value": 0.5}


def test_a_run_states_one_and_lists_find_it(client: httpx.Client) -> None:
    run = client.post("/api/v1/runs", json={"preset": "quick", "hypothesis": STATED}).json()
    read = client.get(f"/api/v1/runs/{run['id']}").json()["hypothesis"]
    assert (read["claim"], read["verdict"], read["evidence"]) == ("It learns.", "open", [])
    found = client.get("/api/v1/runs", params={"filter": f'verdict == "open" and id == "{run["id"]}"'}).json()
    assert [each["id"] for each in found["runs"]] == [run["id"]]
    cancelled = client.post(f"/api/v1/runs/{run['id']}/cancel").json()["hypothesis"]
    assert (cancelled["verdict"], cancelled["met"]) == ("undecided", None)


def test_a_wrong_bar_is_named_before_anything_is_launched(client: httpx.Client) -> None:
    body = {"preset": "quick", "hypothesis": {**STATED, "measure": "tokens"}}
    (problem,) = client.post("/api/v1/config/validate", json=body).json()["problems"]
    assert problem["field"] == "hypothesis.measure"
    assert client.post("/api/v1/runs", json=body).status_code == 422
    wrong = client.get("/api/v1/runs", params={"filter": 'verdict == "suported"'})
    assert "Did you mean 'supported'?" in wrong.text


def test_a_script_states_one_and_is_judged_when_it_says_finished(client: httpx.Client) -> None:
    body = {"name": "mine", "hypothesis": {**STATED, "measure": "reward:max", "value": 5}}
    run_id = client.post("/api/v1/runs/external", json=body).json()["id"]
    sent = client.post(f"/api/v1/runs/{run_id}/metrics", json={"step": [1], "values": {"reward": [7.5]}})
    assert sent.status_code < 300, sent.text
    over = client.post(f"/api/v1/runs/{run_id}/finish").json()["hypothesis"]
    assert (over["verdict"], over["value"], over["evidence"][0]["step"]) == ("supported", 7.5, 1)
    refused = client.post(
        "/api/v1/runs/external", json={**body, "hypothesis": STATED | {"measure": "pass@1"}}
    )
    assert refused.status_code == 422
    assert refused.json()["error"]["fields"][0]["field"] == "hypothesis.measure"


def test_it_says_when_a_run_would_start(client: httpx.Client) -> None:
    wait = client.get("/api/v1/queue/wait").json()
    assert wait["workers"] == 0
    assert wait["words"].startswith("No worker is online")
    valid = client.post("/api/v1/config/validate", json={"preset": "quick"}).json()
    assert valid["wait"]["words"].startswith("No worker is online")
