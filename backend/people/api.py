"""/api/v1/me, /people and /tokens: who may do what here. Lists and changes are for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field

from backend.db.session import reading_scope, session_scope
from backend.kit.model import Model
from backend.people import service as accounts
from backend.web.deps import Database
from backend.web.errors import responses
from backend.web.inputs import Input
from backend.web.routing import ADMIN, VIEWER, Router, needs
from backend.web.visitor import who

router = Router(reads=ADMIN, writes=ADMIN, tags=["people"], responses=responses(401, 403))
Name = Annotated[str, Path(max_length=200)]
LIMIT = "Most of their runs at once; 0: no limit, null: that of the lab (ETRM_LIMIT_RUNNING)."
QUEUED_LIMIT = "Most of their runs that wait; 0: no limit, null: that of the lab (ETRM_LIMIT_QUEUED)."
ROLE = "viewer: read-only; editor: also launch, cancel, import; admin: also people, tokens, storage."


SCOPE = (
    "read: view only; log: also create, log to and finish external runs; "
    "launch: everything an editor can do; admin: everything its person can do."
)


class Me(Model):
    """Who is asking."""

    name: str
    role: str = Field(description=ROLE)
    scope: str = Field(description=f"Scope of the token; admin for a browser that a link logged in. {SCOPE}")


class PersonView(Model):
    """Somebody who works with the lab. Times are seconds since the Unix epoch."""

    name: str
    role: str = Field(description=ROLE)
    created_at: float
    last_seen_at: float | None
    limit_running: int | None = Field(None, description=LIMIT)
    limit_queued: int | None = Field(None, description=QUEUED_LIMIT)


class NewPerson(Input):
    """Somebody to let in."""

    name: str
    role: str = Field(description=ROLE, examples=["editor"])


class PersonChange(Input):
    """Another role, other limits; what is left out stays."""

    role: str | None = Field(None, description=ROLE)
    limit_running: int | None = Field(None, description=LIMIT)
    limit_queued: int | None = Field(None, description=QUEUED_LIMIT)


class Invitation(Model):
    """A link that logs one browser in as this person, once, within a day."""

    path: str = Field(description="Append it to the address of the lab.", examples=["/login?token=…"])


class TokenView(Model):
    """A token without its secret."""

    name: str
    person: str = Field(description="Person the token acts as.")
    role: str
    scope: str = Field(description=SCOPE)
    created_at: float
    last_used_at: float | None
    expires_at: float | None = Field(description="null: never")
    has_expired: bool
    revoked_at: float | None


class NewToken(Input):
    """A token to make."""

    name: str
    person: str = Field("", description="Person the token acts as. Default: the owner.")
    scope: str = Field("admin", description=SCOPE, examples=["log"])
    expires: str = Field(
        "", description="Time until it expires: 12h, 30d, 4w. Default: never.", examples=["30d"]
    )


class Secret(Model):
    """A new token; the secret is told only here."""

    name: str
    secret: str


@router.get("/me")
@needs(VIEWER)
def read_me() -> Me:
    """Say who is asking, and with which role."""
    identity = who.get()
    return Me(name=identity.name, role=identity.person_role, scope=identity.scope)


@router.get("/people")
def list_people(engine: Database) -> list[PersonView]:
    """Everybody but the owner."""
    with reading_scope(engine) as session:
        return [PersonView(**vars(each)) for each in accounts.people(session)]


@router.post("/people", status_code=201, responses=responses(409, 422))
def add_person(body: NewPerson, engine: Database) -> Invitation:
    """Let somebody in; the answer is their link."""
    with session_scope(engine) as session:
        accounts.add_person(session, body.name, body.role)
        return Invitation(path=f"/login?token={accounts.invite(session, body.name.strip())}")


@router.patch("/people/{name}", status_code=204, responses=responses(404, 422))
def change_person(name: Name, body: PersonChange, engine: Database) -> None:
    """Give somebody another role, from their next request on, or other limits."""
    given = body.model_dump(exclude_unset=True)
    limits = {what: given[f"limit_{what}"] for what in ("running", "queued") if f"limit_{what}" in given}
    with session_scope(engine) as session:
        if body.role is not None:
            accounts.change_role(session, name, body.role)
        accounts.limit(session, name, limits)


@router.delete("/people/{name}", status_code=204, responses=responses(404))
def remove_person(name: Name, engine: Database) -> None:
    """Remove somebody with their tokens and sessions; what they made stays."""
    with session_scope(engine) as session:
        accounts.remove_person(session, name)


@router.post("/people/{name}/invite", responses=responses(404))
def invite(name: Name, engine: Database) -> Invitation:
    """Make a new link that logs somebody in."""
    with session_scope(engine) as session:
        return Invitation(path=f"/login?token={accounts.invite(session, name)}")


@router.get("/tokens")
def list_tokens(engine: Database) -> list[TokenView]:
    """All tokens, without their secrets."""
    with reading_scope(engine) as session:
        return [
            TokenView(
                name=each.name,
                person=each.identity.name,
                role=each.identity.person_role,
                scope=each.identity.scope,
                created_at=each.created_at,
                last_used_at=each.last_used_at,
                expires_at=each.expires_at,
                has_expired=each.has_expired,
                revoked_at=each.revoked_at,
            )
            for each in accounts.tokens(session)
        ]


@router.post("/tokens", status_code=201, responses=responses(404, 409, 422))
def create_token(body: NewToken, engine: Database) -> Secret:
    """Make a token and tell its secret, once."""
    with session_scope(engine) as session:
        secret = accounts.create_token(session, body.name, body.person, body.scope, body.expires)
    return Secret(name=body.name.strip(), secret=secret)


@router.delete("/tokens/{name}", status_code=204, responses=responses(404))
def revoke_token(name: Name, engine: Database) -> None:
    """Revoke the token."""
    with session_scope(engine) as session:
        accounts.revoke_token(session, name)
