"""What is recorded, in the words in which it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What somebody did."""

    LAUNCHED = "launched"
    EXTERNAL_STARTED = "external run started"
    EXTERNAL_ENDED = "external run ended"
    CANCELLED = "cancelled"
    RESUMED = "resumed"
    EDITED = "edited"
    DELETED = "deleted"
    MOVED = "moved in the queue"
    CHECKPOINTS_REMOVED = "checkpoints removed"
    ALIAS_SET = "alias set"
    ALIAS_REMOVED = "alias removed"
    SAVED = "saved"
    SHARED = "shared"
    SHARE_REVOKED = "share link revoked"
    SET_IMPORTED = "set imported"
    SET_REMOVED = "set removed"
    PERSON_ADDED = "person added"
    PERSON_REMOVED = "person removed"
    ROLE_CHANGED = "role changed"
    LIMIT_CHANGED = "limit changed"
    INVITED = "login link created"
    TOKEN_CREATED = "token created"
    TOKEN_REVOKED = "token revoked"
    LOGGED_IN = "logged in"
    LOGGED_OUT = "logged out"


@dataclass(frozen=True)
class Subject:
    """What it was done to. `id` as in its address; a name that says no more than it may be left out."""

    # run, group, study, evaluation, ablation, sequential comparison, dashboard, set, view, person, token
    kind: str
    id: str
    name: str = ""

    @property
    def address(self) -> str:
        """Its page, "" for what has none. What was deleted has none either: that page says so."""
        folder = {
            "run": "/runs/",
            "group": "/groups/",
            "study": "/studies/",
            "evaluation": "/evaluations/",
            "ablation": "/ablations/",
            "dashboard": "/d/",
        }
        return folder[self.kind] + self.id if self.kind in folder else ""
