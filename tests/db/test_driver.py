"""What answers before SQLAlchemy is loaded leaves to the usual way what it cannot answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from backend.db import driver, revisions
from backend.runs import brief

WAIT = 60.0  # seconds that a busy machine may take
NOTHING_TO_READ = [
    "sqlite:///{folder}/none.sqlite3",
    "sqlite:///{folder}/text.sqlite3",
    "postgresql+psycopg://nobody@127.0.0.1:1/none",
    "mysql://elsewhere/lab",
]


@pytest.mark.parametrize("url", NOTHING_TO_READ)
def test_a_database_that_is_none_gives_no_rows(tmp_path: Path, url: str) -> None:
    (tmp_path / "text.sqlite3").write_text("no database " * 100)
    assert driver.read(url.format(folder=tmp_path), "SELECT id FROM run") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.sqlite3"]  # and makes none


def test_a_table_that_is_locked_is_left_to_the_usual_way(engine: Engine, database_url: str) -> None:
    assert revisions.is_newest(database_url)
    assert brief.newest(database_url, 1) == []
    if engine.dialect.name != "postgresql":
        pytest.skip("in SQLite whoever reads never waits")
    with ThreadPoolExecutor(1) as pool, engine.begin() as migration:
        migration.execute(text("LOCK TABLE run IN ACCESS EXCLUSIVE MODE"))
        assert pool.submit(brief.newest, database_url, 1).result(WAIT) is None


def test_a_migration_as_alembic_writes_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "versions").mkdir()
    template = revisions.MIGRATIONS / "script.py.mako"
    (tmp_path / template.name).write_text(template.read_text())
    (tmp_path / "env.py").write_text("")
    config = Config()
    config.set_main_option("script_location", str(tmp_path))
    config.set_main_option("path_separator", "os")
    first, second = (command.revision(config, f"Add {name}.", rev_id=name) for name in ("one", "two"))
    assert first
    assert second
    monkeypatch.setattr(revisions, "MIGRATIONS", tmp_path)
    revisions._revisions.cache_clear()
    try:
        assert revisions.newest() == "two"
        assert revisions.is_known("one")
    finally:
        revisions._revisions.cache_clear()
