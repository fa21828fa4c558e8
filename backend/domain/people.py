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


@dataclass(frozen=True)
class Identity:
    """Who is asking, and by what: the ids are None for the owner, and for who came without a token."""

    name: str
    role: Role
    person_id: int | None = None
    token_id: int | None = None  # of the request's token, or of the one that logged its browser in
    via: str = "command line"  # a browser, a token by its name, or a terminal on the lab's folder
    session_id: str = ""  # of the browser session; "" for a request with a token

    def check(self, needed: Role) -> None:
        """Forbidden unless this person's role covers what is needed."""
        if not self.role.covers(needed):
            raise Forbidden(
                f"{self.name} is {_article(self.role)}, and this takes {_article(needed)}.",
                "An admin can change roles under Settings, or with etrm people role.",
            )


# Whoever started the lab: its own login link and the tokens made in its terminal.
OWNER = Identity("the owner", Role.ADMIN)


def _article(role: Role) -> str:
    return f"{'a' if role is Role.VIEWER else 'an'} {role}"
