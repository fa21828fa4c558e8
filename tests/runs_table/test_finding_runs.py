"""Runs are found, sorted and paged by whatever is known of them."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick, trm_arc1
from backend.kit.errors import InvalidInput
from backend.lifecycle import external_runs
from backend.lifecycle import service as runs
from backend.runs_table import search as run_search
from tests.support.records.rows import HELD_OUT, TRAINED_ON, create, evaluate, record

pytestmark = pytest.mark.usefixtures("set_names")


def names(session: Session, filter_text: str = "", **more: object) -> list[str]:
    return [run.name for run in run_search.find(session, filter_text, **more).runs]  # type: ignore[arg-type]


def test_a_filter_finds_runs_by_field_config_result_and_metric(engine: Engine) -> None:
    good, bad = create(engine, name="good", seed=1), create(engine, name="bad", seed=2)
    with session_scope(engine) as session:
        runs.create(session, trm_arc1())
        evaluate(session, good.id, HELD_OUT, 600, solved=8, n=16)
        evaluate(session, bad.id, HELD_OUT, 600, solved=0, n=16)
        evaluate(session, bad.id, TRAINED_ON, 600, solved=16, n=16)
        record(session, good.id, **{"accuracy/token": 0.9})
        record(session, bad.id, **{"accuracy/token": 0.2})
        runs.edit(session, good.id, tags=["keep"])
        external_runs.create(session, "theirs", {"optimiser": {"lr": 0.1}})
    with reading_scope(engine) as session:
        assert names(session) == ["theirs", "trm-arc1", "bad", "good"]
        assert names(session, "goo") == ["good"]
        assert names(session, "pass1 > 10%") == ["good"]
        assert names(session, "pass1 == 0") == ["bad"]
        assert names(session, 'encoder == "deterministic" and accuracy/token > 0.5') == ["good"]
        assert names(session, 'model == "trm" or tag == "keep"') == ["trm-arc1", "good"]
        assert names(session, "training.steps > 1000") == ["trm-arc1"]
        assert names(session, "optimiser.lr == 0.1") == ["theirs"]
        assert names(session, 'origin == "external"', status="running") == ["theirs"]
        assert names(session, 'created > "1h ago" and seed in (1, 2)') == ["bad", "good"]
        with pytest.raises(InvalidInput, match=r"Did you mean 'accuracy/token'\?"):
            names(session, "acuracy/token > 1")
        with pytest.raises(InvalidInput, match=r"Did you mean 'failed'\?"):
            names(session, status="faild")


def test_runs_are_sorted_by_any_value_and_those_without_it_come_last(engine: Engine) -> None:
    for seed in (3, 1, 2):
        create(engine, name=f"s{seed}", seed=seed)
    with session_scope(engine) as session:
        external_runs.create(session, "none", {})
    with reading_scope(engine) as session:
        assert names(session, sort="seed") == ["s1", "s2", "s3", "none"]
        assert names(session, sort="-seed") == ["s3", "s2", "s1", "none"]
        assert names(session, sort="name") == ["none", "s1", "s2", "s3"]
        with pytest.raises(InvalidInput, match=r"Did you mean 'seed'\?"):
            names(session, sort="sed")


@pytest.mark.parametrize("sort", ["-created", "created", "-seed"])
def test_pages_hold_every_run_once(engine: Engine, sort: str) -> None:
    created = [create(engine, seed=seed).id for seed in range(7)]
    seen: list[str] = []
    cursor = None
    with reading_scope(engine) as session:
        while True:
            page = run_search.find(session, "seed < 6", 2, cursor, sort=sort)
            seen += [run.id for run in page.runs]
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
        with pytest.raises(InvalidInput, match="Invalid cursor"):
            run_search.find(session, cursor="what", sort=sort)
    assert seen == (created[:6] if sort == "created" else created[5::-1])


def test_a_table_of_many_runs_takes_as_many_queries_as_one_of_few(engine: Engine) -> None:
    with session_scope(engine) as session:
        for seed in range(30):
            run = runs.create(session, quick().model_copy(update={"seed": seed}))
            record(session, run.id, **{"accuracy/token": seed / 30})
            evaluate(session, run.id, HELD_OUT, 600, solved=1, n=16)
    counts = []
    for limit in (3, 30):
        statements: list[str] = []

        def count(*arguments: object, into: list[str] = statements) -> None:
            into.append(str(arguments[2]))

        event.listen(engine, "before_cursor_execute", count)
        with reading_scope(engine) as session:
            assert len(run_search.find(session, limit=limit).runs) == limit
        event.remove(engine, "before_cursor_execute", count)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 15


def test_values_are_read_of_more_runs_than_a_statement_has_parameters(engine: Engine) -> None:
    """A configuration may have so many seeds; PostgreSQL takes 65,535 parameters, SQLite often fewer."""
    run = create(engine, seed=7)
    with session_scope(engine) as session:
        record(session, run.id, loss=0.5)
    with reading_scope(engine) as session:
        wanted = [*(f"{at:010}" for at in range(66_000)), run.id]
        found = run_search.values_of(session, wanted, ["seed", "loss", "training.steps"])
    assert found == {run.id: {"seed": 7, "loss": 0.5, "training.steps": 600}}
