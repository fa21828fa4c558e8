"""What is known of a request's transactions when it fails, and what is said then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from backend.db.session import Writes, make_engine, reading_scope, session_scope, watch_writes, writes
from backend.kit.errors import InvalidInput
from backend.web.errors import translate


@pytest.fixture
def engine(sqlite_url: str) -> Engine:
    return make_engine(sqlite_url)


def _write(session: Session) -> None:
    session.execute(text("DELETE FROM run"))


def _fail(session: Session) -> None:
    _write(session)
    raise RuntimeError("ours")


def _break_commit(session: Session) -> None:
    _write(session)

    def interrupt(_session: Session) -> None:
        raise RuntimeError("while it was committed")

    event.listen(session, "after_commit", interrupt)


@pytest.mark.parametrize(
    ("steps", "known", "said"),
    [
        ((), Writes.NONE, ""),
        ((_fail,), Writes.ROLLED_BACK, "Nothing was changed."),
        ((_write,), Writes.COMMITTED, "It was stored, or a part of it"),
        ((_write, _fail), Writes.COMMITTED, "It was stored, or a part of it"),
        ((_break_commit,), Writes.UNKNOWN, "It may have been stored"),
    ],
)
def test_only_what_was_rolled_back_is_called_unchanged(
    engine: Engine, steps: tuple[Callable[[Session], None], ...], known: Writes, said: str
) -> None:
    watch_writes()
    for step in steps:
        try:
            with session_scope(engine) as session:
                step(session)
        except RuntimeError:
            pass
    assert writes() is known
    hint = translate(RuntimeError("then it broke")).hint
    assert hint.startswith(said)
    assert ("Nothing was changed" in hint) == (known is Writes.ROLLED_BACK)


def test_reading_alone_says_nothing_of_changes(engine: Engine) -> None:
    watch_writes()
    with reading_scope(engine) as session:
        session.execute(text("SELECT 1"))
    assert writes() is Writes.NONE


def test_only_the_databases_own_overflow_is_the_requests(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="does not fit"), session_scope(engine) as session:
        session.execute(text("SELECT :big"), {"big": 10**30})
    with pytest.raises(OverflowError), session_scope(engine):
        raise OverflowError("cannot convert float infinity to integer")
    assert translate(OverflowError("math range error")).status == 500
