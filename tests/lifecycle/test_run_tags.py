"""Tags on many runs at once."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from backend.db.session import reading_scope, session_scope
from backend.kit.errors import InvalidInput, NotFound
from backend.lifecycle import service as runs
from backend.lifecycle import tags as run_tags
from tests.support.records.rows import add_run


@pytest.fixture
def two(engine: Engine) -> list[str]:
    return [add_run(engine, "a", tags=["old", "both"]), add_run(engine, "b", tags=["both"])]


def tags(engine: Engine) -> list[list[str]]:
    with reading_scope(engine) as session:
        return [runs.get(session, run).tags for run in "ab"]


def test_tags_are_added_and_removed_and_others_stay(engine: Engine, two: list[str]) -> None:
    with session_scope(engine) as session:
        assert run_tags.change(session, two, add=[" new ", "both"]) == two
    assert tags(engine) == [["old", "both", "new"], ["both", "new"]]
    with session_scope(engine) as session:
        assert run_tags.change(session, two, remove=["old"]) == ["a"]
    assert tags(engine) == [["both", "new"], ["both", "new"]]


@pytest.mark.parametrize(
    ("ids", "add", "remove", "field"),
    [
        (["a"], [], [], "add"),
        (["a"], ["x"], ["x"], "remove"),
        ([], ["x"], [], "runs"),
        (["a"], ["x" * 61], [], "tags"),
        (["a"], [f"tag {number}" for number in range(49)], [], "tags"),
    ],
)
def test_what_cannot_be_is_named(
    engine: Engine, two: list[str], ids: list[str], add: list[str], remove: list[str], field: str
) -> None:
    with pytest.raises(InvalidInput) as wrong, session_scope(engine) as session:
        run_tags.change(session, ids, add, remove)
    assert wrong.value.problems[0].field == field


def test_all_or_none(engine: Engine, two: list[str]) -> None:
    with pytest.raises(NotFound), session_scope(engine) as session:
        run_tags.change(session, ["a", "c"], add=["new"])
    assert tags(engine) == [["old", "both"], ["both"]]
