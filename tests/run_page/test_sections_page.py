"""What a run's page shows: by its status, of a script's run, alarms, probes and predictions."""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.records import Alarm, MetricFrame
from backend.lifecycle import external_runs
from backend.metrics import service as series
from backend.runs import events
from tests.support.records.recorded import record_run


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


def test_a_resume_by_the_lab_is_on_the_curves(page_client: httpx.Client, page_db: Engine) -> None:
    run_id = record_run(page_db, tasks=0)
    with session_scope(page_db) as session:
        events.add(session, run_id, "claimed", "Attempt 1 by w: starts at step 0.", {"attempt": 1, "step": 0})
        events.add(
            session, run_id, "claimed", "Attempt 2 by w: resumes from step 60.", {"attempt": 2, "step": 60}
        )
    marks = figure_of(page_client, run_id, "coverage")["marks"]
    assert [(mark["kind"], mark["step"]) for mark in marks] == [("resume", 60)]


def test_a_script_that_is_started_again_is_on_its_curves(page_client: httpx.Client) -> None:
    """However often it asks, once for each time that it had logged more; where it is silent nothing is."""
    body = {"name": "mine", "id": "restarted0"}

    def start() -> None:
        assert page_client.post("/api/v1/runs/external", json=body).status_code == 201

    def log(steps: list[int]) -> None:
        points = {
            "step": steps,
            "wall_time": [time.time()] * len(steps),
            "values": {"loss": [1.0] * len(steps)},
        }
        assert page_client.post("/api/v1/runs/restarted0/metrics", json=points).is_success

    for _ in range(2):
        start()
    log([10, 20, 30])
    for _ in range(2):
        start()
    log([25, 40])  # from its own checkpoint
    marks = figure_of(page_client, "restarted0", "loss")["marks"]
    assert [(mark["kind"], mark["step"]) for mark in marks] == [("resume", 25)]
    start()
    kinds = [each["kind"] for each in page_client.get("/api/v1/runs/restarted0/history").json()]
    assert kinds == ["started", "resumed", "resumed"]
    assert len(figure_of(page_client, "restarted0", "loss")["marks"]) == 1  # of the last nothing came yet


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
