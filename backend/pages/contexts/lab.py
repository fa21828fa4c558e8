"""The queue, the data, the settings, the way in, and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.domain.errors import EtrmError
from backend.domain.people import Identity
from backend.domain.task import Task
from backend.pages.contexts.base import Context
from backend.services.accounts import PersonView, TokenView
from backend.services.dashboards import LiveShare
from backend.services.datasets import SetSummary
from backend.services.leaks import LeakReport
from backend.services.queue_board import Board
from backend.services.run_view import RunView
from backend.services.storage import Storage
from backend.services.webhook import Deliveries


@dataclass(frozen=True)
class QueuePage(Context):
    """What runs, what waits and why, what ended badly, and who works."""

    template = "queue/page.html"
    nav = "queue"
    page = "queue"
    sheets = ("queue",)

    board: Board
    by_id: Mapping[str, RunView]  # the running ones
    priorities: Sequence[str]


@dataclass(frozen=True)
class SetCard:
    """A task set with its first tasks."""

    summary: SetSummary
    tasks: Sequence[Task]


@dataclass(frozen=True)
class DataPage(Context):
    """The task sets, the import form as it was sent, and a leak check if two sets are named."""

    template = "data/page.html"
    nav = "data"
    page = "data"
    sheets = ("gallery", "data")

    sets: Sequence[SetCard]
    training: str
    evaluated: str
    report: LeakReport | None
    leak_problem: str
    imported: str  # name of the set that was just imported
    import_problem: str
    name: str


@dataclass(frozen=True)
class SettingsPage(Context):
    """People, tokens, share links and storage; the first two are empty for who is no admin."""

    template = "settings/page.html"
    nav = "settings"
    page = "settings"
    sheets = ("data", "settings")

    me: Identity
    is_admin: bool
    people: Sequence[PersonView]
    tokens: Sequence[TokenView]
    storage: Storage
    webhook: str  # the host that alarms are sent to; "" for none
    deliveries: Deliveries
    roles: Sequence[str]
    shares: Sequence[LiveShare]
    can_revoke: bool  # share links


@dataclass(frozen=True)
class LoginPage(Context):
    """Where a browser without a session lands."""

    template = "login/page.html"
    page = "login"

    problem: str
    hint: str

    @property
    def page_title(self) -> str:
        return "Log in"


@dataclass(frozen=True)
class ErrorPage(Context):
    """Any error as a page: what happened, why, what to do."""

    template = "errors/page.html"

    error: EtrmError

    @property
    def page_title(self) -> str:
        return self.error.status.phrase.capitalize()
