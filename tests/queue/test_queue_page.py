"""/queue as a page: what it says of the workers."""

from __future__ import annotations

import time

import httpx
import pytest
from sqlalchemy import Engine

from backend.db.clock import SLIGHT_SKEW
from backend.db.session import session_scope
from backend.kit.format import NBSP
from backend.workers import service as workers
from backend.workers.service import WorkerBeat


@pytest.mark.parametrize(
    ("clock_ahead", "is_named"), [(SLIGHT_SKEW + 1, True), (-SLIGHT_SKEW - 1, True), (SLIGHT_SKEW / 2, False)]
)
def test_a_clock_is_named_from_the_limit_on_that_the_doctor_warns_of(
    page_client: httpx.Client, page_db: Engine, clock_ahead: float, is_named: bool
) -> None:
    beat = WorkerBeat("host-1", "host", 1, "cpu", "", 0, None, time.time(), clock_ahead=clock_ahead)
    with session_scope(page_db) as session:
        workers.beat(session, beat)
    text = page_client.get("/queue").text
    with session_scope(page_db) as session:
        workers.sign_off(session, beat.id)
    assert "process 1<" in text
    assert (f"clock 3{NBSP}s {'ahead' if clock_ahead > 0 else 'behind'}" in text) is is_named
