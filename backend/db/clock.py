"""The database's clock: the only one that workers and web servers on different hosts share.

Leases, heartbeats and everything else that one process writes and another compares with "now" go by it. A
host whose own clock is wrong can so neither take a live worker's run nor look offline.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Float
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement


class now(FunctionElement[float]):  # noqa: N801 — reads as the SQL function that it is
    """Seconds since the Unix epoch when the statement began, by the database's clock; at least to 1 ms."""

    name = "now"
    type = Float()
    inherit_cache = True


@compiles(now, "postgresql")
def _postgresql(_element: now, _compiler: Any, **_options: Any) -> str:
    # now() would be the start of the transaction, which may have waited for a lock since.
    return "CAST(extract(epoch FROM statement_timestamp()) AS double precision)"


@compiles(now, "sqlite")
def _sqlite(_element: now, _compiler: Any, **_options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"  # days since noon of 24 November 4714 BC


# Seconds between two clocks: more is worth a word; more makes logs and certificates wrong.
SLIGHT_SKEW, HARMFUL_SKEW = 2.0, 300.0


def skew(session: Session) -> float:
    """Seconds by which this host's clock leads the database's."""
    before = time.time()
    theirs = read(session)
    return (before + time.time()) / 2 - theirs


def read(session: Session) -> float:
    """The time by the database's clock."""
    return session.scalar(now().select()) or 0.0
