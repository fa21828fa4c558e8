"""Seeds and sweeps on the pages: the form, the table, the run and its group."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.config.presets import quick
from backend.domain.sweeps import parse_sweep
from backend.groups import service as groups
from backend.groups.views import GroupView
from backend.lifecycle import service as runs
from backend.runs_table import search as run_search
from tests.support.pages.forms import Form
from tests.support.records.recorded import record_evaluation

WIDTHS = {"sweep.path.0": "model.core.width", "sweep.values.0": "64, 128"}


@pytest.fixture
def form(page_client: httpx.Client) -> dict[str, str]:
    return Form(page_client.get("/runs/new?preset=quick").text).sent


def group_of(engine: Engine, **sweep: Any) -> GroupView:
    with session_scope(engine) as session:
        return groups.create(session, quick(), parse_sweep(sweep))


def text_of(page: str) -> str:
    """The words of a page, without its marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_a_sweep_launches_a_group_and_shows_its_runs(
    page_client: httpx.Client, form: dict[str, str], page_db: Engine
) -> None:
    sent = form | WIDTHS | {"action": "launch", "sweep.seeds": "2", "sweep.name": "widths by hand"}
    answer = page_client.post("/runs/new", data=sent)

    assert answer.status_code == 303
    query = filter_of(answer)
    assert "widths by hand" in page_client.get(answer.headers["location"]).text
    table = page_client.get("/", params={"filter": query}).text
    assert table.count("<tr id=") == 4
    assert "Group widths by hand : 4 runs. Means and comparison over seeds" in text_of(table)
    with session_scope(page_db) as session:
        names = [run.name for run in run_search.find(session, query, sort="created").runs]
    assert names[0] == "quick · width 64 · seed 0"


def filter_of(answer: httpx.Response) -> str:
    """The filter of the runs of the group whose page a launch leads to."""
    return f'group == "{answer.headers["location"].removeprefix("/groups/")}"'


def test_a_clone_can_be_swept(page_client: httpx.Client, page_db: Engine) -> None:
    with session_scope(page_db) as session:
        parent = runs.create(session, quick()).id
    sent = Form(page_client.get(f"/runs/new?from={parent}").text).sent
    answer = page_client.post("/runs/new", data=sent | {"action": "launch", "sweep.seeds": "2"})
    with session_scope(page_db) as session:
        query = filter_of(answer)
        assert {run.parent_id for run in run_search.find(session, query).runs} == {parent}


def test_a_refused_sweep_keeps_what_was_typed_and_says_why_beside_it(
    page_client: httpx.Client, form: dict[str, str]
) -> None:
    sent = form | WIDTHS | {"action": "launch", "sweep.values.0": "64, 99999"}
    answer = page_client.post("/runs/new", data=sent)

    assert answer.status_code == 422
    assert 'value="64, 99999"' in answer.text
    found = re.search(r'id="sweep-problem-0"[^>]*>([^<]*)', answer.text)
    assert found
    assert "value 2: must be at least 8 and at most 4096, not 99999." in found[1]
    assert "must be fixed before launching" in answer.text


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"sweep.seeds": "many"}, 'must be a whole number, not "many".'),
        ({"sweep.seeds": "300"}, "must be 1 to 256, not 300."),
        ({"sweep.path.0": "model.core.widht", "sweep.values.0": "1,2"}, "Did you mean 'width'?"),
        ({"sweep.values.0": "64, 128"}, "these values need a field."),
        ({"sweep.path.0": "seed"}, "has no value."),
        (WIDTHS | {"sweep.path.1": "model.core.width", "sweep.values.1": "8"}, "is swept twice."),
        (WIDTHS | {"sweep.mode": "random"}, "is missing. Set the number of random draws."),
        (WIDTHS | {"sweep.mode": "random", "sweep.count": "9"}, "only 2 different draws were found"),
    ],
)
def test_the_preview_says_what_is_wrong(
    page_client: httpx.Client, form: dict[str, str], typed: dict[str, str], said: str
) -> None:
    part = page_client.post("/runs/new/preview", data=form | typed).text
    assert said in html.unescape(part)
    assert 'data-size="0"' in part


def test_the_preview_names_the_first_runs_and_says_what_the_field_is(
    page_client: httpx.Client, form: dict[str, str]
) -> None:
    part = page_client.post("/runs/new/preview", data=form | WIDTHS | {"sweep.seeds": "5"}).text
    assert 'data-size="10"' in part
    assert "10 runs 2 configurations × 5 seeds quick · width 64 · seed 0" in text_of(part)
    assert "and 4 more" in part
    assert "Width: a whole number. Now 64." in part


def test_the_preview_names_what_else_differs_and_the_way_to_keep_it(
    page_client: httpx.Client, form: dict[str, str], page_db: Engine
) -> None:
    encoders = {"sweep.path.0": "model.encoder.kind", "sweep.values.0": "deterministic, iterative"}

    plain = text_of(page_client.post("/runs/new/preview", data=form | encoders).text)
    same = {**form, **encoders, "sweep.same_depth": "true"}
    matched = text_of(page_client.post("/runs/new/preview", data=same).text)
    answer = page_client.post("/runs/new", data=same | {"action": "launch", "sweep.name": "same depth"})

    assert "1 other field differs between these configurations" in plain
    assert "model.encoder.layers 1 (encoder deterministic) · 2 (encoder iterative)" in plain
    assert "Same depth keeps the config's layers" in plain
    assert "differs between" not in matched
    assert "fields that only some of these configurations have" in matched
    query = filter_of(answer)
    with session_scope(page_db) as session:
        found = run_search.find(session, query).runs
    assert {run.config["model"]["encoder"]["layers"] for run in found} == {1}


def test_the_groups_page_names_what_else_differs(page_client: httpx.Client, page_db: Engine) -> None:
    kinds = group_of(page_db, grid={"model.encoder.kind": ["deterministic", "iterative"]})
    widths = group_of(page_db, grid={"model.core.width": [64, 128]})
    assert "1 other field differs" in page_client.get(f"/groups/{kinds.id}").text
    assert "other field" not in page_client.get(f"/groups/{widths.id}").text


def test_the_preview_of_pasted_json_and_of_a_config_that_is_wrong(
    page_client: httpx.Client, form: dict[str, str]
) -> None:
    pasted = form | {"mode": "json", "config_json": '{"preset": "quick", "name": "p"}', "sweep.seeds": "2"}
    assert "p · seed 1" in page_client.post("/runs/new/preview", data=pasted).text
    wrong = form | {"model.core.width": "wide", "sweep.seeds": "2"}
    assert "not valid yet" in page_client.post("/runs/new/preview", data=wrong).text


def test_a_run_of_a_group_leads_to_its_siblings_and_its_group(
    page_client: httpx.Client, page_db: Engine
) -> None:
    group = group_of(page_db, seeds=3, grid={"model.core.width": [64, 128]})
    middle = group.variations[1].runs[1]
    page = page_client.get(f"/runs/{middle.id}").text
    assert f"Seed 2 of 3 of width 128 in group {group.name} , seeds 0 1 2" in text_of(page)
    for sibling in (group.variations[1].runs[0], group.variations[1].runs[2]):
        assert f'href="/runs/{sibling.id}"' in page
    assert f'href="/groups/{group.id}"' in page
    row = page_client.get("/", params={"filter": f'id == "{middle.id}"'}).text
    assert f">{group.name}</a>" in row


def test_a_group_page_shows_means_over_seeds_and_each_run(page_client: httpx.Client, page_db: Engine) -> None:
    group = group_of(page_db, seeds=2, grid={"model.core.width": [64, 128]})
    with session_scope(page_db) as session:
        for number, run in enumerate(group.variations[0].runs):
            record_evaluation(session, run.id, quick(), tasks=6, seed=number)
    page = page_client.get(f"/groups/{group.id}").text
    said = text_of(page)
    assert "4 queued 4 runs in 2 configurations" in said
    assert re.search(
        r"width 64 model\.core\.width = 64 2 queued [\d.]+ % \[[\d.]+–[\d.]+\] n = 2 \d+/12 tasks", said
    )
    assert "width 128 model.core.width = 128 2 queued not evaluated yet 2 no data yet no data yet" in said
    assert all(f'href="/runs/{run.id}"' in page for run in group.runs)
    assert "#significance" not in page  # nothing to hold it against yet

    with session_scope(page_db) as session:
        record_evaluation(session, group.variations[1].runs[0].id, quick(), tasks=6, seed=0)
    page = page_client.get(f"/groups/{group.id}").text
    link = re.search(r'href="(/compare\?[^"]+)#significance"', page)
    assert link
    part = page_client.get(html.unescape(link[1]).replace("/compare", "/compare/significance")).text
    assert "width 128" in text_of(part)


def test_a_group_is_cancelled_without_script(page_client: httpx.Client, page_db: Engine) -> None:
    group = group_of(page_db, seeds=2)
    assert "Cancel all 2 unfinished runs" in page_client.get(f"/groups/{group.id}").text
    answer = page_client.post(f"/groups/{group.id}/cancel")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/groups/{group.id}")
    page = page_client.get(f"/groups/{group.id}").text
    assert "2 cancelled" in text_of(page)
    assert "unfinished" not in page


def test_a_group_without_runs_says_so(page_client: httpx.Client, page_db: Engine) -> None:
    group = group_of(page_db, seeds=2)
    with session_scope(page_db) as session:
        groups.cancel(session, group.id)
        for run in group.runs:
            runs.delete(session, run.id)
    assert "No runs left" in page_client.get(f"/groups/{group.id}").text


def test_an_unknown_group_is_a_page_that_helps(page_client: httpx.Client) -> None:
    answer = page_client.get("/groups/nosuchgrp1")
    assert answer.status_code == 404
    assert "Group " in answer.text
