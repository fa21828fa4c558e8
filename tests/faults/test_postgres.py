"""A database server that cuts every connection again and again: the training continues, no point is lost."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.processes import Lab, eventually
from tests.support.records.tiny import STEPS, tiny

pytestmark = pytest.mark.faults

CUT_ALL = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"


def test_connections_that_are_cut_cost_a_run_nothing(postgres_lab: Lab) -> None:
    run_id = postgres_lab.submit(tiny())
    postgres_lab.await_step(run_id, 1)
    url = postgres_lab.engine.url
    server = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    cuts = 0

    def cut() -> bool:
        """Cut what is connected now; True after five that hit somebody."""
        nonlocal cuts
        postgres_lab.engine.dispose()
        with psycopg.connect(server, autocommit=True) as connection:
            (hit,) = connection.execute(CUT_ALL, [url.database]).fetchone() or (0,)
        cuts += hit > 0
        return cuts >= 5

    eventually(cut, "five cuts", every=0.2)
    row = postgres_lab.await_status(run_id, "finished")

    assert row.attempt == 1
    assert list(postgres_lab.points(run_id)["loss"]) == list(range(1, STEPS + 1))
