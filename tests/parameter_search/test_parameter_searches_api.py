"""/api/v1/parameter-searches, the launch form and the group's page, as people and scripts use them."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import reading_scope
from backend.parameter_search import service as searches
from tests.support.pages.forms import Form
from tests.support.records.searched import record_search

ROW = {"sweep.mode": "search", "sweep.path.0": "model.core.width", "sweep.values.0": "32..96:step=32"}


@pytest.fixture
def form(page_client: httpx.Client) -> dict[str, str]:
    return Form(page_client.get("/runs/new?preset=quick").text).sent


def text_of(page: str) -> str:
    """The words of a page, without its marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_page_shows_trials_with_intervals_and_what_was_pruned_and_why(
    page_client: httpx.Client, page_db: Engine
) -> None:
    group_id = record_search(page_db)
    page = page_client.get(f"/groups/{group_id}").text
    text = text_of(page)
    assert "3 of 5 trials" in text
    assert "1 of up to 15 runs" in text
    assert "Best so far: trial 1 , learning rate 0.0011: 25.0" in text
    assert "wholly below that of trial 1" in text
    assert page.count('class="trial is-') == 2
    assert page.count('class="whisker"') == 2


def test_a_search_is_stopped_and_continued_from_its_page(page_client: httpx.Client, page_db: Engine) -> None:
    group_id = record_search(page_db)
    for action, status in (("stop", "stopped"), ("continue", "running")):
        assert f'action="/groups/{group_id}/{action}"' in page_client.get(f"/groups/{group_id}").text
        assert page_client.post(f"/groups/{group_id}/{action}").status_code == 303
        with reading_scope(page_db) as session:
            assert searches.get(session, group_id).status == status


def test_a_search_is_read_stopped_and_continued_by_the_api(client: httpx.Client, database: Engine) -> None:
    group_id = record_search(database)
    path = f"/api/v1/parameter-searches/{group_id}"
    view = client.get(path).json()
    assert (view["status"], view["best"], view["better"], view["runs_made"]) == ("running", 1, "higher", 1)
    assert [trial["status"] for trial in view["trials"]] == ["complete", "pruned", "running"]
    assert view["trials"][0]["estimate"]["low"] == 0.18
    assert client.post(f"{path}/stop").json()["status"] == "stopped"
    assert client.post(f"{path}/continue").json()["status"] == "running"
    client.post(f"/api/v1/groups/{group_id}/cancel")
    assert client.get(path).json()["status"] == "stopped"
    assert client.get("/api/v1/parameter-searches/nosuchsear").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"search": {"fields": {}}}, "search.fields"),
        ({"search": {"fields": {"model.core.width": [64, 128]}, "objective": "pass@9"}}, "search.objective"),
        ({"search": {"fields": {"model.core.width": [64]}}, "config": {"seed": 1}}, "config"),
    ],
)
def test_a_wrong_search_is_refused(client: httpx.Client, body: dict[str, Any], field: str) -> None:
    answer = client.post("/api/v1/parameter-searches", json={"preset": "quick"} | body)
    assert answer.status_code == 422
    assert field in [each["field"] for each in answer.json()["error"]["fields"]]


def test_a_wrong_search_of_the_form_is_refused_beside_its_inputs(
    page_client: httpx.Client, form: dict[str, str]
) -> None:
    wrong = {"action": "launch", "sweep.values.0": "9..1", "sweep.objective": "pass@9"}
    answer = page_client.post("/runs/new", data=form | ROW | wrong)
    assert answer.status_code == 422
    for place in ("sweep-problem-0", "sweep-objective-problem"):
        found = re.search(rf'id="{place}"[^>]*>([^<]*)', answer.text)
        assert found
        assert found[1].strip()
    assert 'value="pass@9"' in answer.text


def test_the_form_starts_a_search_and_goes_to_its_page(
    page_client: httpx.Client, form: dict[str, str], page_db: Engine
) -> None:
    pytest.importorskip("optuna")
    typed = form | ROW | {"sweep.trials": "3", "sweep.seeds": "2", "sweep.objective": "accuracy/exact:max"}
    assert "Up to 6 runs 3 trials × 2 seeds" in text_of(
        page_client.post("/runs/new/preview", data=typed).text
    )
    answer = page_client.post("/runs/new", data=typed | {"action": "launch", "sweep.at_once": "2"})
    assert answer.status_code == 303
    group_id = answer.headers["location"].rpartition("/")[2]
    with reading_scope(page_db) as session:
        definition = searches.get(session, group_id).definition
    assert (definition.trials, definition.seeds, definition.at_once) == (3, 2, 2)
    assert definition.objective == "accuracy/exact:max"
    assert page_client.get(f"/groups/{group_id}").status_code == 200
    page_client.post(f"/groups/{group_id}/cancel")


def test_without_optuna_the_form_names_the_extra(page_client: httpx.Client, form: dict[str, str]) -> None:
    from backend.parameter_search import asking

    if asking.is_installed():
        pytest.skip("Optuna is installed here")
    answer = page_client.post("/runs/new", data=form | ROW | {"action": "launch"})
    assert answer.status_code == 422
    assert "Install the extra optuna" in answer.text
