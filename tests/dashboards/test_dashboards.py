"""Dashboards: saved whole, never over another's change, shared by links that can be taken back."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from backend.dashboards import service as dashboards
from backend.dashboards.tables import DashboardShare
from backend.db.session import reading_scope, session_scope
from backend.kit.errors import Conflict, InvalidInput, NotFound

PROSE = {"id": "words", "kind": "prose", "text": "hello"}


def test_names_become_addresses_that_differ(engine: Engine) -> None:
    with session_scope(engine) as session:
        made = [
            dashboards.create(session, name).slug
            for name in ("My board!", "my BOARD", "Encoder variants", "…")
        ]
    assert made == ["my-board", "my-board-2", "encoder-variants-2", "dashboard"]


def test_the_ready_made_one_is_there_and_saved_once_it_is_changed(engine: Engine) -> None:
    with session_scope(engine) as session:
        (found,) = dashboards.find(session)
        assert (found.slug, found.version) == ("encoder-variants", 0)
        saved = dashboards.save(session, found.slug, 0, "Mine", {"panels": [PROSE]})
        assert (saved.name, saved.version, len(dashboards.find(session))) == ("Mine", 2, 1)
        dashboards.delete(session, found.slug)
        assert dashboards.get(session, found.slug).name == "Encoder variants"


def test_who_saves_an_old_version_is_told(engine: Engine) -> None:
    with session_scope(engine) as session:
        slug = dashboards.create(session, "board").slug
        second = dashboards.save(session, slug, 1, "board", {"panels": [PROSE]})
        with pytest.raises(Conflict, match="changed meanwhile"):
            dashboards.save(session, slug, 1, "board", {})
        assert dashboards.save(session, slug, second.version, "board", {}).version == 3


@pytest.mark.parametrize(
    ("panel", "field"),
    [
        ({"id": "a", "kind": "pie"}, "panels.0"),
        ({"id": "a", "kind": "prose", "width": 13}, "panels.0.prose.width"),
        ({"id": "A b", "kind": "prose"}, "panels.0.prose.id"),
        ({"id": "a", "kind": "prose", "script": "x"}, "panels.0.prose.script"),
    ],
)
def test_a_wrong_panel_is_named(engine: Engine, panel: dict[str, object], field: str) -> None:
    with session_scope(engine) as session, pytest.raises(InvalidInput) as refused:
        dashboards.create(session, "board", {"panels": [panel]})
    assert refused.value.problems[0].field == field


def test_two_panels_of_one_id_are_refused(engine: Engine) -> None:
    with session_scope(engine) as session, pytest.raises(InvalidInput):
        dashboards.create(session, "board", {"panels": [PROSE, PROSE]})


def test_a_link_opens_its_dashboard_until_it_is_revoked(engine: Engine) -> None:
    with session_scope(engine) as session:
        dashboards.create(session, "other")
        slug = dashboards.create(session, "board").slug
        link, secret = dashboards.share(session, slug)
    with reading_scope(engine) as session:
        assert dashboards.opened_by(session, secret).slug == slug
        assert secret not in {row.token_hash for row in session.query(DashboardShare)}
        with pytest.raises(NotFound):
            dashboards.opened_by(session, secret[:-1])
    with session_scope(engine) as session:
        assert dashboards.revoke(session, slug, link.id).revoked_at
        with pytest.raises(NotFound):
            dashboards.opened_by(session, secret)
        with pytest.raises(NotFound):
            dashboards.revoke(session, "other", link.id)


def test_live_links_say_who_made_them_and_when_they_were_opened(engine: Engine) -> None:
    with session_scope(engine) as session:
        slug = dashboards.create(session, "board").slug
        other = dashboards.create(session, "other").slug
        first, secret = dashboards.share(session, slug, "Ada")
        dashboards.share(session, other)
        gone, _ = dashboards.share(session, slug)
        dashboards.revoke(session, slug, gone.id)
        assert [
            (each.slug, each.link.made_by, each.link.last_opened_at)
            for each in (dashboards.live_shares(session))
        ] == [("other", "the owner", None), ("board", "Ada", None)]
        dashboards.note_opened(session, secret)
        opened = dashboards.live_shares(session)[1].link
        assert opened.last_opened_at
        dashboards.note_opened(session, secret)  # within the minute: not written again
        assert dashboards.live_shares(session)[1].link == opened
        assert dashboards.revoke(session, slug, first.id).last_opened_at == opened.last_opened_at


def test_a_copy_has_the_same_panels_and_no_links(engine: Engine) -> None:
    with session_scope(engine) as session:
        slug = dashboards.create(session, "board", {"panels": [PROSE]}).slug
        dashboards.share(session, slug)
        copy = dashboards.duplicate(session, slug)
        assert (copy.name, copy.content.panels[0].id) == ("board, copy", "words")
        assert dashboards.shares(session, copy.slug) == []
        assert len(dashboards.shares(session, slug)) == 1
