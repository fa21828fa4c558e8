"""What a person may do in the lab."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from backend.kit.errors import Forbidden


class Role(StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"  # look at everything
    EDITOR = "editor"  # launch, cancel, import, write
    ADMIN = "admin"  # people, tokens, storage

    def covers(self, needed: Role) -> bool:
        """Whether this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Scope(StrEnum):
    """What a token may be used for, within its person's role. Each covers those before it."""

    READ = "read"  # look at everything
    LOG = "log"  # create external runs, log to them, end them
    LAUNCH = "launch"  # all that an editor may
    ADMIN = "admin"  # all that its person may

    @classmethod
    def of(cls, needed: Role | Scope) -> Scope:
        """The least scope for what takes this role."""
        if isinstance(needed, Scope):
            return needed
        return {Role.VIEWER: cls.READ, Role.EDITOR: cls.LAUNCH, Role.ADMIN: cls.ADMIN}[needed]

    @property
    def role(self) -> Role:
        """The least role for what takes this scope."""
        return {Scope.READ: Role.VIEWER, Scope.ADMIN: Role.ADMIN}.get(self, Role.EDITOR)

    def covers(self, needed: Role | Scope) -> bool:
        """Whether a token of this scope may do what `needed` may."""
        order = list(Scope)
        return order.index(self) >= order.index(Scope.of(needed))


Need = Role | Scope  # what a request takes; a role takes the scope that it comes with


@dataclass(frozen=True)
class Identity:
    """Who is asking, and by what: the ids are None for the owner, and for who came without a token."""

    name: str
    person_role: Role
    person_id: int | None = None
    token_id: int | None = None  # of the request's token, or of the one that logged its browser in
    via: str = "command line"  # a browser, a token by its name, or a terminal on the lab's folder
    session_id: str = ""  # of the browser session; "" for a request with a token
    scope: Scope = Scope.ADMIN  # of that token

    @property
    def role(self) -> Role:
        """The highest role whose rights are all there: the person's, or what the scope leaves of it."""
        return next(
            each for each in reversed(Role) if self.person_role.covers(each) and self.scope.covers(each)
        )

    def may(self, needed: Need) -> bool:
        """Whether this person's role, and the token's scope, cover what is needed."""
        role = needed.role if isinstance(needed, Scope) else needed
        return self.person_role.covers(role) and self.scope.covers(needed)

    def check(self, needed: Need) -> None:
        """Forbidden unless this person's role, and the token's scope, cover what is needed."""
        role = needed.role if isinstance(needed, Scope) else needed
        if not self.person_role.covers(role):
            raise Forbidden(
                f"{self.name} is {_article(self.person_role)}, and this takes {_article(role)}.",
                "An admin can change roles under Settings, or with etrm people role.",
            )
        if not self.scope.covers(needed):
            scope = Scope.of(needed)
            raise Forbidden(
                f"This token has the scope {self.scope}, and this takes {scope}.",
                f"Create another token: under Settings, or with etrm token create NAME --scope {scope}.",
            )


# Whoever started the lab: its own login link and the tokens made in its terminal.
OWNER = Identity("the owner", Role.ADMIN)


def _article(role: Role) -> str:
    return f"{'a' if role is Role.VIEWER else 'an'} {role}"
