"""/api/v1/webhook and the alarms of a run: what was delivered and what was not."""

from __future__ import annotations

import httpx
from sqlalchemy import Engine

from backend.alerts import queries as alarm_deliveries
from backend.alerts import service as alarms
from backend.db.session import session_scope
from backend.domain.records import Alarm
from tests.support.records.recorded import record_run


def test_an_alarm_that_did_not_arrive_says_why_and_its_run_goes_on(
    client: httpx.Client, database: Engine
) -> None:
    run = record_run(database, status="running", points=4, alarm=Alarm("collapse", 2, 0.0, 0.1, "Collapse."))
    before = client.get("/api/v1/webhook").json()["deliveries"]
    error = "could not reach the webhook: [Errno 111] Connection refused"
    with session_scope(database) as session:
        (alarm,) = alarms.list(session, run)
        failed = {"deliver_after": None, "delivery_attempts": 30, "delivery_error": error}
        alarm_deliveries.change(session, alarm.id, **failed)
    shown = client.get(f"/api/v1/runs/{run}").json()
    assert shown["status"] == "running"
    assert shown["alarms"][0]["delivery"] == {
        "state": "given_up", "attempts": 30, "error": error, "delivered_at": None, "next_try_at": None,
        "words": f"not delivered: {error}; given up, tried 30 times",
    }  # fmt: skip
    found = client.get("/api/v1/webhook").json()
    assert found["host"] == ""
    assert found["deliveries"]["given_up"] == before["given_up"] + 1
    assert (found["deliveries"]["error"], found["deliveries"]["error_run_id"]) == (error, run)
