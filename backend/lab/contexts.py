"""The settings, the login page, and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.alerts.webhook import Deliveries
from backend.dashboards.service import LiveShare
from backend.domain.people import Identity
from backend.kit.errors import EtrmError
from backend.lab.storage import Storage
from backend.people.service import PersonView, TokenView
from backend.people.sessions import SessionView
from backend.subscriptions.contexts import Notifications
from backend.web.contexts import Context


@dataclass(frozen=True)
class SettingsPage(Context):
    """Sessions, people, tokens, share links and storage; people and tokens are empty for who is no admin."""

    template = "lab/settings/page.html"
    nav = "settings"
    page = "settings"
    sheets = ("lab",)

    me: Identity
    is_admin: bool
    sessions: Sequence[SessionView]  # of who asks
    people: Sequence[PersonView]
    lab_limits: Mapping[str, int]  # most runs of a person that run, and that are queued; 0: no limit
    tokens: Sequence[TokenView]
    storage: Storage
    notifications: Notifications  # of who asks
    webhook: str  # the host that alarms are sent to; "" for none
    deliveries: Deliveries
    roles: Sequence[str]
    scopes: Sequence[str]
    shares: Sequence[LiveShare]
    can_revoke: bool  # share links


@dataclass(frozen=True)
class LoginPage(Context):
    """Where a browser without a session lands."""

    template = "lab/login/page.html"
    page = "login"

    problem: str
    hint: str

    @property
    def page_title(self) -> str:
        return "Log in"


@dataclass(frozen=True)
class ErrorPage(Context):
    """Any error as a page: what happened, why, what to do."""

    template = "lab/errors/page.html"

    error: EtrmError

    @property
    def page_title(self) -> str:
        return self.error.status.phrase.capitalize()


@dataclass(frozen=True)
class OutsidePage(ErrorPage):
    """An error for somebody without a login: a share link that was revoked."""

    template = "lab/errors/outside.html"
