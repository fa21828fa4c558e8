"""What the process remembers of configs is never what a run that went meanwhile left open."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, delete

from backend.db.session import session_scope
from backend.lifecycle import external_runs
from backend.run_view import configs, value_queries
from backend.runs.tables import Run


def test_a_run_that_goes_between_two_statements_is_not_remembered(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In PostgreSQL two statements of a transaction that writes may see different runs."""
    name = engine.dialect.name  # the process remembers, whatever the database
    path, config = f"remembered.{name}", {"remembered": {name: 0.25}}
    with session_scope(engine) as session:
        external_runs.create(session, "first", config)
        (key,) = value_queries.configurations(session, external=True)
        session.execute(delete(Run))
        with monkeypatch.context() as patch:
            patch.setattr(value_queries, "configurations", lambda *_, **__: [key])
            assert configs.by_configuration(session, path) == {key: None}
            assert configs.external_paths(session) == set()
        external_runs.create(session, "the same again", config)
        assert configs.by_configuration(session, path) == {key: 0.25}
        assert configs.external_paths(session) == {path}
