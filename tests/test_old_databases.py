"""A database of every recorded release opens in today's code, and says what it said: docs in
`tests/support/releases`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import PostgresDatabases
from tests.support.releases.kept import Release, asked, differences, releases

# Answers that were wrong when they were recorded, as patterns of `differences`: each with what is right.
CORRECTED: dict[str, tuple[str, ...]] = {
    "0.1.0-before-the-house": (
        r"variation: '[0-9a-f]{12}', now '[0-9a-f]{12}'$",  # no hash of stored JSON; see the last assertion
        # An interval of shares over seeds stays within 0 to 100 %, and is none of no width.
        r"^ /api/v1/(compare|groups/).* (low|high): ",
        r"^ page /(compare.*by=seed|d/encoder-variants|\?group=seed.*|groups/\w+): no longer shows ",
        r" next_cursor: '\d+-\d+', now '\d+:\d+'$",  # one form of cursors
        r"^ /api/v1/.* (title|sentence|word|words|waiting_reason): ",  # texts in plain English
    )
}

Opened = Callable[[Release], str]


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Puts a release's database, as it was left, on each kind of server in turn; its URL."""
    if request.param == "sqlite":
        return lambda release: release.as_sqlite(tmp_path / "lab")
    databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
    return lambda release: release.as_postgres(tmp_path / "old", databases.new_empty())


@pytest.mark.slow
@pytest.mark.parametrize("release", releases(), ids=lambda release: release.name)
def test_every_page_and_answer_is_what_it_was(release: Release, opened: Opened, tmp_path: Path) -> None:
    now = asked(release, tmp_path / "lab", opened(release))
    corrected = [re.compile(pattern) for pattern in CORRECTED[release.name]]
    found = list(differences(release.answers, now))
    assert [line for line in found if not any(each.search(line) for each in corrected)] == []
    unused = [each.pattern for each in corrected if not any(each.search(line) for line in found)]
    assert unused == []
    assert repetitions(now) == repetitions(release.answers)


def repetitions(answers: dict[str, Any]) -> set[frozenset[str]]:
    """The runs by their configuration, whatever its key."""
    found: dict[str, set[str]] = {}
    for run in answers["/api/v1/runs?limit=200"]["runs"]:
        found.setdefault(run["variation"], set()).add(run["id"])
    return {frozenset(ids) for ids in found.values()}
