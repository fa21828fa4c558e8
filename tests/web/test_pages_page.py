"""Pages as a browser without JavaScript gets them."""

from __future__ import annotations

import gzip
import re
import time

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.arc.grid import Grid
from backend.domain.records import EvaluationKey, Prediction, TestOutcome
from backend.evaluation import outcomes as predictions
from backend.people import service as accounts
from tests.support.records.recorded import record_run
from tests.support.web import WebServer


def test_a_filter_that_cannot_be_read_is_told_and_hides_nothing(
    page_client: httpx.Client, page_db: Engine
) -> None:
    run_id = record_run(page_db, points=0, age=0)  # among the newest, whatever other tests left

    answer = page_client.get("/", params={"filter": "stauts == 'queued'"})

    assert answer.status_code == 422
    assert "Did you mean &#39;status&#39;?" in answer.text
    assert f'id="run-{run_id}"' in answer.text


def test_a_filter_without_a_match_says_so(page_client: httpx.Client, page_db: Engine) -> None:
    record_run(page_db, points=0)

    assert "No runs match" in page_client.get("/", params={"filter": "seed == 987654"}).text


def test_the_table_sorts_by_a_number(page_client: httpx.Client, page_db: Engine) -> None:
    low, high = (record_run(page_db, points=n, name="sorted") for n in (3, 90))
    asked = {"filter": 'name == "sorted"', "sort": "accuracy/token"}

    page = page_client.get("/", params=asked).text
    turned = page_client.get("/", params=asked | {"sort": "-accuracy/token"}).text

    assert page.index(low) < page.index(high)
    assert turned.index(high) < turned.index(low)
    assert 'aria-sort="descending"' in turned


def test_two_hundred_rows_come_at_once(page_client: httpx.Client, page_db: Engine) -> None:
    for seed in range(200):
        record_run(page_db, points=12, seed=seed, name="crowd")
    asked = {"filter": 'name == "crowd"'}
    page_client.get("/", params=asked)

    started = time.perf_counter()
    page = page_client.get("/", params=asked).text

    assert page.count('data-status="finished"') >= 200
    assert time.perf_counter() - started < 30  # on a free machine less than one; a query a row takes longer


def test_a_stranger_gets_the_login_page_and_nothing_else(page_server: WebServer) -> None:
    with page_server.stranger(headers={"Accept": "text/html"}) as stranger:
        for path in ("/", "/runs/new", "/runs/k3v9x0q2ab"):
            answer = stranger.get(path)
            assert answer.status_code == 401
            assert "Log in to ETRM Lab" in answer.text
            assert "quick" not in answer.text


def test_a_login_link_works_once(page_server: WebServer) -> None:
    with session_scope(page_server.engine) as session:
        token = accounts.issue_login(session)
    with page_server.stranger(headers={"Accept": "text/html"}) as stranger:
        entered = stranger.get(f"/login?token={token}")
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert stranger.get("/").status_code == 200
    with page_server.stranger(headers={"Accept": "text/html"}) as other:
        again = other.get(f"/login?token={token}")
        assert again.status_code == 401
        assert "has been used" in again.text


def test_a_pasted_token_or_link_logs_in(page_server: WebServer) -> None:
    with session_scope(page_server.engine) as session:
        one_time = accounts.issue_login(session)
    for pasted in (page_server.token, f"http://127.0.0.1:8000/login?token={one_time}"):
        with page_server.stranger() as stranger:
            assert stranger.post("/login", data={"token": f" {pasted} "}).status_code == 303
            assert stranger.get("/").status_code == 200
    with page_server.stranger(headers={"Accept": "text/html"}) as stranger:
        refused = stranger.post("/login", data={"token": "etrm_wrong"})
        assert refused.status_code == 401
        assert "etrm token create" in refused.text


def test_errors_are_pages_for_browsers(page_client: httpx.Client, page_db: Engine) -> None:
    run_id = record_run(page_db, points=0)

    missing = page_client.get("/nowhere")
    near = page_client.get(f"/runs/{run_id[:-1]}{'y' if run_id[-1] == 'x' else 'x'}")

    assert missing.status_code == near.status_code == 404
    assert "Page not found" in missing.text
    assert f"Did you mean &#39;{run_id}&#39;" in near.text


def test_static_files_are_kept_for_ever_and_packed(page_client: httpx.Client) -> None:
    page = page_client.get("/").text
    script = re.search(r'src="(/static/[^"]+main\+runs.js)"', page)
    plotly = re.search(r'data-plotly="([^"]+)"', page)
    assert script
    assert plotly

    for address in (script[1], plotly[1]):
        answer = page_client.get(address)
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip"
        assert "javascript" in answer.headers["content-type"]
    old = page_client.get(script[1].replace(script[1].split("/")[2], "older"))
    assert old.headers["cache-control"] == "no-cache"
    assert page_client.get("/static/x/../../../pyproject.toml").status_code == 404
    assert page_client.get("/static/x/%2e%2e/%2e%2e/pyproject.toml").status_code == 404


def test_a_page_is_never_kept_by_the_browser(page_client: httpx.Client) -> None:
    assert page_client.get("/").headers["cache-control"] == "no-store"


def test_plotly_is_small_enough_on_the_wire(page_client: httpx.Client) -> None:
    address = re.search(r'data-plotly="([^"]+)"', page_client.get("/").text)
    assert address
    with page_client.stream("GET", address[1]) as answer:
        packed = b"".join(answer.iter_raw())

    assert len(packed) < 2_000_000
    assert gzip.decompress(packed).startswith(b"/**\n* plotly.js")


@pytest.mark.parametrize("view", ["grid", "table"])
def test_the_gallery_shows_an_answer_whose_task_has_gone(
    page_client: httpx.Client, page_db: Engine, view: str
) -> None:
    run_id = record_run(page_db, points=1)
    key = EvaluationKey("gone/set", 1, "ema", 1, 1, ("gone",))
    answer = Prediction(1, Grid.of([[1]]), 1, 0.5, False, 0.0, None)
    with session_scope(page_db) as session:
        evaluation = predictions.start_evaluation(session, run_id, key)
        predictions.add_outcome(session, evaluation, TestOutcome("gone", 0, 1, None, (answer,)))

    page = page_client.get("/gallery", params={"set": "gone/set", "view": view})

    assert page.status_code == 200
    assert "/tasks/gone%2Fset/gone" in page.text or "/tasks/gone/set/gone" in page.text


def test_a_task_says_how_many_runs_of_each_variant_are_right(
    page_client: httpx.Client, page_db: Engine
) -> None:
    for preset in ("quick", "quick_etrm_iterative"):
        record_run(page_db, preset, points=0, tasks=1)  # of which the first is right
    address = re.search(r'href="(/tasks/arc-agi-1/evaluation/\w+)', page_client.get("/gallery").text)
    assert address
    said = re.sub(r"<[^>]+>|\s+", " ", page_client.get(address[1]).text)

    assert re.search(r"Right at the first attempt: .*deterministic +\d+ +of \d+ runs?", said)
    right, of = re.findall(r"iterative +(\d+) +of (\d+) runs?\b", said)[0]
    assert 1 <= int(right) <= int(of)
