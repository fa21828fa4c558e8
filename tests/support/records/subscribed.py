"""Subscriptions that tests start from."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, update

from backend.alerts.tables import Subscription
from backend.db.session import reading_scope, session_scope
from backend.domain.alerts import Event
from backend.domain.people import OWNER, Identity
from backend.subscriptions import service
from backend.subscriptions.service import SubscriptionState


def subscribe(
    engine: Engine,
    url: str,
    events: Sequence[str] = tuple(Event),
    filter_text: str = "",
    identity: Identity = OWNER,
    channel: str = "webhook",
) -> int:
    """Tell somebody of events; the id of the subscription."""
    target = service.webhook(url) if channel == "webhook" else service.apprise(url)
    with session_scope(engine) as session:
        return service.add(session, identity, "mine", events, filter_text, target).id


def secret_of(engine: Engine, subscription_id: int) -> str:
    """What signs its messages."""
    with reading_scope(engine) as session:
        return service.one(session, OWNER, subscription_id).secret


def state_of(engine: Engine, subscription_id: int, identity: Identity = OWNER) -> SubscriptionState:
    """How its delivery stands."""
    with reading_scope(engine) as session:
        return next(each for each in service.own(session, identity) if each.id == subscription_id)


def end_pause(engine: Engine, subscription_id: int) -> None:
    """As if the pause before the next try were over."""
    with session_scope(engine) as session:
        session.execute(update(Subscription).where(Subscription.id == subscription_id).values(retry_at=0.0))
