"""Pages as a browser without JavaScript gets them."""

from __future__ import annotations

import gzip
import re
import time
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.arc.grid import Grid
from backend.domain.config.presets import quick
from backend.domain.records import Alarm, EvaluationKey, MetricFrame, Prediction, TestOutcome
from backend.evaluation import outcomes as predictions
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.metrics import service as series
from backend.people import service as accounts
from tests.support.pages.forms import Form
from tests.support.records.recorded import record_run
from tests.support.web import WebServer


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


@pytest.mark.parametrize("status", ["queued", "running", "cancelling", "finished", "failed", "cancelled"])
def test_a_run_page_stands_in_every_status(page_client: httpx.Client, page_db: Engine, status: str) -> None:
    run_id = record_run(
        page_db,
        status=status,
        points=0 if status == "queued" else 20,
        tasks=2 if status == "finished" else 0,
        status_cause="killed by SIGKILL: most likely out of memory" if status == "failed" else "",
        traceback="Traceback: here" if status == "failed" else "",
    )

    page = page_client.get(f"/runs/{run_id}").text

    assert f'data-status="{status}"' in page
    assert ("out of memory" in page and "Traceback: here" in page) == (status == "failed")
    assert ('data-action="cancel"' in page) == (status in ("queued", "running", "cancelling"))
    assert ('data-action="resume"' in page) == (status in ("failed", "cancelled"))


def test_an_external_run_has_a_page_of_its_own(page_client: httpx.Client, page_db: Engine) -> None:
    with session_scope(page_db) as session:
        run_id = external_runs.create(session, "mine", {"lr": 0.1, "nested": {"a": [1, 2]}}).id

    page = page_client.get(f"/runs/{run_id}").text

    assert f"POST /api/v1/runs/{run_id}/metrics" in page
    assert "&#34;lr&#34;: 0.1" in page
    assert page_client.get(f"/runs/new?from={run_id}").status_code == 404


def head_of(page: str) -> dict[str, tuple[str, str]]:
    """The figures in the head of a run's page: title -> (value, what stands below it)."""
    figures = page[
        page.index('<dl class="figures">') : page.index("</dl>", page.index('<dl class="figures">'))
    ]
    pattern = r"<dt[^>]*>(.*?)</dt><dd>(.*?)</dd>\s*<dd class=\"small soft\">(.*?)</dd>"
    return {title: (value, note) for title, value, note in re.findall(pattern, figures, re.DOTALL)}


def shown_tabs(page: str) -> list[str]:
    tabs = re.findall(r'<a role="tab" id="tab-(\w+)"[^>]*?(hidden)?>', page)
    return [tab for tab, hidden in tabs if not hidden]


def test_the_head_of_an_external_run_shows_its_own_newest_metrics(
    page_client: httpx.Client, page_db: Engine
) -> None:
    with session_scope(page_db) as session:
        run_id = external_runs.create(session, "mine", {}).id
        for steps, values in (
            (range(200), {"loss": [1 / (1 + step) for step in range(200)]}),
            ((100, 150), {"eval/f1": [0.5, 0.25]}),
            ((199,), {"reward": [3.0], "system/cpu_utilisation": [0.5]}),
        ):
            series.append(session, run_id, MetricFrame(list(steps), [0.0] * len(steps), values))
        external_runs.hear(session, run_id, step=199)
        external_runs.finish(session, run_id)

    page = page_client.get(f"/runs/{run_id}").text

    assert head_of(page) == {
        "Loss": ("0.00500", "step 199 · best 0.00500"),
        "reward": ("3.00", "step 199"),
        "eval/f1": ("0.250", "step 150 · 0.250 to 0.500"),
    }
    assert ", last step 199" in page
    assert "no data yet" not in page
    assert shown_tabs(page) == ["curves", "log", "machine"]
    table = page_client.get("/", params={"filter": f'id == "{run_id}"'}).text
    assert "last step 199" in table
    assert "199 steps" not in table + page
    assert ">Train accuracy" not in table
    assert "no data yet" not in table


def test_an_external_run_shows_the_sections_that_it_fills(page_client: httpx.Client, page_db: Engine) -> None:
    with session_scope(page_db) as session:
        run_id = external_runs.create(session, "mine", {"lr": 0.1}).id
        external_runs.raise_alarm(session, run_id, Alarm("spike", 3, 9.0, 5.0, "The loss rose."))

    page = page_client.get(f"/runs/{run_id}").text

    assert shown_tabs(page) == ["curves", "encoder", "config", "log", "machine"]
    assert 'aria-controls="encoder"' in page
    assert ">Alarms" in page
    assert "This run logs no encoder measures" not in page
    assert '<dl class="figures">' not in page


def figure_of(page_client: httpx.Client, run_id: str, panel: str) -> Any:
    """One panel's figure, as charts ask for it."""
    return page_client.get(f"/runs/{run_id}/figures", params={"panel": panel}).json()["figures"][panel]


def test_an_alarm_is_in_the_verdict_in_the_table_and_on_the_curves(
    page_client: httpx.Client, page_db: Engine
) -> None:
    alarm = Alarm("starvation", 45, 0.02, 0.5, "Starvation: only 2 % of the encoder receives a gradient.")
    run_id = record_run(page_db, alarm=alarm, tasks=0)

    assert "The encoder is starving" in page_client.get(f"/runs/{run_id}").text
    assert "starving" in page_client.get("/", params={"filter": f'id == "{run_id}"'}).text
    figure = figure_of(page_client, run_id, "coverage")
    assert [mark["name"] for mark in figure["marks"]] == ["starvation"]


def test_probes_have_panels_and_evidence_on_the_run_page(page_client: httpx.Client, page_db: Engine) -> None:
    run_id = record_run(page_db, tasks=0)

    page = page_client.get(f"/runs/{run_id}").text
    for title in ("Effective rank", "Puzzle retrieval, top-1", "Decoder reliance: cost of another"):
        assert title in page
    reliance = figure_of(page_client, run_id, "reliance")["data"]
    lines = [trace for trace in reliance if trace["meta"].get("role") == "raw"]
    assert [line["name"] for line in lines] == ["right", "another's", "mean"]
    assert [len(line["x"]) for line in lines] == [6] * 3
    assert page_client.get(f"/runs/{run_id}/figures?panel=other-data").status_code == 404


def test_predictions_come_as_cards_filtered_and_page_by_page(
    page_client: httpx.Client, page_db: Engine
) -> None:
    run_id = record_run(page_db, points=5, tasks=20)

    first = page_client.get(f"/runs/{run_id}/predictions").text
    more = re.search(r'data-more href="([^"]+)"', first)
    assert more
    second = page_client.get(more[1].replace("&amp;", "&")).text
    wrong_size = page_client.get(f"/runs/{run_id}/predictions?failure_mode=wrong+size").text

    ids = [re.findall(r'aria-label="Task (\w+)', part) for part in (first, second)]
    assert (len(ids[0]), len(ids[1])) == (12, 8)
    assert not set(ids[0]) & set(ids[1])
    assert (
        wrong_size.count('title="another height or width than the truth"') == wrong_size.count("<article") > 0
    )
    assert "data-digits=" in first
    assert "data-against=" in first
    assert page_client.get(f"/runs/{run_id}/predictions?failure_mode=odd").status_code == 422


def test_a_filter_that_cannot_be_read_is_told_and_hides_nothing(
    page_client: httpx.Client, page_db: Engine
) -> None:
    run_id = record_run(page_db, points=0)

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
