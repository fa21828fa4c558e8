"""Tokens, one-time logins and browser sessions."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import Engine, text, update

from backend.db.session import reading_scope, session_scope
from backend.kit.errors import Conflict, InvalidInput, NotFound, Unauthorised
from backend.people import queries as access
from backend.people import service as accounts
from backend.people import sessions
from backend.people.tables import BrowserSession, LoginToken


def make_token(engine: Engine, name: str = "laptop") -> str:
    with session_scope(engine) as session:
        return accounts.create_token(session, name)


def test_a_token_opens_until_it_is_revoked(engine: Engine) -> None:
    secret = make_token(engine)
    assert secret.startswith("etrm_")
    assert len(secret) > 40
    with reading_scope(engine) as session:
        token = accounts.check_token(session, secret)
        assert token
        assert (token.name, token.last_used_at, token.revoked_at) == ("laptop", None, None)
        assert accounts.check_token(session, secret[:-1]) is None
        assert accounts.check_token(session, "") is None
    with session_scope(engine) as session:
        accounts.revoke_token(session, "laptop")
        assert accounts.check_token(session, secret) is None
        assert accounts.tokens(session)[0].revoked_at


def test_using_a_token_is_noted_at_most_once_a_minute(engine: Engine) -> None:
    secret = make_token(engine)
    with session_scope(engine) as session:
        token = accounts.check_token(session, secret)
        assert token
        assert accounts.use_is_stale(token)
        accounts.note_use(session, secret)
    with reading_scope(engine) as session:
        token = accounts.check_token(session, secret)
        assert token
        assert token.last_used_at == pytest.approx(time.time(), abs=5)
        assert not accounts.use_is_stale(token)


def test_no_secret_is_stored(engine: Engine) -> None:
    secret = make_token(engine)
    with session_scope(engine) as session:
        login = accounts.issue_login(session)
        browser = accounts.redeem_login(session, login)
    with reading_scope(engine) as session:
        stored = [
            str(row)
            for table in ("api_token", "login_token", "browser_session")
            for row in session.execute(text(f"SELECT * FROM {table}"))
        ]
    assert len(stored) == 3
    for each in (secret, login, browser):
        assert not any(each in row for row in stored)


def test_two_tokens_cannot_share_a_name_and_a_name_is_needed(engine: Engine) -> None:
    make_token(engine)
    with session_scope(engine) as session:
        with pytest.raises(Conflict, match="laptop"):
            accounts.create_token(session, " laptop ")
        with pytest.raises(InvalidInput, match="name"):
            accounts.create_token(session, "  ")
        with pytest.raises(NotFound, match="phone"):
            accounts.revoke_token(session, "phone")


def test_a_login_token_works_once(engine: Engine) -> None:
    with session_scope(engine) as session:
        login = accounts.issue_login(session)
    with session_scope(engine) as session:
        browser = accounts.redeem_login(session, login)
    with session_scope(engine) as session:
        assert accounts.check_session(session, browser)
        assert not accounts.check_session(session, login)
        with pytest.raises(Unauthorised, match="has been used"):
            accounts.redeem_login(session, login)


def test_of_eight_browsers_with_one_login_token_one_gets_in(engine: Engine) -> None:
    with session_scope(engine) as session:
        login = accounts.issue_login(session)
    start, opened = threading.Barrier(8), []

    def redeem() -> None:
        start.wait()
        try:
            with session_scope(engine) as session:
                opened.append(accounts.redeem_login(session, login))
        except Unauthorised:
            pass

    threads = [threading.Thread(target=redeem) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1


def test_login_tokens_and_sessions_run_out(engine: Engine) -> None:
    with session_scope(engine) as session:
        login, used = accounts.issue_login(session), accounts.issue_login(session)
        browser = accounts.redeem_login(session, used)
        past = time.time() - 1
        session.execute(update(LoginToken).values(expires_at=past))
        session.execute(update(BrowserSession).values(expires_at=past))
    with session_scope(engine) as session:
        assert not accounts.check_session(session, browser)
        with pytest.raises(Unauthorised, match="has expired"):
            accounts.redeem_login(session, login)


def test_an_api_token_typed_into_the_login_page_opens_a_session_that_can_be_ended(engine: Engine) -> None:
    secret = make_token(engine)
    with session_scope(engine) as session:
        browser = accounts.log_in_with_token(session, f" {secret}\n")
        assert accounts.check_session(session, browser)
        identity = accounts.check_session(session, browser)
        assert identity
        sessions.log_out(session, identity)
        assert not accounts.check_session(session, browser)
        with pytest.raises(Unauthorised, match="Invalid token"):
            accounts.log_in_with_token(session, "etrm_wrong")


def test_a_session_ends_with_the_token_that_opened_it_and_with_no_other(engine: Engine) -> None:
    laptop, phone = make_token(engine), make_token(engine, "phone")
    with session_scope(engine) as session:
        by_laptop, by_phone = (accounts.log_in_with_token(session, each) for each in (laptop, phone))
        by_link = accounts.redeem_login(session, accounts.issue_login(session))
    everything = [accounts.session_credential(each) for each in (by_laptop, by_phone, by_link)]
    with session_scope(engine) as session:
        assert accounts.valid_credentials(session, everything) == set(everything)
        accounts.revoke_token(session, "laptop")
    with reading_scope(engine) as session:
        assert accounts.check_session(session, by_laptop) is None
        assert accounts.check_session(session, by_phone)
        assert accounts.check_session(session, by_link)
        assert accounts.valid_credentials(session, everything) == set(everything[1:])


def test_a_log_in_that_crosses_the_revocation_of_its_token_opens_nothing(engine: Engine) -> None:
    secret = make_token(engine)
    with session_scope(engine) as session:
        accounts.revoke_token(session, "laptop")
        session.flush()
        (token,) = access.tokens(session)
        late = accounts._new_session(session, time.time(), None, token, "")
    with session_scope(engine) as session:
        assert accounts.check_session(session, late) is None
        assert accounts.valid_credentials(session, [accounts.session_credential(late)]) == set()
        assert accounts.valid_credentials(session, [accounts.token_credential(secret)]) == set()


@pytest.mark.parametrize("way", ["link", "token"])
def test_a_session_has_its_persons_role_of_now_and_goes_with_the_person(engine: Engine, way: str) -> None:
    with session_scope(engine) as session:
        accounts.add_person(session, "Ada", "viewer")
        if way == "link":
            browser = accounts.redeem_login(session, accounts.invite(session, "Ada"))
        else:
            browser = accounts.log_in_with_token(session, accounts.create_token(session, "Ada's", "Ada"))
    for role in ("viewer", "editor"):
        with session_scope(engine) as session:
            accounts.change_role(session, "Ada", role)
        with reading_scope(engine) as session:
            identity = accounts.check_session(session, browser)
            assert identity
            assert (identity.name, identity.role) == ("Ada", role)
    with session_scope(engine) as session:
        accounts.remove_person(session, "Ada")
    with reading_scope(engine) as session:
        assert accounts.check_session(session, browser) is None
        assert accounts.valid_credentials(session, [accounts.session_credential(browser)]) == set()
