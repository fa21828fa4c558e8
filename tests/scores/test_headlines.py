"""A run's score is that of its config's own evaluation, everywhere; others stand beside it."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from backend.comparison import replicates
from backend.comparison import service as compare
from backend.comparison.bars import bars_of
from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.config.presets import PRESETS
from backend.domain.measurement import settings_of
from backend.domain.sweeps import parse_sweep
from backend.evaluation import comparison
from backend.groups import stats as group_stats
from backend.run_view.values import RunValues
from backend.runs import queries as run_rows
from backend.runs_table import cells as runs_table
from backend.runs_table import configurations
from tests.comparison.test_compare import queued
from tests.scores.test_protocols import TASKS, evaluated
from tests.support.commands import output
from tests.support.web import WebServer

CONFIG = PRESETS["quick"].make()
HELD_OUT = CONFIG.evaluation.sets[0].name
OWN: dict[str, Any] = {
    "set_name": HELD_OUT,
    "views": CONFIG.evaluation.views,
    "act_steps": settings_of(CONFIG).act_steps,
}
SEARCH = {"search": '{"kind": "gradient"}'}
SIDE = [SEARCH, {"views": 999}, {"weights": "raw"}, {"canvas": "trimmed +2"}, {"act_steps": 3}]


@pytest.mark.parametrize("how", [*SIDE, {"set_name": "elsewhere"}])
def test_a_side_evaluation_never_takes_the_place_of_the_config_s_own(
    engine: Engine, how: dict[str, Any]
) -> None:
    run_id = queued(engine)
    own = evaluated(engine, run_id, TASKS[:12], 5, **OWN)
    evaluated(engine, run_id, TASKS[:12], 10, **(OWN | how))

    with reading_scope(engine) as session:
        (run,) = compare.chosen(session, [run_id])
        stored = run_rows.get(session, run_id)
        values = RunValues(session, ["pass1"])
        shares = [values.value(line, "pass1") for line in values.lines]

    assert (run.headline, run.model_dump()["headline"]) == (own, own)
    assert stored
    assert stored.scores["1"] == [5, 12]
    assert shares == [5 / 12]


def test_fewer_or_other_tasks_are_beside_it_too_and_a_newer_checkpoint_takes_over(engine: Engine) -> None:
    run_id = queued(engine)
    evaluated(engine, run_id, TASKS[:12], 5, **OWN)
    evaluated(engine, run_id, TASKS[:3], 3, **OWN)
    evaluated(engine, run_id, TASKS[4:16], 12, **OWN)
    with reading_scope(engine) as session:
        (before,) = compare.chosen(session, [run_id])
    assert before.held_out
    assert before.held_out.passes[0].solved == 5
    assert [each.protocol.unlike(before.held_out.protocol) for each in before.beside_headline] == [
        "other tasks",
        "3 tasks",
    ]

    newest = evaluated(engine, run_id, TASKS[:12], 7, **OWN, step=200)
    with reading_scope(engine) as session:
        (after,) = compare.chosen(session, [run_id])
    assert after.headline == newest


def test_without_its_own_the_plainest_stands_for_it_until_its_own_comes(engine: Engine) -> None:
    run_id = queued(engine)
    found = []
    for tasks, how in ((TASKS[:2], {}), (TASKS[:12], SEARCH), (TASKS[:12], {"views": 7}), (TASKS[:12], {})):
        evaluated(engine, run_id, tasks, 1, **(OWN | how))
        with reading_scope(engine) as session:
            (run,) = compare.chosen(session, [run_id])
        assert run.held_out
        found.append((run.held_out.n, run.held_out.search, run.held_out.views))

    # The two tasks are no more than the config asks for, so they count as its own until all of them come.
    few = (2, "", OWN["views"])
    assert found == [few, few, few, (12, "", OWN["views"])]

    bare = queued(engine, seed=5)
    search, plain = (evaluated(engine, bare, TASKS[:12], 1, **(OWN | how)) for how in (SEARCH, {"views": 7}))
    with reading_scope(engine) as session:
        (run,) = compare.chosen(session, [bare])
    assert run.headline == plain != search


def test_means_over_seeds_stand_when_seeds_are_searched_besides(engine: Engine) -> None:
    ids = [queued(engine, seed=seed) for seed in range(3)]
    for run_id, solved in zip(ids, (4, 5, 6), strict=True):
        evaluated(engine, run_id, TASKS[:12], solved, **OWN)

    for searched in (ids[:1], ids[1:]):  # one seed, then all
        for run_id in searched:
            evaluated(engine, run_id, TASKS[:12], 12, **(OWN | SEARCH))
        with reading_scope(engine) as session:
            found = compare.chosen(session, ids)
            (row,) = configurations.variations(session, "", "-created", runs_table.columns_of(["pass1"]), "")
            (variation,) = group_stats.variations(found, parse_sweep({"seeds": 3}))
            (bar,) = bars_of(compare.variations(found), "pass@1")
            (side,) = replicates.replicates(session, compare.variations(found), 1)
        assert row.cells[0].text.startswith("41.7")
        assert (variation.scores[0].solved, variation.scores[0].n) == (15, 36)
        assert variation.scores[0].left_out == ""
        assert bar.basis.startswith("15/36")
        assert sorted(sum(scores.values()) for scores in side.scores.values()) == [4, 5, 6]


def test_runs_are_compared_by_their_headlines(engine: Engine) -> None:
    ids = [queued(engine, seed=seed) for seed in range(2)]
    own = [
        evaluated(engine, run_id, TASKS[:12], solved, **OWN)
        for run_id, solved in zip(ids, (2, 9), strict=True)
    ]
    evaluated(engine, ids[0], TASKS[:12], 12, **(OWN | SEARCH))

    with reading_scope(engine) as session:
        found = compare.chosen(session, ids)
        matrix = compare.matrix(session, found, 1)
        (pair,) = compare.pairs(session, found, ids[0], 1)
        view = comparison.compare(session, *ids)

    assert [result.id for result in matrix.results.values()] == own
    assert (matrix.notes, pair.reason) == ({}, "")
    assert [view.a.evaluation, view.b.evaluation] == own


def test_pages_and_api_show_both(page_server: WebServer) -> None:
    run_id = queued(page_server.engine, name="searched besides")
    own = evaluated(page_server.engine, run_id, TASKS[:12], 5, **OWN)
    side = evaluated(page_server.engine, run_id, TASKS[:12], 10, **(OWN | SEARCH))

    with page_server.client() as client:
        seen = client.get(f"/api/v1/runs/{run_id}").json()
        listed = client.get("/api/v1/runs", params={"filter": f'id == "{run_id}"'}).json()["runs"]
        client.headers["Accept"] = "text/html"
        page = client.get(f"/runs/{run_id}").text
        table = client.get("/", params={"filter": f'id == "{run_id}"'}).text

    assert seen["headline"] == listed[0]["headline"] == own
    assert [each["id"] for each in seen["results"]] == [own, side]
    head = html.unescape(page[page.index("<dt>pass@1, held-out") : page.index("<dt>Encoder")])
    assert re.search(r"<b>5/12</b>.*>10/12</a> with gradient 100 x 0.1", head, re.DOTALL)
    assert page.count(">headline</span>") == 1
    assert "<b>5/12</b>" in table
    assert "+1 by other protocols" in table
    assert "<b>10/12</b>" not in table


def test_the_command_line_shows_both(home: Path) -> None:
    said = output(home, "train", "quick", "--queue", "--set", "seed=91")
    run_id = re.findall(r"\b[a-z0-9]{10}\b", said)[0]
    engine = make_engine(f"sqlite:///{home}/etrm.sqlite3")
    with session_scope(engine) as session:
        assert run_rows.get(session, run_id)
    evaluated(engine, run_id, TASKS[:12], 5, **OWN)
    evaluated(engine, run_id, TASKS[:12], 10, **(OWN | SEARCH))
    engine.dispose()

    lines = output(home, "run", "show", run_id).splitlines()

    results = [line for line in lines if line.startswith("result")]
    assert [line.endswith("(headline)") for line in results] == [True, False]
    assert "5/12" in output(home, "runs", "--filter", "seed == 91")
    assert json.loads(output(home, "run", "show", run_id, "--json"))["headline"]
