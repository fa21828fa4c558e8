"""A lab that no server runs on, for commands that need its database alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.lab import etrm


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated database and the built-in sets, and no server."""
    home = tmp_path_factory.mktemp("lab")
    done = etrm(home, "migrate")
    assert (done.returncode, done.stdout) == (0, "The database is up to date.\n"), done.stderr
    return home
