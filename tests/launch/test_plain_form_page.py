"""The launch form as a browser without JavaScript sends it."""

from __future__ import annotations

import re

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.config.presets import quick
from backend.lifecycle import service as runs
from tests.support.pages.forms import Form
from tests.support.records.recorded import record_run


def launch(page_client: httpx.Client, sent: dict[str, str], **typed: str) -> httpx.Response:
    named = {name.replace("__", "."): text for name, text in typed.items()}
    return page_client.post("/runs/new", data=sent | {"action": "launch"} | named)


@pytest.fixture
def form(page_client: httpx.Client) -> dict[str, str]:
    return Form(page_client.get("/runs/new?preset=quick").text).sent


def test_the_plain_form_launches_a_run(
    page_client: httpx.Client, form: dict[str, str], page_db: Engine
) -> None:
    answer = launch(page_client, form, name="by hand", training__steps="7")

    assert answer.status_code == 303
    with session_scope(page_db) as session:
        run = runs.get(session, answer.headers["location"].rpartition("/")[2])
    assert (run.name, run.config["training"]["steps"]) == ("by hand", 7)
    assert run.config["model"]["core"]["width"] == 64  # the preset's, not the default's


def test_a_refused_form_keeps_what_was_typed_and_says_why_beside_it(
    page_client: httpx.Client, form: dict[str, str]
) -> None:
    answer = launch(page_client, form, name="kept", model__core__width="wide", optimisation__beta1="2")

    assert answer.status_code == 422
    assert 'value="wide"' in answer.text
    assert 'value="kept"' in answer.text
    problem = re.search(r'id="etrm-model.core.width-problem" >([^<]*)', answer.text)
    assert problem
    assert "must be a whole number" in problem[1]
    assert "2 problems" in answer.text


def test_a_task_set_that_is_not_there_is_told_beside_its_field(
    page_client: httpx.Client, form: dict[str, str]
) -> None:
    answer = launch(page_client, form, data__training_sets="arc-agi-1/trainin")

    assert answer.status_code == 422
    assert "Did you mean &#39;arc-agi-1/training&#39;?" in answer.text


def test_where_nothing_is_estimated_it_says_why(page_client: httpx.Client, form: dict[str, str]) -> None:
    answer = page_client.post("/runs/new", data=form | {"training.steps": "many", "action": "show"})

    cost = answer.text.partition('id="estimate"')[2].partition("</p>")[0]
    assert "the config is not valid yet. training.steps must be a whole number" in cost


def test_without_javascript_another_kind_shows_its_fields(
    page_client: httpx.Client, form: dict[str, str]
) -> None:
    answer = page_client.post("/runs/new", data=form | {"model.kind": "trm", "action": "show"})

    assert answer.status_code == 200
    shown = Form(answer.text).sent
    assert shown["model.kind"] == "trm"
    assert shown["model.embedding_width"] == "512"
    assert "model.reencode" not in shown


def test_pasted_json_launches_and_names_an_unknown_key(
    page_client: httpx.Client, form: dict[str, str], page_db: Engine
) -> None:
    fine = launch(page_client, form, mode="json", config_json='{"preset": "quick", "seed": 5}')
    wrong = launch(page_client, form, mode="json", config_json='{"trainig": {"steps": 5}}')
    broken = launch(page_client, form, mode="json", config_json="{seed: 5}")

    with session_scope(page_db) as session:
        assert runs.get(session, fine.headers["location"].rpartition("/")[2]).seed == 5
    assert wrong.status_code == 422
    assert "Did you mean &#39;training&#39;?" in wrong.text
    assert "trainig&#34;" in wrong.text  # still in the text area
    assert broken.status_code == 422
    assert "is not JSON" in broken.text


def test_a_link_may_change_fields_of_a_clone(page_client: httpx.Client, page_db: Engine) -> None:
    parent = record_run(page_db, points=3, seed=4)
    changed = page_client.get(f"/runs/new?from={parent}&set=training.steps=77&set=model.reencode=false").text
    sent = Form(changed).sent
    assert sent["training.steps"] == "77"
    assert "model.reencode" not in sent or sent["model.reencode"] == "false"
    assert page_client.get(f"/runs/new?from={parent}&set=training.stepz=1").status_code == 422


def test_a_clone_starts_from_its_parent_and_marks_the_change(
    page_client: httpx.Client, page_db: Engine
) -> None:
    parent = record_run(page_db, points=3, seed=4)
    sent = Form(page_client.get(f"/runs/new?from={parent}").text).sent

    refused = launch(page_client, sent, seed="-1", training__steps="8")
    child = launch(page_client, sent, seed="9").headers["location"]

    assert re.search(rf'was <span class="mono">{quick().training.steps}</span>', refused.text)
    page = page_client.get(child).text
    assert f'cloned from <a href="/runs/{parent}">' in page
    assert "is-changed" in page


def test_an_unknown_preset_or_parent_is_a_page_that_helps(page_client: httpx.Client) -> None:
    assert "Choose one of quick" in page_client.get("/runs/new?preset=quik").text
    assert page_client.get("/runs/new?from=nothinghere").status_code == 404
