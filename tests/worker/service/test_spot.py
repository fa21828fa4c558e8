"""The notice that a spot machine is taken back, asked of servers that answer as the three clouds do."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from backend.settings import Cloud
from tests.support.metadata import NOTICE, Metadata, metadata
from worker.service import spot


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[[Metadata], threading.Event]:
    """Watch a cloud, without long pauses; the event that is set at its notice."""

    def watched(server: Metadata) -> threading.Event:
        monkeypatch.setattr(spot, "EVERY", 0.01)
        monkeypatch.setenv(spot.PLACES[server.cloud][0], server.url)
        event = threading.Event()
        spot.SpotNotice(server.cloud, event.set).start()
        return event

    return watched


@pytest.mark.parametrize("cloud", NOTICE)
def test_a_cloud_is_asked_until_it_takes_the_machine_back(
    cloud: Cloud, told: Callable[[Metadata], threading.Event]
) -> None:
    with metadata(cloud) as server:
        event = told(server)
        for _ in range(3):
            assert server.asked.acquire(timeout=60)
        server.answer = (500, "a bad moment")
        for _ in range(3):
            assert server.asked.acquire(timeout=60)
        assert not event.is_set()
        server.answer = NOTICE[cloud]
        assert event.wait(timeout=60)
