"""One lab of real processes for all faults, and the numbers of a run that nothing happened to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backend.db.session import make_engine, session_scope
from backend.services import datasets
from tests.support.databases import SqliteFiles
from tests.support.processes import Lab
from tests.support.tiny import numbers, tiny


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[Lab]:
    """Broker and worker, running; a test that kills them starts them again."""
    url = sqlite_files.new()
    engine = make_engine(url)
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
    engine.dispose()
    lab = Lab(tmp_path_factory.mktemp("lab"), url)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lab.environment.items():
            patch.setenv(name, value)
        lab.start_broker()
        lab.start_worker()
        yield lab
        lab.stop()


@pytest.fixture(scope="session")
def undisturbed(lab: Lab) -> str:
    """Id of a finished run of `tiny` that nothing happened to."""
    run_id = lab.submit(tiny())
    lab.await_status(run_id, "finished", within=240)
    return run_id


@pytest.fixture(scope="session")
def expected(lab: Lab, undisturbed: str) -> dict[str, dict[int, float]]:
    """Its points."""
    return numbers(lab.points(undisturbed))
