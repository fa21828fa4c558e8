"""Labs of real processes, and the numbers of a run that nothing happened to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.data import service as datasets
from backend.db.session import make_engine, session_scope
from tests.support.databases import SqliteFiles
from tests.support.processes import Lab
from tests.support.records.tiny import numbers, tiny


@contextmanager
def started(folder: Path, database_url: str) -> Iterator[Lab]:
    """Broker and worker on a database with the built-in sets; this process sends to that broker."""
    engine = make_engine(database_url)
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
    engine.dispose()
    lab = Lab(folder, database_url)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lab.environment.items():
            patch.setenv(name, value)
        try:
            lab.start_broker()
            lab.start_worker()
            yield lab
        finally:
            lab.stop()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[Lab]:
    """A lab on SQLite; a test that kills a part of it starts that part again."""
    with started(tmp_path_factory.mktemp("lab"), sqlite_files.new()) as lab:
        yield lab


@pytest.fixture
def postgres_lab(tmp_path: Path, postgres_url: str) -> Iterator[Lab]:
    """A lab on PostgreSQL."""
    with started(tmp_path, postgres_url) as lab:
        yield lab


@pytest.fixture(scope="module")
def undisturbed(lab: Lab) -> str:
    """Id of a finished run of `tiny` that nothing happened to."""
    run_id = lab.submit(tiny())
    lab.await_status(run_id, "finished")
    return run_id


@pytest.fixture(scope="module")
def expected(lab: Lab, undisturbed: str) -> dict[str, dict[int, float]]:
    """Its points."""
    return numbers(lab.points(undisturbed))
