"""Who wants to hear of what, and what they are still to hear of."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AutoId, Base
from backend.people.tables import OfPerson


class Subscription(Base):
    """What a person wants to hear of, by which channel, and how its delivery stands."""

    __tablename__ = "subscription"

    id: Mapped[AutoId]
    person_id: Mapped[OfPerson]
    name: Mapped[str]
    events: Mapped[list[str]]  # `backend.domain.alerts.Event`
    filter: Mapped[str] = mapped_column(default="")  # of the table of runs; empty: every run
    channel: Mapped[str]  # `backend.domain.alerts.Channel`
    address: Mapped[str] = mapped_column(deferred=True)  # secret: whoever has it may write there
    shown: Mapped[str]  # what may be shown of the address
    secret: Mapped[str] = mapped_column(default="", deferred=True)  # signs what a webhook receives
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[float]
    delivered: Mapped[int] = mapped_column(default=0)
    delivered_at: Mapped[float | None]
    given_up: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)  # tries in a row that failed, one under way included
    retry_at: Mapped[float | None]  # no try before this
    error: Mapped[str] = mapped_column(default="")  # of the last try; empty if it arrived
    error_at: Mapped[float | None]


class Message(Base):
    """Something that a subscription is still to hear of: written with the event, removed once delivered.

    Without foreign keys: a subscription or a run that somebody deletes at this moment must not undo the end
    of a run. Whoever delivers drops what has lost its subscription or its run.
    """

    __tablename__ = "message"

    id: Mapped[AutoId]
    key: Mapped[str]  # the same in every try, and of no other message ever: ids are used again
    subscription_id: Mapped[int] = mapped_column(index=True)
    event: Mapped[str]
    run_id: Mapped[str]
    evaluation_id: Mapped[int | None]
    text: Mapped[str]  # what happened
    happened_at: Mapped[float]
    attempts: Mapped[int] = mapped_column(default=0)
