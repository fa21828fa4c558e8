"""Ablations through the API and on pages, their evaluations finished by a worker that is played."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from sqlalchemy import Engine

from tests.support.lab import etrm
from tests.support.processes import Lab
from tests.support.records.ablation_rows import finish
from tests.support.records.recorded import record_checkpoint, record_run

SET = "arc-agi-1/evaluation"
TASKS = 10
ASKED = {"set": SET, "first_tasks": TASKS, "parts": ["context", "weights", "ACT steps"], "act_steps": [1]}
SOLVED = {"right context": 9, "blank context": 0, "random context": 1, "swapped context": 0}


def started(client: httpx.Client, run_id: str) -> dict[str, Any]:
    answer = client.post(f"/api/v1/runs/{run_id}/ablations", json=ASKED)
    assert answer.status_code == 201, answer.text
    view: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/api/v1/ablations/{view['id']}"
    return view


def finish_all(database: Engine, view: dict[str, Any]) -> None:
    for row in view["rows"]:
        finish(database, row["evaluation"], SOLVED.get(row["name"], 8))


@pytest.fixture
def run_id(database: Engine, lab: Lab) -> str:
    run = record_run(database, status="finished", points=0)
    record_checkpoint(database, lab.artifacts, run, 200)
    return run


@pytest.fixture
def finished(client: httpx.Client, database: Engine, run_id: str) -> dict[str, Any]:
    view = started(client, run_id)
    finish_all(database, view)
    view: dict[str, Any] = client.get(f"/api/v1/ablations/{view['id']}").json()
    return view


def test_an_ablation_is_jobs_in_the_queue_and_then_a_card(
    client: httpx.Client, database: Engine, run_id: str
) -> None:
    view = started(client, run_id)
    names = [row["name"] for row in view["rows"]]
    assert names == [*SOLVED, "raw weights", "1 ACT step"]
    assert (view["status"], view["digest"]) == ("running", "")
    queued = client.get("/api/v1/evaluations", params={"status": "queued"}).json()["evaluations"]
    ids = {row["name"]: row["evaluation"] for row in view["rows"]}
    interventions = {evaluation["id"]: evaluation["intervention"] for evaluation in queued}
    assert interventions[ids["blank context"]] == "blank context"
    assert interventions[ids["raw weights"]] == ""
    assert client.get(f"/api/v1/ablations/{view['id']}/card").status_code == 409
    assert started(client, run_id)["id"] == view["id"]  # asked for again, it is the same
    finish_all(database, view)
    view = client.get(f"/api/v1/ablations/{view['id']}").json()
    blank = next(row for row in view["rows"] if row["name"] == "blank context")
    assert (blank["score"]["solved"], blank["against"]["verdict"]) == (0, "worse")
    assert blank["against"]["p_value"] == pytest.approx(2 / 2**9)
    assert blank["against"]["p_adjusted"] == pytest.approx(5 * 2 / 2**9)  # five rows against one
    listed = client.get(f"/api/v1/runs/{run_id}/ablations").json()["ablations"]
    assert [(line["id"], line["status"]) for line in listed] == [(view["id"], "finished")]


def test_the_card_is_a_file_with_a_digest_and_a_picture(
    client: httpx.Client, finished: dict[str, Any]
) -> None:
    answer = client.get(f"/api/v1/ablations/{finished['id']}/card")
    assert f"ablation-{finished['run_id']}-step-200.json" in answer.headers["Content-Disposition"]
    card = answer.json()
    assert card["digest"] == finished["digest"]
    assert len(card["tasks"]) == TASKS
    assert card["checkpoint"]["weights"] == finished["weights"]
    picture = client.get(f"/api/v1/ablations/{finished['id']}/card", params={"format": "svg"})
    drawn = ElementTree.fromstring(picture.text)
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "blank context" in texts
    assert f"0/{TASKS}  worse, p = 0.020" in texts


def test_the_pages_show_it(client: httpx.Client, finished: dict[str, Any]) -> None:
    page = client.get(f"/ablations/{finished['id']}", headers={"Accept": "text/html"})
    assert page.status_code == 200
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))
    for words in (
        "9/10",
        "blank context",
        "worse",
        finished["digest"],
        finished["weights"]["ema"],
        "Leak check",
    ):
        assert words in text
    run = client.get(f"/runs/{finished['run_id']}", headers={"Accept": "text/html"}).text
    assert f'href="/ablations/{finished["id"]}"' in run
    assert "blank context" not in run
    evaluation = finished["rows"][1]["evaluation"]
    shown = client.get(f"/evaluations/{evaluation}", headers={"Accept": "text/html"}).text
    assert "an ablation or a study asked for it: no result of the run" in shown


def test_the_button_of_a_checkpoint_starts_one(client: httpx.Client, run_id: str) -> None:
    page = client.get(f"/runs/{run_id}", headers={"Accept": "text/html"}).text
    assert f'href="/runs/{run_id}/ablate?step=200"' in page
    answer = client.post(f"/runs/{run_id}/ablate", data={"step": "200", "first_tasks": "3"})
    assert answer.status_code == 303
    view = client.get(f"/api/v1{answer.headers['Location']}").json()
    assert (view["step"], view["n"], view["status"]) == (200, 3, "running")


def test_the_form_says_what_would_be_queued_before_it_is(
    client: httpx.Client, database: Engine, run_id: str
) -> None:
    asked = {"chosen": "yes", "step": "200", "set_name": SET, "first_tasks": "4", "act_steps": "1, 2"}
    page = client.get(f"/runs/{run_id}/ablate", params=asked | {"part": ["weights", "ACT steps"]}).text
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "4 evaluations." in text  # nothing of this run was timed
    assert "right context, raw weights, 1 ACT step, 2 ACT steps." in text
    assert re.findall(r'value="([^"]+)" checked', page) == ["weights", "ACT steps"]
    assert client.get(f"/api/v1/runs/{run_id}/ablations").json()["ablations"] == []
    for wrong, said in (
        ({}, "Choose what is changed."),
        ({"part": "weights", "first_tasks": "0"}, "first_tasks"),
        ({"part": "ACT steps", "act_steps": "many"}, "act_steps"),
        ({"part": "weights", "set_name": "nothing"}, "unknown task set"),
    ):
        assert said in client.get(f"/runs/{run_id}/ablate", params=asked | wrong).text
        assert client.post(f"/runs/{run_id}/ablate", data=asked | wrong).status_code == 422
    answer = client.post(f"/runs/{run_id}/ablate", data=asked | {"part": ["weights", "ACT steps"]})
    view = client.get(f"/api/v1{answer.headers['Location']}").json()
    assert len(view["rows"]) == 4
    finish_all(database, view)
    page = client.get(f"/runs/{run_id}/ablate", params=asked | {"part": ["weights"]}).text
    assert "2 evaluations, all there already: nothing is computed." in page


def test_its_waiting_evaluations_are_cancelled_together_from_its_page_and_by_command(
    client: httpx.Client, lab: Lab, run_id: str
) -> None:
    view = started(client, run_id)
    address = f"/ablations/{view['id']}"
    page = client.get(address, headers={"Accept": "text/html"}).text
    assert f'action="{address}/cancel"' in page
    assert client.post(f"{address}/cancel").status_code == 303
    page = client.get(address, headers={"Accept": "text/html"}).text
    assert f'action="{address}/cancel"' not in page
    assert client.post(f"/api/v1{address}/resume").json()["status"] == "running"
    refused = etrm(lab.folder, "ablate", run_id, "--cancel", str(view["id"] + 1), **lab.environment)
    assert f"It has {view['id']}." in refused.stderr
    cancelled = etrm(lab.folder, "ablate", run_id, "--cancel", str(view["id"]), **lab.environment)
    assert cancelled.returncode == 0, cancelled.stderr
    rows = client.get(f"/api/v1{address}").json()["rows"]
    assert {row["status"] for row in rows} == {"cancelled"}


def test_a_card_is_verified_by_what_is_computed_again(
    client: httpx.Client, database: Engine, finished: dict[str, Any]
) -> None:
    card = client.get(f"/api/v1/ablations/{finished['id']}/card").content
    first = client.post("/api/v1/ablations/verify", content=card).json()
    assert first["status"] == "running"
    again = client.get(f"/api/v1/ablations/{first['ablation']}").json()
    assert again["verifies"]
    assert not {row["evaluation"] for row in again["rows"]} & {row["evaluation"] for row in finished["rows"]}
    finish_all(database, again)
    verification = client.post("/api/v1/ablations/verify", content=card).json()
    assert (verification["status"], verification["exact"]) == ("confirmed", False)  # nobody noted the code
    kinds = {finding["verdict"] for finding in verification["findings"]}
    assert kinds == {"confirmed", "not compared"}


def test_another_machine_may_turn_an_answer_but_not_most_of_them(
    client: httpx.Client, database: Engine, finished: dict[str, Any]
) -> None:
    card = client.get(f"/api/v1/ablations/{finished['id']}/card").content
    first = client.post("/api/v1/ablations/verify", content=card).json()
    again = client.get(f"/api/v1/ablations/{first['ablation']}").json()
    for row in again["rows"]:
        changed = {"raw weights": 7, "1 ACT step": 1}  # of 8: in the interval of the first alone
        finish(database, row["evaluation"], changed.get(row["name"], SOLVED.get(row["name"], 8)))
    verification = client.post("/api/v1/ablations/verify", content=card).json()
    assert verification["status"] == "not confirmed"
    assert [
        finding["field"] for finding in verification["findings"] if finding["verdict"] == "not confirmed"
    ] == ["rows[1 ACT step].passes"]


def test_a_cancelled_verification_is_resumed_by_the_command(
    client: httpx.Client, lab: Lab, finished: dict[str, Any], tmp_path: Path
) -> None:
    card = client.get(f"/api/v1/ablations/{finished['id']}/card").content
    first = client.post("/api/v1/ablations/verify", content=card).json()
    client.post(f"/api/v1/ablations/{first['ablation']}/cancel")
    assert client.post("/api/v1/ablations/verify", content=card).json()["status"] == "failed"
    file = tmp_path / "card.json"
    file.write_bytes(card)
    resumed = etrm(lab.folder, "verify", str(file), "--no-follow", **lab.environment)
    assert resumed.returncode == 0, resumed.stderr
    assert "Computing it again." in resumed.stdout
    rows = client.get(f"/api/v1/ablations/{first['ablation']}").json()["rows"]
    assert {row["status"] for row in rows} == {"queued"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"format": "something else"}'])
def test_what_is_no_card_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/api/v1/ablations/verify", content=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"] == "This is no ablation card."


def test_the_commands_write_and_refuse_a_card(
    client: httpx.Client, database: Engine, lab: Lab, finished: dict[str, Any], tmp_path: Path
) -> None:
    options = ["--set", SET, "--first", str(TASKS), "--part", "context", "--part", "weights"]
    options += ["--part", "ACT steps", "--act-steps", "1"]
    out = tmp_path / "card.json"
    done = etrm(lab.folder, "ablate", finished["run_id"], *options, "--out", str(out), **lab.environment)
    assert done.returncode == 0, done.stderr
    assert "blank context" in done.stdout
    assert json.loads(out.read_bytes())["digest"] == finished["digest"]
    card = json.loads(out.read_bytes())
    card["rows"][1]["ranks"] = {task: [1] for task in card["tasks"]}
    out.write_text(json.dumps(card))
    refused = etrm(lab.folder, "verify", str(out), **lab.environment)
    assert refused.returncode == 1
    assert "not confirmed  digest" in refused.stdout
    assert "rows[blank context].pass@1" in refused.stdout
