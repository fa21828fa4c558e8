"""The verdict on learning stands in the head, the table, groups, comparisons, the API and the terminal."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine

from backend.comparison import service as compare
from backend.comparison.board import Board
from backend.comparison.result_tables import encoder_table
from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.experiment import HealthConfig
from backend.domain.records import MetricFrame
from backend.domain.sweeps import parse_sweep
from backend.groups import stats as group_stats
from backend.metrics import service as series
from backend.run_view import health, learning
from backend.runs import queries as run_rows
from backend.runs.status import RunStatus
from backend.runs_table import cells as runs_table
from backend.runs_table import configurations
from backend.runs_table import search as run_search
from tests.comparison.test_compare import queued
from tests.scores.test_headlines import OWN
from tests.scores.test_protocols import TASKS, evaluated
from tests.support.commands import output
from tests.support.web import WebServer

Floats = NDArray[np.float64]

SOUND = {"encoder/gradient_coverage": 1.0, "encoder/scale_free_variance": 0.36, "gradient_norm/all": 1.2}
NOTHING = {**SOUND, "accuracy/token": 0.61, "accuracy/exact": 0.0, "data/token_baseline": 0.72}
BY_HEART = {**SOUND, "accuracy/token": 0.99, "accuracy/exact": 0.9, "data/token_baseline": 0.72}


def trained(engine: Engine, run_id: str, metrics: Mapping[str, float], solved: int | None = None) -> str:
    """A finished run of 600 steps with these last values, and perhaps its own evaluation of 12 tasks."""
    with session_scope(engine) as session:
        series.append(session, run_id, MetricFrame([600], [6.0], {k: [v] for k, v in metrics.items()}))
        row = run_rows.get(session, run_id)
        assert row
        row.status, row.step = RunStatus.FINISHED, 600
    if solved is not None:
        evaluated(engine, run_id, TASKS[:12], solved, step=600, **OWN)
    return run_id


@pytest.fixture
def three(engine: Engine) -> list[str]:
    """One that learned nothing, one by heart, one that generalises: all with sound gradients."""
    return [
        trained(engine, queued(engine, seed=seed), metrics, solved)
        for seed, (metrics, solved) in enumerate([(NOTHING, 0), (BY_HEART, 0), (BY_HEART, 11)])
    ]


WORDS = ["not learning", "fits but does not generalise", "generalises"]


def test_a_sound_encoder_is_no_good_news_of_a_run_that_does_not_learn(
    engine: Engine, three: list[str]
) -> None:
    with reading_scope(engine) as session:
        found = compare.chosen(session, three)
    assert [learning.of_run(run).word for run in found] == WORDS
    verdicts = [health.of_run(run) for run in found]
    assert [(each.level, each.word) for each in verdicts] == [
        ("quiet", "healthy"),
        ("warning", "memorising"),
        ("good", "healthy"),
    ]
    assert [each.sentence.split(":")[0] for each in verdicts[::2]] == ["The encoder is healthy"] * 2


def test_filter_and_column_say_what_the_page_says(engine: Engine, three: list[str]) -> None:
    with reading_scope(engine) as session:
        for run_id, word in zip(three, WORDS, strict=True):
            page = run_search.find(session, f'learning == "{word}"')
            assert [run.id for run in page.runs] == [run_id]
        found = compare.chosen(session, three)
        cells = runs_table.cells_of(session, found, runs_table.columns_of(["learning"]), None)
        (row,) = configurations.variations(session, "", "-created", runs_table.columns_of(["learning"]), "")
    assert [cells[run_id]["learning"].text for run_id in three] == WORDS
    assert sorted(row.cells[0].text.split(", ")) == sorted(f"1 {word}" for word in WORDS)


def test_page_and_filter_go_by_the_largest_gap_of_the_config(engine: Engine) -> None:
    """3 of 12 held-out tasks: an interval from 9 to 53 %, far below 90 % of training grids."""
    lenient, strict = (
        trained(engine, queued(engine, health=HealthConfig(largest_gap=largest)), BY_HEART, solved=3)
        for largest in (1, 0.05)
    )
    with reading_scope(engine) as session:
        found = compare.chosen(session, [lenient, strict])
        assert [learning.of_run(run).word for run in found] == ["generalises", "barely generalises"]
        assert [health.of_run(run).word for run in found] == ["healthy", "memorising"]
        page = run_search.find(session, 'learning == "barely generalises"')
        assert [run.id for run in page.runs] == [strict]
        (evidence,) = (each for each in health.of_run(found[1]).evidence if each.topic == "memorisation")
    assert "A gap of more than 5 points" in evidence.about


POINTS = 60
BASE = 0.72  # token accuracy without learning


def logged(engine: Engine, seed: int, token: Sequence[float], exact: Sequence[float]) -> str:
    """A finished run with these curves."""
    run_id = trained(engine, queued(engine, seed=seed), {})
    steps = [10 * (1 + at) for at in range(len(token))]
    curves = {"accuracy/token": list(token), "accuracy/exact": list(exact)}
    with session_scope(engine) as session:
        series.append(session, run_id, MetricFrame(steps, [float(step) for step in steps], curves))
        series.append(session, run_id, MetricFrame([0], [0.0], {"data/token_baseline": [BASE]}))
    return run_id


@pytest.mark.parametrize(
    ("token", "exact", "newest", "word"),
    [
        # It learns, and its newest batch has nothing right.
        (np.linspace(0.4, 0.95, POINTS), np.linspace(0, 0.3, POINTS), (0.5, 0.0), "underfits"),
        (np.linspace(0.4, 0.95, POINTS), np.zeros(POINTS), (0.5, 0.0), "underfits"),
        # It learns nothing, and its newest batch is an easy one.
        (np.full(POINTS, 0.67), np.zeros(POINTS), (0.9, 0.125), "not learning"),
        # It fits, and its newest batch is a hard one; and the other way round.
        (np.linspace(0.4, 1, POINTS), np.linspace(0, 1, POINTS), (0.8, 0.3), "fits"),
        (np.linspace(0.4, 0.95, POINTS), np.linspace(0, 0.3, POINTS), (1.0, 0.9), "underfits"),
    ],
)
def test_one_batch_does_not_decide_on_the_verdict(
    engine: Engine, token: Floats, exact: Floats, newest: tuple[float, float], word: str
) -> None:
    """Curves with a noise of ten points of tokens, as batches of a few grids have."""
    ids = []
    for seed in range(8):
        draw = np.random.default_rng(seed)
        tokens = (token + draw.normal(0, 0.1, POINTS)).clip(0, 1)
        # Whole grids of a batch of 16.
        grids = draw.binomial(16, exact) / 16
        ids.append(logged(engine, seed, [*tokens, newest[0]], [*grids, newest[1]]))
    with reading_scope(engine) as session:
        judged = [learning.of_run(run) for run in compare.chosen(session, ids)]
        page = run_search.find(session, f'learning == "{word}"')
    assert [each.word for each in judged] == [word] * 8
    assert "right over the last 12 points; no held-out score yet" in judged[0].facts
    assert {run.id for run in page.runs} == set(ids)


def test_groups_and_comparisons_count_the_verdicts_of_seeds(engine: Engine, three: list[str]) -> None:
    with reading_scope(engine) as session:
        found = compare.chosen(session, three)
        (variation,) = group_stats.variations(found, parse_sweep({"seeds": 3}))
        _, (row,) = encoder_table(Board(session, found, "seed"))
        _, alone = encoder_table(Board(session, found, "run"))
    assert variation.learning == dict.fromkeys(WORDS, 1)
    assert sorted(row.learning_words.split(", ")) == sorted(f"1 {word}" for word in WORDS)
    assert [each.learning_words for each in alone] == WORDS


def test_head_table_and_api_show_it(page_server: WebServer) -> None:
    run_id = trained(page_server.engine, queued(page_server.engine, name="learns nothing"), NOTHING, 0)

    with page_server.client() as client:
        seen = client.get(f"/api/v1/runs/{run_id}/health").json()
        client.headers["Accept"] = "text/html"
        page = client.get(f"/runs/{run_id}").text
        table = client.get("/", params={"filter": f'id == "{run_id}"'}).text
        compared = client.get("/compare", params={"runs": run_id}).text

    assert (seen["learning"]["word"], seen["learning"]["level"], seen["level"]) == (
        "not learning",
        "bad",
        "quiet",
    )
    head = html.unescape(page[page.index('id="learning"') :])
    assert "0/12 held-out tasks solved" in head[:1500]
    for text in (page, table, compared):
        assert re.search(r'class="status is-bad">.*?not learning</span>', text, re.DOTALL)
        assert not re.search(r'class="status is-good">(?:(?!</span>).)*healthy', text, re.DOTALL)


def test_the_command_line_shows_it_and_filters_by_it(home: Path) -> None:
    run_id = re.findall(r"\b[a-z0-9]{10}\b", output(home, "train", "quick", "--queue", "--set", "seed=92"))[0]
    engine = make_engine(f"sqlite:///{home}/etrm.sqlite3")
    trained(engine, run_id, NOTHING, 0)
    engine.dispose()

    said = output(home, "run", "show", run_id)
    listed = output(home, "runs", "--filter", 'learning == "not learning"', "--column", "learning")

    assert "learning  Not learning: 0.0" in said
    assert run_id in listed
    assert json.loads(output(home, "run", "show", run_id, "--json"))["health"]["learning"]["level"] == "bad"
