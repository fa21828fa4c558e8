"""The settings, the login page, and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

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
class ApiField:
    """A field of a body or a model, or a parameter; `place` is where that stands: path, query, header."""

    name: str
    type: Markup  # in words, with links to the models it names
    about: Markup
    default: str  # as JSON; "" for none
    is_required: bool
    place: str = ""


@dataclass(frozen=True)
class Operation:
    """One address of the API with one method."""

    method: str
    path: str
    role: str  # the least that may use it
    scope: str  # of a token; "" where it needs none
    about: Markup
    parameters: Sequence[ApiField]
    body: Markup  # its type; "" for none
    fields: Sequence[ApiField]  # of the body, where that is no model
    examples: Sequence[str]  # of the body, as JSON
    answer: Markup  # its type; "" where it is no JSON


@dataclass(frozen=True)
class ApiModel:
    """A body or an answer with a name; `type` where it has no fields."""

    name: str
    about: Markup
    type: Markup
    fields: Sequence[ApiField]


@dataclass(frozen=True)
class ApiPage(Context):
    """The API's reference: operations by subject, then the models that they take and give."""

    template = "lab/api/page.html"
    nav = "api"
    sheets = ("lab",)

    introduction: Markup
    subjects: Mapping[str, Sequence[Operation]]
    models: Sequence[ApiModel]


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
