"""Notifications and messages while the broker is well, away, hung, and back again."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from backend.embedded import valkey
from backend.queue import dispatch
from backend.web import notify
from backend.web.broker import PATIENCE as SHORT
from tests.support import asynchronous
from tests.support.processes import PATIENCE, eventually, kill

RUN = "aaaaaaaaaa"


class Broker:
    """The embedded broker, started and stopped at will."""

    def __init__(self, folder: Path) -> None:
        self.settings = valkey.Broker(folder)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.settings.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert self.process.stdin
        with self.process.stdin as stdin:
            stdin.write(self.settings.config)
        eventually(lambda: valkey.answers(self.settings.url), "the broker's answer")


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    monkeypatch.setenv("ETRM_BROKER_URL", broker.settings.url)
    yield broker
    kill(broker.process)


def nobody_waits() -> bool:
    """Whether notifications cost next to nothing once one of them was not answered in its time."""
    took = []
    for _ in range(21):
        started = time.perf_counter()
        notify.run_changed(RUN)
        took.append(time.perf_counter() - started)
    return statistics.median(took) < SHORT


def test_one_listener_hears_of_every_run_and_of_the_table_in_order(broker: Broker) -> None:
    async def listen() -> list[str]:
        heard = notify.listen(every=0.3)
        assert await anext(heard) is None  # subscribed
        told: list[str] = []
        while len(told) < 3:
            channel = await anext(heard)
            if channel is not None:
                told.append(channel)
            elif not told:  # a busy machine may lose one, and the publisher then pauses
                notify.changed(RUN, "bbbbbbbbbb")
        await heard.aclose()
        return told

    told = asynchronous.run(asyncio.wait_for(listen(), PATIENCE))
    assert told == [notify.channel_of(RUN), notify.channel_of("bbbbbbbbbb"), notify.RUNS]


def test_a_listener_lives_on_a_timer_while_the_broker_is_away_and_hears_again_when_it_is_back(
    broker: Broker,
) -> None:
    async def next_told(heard: AsyncIterator[str | None]) -> bool:
        for _ in range(600):
            notify.runs_changed()
            if await anext(heard):
                return True
        return False

    async def live() -> None:
        heard = notify.listen(every=0.1)
        assert await next_told(heard)
        kill(broker.process)
        while await anext(heard) is not None:  # what was on its way
            pass
        assert not any([await anext(heard) for _ in range(4)])
        broker.start()
        assert await next_told(heard)  # after the publisher's pause
        await heard.aclose()

    asynchronous.run(live())


def test_without_a_broker_a_listener_is_a_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ETRM_BROKER_URL", raising=False)

    async def listen() -> list[str | None]:
        heard = notify.listen(every=0.01)
        return [await anext(heard) for _ in range(3)]

    assert asynchronous.run(listen()) == [None, None, None]
    notify.run_changed(RUN)
    assert not dispatch.send(RUN)
    assert not notify.reachable()


def test_a_broker_that_hangs_holds_nobody_up(broker: Broker) -> None:
    notify.run_changed(RUN)
    os.kill(broker.process.pid, signal.SIGSTOP)
    assert nobody_waits()
    assert not notify.reachable()
    os.kill(broker.process.pid, signal.SIGCONT)
    eventually(notify.reachable, "the broker's answer")


def test_a_broker_that_is_gone_is_noticed_soon_and_told_of_in_no_exception(broker: Broker) -> None:
    assert dispatch.send(RUN)
    kill(broker.process)
    started = time.monotonic()
    assert not dispatch.send(RUN)
    assert nobody_waits()
    assert time.monotonic() - started < 30
    broker.start()
    assert dispatch.send(RUN)


def test_a_message_holds_the_run_id_alone(broker: Broker) -> None:
    assert dispatch.send(RUN)
    with redis.Redis.from_url(broker.settings.url) as client:
        [message] = client.lrange(dispatch.QUEUE, 0, -1)
    assert dispatch.TASK.encode() in message
    assert b"application/json" in message
