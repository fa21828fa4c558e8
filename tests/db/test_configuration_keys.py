"""The migration that recomputes the keys of configurations, on a database of the version before it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, Table, insert, select, text, update
from sqlalchemy.orm import Session

from backend.dashboards.tables import Dashboard
from backend.db.migrate import upgrade
from backend.db.session import make_engine, session_scope
from backend.domain.experiment.identity import key_of_json, key_of_training
from backend.runs.tables import Run
from backend.runs_table.tables import SavedView
from tests.support.databases import PostgresDatabases
from tests.support.releases.kept import Release, releases

BEFORE = "leaner_segments"
OTHERS_CONFIGS: tuple[Any, ...] = (
    {},
    {"seed": 3},
    {"evaluation": {"sets": 3}},
    {"evaluation": None, "model": [1, 1.0, "é", None]},
    {"hypothesis": "a script's own", "schema_version": "two"},
    {"hypothesis": {"stop": {"kind": ["odd"]}}},
    [1, 2],
    "text",
    None,
)


@pytest.fixture(params=["sqlite", "postgres"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Engine]]:
    """URL and engine of the first recorded database, before the migration."""
    (release, *_) = releases()
    put: Callable[[Release], str] = lambda release: release.as_sqlite(tmp_path)  # noqa: E731
    if request.param == "postgres":
        databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
        put = lambda release: release.as_postgres(tmp_path, databases.new_empty())  # noqa: E731
    url = put(release)
    engine = make_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == BEFORE
    yield url, engine
    engine.dispose()


def test_every_run_gets_the_key_that_a_new_one_would_get(old: tuple[str, Engine]) -> None:
    url, engine = old
    old_run = Table("run", MetaData(), autoload_with=engine)  # the model has columns that it lacks
    with session_scope(engine) as session:
        scripts = _scripts_runs(session, old_run)
        graphs = select(old_run).where(old_run.c.variant == "graph", old_run.c.status == "finished")
        first, other = session.execute(graphs.order_by(old_run.c.seed))
        assert first.variation == other.variation != ""
        kept, before = (first.id, other.id), first.variation
        config = {key: value for key, value in first.config.items() if key != "health"}
        session.execute(update(old_run).where(old_run.c.id == first.id).values(config=config))
        session.add(SavedView(name="seeds", query=f"filter=variation+%3D%3D+%22{before}%22", created_at=1.0))
        session.execute(update(Dashboard).values(content={"source": {"filter": f'variation == "{before}"'}}))

    upgrade(url)

    with session_scope(engine) as session:
        for run in session.execute(select(Run)).scalars():
            expected = key_of_json if run.origin == "external" else key_of_training
            if run.id not in scripts:
                assert run.variation == expected(run.config), run.config
        keys = {session.get_one(Run, run_id).variation for run_id in kept}
        assert len(keys) == 1
        (key,) = keys
        assert key != before
        assert all(len(session.get_one(Run, run_id).variation) == 12 for run_id in scripts)
        view = session.execute(select(SavedView).where(SavedView.name == "seeds")).scalar_one()
        assert view.query == f"filter=variation+%3D%3D+%22{key}%22"
        (content,) = session.execute(select(Dashboard.content)).scalars()
        assert content == {"source": {"filter": f'variation == "{key}"'}}


def _scripts_runs(session: Session, old_run: Table) -> list[str]:
    """Runs of scripts with any JSON as their config, some of it put there by hand; their ids."""
    (template, *_) = session.execute(select(old_run).limit(1)).mappings()
    ids = []
    for number, config in enumerate(OTHERS_CONFIGS):
        own = {"id": f"script{number:04d}", "name": "mine", "origin": "external", "status": "finished"}
        when = {"created_at": float(number), "variation": json.dumps(config)[:3], "config": config}
        bare = {
            "variant": "",
            "parent_id": None,
            "group_id": None,
            "scores": {},
            "judgement": {},
            "verdict": "",
        }
        session.execute(insert(old_run).values({**template, **bare, **own, **when}))
        ids.append(own["id"])
    return ids
