"""/api/v1/runs/{id}/checkpoints: listed, downloaded, gone on from, forked."""

from __future__ import annotations

import base64
import hashlib

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import reading_scope, session_scope
from backend.domain.people import Role
from backend.people import service as accounts
from backend.runs import events
from tests.support.processes import Lab
from tests.support.records.recorded import record_checkpoint, record_run
from tests.support.web import WebServer


@pytest.fixture
def run(database: Engine) -> str:
    return record_run(database, status="failed", points=0, total=600)


def test_weights_are_downloaded_with_their_checksum(
    client: httpx.Client, database: Engine, lab: Lab, run: str
) -> None:
    content = record_checkpoint(database, lab.artifacts, run, 200)
    (listed,) = client.get(f"/api/v1/runs/{run}/checkpoints").json()
    assert listed["step"] == 200
    for file in listed["files"]:
        got = client.get(f"/api/v1/runs/{run}/checkpoints/200/weights", params={"weights": file["weights"]})
        assert got.content == content[file["weights"]]
        digest = hashlib.sha256(got.content)
        assert got.headers["Content-Length"] == str(file["size_bytes"])  # as it is
        assert (file["sha256"], file["size_bytes"]) == (digest.hexdigest(), len(got.content))
        assert got.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
        assert f"{run}-step-200-{file['weights']}.safetensors" in got.headers["Content-Disposition"]
    assert [file["weights"] for file in listed["files"]] == ["ema", "raw"]


def test_what_cannot_be_downloaded_says_why(
    client: httpx.Client, database: Engine, lab: Lab, run: str
) -> None:
    record_checkpoint(database, lab.artifacts, run, 100)
    address = f"/api/v1/runs/{run}/checkpoints"
    assert "of steps 100" in client.get(f"{address}/150/weights").json()["error"]["hint"]
    assert client.get(f"{address}/100/weights", params={"weights": "best"}).status_code == 422
    folder = lab.artifacts / run / "checkpoints" / "step-000000100"
    (folder / "ema.safetensors").write_bytes(b"cut")
    cut = client.get(f"{address}/100/weights")
    assert cut.status_code == 409
    assert "checksum differs" in cut.json()["error"]["message"]
    elsewhere = record_run(database, points=5)  # its checkpoint is on no disk
    (kept,) = client.get(f"/api/v1/runs/{elsewhere}/checkpoints").json()
    assert kept["files"] == []
    gone = client.get(f"/api/v1/runs/{elsewhere}/checkpoints/{kept['step']}/weights")
    assert gone.status_code == 404
    assert "ETRM_ARTIFACTS" in gone.json()["error"]["hint"]


def test_a_run_goes_on_from_a_checkpoint_and_is_forked_from_one(
    client: httpx.Client, database: Engine, lab: Lab, run: str
) -> None:
    for step in (100, 200):
        record_checkpoint(database, lab.artifacts, run, step)
    address = f"/api/v1/runs/{run}/checkpoints"
    body = {"weights": "raw", "overrides": {"seed": 4}}
    made = client.post(f"{address}/200/fork", json=body)
    assert made.status_code == 201
    fork = client.get(made.headers["Location"]).json()
    start = fork["config"]["training"]["initialise_from"]
    assert (start["run"], start["step"], start["weights"], fork["seed"]) == (run, 200, "raw", 4)
    assert client.post(f"{address}/150/fork").json()["error"]["fields"][0]["hint"] == "It has 200, 100."

    refused = client.post(f"{address}/100/resume")  # which would give up what the fork starts from
    assert refused.status_code == 409
    assert f"step 200 is needed by fork {fork['id']}" in refused.json()["error"]["message"]
    client.post(f"/api/v1/runs/{fork['id']}/cancel")
    assert client.delete(f"/api/v1/runs/{run}").status_code == 409
    assert client.delete(f"/api/v1/runs/{fork['id']}").status_code == 204

    resumed = client.post(f"{address}/100/resume")
    assert (resumed.json()["status"], resumed.status_code) == ("queued", 200)
    assert [each["step"] for each in client.get(address).json()] == [100]
    client.post(f"/api/v1/runs/{run}/cancel")


def test_a_checkpoint_goes_by_its_alias(client: httpx.Client, database: Engine, lab: Lab, run: str) -> None:
    content = {step: record_checkpoint(database, lab.artifacts, run, step) for step in (100, 200, 300)}
    address = f"/api/v1/runs/{run}/checkpoints"
    named = client.put(f"{address}/aliases/paper", json={"checkpoint": 100}).json()
    assert (named["name"], named["step"], named["set_by"]) == ("paper", 100, "the owner")
    moved = client.put(f"{address}/aliases/paper", json={"checkpoint": 200})
    assert moved.json()["step"] == 200
    assert [each["name"] for each in client.get(f"{address}/aliases").json()] == ["paper"]
    listed = {each["step"]: each for each in client.get(address).json()}
    assert listed[200]["aliases"] == ["paper"]
    assert "alias paper" in listed[200]["kept_because"]

    got = client.get(f"{address}/paper/weights")
    assert got.content == content[200]["ema"]
    assert f"{run}-step-200-ema" in got.headers["Content-Disposition"]
    fork = client.post(f"{address}/paper/fork").json()
    assert fork["config"]["training"]["initialise_from"]["step"] == 200
    asked = {"step": "paper", "set": "arc-agi-1/evaluation", "first_tasks": 1}
    evaluation = client.post(f"/api/v1/runs/{run}/evaluations", json=asked).json()
    assert evaluation["step"] == 200
    assert client.get("/runs/new", params={"from": run, "checkpoint": "paper"}).status_code == 200

    needed = client.delete(f"{address}/paper")
    assert needed.status_code == 409
    for what in ("alias paper", f"fork {fork['id']}", f"evaluation {evaluation['id']}"):
        assert what in needed.json()["error"]["message"]
    assert "the newest" in client.delete(f"{address}/300").json()["error"]["message"]
    folder = lab.artifacts / run / "checkpoints" / "step-000000100"
    assert client.delete(f"{address}/100").status_code == 204
    assert not folder.exists()

    client.post(f"/api/v1/evaluations/{evaluation['id']}/cancel")
    client.post(f"/api/v1/runs/{fork['id']}/cancel")
    assert client.delete(f"{address}/aliases/paper").status_code == 204
    assert [each["name"] for each in client.get(f"{address}/aliases").json()] == []
    with reading_scope(database) as session:
        told = [each.text for each in events.list(session, run) if each.kind == "checkpoint"]
    assert told == [
        "Alias set: paper: step 100.",
        "Alias set: paper: step 200, before: step 100.",
        "Checkpoints removed: step 100.",
        "Alias removed: paper.",
    ]


def test_what_no_alias_can_be_says_why(client: httpx.Client, database: Engine, lab: Lab, run: str) -> None:
    record_checkpoint(database, lab.artifacts, run, 100)
    address = f"/api/v1/runs/{run}/checkpoints"
    client.put(f"{address}/aliases/paper", json={"checkpoint": 100})
    unknown = client.get(f"{address}/papr/weights")
    assert unknown.status_code == 404
    assert "no checkpoint called 'papr'" in unknown.json()["error"]["message"]
    assert "steps 100 and the aliases paper (step 100)" in unknown.json()["error"]["hint"]
    assert "none has a score" in client.post(f"{address}/best/fork").json()["error"]["message"]
    for name in ("best", "600", "Paper"):
        refused = client.put(f"{address}/aliases/{name}", json={"checkpoint": 100})
        assert refused.status_code == 422, name
    missing = client.put(f"{address}/aliases/draft", json={"checkpoint": 150})
    assert "of steps 100" in missing.json()["error"]["hint"]
    asked = {"step": "papr", "set": "arc-agi-1/evaluation"}
    field = client.post(f"/api/v1/runs/{run}/evaluations", json=asked).json()["error"]["fields"][0]
    assert (field["field"], "no checkpoint called 'papr'" in field["message"]) == ("step", True)
    assert client.delete(f"{address}/aliases/draft").status_code == 404
    assert client.delete(f"{address}/aliases/best").status_code == 409


def test_a_viewer_takes_weights_away_but_starts_nothing(
    server: WebServer, client: httpx.Client, database: Engine, lab: Lab, run: str
) -> None:
    record_checkpoint(database, lab.artifacts, run, 100)
    with session_scope(database) as session:
        accounts.add_person(session, "a guest of checkpoints", Role.VIEWER)
        secret = accounts.create_token(session, "checkpoints", "a guest of checkpoints")
    address = f"/api/v1/runs/{run}/checkpoints/100"
    with server.stranger(headers={"Authorization": f"Bearer {secret}"}) as viewer:
        assert viewer.get(f"{address}/weights").status_code == 200
        assert [viewer.post(f"{address}/{what}").status_code for what in ("fork", "resume")] == [403, 403]
