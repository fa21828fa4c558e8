"""The search over everything."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from backend.db.session import reading_scope, session_scope
from backend.lab import finder
from backend.lifecycle import external_runs


def kinds(engine: Engine, text: str) -> list[tuple[str, str]]:
    with reading_scope(engine) as session:
        return [(hit.kind, hit.name) for hit in finder.find(session, text)]


def test_everything_is_found_by_part_of_its_name_in_any_case(engine: Engine) -> None:
    with session_scope(engine) as session:
        external_runs.create(session, "Wide_core 50%", {})
        run_id = external_runs.create(session, "other", {}).id

    assert kinds(engine, "wide_CORE") == [("run", "Wide_core 50%")]
    assert kinds(engine, "50%") == [("run", "Wide_core 50%")]
    assert kinds(engine, "e%c") == []  # typed signs are meant as they stand
    assert kinds(engine, run_id[2:8].upper()) == [("run", "other")]
    assert ("page", "New run") in kinds(engine, "new")
    assert [kind for kind, _ in kinds(engine, "")].count("run") == 2


@pytest.mark.parametrize("text", ["compare", "dashboards"])
def test_a_page_of_the_navigation_is_found(engine: Engine, text: str) -> None:
    assert kinds(engine, text) == [("page", text.capitalize())]
