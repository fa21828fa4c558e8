"""/api/v1/subscriptions: what you are told of, and by which channel. Everybody has their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import Path
from pydantic import Field

from backend.alerts.channels import push
from backend.db.session import reading_scope, session_scope
from backend.domain.alerts import Channel, Event
from backend.kit.errors import InvalidInput
from backend.kit.model import Model
from backend.kit.problems import invalid, not_valid
from backend.subscriptions import service
from backend.subscriptions.service import Target
from backend.web.deps import Configured, Database
from backend.web.errors import responses
from backend.web.inputs import Input
from backend.web.routing import VIEWER, Router
from backend.web.visitor import who

router = Router(
    reads=VIEWER, writes=VIEWER, prefix="/subscriptions", tags=["people"], responses=responses(401)
)
SubscriptionId = Annotated[int, Path(ge=1, le=2**62, description="Id from the list.", examples=[3])]
EVENTS = "; ".join(f"{each}: {each.words}" for each in Event) + "."
FILTER = "Only of runs that match, in the filter language of the table of runs; empty: of every run."
CHANNEL = (
    "webhook: signed JSON to an address of yours; apprise: Slack, Discord, Teams, ntfy, e-mail and more; "
    "push: a browser."
)


class SubscriptionView(Model):
    """What you are told of, and how its delivery stands. Times are seconds since the Unix epoch."""

    id: int
    name: str = Field(examples=["my phone"])
    events: list[str] = Field(description=EVENTS, examples=[["finished", "failed"]])
    filter: str = Field(description=FILTER, examples=['owner == "Ada"'])
    channel: str = Field(description=CHANNEL)
    address: str = Field(description="Without its secrets.", examples=["https://example.org/…"])
    is_active: bool = Field(description="false: paused; it is told of nothing.")
    created_at: float
    delivered: int
    delivered_at: float | None = Field(description="When the last message arrived.")
    waiting: int = Field(description="Messages for a first or another try.")
    given_up: int = Field(description="Messages that were tried for a day.")
    error: str = Field(description="Why the last try failed; empty if it arrived.")
    error_at: float | None
    retry_at: float | None = Field(description="When the next try is made; null: at once.")


class PushAddress(Input):
    """What a browser gets from its push service, base64url without padding."""

    endpoint: str
    p256dh: str
    auth: str


class NewSubscription(Input):
    """What to tell you of, and by which channel."""

    name: str = Field(examples=["my phone"])
    events: list[str] = Field(description=EVENTS, examples=[["finished", "failed"]])
    filter: str = Field("", description=FILTER, examples=['owner == "Ada"'])
    channel: str = Field(description=CHANNEL, examples=["webhook"])
    url: str = Field(
        "",
        description="Of a webhook: where to post. Of apprise: an apprise URL. It is shown to nobody again.",
        examples=["https://example.org/hooks/1f3a"],
    )
    push: PushAddress | None = None


class SubscriptionChange(Input):
    """What to change; what is left out stays."""

    name: str | None = None
    events: list[str] | None = Field(None, description=EVENTS)
    filter: str | None = Field(None, description=FILTER)
    is_active: bool | None = Field(None, description="false: pause, and drop what waits.")


class Created(Model):
    """A new subscription."""

    subscription: SubscriptionView
    secret: str = Field(description="Signs what a webhook receives; told only here. Empty for others.")


class Tested(Model):
    """What came of a test message."""

    arrived: bool
    answer: str = Field(examples=["the webhook answered 200"])


class PushKey(Model):
    """The lab's public key."""

    key: str = Field(description="For PushManager.subscribe: base64url.")


@router.get("")
def list_subscriptions(engine: Database) -> Sequence[SubscriptionView]:
    """Your subscriptions, oldest first, without the secret parts of their addresses."""
    with reading_scope(engine) as session:
        return [SubscriptionView(**asdict(each)) for each in service.own(session, who.get())]


@router.get("/push-key", responses=responses(422))
def read_push_key(settings: Configured) -> PushKey:
    """The key with which a browser subscribes; 422 where the extra for it is not installed."""
    return PushKey(key=push.public_key(settings.home))


@router.post("", status_code=201, responses=responses(403, 409, 422))
def add_subscription(body: NewSubscription, engine: Database) -> Created:
    """Be told of events from now on."""
    target = _target(body)
    with session_scope(engine) as session:
        state = service.add(session, who.get(), body.name, body.events, body.filter, target)
    return Created(subscription=SubscriptionView(**asdict(state)), secret=target.secret)


@router.patch("/{subscription_id}", responses=responses(403, 404, 422))
def change_subscription(
    subscription_id: SubscriptionId, body: SubscriptionChange, engine: Database
) -> SubscriptionView:
    """Change what you are told of, or pause it. For another address, add another subscription."""
    with session_scope(engine) as session:
        state = service.change(
            session, who.get(), subscription_id, body.name, body.events, body.filter, body.is_active
        )
    return SubscriptionView(**asdict(state))


@router.delete("/{subscription_id}", status_code=204, responses=responses(403, 404))
def remove_subscription(subscription_id: SubscriptionId, engine: Database) -> None:
    """Remove it, with what waits for it."""
    with session_scope(engine) as session:
        service.remove(session, who.get(), subscription_id)


@router.post("/{subscription_id}/test", responses=responses(404))
def test_subscription(subscription_id: SubscriptionId, engine: Database, settings: Configured) -> Tested:
    """Send a test message now, and say what the other side answered."""
    identity = who.get()
    with reading_scope(engine) as session:
        subscription = service.one(session, identity, subscription_id)
        target, name = service.target_of(subscription), subscription.name
    sent = service.send(target, service.test_notice(name, settings), settings, identity.person_role)
    return Tested(arrived=sent.arrived, answer=sent.answer)


def _target(body: NewSubscription) -> Target:
    """Where it is to go, checked. Before any session: apprise takes a second."""
    if body.channel not in tuple(Channel):
        problem = not_valid("channel", body.channel, Channel)
        raise InvalidInput("The subscription was not saved.", problems=[problem])
    if body.channel == Channel.PUSH:
        if body.push is None:
            raise invalid("The subscription was not saved.", "push", "is missing: a browser gives it.")
        return service.browser(body.push.endpoint, body.push.p256dh, body.push.auth)
    return service.webhook(body.url) if body.channel == Channel.WEBHOOK else service.apprise(body.url)
