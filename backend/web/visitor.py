"""Who is asking."""

from __future__ import annotations

from contextvars import ContextVar

from backend.domain.people import OWNER, Identity

# Who asks, for whatever the request's task or thread does.
who: ContextVar[Identity] = ContextVar("who", default=OWNER)
