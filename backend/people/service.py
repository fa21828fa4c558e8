"""Who may come in: API tokens for scripts, one-time tokens that log a browser in, browser sessions.

A secret is 32 random bytes. Only its SHA-256 is stored, so the database gives nobody access; a slow hash
would add nothing to 256 bits that nobody can guess.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from sqlalchemy.orm import Session

from backend.audit import service as audit
from backend.audit.actions import Action, Subject
from backend.domain.people import OWNER, Identity, Need, Role, Scope
from backend.kit.errors import Conflict, FieldProblem, InvalidInput, NotFound, Unauthorised
from backend.kit.problems import invalid, not_valid
from backend.kit.text import trimmed
from backend.people import queries as access
from backend.people.expiry import lifetime
from backend.people.tables import ApiToken, BrowserSession, LoginToken, Person

OF_TOKEN, OF_SESSION = "token:", "session:"  # what a credential begins with
TOKEN_PREFIX = "etrm_"
LOGIN_SECONDS = 10 * 60.0
INVITE_SECONDS = 24 * 3600.0
SESSION_SECONDS = 30 * 24 * 3600.0
NOTED_EVERY = 60.0  # seconds between two writes of when a token was last used
MAX_NAME_LENGTH = 100
MAX_LIMIT = 1_000_000  # runs of one person


@dataclass(frozen=True)
class TokenView:
    """An API token without its secret. Times are seconds since the Unix epoch."""

    id: int
    name: str
    created_at: float
    last_used_at: float | None
    revoked_at: float | None
    expires_at: float | None = None  # None: never
    identity: Identity = OWNER  # as whom it acts, and with which scope

    @property
    def has_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= time.time()


@dataclass(frozen=True)
class PersonView:
    """Somebody who works with the lab. Times are seconds since the Unix epoch."""

    name: str
    role: Role
    created_at: float
    last_seen_at: float | None  # logged in, or used a token
    limit_running: int | None = None  # most of their runs at once; 0: no limit, None: the lab's
    limit_queued: int | None = None  # most of them that wait


def people(session: Session) -> list[PersonView]:
    """Everybody but the owner, by name."""
    seen = access.last_seen(session)
    return [
        PersonView(
            each.name,
            Role(each.role),
            each.created_at,
            seen.get(each.id),
            each.limit_running,
            each.limit_queued,
        )
        for each in access.people(session)
    ]


def names(session: Session) -> dict[int, str]:
    """Person -> their name, of everybody."""
    return {each.id: each.name for each in access.people(session)}


def role_of(session: Session, person_id: int | None) -> Role:
    """The role of a person, None being the owner."""
    person = access.person(session, person_id)
    return Role(person.role) if person else OWNER.person_role


def add_person(session: Session, name: str, role: str) -> None:
    """Let somebody in under a name; `invite` gives the link that logs them in."""
    name = _checked_name(name, "Enter a name.")
    if access.person_named(session, name):
        raise Conflict(f"{name!r} already exists.", "Choose another name.")
    session.add(Person(name=name, role=_checked_role(role), created_at=time.time()))
    session.flush()
    audit.note(session, Action.PERSON_ADDED, Subject("person", name), f"as {role}")


def change_role(session: Session, name: str, role: str) -> None:
    """From their next request on the person may do what `role` may."""
    person = _person(session, name)
    before, person.role = person.role, _checked_role(role)
    session.flush()
    if before != role:
        audit.note(session, Action.ROLE_CHANGED, Subject("person", name), f"from {before} to {role}")


def limit(session: Session, name: str, limits: Mapping[str, int | None]) -> None:
    """How many runs of a person may run, or wait, at once: `running` and `queued`, where given; 0 is no
    limit, None that of the lab."""
    person = _person(session, name)
    for what, most in limits.items():
        if most is not None and not 0 <= most <= MAX_LIMIT:
            message = f"must be 0 (no limit) to {MAX_LIMIT:,}, not {most:,}."
            raise invalid("The limit was not changed.", f"limit_{what}", message)
        if getattr(person, f"limit_{what}") != most:
            setattr(person, f"limit_{what}", most)
            word = "the lab's" if most is None else most or "none"
            audit.note(session, Action.LIMIT_CHANGED, Subject("person", name), f"{what} runs: {word}")
    session.flush()


def remove_person(session: Session, name: str) -> None:
    """Remove somebody with all their tokens and sessions; what they made stays, their runs as nobody's."""
    session.delete(_person(session, name))
    session.flush()
    audit.note(session, Action.PERSON_REMOVED, Subject("person", name))


def hold(session: Session, identity: Identity) -> None:
    """Keep whoever asks from being removed until the transaction ends; Unauthorised if they were removed
    since they were let in. Before any other lock: a removal takes those of all that is the person's."""
    if identity.person_id is not None and not access.hold_person(session, identity.person_id):
        raise Unauthorised("Your account was removed.", "Ask an admin to add you again.")


def invite(session: Session, name: str) -> str:
    """A one-time token that logs one browser in as this person within a day."""
    secret = _issue(session, INVITE_SECONDS, _person(session, name).id)
    audit.note(session, Action.INVITED, Subject("person", name))
    return secret


def _person(session: Session, name: str) -> Person:
    found = access.person_named(session, name)
    if found is None:
        raise NotFound(f"Unknown person {name!r}.", "List people: etrm people.")
    return found


def _checked_role(role: str) -> Role:
    if role not in tuple(Role):
        raise InvalidInput("The role was not set.", problems=[not_valid("role", role, Role)])
    return Role(role)


def _checked_name(name: str, said: str) -> str:
    name = trimmed(name)
    if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable() or "/" in name:
        text = f"must be 1 to {MAX_NAME_LENGTH} printable characters, and no slash."
        raise invalid(said, "name", text)
    return name


def create_token(
    session: Session, name: str, person: str = "", scope: str = Scope.ADMIN, expires: str = ""
) -> str:
    """Make an API token called `name`; its secret is returned here and never again.

    It acts as `person` and with that person's role; with none, as the owner; in both cases for no more than
    `scope` covers. `expires` is a time from now (`30d`); "" is never.
    """
    name = _checked_name(name, "Enter a name for the token.")
    seconds = lifetime(expires)
    if scope not in tuple(Scope):
        raise InvalidInput("The token was not created.", problems=[not_valid("scope", scope, Scope)])
    person_id = _person(session, person).id if person else None
    if access.token_named(session, name):
        raise Conflict(f"A token named {name!r} already exists.", "Choose another name.")
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    now = time.time()
    row = ApiToken(name=name, token_hash=_hash(secret), created_at=now, person_id=person_id, scope=scope)
    row.expires_at = now + seconds if seconds else None
    session.add(row)
    session.flush()
    detail = f"acts as {person or OWNER.name}, scope {scope}"
    audit.note(session, Action.TOKEN_CREATED, Subject("token", name), detail)
    return secret


def check_token(session: Session, secret: str) -> TokenView | None:
    """The API token with this secret, or None when it is unknown, revoked or expired. Reads only."""
    token = access.token_of(session, _hash(secret), time.time())
    return _view(session, token) if token else None


def note_use(session: Session, secret: str) -> None:
    """Remember that the token was used just now."""
    access.use_token(session, _hash(secret), time.time())


def use_is_stale(token: TokenView) -> bool:
    """Whether `note_use` is worth a write."""
    return time.time() - (token.last_used_at or 0.0) > NOTED_EVERY


def tokens(session: Session) -> list[TokenView]:
    """All API tokens, revoked ones included, oldest first."""
    return [_view(session, token) for token in access.tokens(session)]


def revoke_token(session: Session, name: str) -> None:
    """Revoke the token called `name`."""
    token = access.token_named(session, name)
    if token is None:
        raise NotFound(f"Unknown token {name!r}.", "List tokens: etrm token list.")
    if token.revoked_at is None:
        token.revoked_at = time.time()
        audit.note(session, Action.TOKEN_REVOKED, Subject("token", name))
    session.flush()


def issue_login(session: Session) -> str:
    """A one-time token that logs one browser in within ten minutes."""
    return _issue(session, LOGIN_SECONDS, None)


def _issue(session: Session, seconds: float, person_id: int | None) -> str:
    now = time.time()
    access.forget_expired(session, now)
    secret = secrets.token_urlsafe(32)
    row = LoginToken(token_hash=_hash(secret), created_at=now, expires_at=now + seconds, person_id=person_id)
    session.add(row)
    session.flush()
    return secret


def redeem_login(session: Session, secret: str, browser: str = "") -> str:
    """Use up a one-time token and return the secret of a new session of `browser` (for its cookie)."""
    now = time.time()
    if not access.use_login(session, _hash(secret), now):
        raise Unauthorised(
            "This login link has been used or has expired.",
            "Ask who sent it for a new one; on the lab's own machine, run etrm login.",
        )
    used = access.login_token(session, _hash(secret))
    return _new_session(session, now, used.person_id if used else None, None, browser)


def log_in_with_token(session: Session, secret: str, browser: str = "") -> str:
    """Open a session of `browser` with an API token, typed into the login page; returns its secret."""
    token = access.token_of(session, _hash(secret.strip()), time.time())
    if token is None:
        problem = FieldProblem(
            "token", "is unknown, revoked or expired.", "Create one: etrm token create NAME."
        )
        raise Unauthorised("Invalid token.", problems=[problem])
    return _new_session(session, time.time(), token.person_id, token, browser)


def check_session(session: Session, secret: str) -> Identity | None:
    """Whose open browser session has this secret, or None. Reads only."""
    found = access.browser_session(session, _hash(secret), time.time())
    if found is None:
        return None
    by = session.get(ApiToken, found.token_id) if found.token_id is not None else None
    identity = _identity(session, found.person_id, by)
    via = f"browser, {identity.via}" if by else "browser"
    return replace(identity, session_id=access.session_id(found.token_hash), via=via)


def seen_is_stale(session: Session, secret: str) -> bool:
    """Whether `note_seen` is worth a write."""
    found = session.get(BrowserSession, _hash(secret))
    return found is not None and time.time() - (found.last_seen_at or 0.0) > NOTED_EVERY


def note_seen(session: Session, secret: str) -> None:
    """Remember that a browser session was used just now."""
    access.see_session(session, _hash(secret), time.time())


def token_credential(secret: str) -> str:
    """What an API token is known by to `valid_credentials`."""
    return f"{OF_TOKEN}{_hash(secret)}"


def session_credential(secret: str) -> str:
    """What a browser session is known by to `valid_credentials`."""
    return f"{OF_SESSION}{_hash(secret)}"


def valid_credentials(session: Session, credentials: Collection[str]) -> set[str]:
    """Those that still open the lab, in two queries for all."""
    tokens = {each.removeprefix(OF_TOKEN) for each in credentials if each.startswith(OF_TOKEN)}
    sessions = {each.removeprefix(OF_SESSION) for each in credentials if each.startswith(OF_SESSION)}
    now = time.time()
    open_tokens = access.valid_tokens(session, tokens, now) if tokens else set()
    open_sessions = access.valid_sessions(session, sessions, now) if sessions else set()
    return {f"{OF_TOKEN}{each}" for each in open_tokens} | {f"{OF_SESSION}{each}" for each in open_sessions}


def covering(session: Session, credentials: Collection[str], needed: Need) -> set[str]:
    """Those of the credentials of API tokens that may do what is needed, in one query for all."""
    hashes = {each.removeprefix(OF_TOKEN) for each in credentials}
    found = access.rights_of(session, hashes, time.time()) if hashes else []
    return {
        f"{OF_TOKEN}{token_hash}"
        for token_hash, scope, role in found
        if replace(OWNER, person_role=Role(role or OWNER.person_role), scope=Scope(scope)).may(needed)
    }


def _new_session(
    session: Session, now: float, person_id: int | None, token: ApiToken | None, browser: str
) -> str:
    secret = secrets.token_urlsafe(32)
    ends = now + SESSION_SECONDS
    if token and token.expires_at is not None:
        ends = min(ends, token.expires_at)
    row = BrowserSession(token_hash=_hash(secret), created_at=now, expires_at=ends)
    row.person_id, row.token_id = person_id, token.id if token else None
    row.last_seen_at, row.browser = now, browser or None
    session.add(row)
    session.flush()
    identity = replace(_identity(session, person_id, token), via="browser")
    by = f"with the token {token.name}" if token else "with a login link"
    audit.note(session, Action.LOGGED_IN, Subject("person", identity.name), by, identity)
    return secret


def _view(session: Session, token: ApiToken) -> TokenView:
    return TokenView(
        token.id,
        token.name,
        token.created_at,
        token.last_used_at,
        token.revoked_at,
        token.expires_at,
        _identity(session, token.person_id, token),
    )


def _identity(session: Session, person_id: int | None, token: ApiToken | None) -> Identity:
    person = access.person(session, person_id)
    whole = Identity(person.name, Role(person.role), person.id) if person else OWNER
    if token is None:
        return whole
    return replace(whole, token_id=token.id, scope=Scope(token.scope), via=f"token {token.name}")


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
