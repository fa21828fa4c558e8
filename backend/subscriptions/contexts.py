"""What the settings page shows of subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from sqlalchemy.orm import Session

from backend.domain.alerts import Event
from backend.domain.people import Identity, Scope
from backend.settings import Settings
from backend.subscriptions import service
from backend.subscriptions.service import SubscriptionState


@dataclass(frozen=True)
class Notifications:
    """A person's subscriptions, and what the lab can do for more."""

    subscriptions: Sequence[SubscriptionState]
    public_url: str | None
    has_apprise: bool
    has_push: bool
    may_change: bool
    events: Sequence[Event] = tuple(Event)


def notifications(session: Session, identity: Identity, settings: Settings) -> Notifications:
    """Of whoever asks."""
    return Notifications(
        subscriptions=service.own(session, identity),
        public_url=settings.public_url,
        has_apprise=find_spec("apprise") is not None,
        has_push=find_spec("pywebpush") is not None,
        may_change=identity.scope.covers(Scope.LAUNCH),
    )
