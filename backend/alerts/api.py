"""/api/v1/webhook: how the delivery of alarms stands."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import ConfigDict, Field

from backend.alerts import webhook
from backend.db.session import reading_scope
from backend.kit.model import Model
from backend.web.deps import Configured, Database
from backend.web.errors import responses
from backend.web.routing import VIEWER, Router

router = Router(reads=VIEWER, prefix="/webhook", tags=["runs"], responses=responses(401))


class DeliveriesView(Model):
    """What became of all alarms; each says so itself among its run's `alarms`."""

    model_config = ConfigDict(from_attributes=True)

    delivered: int
    waiting: int = Field(description="Waiting for the first or another attempt.")
    given_up: int
    last_delivered_at: float | None
    error: str = Field(description="Error of the newest undelivered alarm; empty if none.")
    error_run_id: str


class WebhookView(Model):
    """Where alarms go."""

    host: str = Field(description="Host of ETRM_WEBHOOK_URL; empty if it is not set.")
    deliveries: DeliveriesView


@router.get("")
def read_webhook(engine: Database, settings: Configured) -> WebhookView:
    """How the delivery of alarms stands. A failed one is tried again; no training waits for it."""
    with reading_scope(engine) as session:
        deliveries = DeliveriesView.model_validate(webhook.state(session))
    return WebhookView(host=urlsplit(settings.webhook_url or "").hostname or "", deliveries=deliveries)
