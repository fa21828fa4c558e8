"""The audit trail on both databases: one entry a change, in its transaction, that outlives who made it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.audit.service import EntryView
from backend.audit.tables import AuditEntry
from backend.dashboards import service as dashboards
from backend.data import service as datasets
from backend.db import clock
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick
from backend.domain.people import Identity, Role
from backend.domain.sweeps import parse_sweep
from backend.groups import service as groups
from backend.kit.errors import Conflict, EtrmError, InvalidInput
from backend.lifecycle import external_runs, tags
from backend.lifecycle import service as runs
from backend.people import service as accounts
from backend.people import sessions
from backend.people.tables import Person
from backend.queue import order
from backend.runs import events
from backend.runs_table import saved_views
from backend.web.visitor import who

INES = Identity("Ines", Role.EDITOR, 7, via="token laptop")
TASK = {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[3]]}]}
FILE = (json.dumps(TASK).encode(), "one.json")
EMPTY: dict[str, list[object]] = {"panels": []}


@pytest.fixture(autouse=True)
def _asked_by_ines(engine: Engine) -> Iterator[None]:
    """Ines asks, in a lab with the sets that a run needs."""
    before = who.set(INES)
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
        session.add(Person(id=INES.person_id, name=INES.name, role=INES.role.value, created_at=0.0))
    yield
    who.reset(before)


def entries(engine: Engine) -> list[EntryView]:
    with reading_scope(engine) as session:
        return audit.find(session, limit=200).entries


def run_of(session: Session) -> str:
    return runs.create(session, quick()).id


def shared(session: Session) -> tuple[str, int]:
    slug = dashboards.create(session, "Board").slug
    return slug, dashboards.share(session, slug)[0].id


def external(session: Session) -> str:
    return external_runs.create(session, "mine", {}).id


def cancelled(session: Session) -> str:
    run = run_of(session)
    runs.request_cancel(session, run)
    return run


def imported(session: Session) -> str:
    return datasets.import_files(session, "mine", [FILE]).name


def ada(session: Session) -> str:
    accounts.add_person(session, "Ada", "viewer")
    return "Ada"


def token(session: Session) -> str:
    accounts.create_token(session, "ci")
    return "ci"


def swept(session: Session) -> str:
    return groups.create(session, quick(), parse_sweep({"seeds": 3})).id


def view(session: Session) -> str:
    return saved_views.save(session, "good", "sort=-pass1").name


Doing = tuple[Callable[[Session], object], Callable[[Session, object], object], Action, str]
DOINGS: dict[str, Doing] = {
    "launch": (lambda s: None, lambda s, _: run_of(s), Action.LAUNCHED, "run"),
    "clone": (run_of, lambda s, run: runs.clone(s, str(run)), Action.LAUNCHED, "run"),
    "sweep": (lambda s: None, lambda s, _: swept(s), Action.LAUNCHED, "group"),
    "cancel": (run_of, lambda s, run: runs.request_cancel(s, str(run)), Action.CANCELLED, "run"),
    "cancel a group": (swept, lambda s, group: groups.cancel(s, str(group)), Action.CANCELLED, "group"),
    "resume": (cancelled, lambda s, run: runs.resume(s, str(run)), Action.RESUMED, "run"),
    "delete": (cancelled, lambda s, run: runs.delete(s, str(run)), Action.DELETED, "run"),
    "edit": (run_of, lambda s, run: runs.edit(s, str(run), notes="so"), Action.EDITED, "run"),
    "tag": (run_of, lambda s, run: tags.change(s, [str(run)], ["x"]), Action.EDITED, "run"),
    "move": (run_of, lambda s, run: order.move(s, str(run), 1), Action.MOVED, "run"),
    "prioritise": (run_of, lambda s, run: order.prioritise(s, str(run), "high"), Action.MOVED, "run"),
    "external": (lambda s: None, lambda s, _: external(s), Action.EXTERNAL_STARTED, "run"),
    "end": (external, lambda s, run: external_runs.finish(s, str(run)), Action.EXTERNAL_ENDED, "run"),
    "dashboard": (lambda s: None, lambda s, _: dashboards.create(s, "B"), Action.SAVED, "dashboard"),
    "save": (
        lambda s: dashboards.create(s, "Board"),
        lambda s, _: dashboards.save(s, "board", 1, "Other", EMPTY),
        Action.SAVED,
        "dashboard",
    ),
    "delete a dashboard": (
        lambda s: dashboards.create(s, "Board"),
        lambda s, _: dashboards.delete(s, "board"),
        Action.DELETED,
        "dashboard",
    ),
    "share": (
        lambda s: dashboards.create(s, "Board"),
        lambda s, _: dashboards.share(s, "board"),
        Action.SHARED,
        "dashboard",
    ),
    "revoke a link": (
        shared,
        lambda s, made: dashboards.revoke(s, *made),  # type: ignore[misc]
        Action.SHARE_REVOKED,
        "dashboard",
    ),
    "import": (lambda s: None, lambda s, _: imported(s), Action.SET_IMPORTED, "set"),
    "remove a set": (imported, lambda s, name: datasets.remove(s, str(name)), Action.SET_REMOVED, "set"),
    "add": (lambda s: None, lambda s, _: ada(s), Action.PERSON_ADDED, "person"),
    "role": (ada, lambda s, name: accounts.change_role(s, str(name), "admin"), Action.ROLE_CHANGED, "person"),
    "invite": (ada, lambda s, name: accounts.invite(s, str(name)), Action.INVITED, "person"),
    "remove": (ada, lambda s, name: accounts.remove_person(s, str(name)), Action.PERSON_REMOVED, "person"),
    "token": (lambda s: None, lambda s, _: token(s), Action.TOKEN_CREATED, "token"),
    "revoke": (token, lambda s, name: accounts.revoke_token(s, str(name)), Action.TOKEN_REVOKED, "token"),
    "save a view": (lambda s: None, lambda s, _: view(s), Action.SAVED, "view"),
    "delete a view": (view, lambda s, name: saved_views.remove(s, str(name)), Action.DELETED, "view"),
}


@pytest.mark.parametrize("doing", DOINGS)
def test_a_change_leaves_one_entry_and_none_if_it_is_rolled_back(engine: Engine, doing: str) -> None:
    prepare, change, action, kind = DOINGS[doing]
    with session_scope(engine) as session:
        made = prepare(session)
    before = entries(engine)

    with suppress(InterruptedError), session_scope(engine) as session:
        change(session, made)
        raise InterruptedError
    assert entries(engine) == before

    with session_scope(engine) as session:
        change(session, made)
    new, *known = entries(engine)
    assert known == before
    assert (new.action, new.subject.kind) == (action, kind)
    assert (new.person, new.person_id, new.via) == ("Ines", 7, "token laptop")
    with reading_scope(engine) as session:
        assert abs(new.at - clock.read(session)) < 60


REFUSED: dict[str, Callable[[Session], object]] = {
    "a run that is not there": lambda s: runs.request_cancel(s, "nothinghere"),
    "a role that is none": lambda s: accounts.add_person(s, "Eve", "king"),
    "a set that is built in": lambda s: datasets.remove(s, "arc-agi-1/training"),
    "a dashboard of an old version": lambda s: dashboards.save(s, "encoder-variants", 9, "x", EMPTY),
    "a link that is not there": lambda s: dashboards.revoke(s, "encoder-variants", 9),
    "a view that is not there": lambda s: saved_views.remove(s, "none"),
}


@pytest.mark.parametrize("doing", REFUSED)
def test_a_refused_change_leaves_none(engine: Engine, doing: str) -> None:
    with pytest.raises(EtrmError), session_scope(engine) as session:
        REFUSED[doing](session)
    assert entries(engine) == []


def test_what_changes_nothing_leaves_none(engine: Engine) -> None:
    with session_scope(engine) as session:
        run, name = run_of(session), imported(session)
        ada(session), token(session), view(session)
        accounts.revoke_token(session, "ci")
    before = entries(engine)
    with session_scope(engine) as session:
        runs.edit(session, run, notes="", tags=[])
        tags.change(session, [run], remove=["none"])
        datasets.import_files(session, name, [FILE])
        accounts.change_role(session, "Ada", "viewer")
        accounts.revoke_token(session, "ci")
        view(session)
    assert entries(engine) == before


def test_a_run_says_by_whom(engine: Engine) -> None:
    with session_scope(engine) as session:
        run = run_of(session)
    who.set(replace(INES, name="Omar"))
    with session_scope(engine) as session:
        runs.request_cancel(session, run)
    with reading_scope(engine) as session:
        found = [(each.kind, each.data.get("by")) for each in events.list(session, run)]
    assert found == [("queued", "Ines"), ("cancelled", "Omar")]


def test_a_log_in_says_with_what_and_never_the_secret(engine: Engine) -> None:
    with session_scope(engine) as session:
        accounts.add_person(session, "Ada", "editor")
        link = accounts.invite(session, "Ada")
        secret = accounts.create_token(session, "ci", "Ada")
        by_link = accounts.redeem_login(session, link)
        accounts.log_in_with_token(session, secret)
        identity = accounts.check_session(session, by_link)
        assert identity
        who.set(identity)
        sessions.log_out(session, identity)
    found = [(each.action, each.person, each.via, each.detail) for each in entries(engine)[:3]]
    assert found == [
        ("logged out", "Ada", "browser", ""),
        ("logged in", "Ada", "browser", "with the token ci"),
        ("logged in", "Ada", "browser", "with a login link"),
    ]
    assert not any(text in str(entries(engine)) for text in (link, secret, by_link))


def test_an_entry_outlives_its_person_and_its_run(engine: Engine) -> None:
    with session_scope(engine) as session:
        ada(session)
        identity = accounts.check_token(session, accounts.create_token(session, "ci", "Ada"))
        assert identity
        who.set(identity.identity)
        run = cancelled(session)
        runs.delete(session, run)
    who.set(INES)
    with session_scope(engine) as session:
        accounts.remove_person(session, "Ada")
    with reading_scope(engine) as session:
        found = audit.find(session, person="Ada").entries
        assert "Ada" in audit.people(session)
    assert [each.action for each in found] == ["deleted", "cancelled", "launched"]
    assert {(each.via, each.subject.id) for each in found} == {("token ci", run)}


def test_entries_are_found_by_person_and_action_and_paged(engine: Engine) -> None:
    with session_scope(engine) as session:
        for number in range(5):
            person = replace(INES, name=f"person {number % 2}")
            audit.note(session, Action.SAVED, Subject("view", str(number)), by=person)
        audit.note(session, Action.DELETED, Subject("view", "5"), by=replace(INES, name="person 0"))
    with reading_scope(engine) as session:
        page = audit.find(session, person="person 0", action="saved", limit=2)
        assert [each.subject.id for each in page.entries] == ["4", "2"]
        rest = audit.find(session, person="person 0", action="saved", limit=2, cursor=page.next_cursor)
        assert ([each.subject.id for each in rest.entries], rest.next_cursor) == (["0"], None)
        with pytest.raises(InvalidInput):
            audit.find(session, action="danced")
        with pytest.raises(InvalidInput):
            audit.find(session, cursor="x")


def test_texts_are_bounded(engine: Engine) -> None:
    with session_scope(engine) as session:
        audit.note(session, Action.SAVED, Subject("view", "i" * 5000, "n" * 5000), "d" * 5000)
    found = entries(engine)[0]
    assert {len(each) for each in (found.subject.id, found.subject.name, found.detail)} == {audit.MAX_TEXT}


def test_old_entries_are_forgotten(engine: Engine) -> None:
    with session_scope(engine) as session:
        audit.note(session, Action.SAVED, Subject("view", "old"))
        session.execute(update(AuditEntry).values(at=clock.now() - 31 * audit.DAY))
        audit.note(session, Action.SAVED, Subject("view", "new"))
    for days, left in ((32, ["new", "old"]), (30, ["new"])):
        with session_scope(engine) as session:
            audit.forget_old(session, days)
        assert [each.subject.id for each in entries(engine)] == left


def test_cancelling_twice_is_recorded_once(engine: Engine) -> None:
    with session_scope(engine) as session:
        run = run_of(session)
        runs.request_cancel(session, run)
    with pytest.raises(Conflict), session_scope(engine) as session:
        runs.request_cancel(session, run)
    assert [each.action for each in entries(engine)] == ["cancelled", "launched"]
