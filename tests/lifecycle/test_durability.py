"""kill -9 of a writer: what was acknowledged is there, what was not is whole or absent."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection

import pytest
from sqlalchemy import Engine

from backend.db.session import make_engine, reading_scope, session_scope
from backend.domain.records import MetricFrame
from backend.metrics import service as series
from tests.support.records.rows import add_run

RUN = "aaaaaaaaaa"


def write_until_killed(url: str, acknowledged: Connection) -> None:
    """Append two points a step, and say so once they are committed."""
    engine = make_engine(url)
    for step in range(100_000):
        with session_scope(engine) as session:
            frame = MetricFrame([step], [0.0], {"loss": [float(step)], "accuracy": [1.0]})
            series.append(session, RUN, frame)
        acknowledged.send(step)


@pytest.mark.parametrize("kill_after", [1, 47, 96])  # in the middle of writing, near a compaction
def test_no_acknowledged_point_is_lost(engine: Engine, database_url: str, kill_after: int) -> None:
    add_run(engine, RUN)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    spawn = multiprocessing.get_context("spawn")
    writer = spawn.Process(target=write_until_killed, args=(database_url, sender))
    writer.start()
    sender.close()
    acknowledged = -1
    while acknowledged < kill_after:
        acknowledged = receiver.recv()
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    try:
        while True:
            acknowledged = receiver.recv()
    except EOFError:
        receiver.close()
    with reading_scope(engine) as session:
        curves = series.read(session, RUN)
    steps = curves["loss"].steps.tolist()
    assert steps == list(range(len(steps)))  # no gap, none twice
    assert len(steps) in (acknowledged + 1, acknowledged + 2)  # committed, but killed before it said so
    assert curves["accuracy"].steps.tolist() == steps  # a write is whole
    with session_scope(engine) as session:  # and the next writer is not held up
        series.append(session, RUN, MetricFrame([0], [0.0], {"loss": [9.0]}))
