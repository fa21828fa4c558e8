"""The page of the audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from backend.audit.actions import Action
from backend.audit.service import EntryView
from backend.web.contexts import Context
from backend.web.pages import named


@dataclass(frozen=True)
class AuditPage(Context):
    """Who did what, newest first, and the choice of a person and an action."""

    template = "audit/page.html"
    nav = "settings"
    sheets = ("lab",)

    entries: Sequence[EntryView]
    people: Sequence[str]
    actions: Sequence[Action]
    person: str  # that was chosen; "" for everybody
    action: str
    chosen: str  # both, as the query of an address
    is_first: bool
    older: str  # address of the next page; "" on the last

    @property
    def page_title(self) -> str:
        return named("audit").title


def query(**parts: str) -> str:
    """The query of an address, without what is empty."""
    return urlencode({name: text for name, text in parts.items() if text})
