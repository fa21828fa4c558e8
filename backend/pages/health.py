"""Encoder health on pages: the verdict, and which metrics a table of runs needs for it."""

from __future__ import annotations

from backend.domain.health import LOSS, TOKEN, Health
from backend.services.health import METRICS
from backend.services.health import of_run as health_of

__all__ = ["LOSS", "METRICS", "TOKEN", "Health", "health_of"]
