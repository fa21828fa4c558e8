"""Runs go to workers that have what they ask for; a broken node is not held against a run for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import quick
from backend.lifecycle import service as run_service
from backend.queue import claims as queue
from backend.queue import sweep as queue_sweep
from backend.queue import wait as queue_wait
from backend.queue.claims import Claim
from backend.queue.pages import queue_page
from backend.runs import events, order_queries
from backend.runs import queries as rows
from backend.runs.status import MAX_ATTEMPTS
from backend.workers import service as workers
from backend.workers.capability import Needs, Offer
from tests.support.commands import typed
from tests.support.records.rows import add_run

CPU, GPU = Offer("cpu", 16 << 30), Offer("cuda", 80 << 30, frozenset({"a100"}))
ON_CUDA, ON_LABEL, ON_ANY = "aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"


@pytest.fixture
def _three(engine: Engine) -> None:
    """A run that asks for a GPU, one that asks for a label, one that asks for nothing, in this order."""
    asks: dict[str, dict[str, Any]] = {
        ON_CUDA: {"training": {"device": "cuda"}},
        ON_LABEL: {"placement": {"labels": ["a100"], "memory_gib": 40.0}},
        ON_ANY: {},
    }
    for number, (run_id, changes) in enumerate(asks.items()):
        config = quick().model_dump(mode="json")
        for section, values in changes.items():
            config[section] |= values
        add_run(engine, run_id, name=run_id, created_at=float(number), config=config)


def claim(engine: Engine, offer: Offer) -> str | None:
    with session_scope(engine) as session:
        held = queue.claim(session, None, "host.1.1.1", offer)
    return held.run_id if held else None


def beat(engine: Engine, number: int, offer: Offer, busy: str | None = None, out: str = "") -> None:
    sign = workers.WorkerBeat(
        f"host{number}.1.1.1", f"host{number}", number, offer.device, "", offer.memory_bytes, busy, 0.0,
        tuple(offer.labels), out_cause=out, out_advice="Mount it." if out else "",
    )  # fmt: skip
    with session_scope(engine) as session:
        workers.beat(session, sign)


def reasons(engine: Engine, run_id: str) -> list[str]:
    with reading_scope(engine) as session:
        return run_service.get(session, run_id).waiting_reasons


def wait(engine: Engine, needed: Needs) -> str:
    with reading_scope(engine) as session:
        return queue_wait.of(session, needed).words


@pytest.mark.usefixtures("_three")
def test_a_worker_passes_over_what_it_has_not_the_means_for(engine: Engine) -> None:
    assert [claim(engine, CPU) for _ in range(2)] == [ON_ANY, None]
    assert [claim(engine, GPU) for _ in range(3)] == [ON_CUDA, ON_LABEL, None]


@pytest.mark.usefixtures("_three")
def test_a_run_that_somebody_else_is_taking_is_passed_over(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("on SQLite one writes at a time")
    with session_scope(engine) as session:
        assert order_queries.take(session, ON_CUDA)
        assert claim(engine, GPU) == ON_LABEL


@pytest.mark.usefixtures("_three")
def test_only_what_an_idle_worker_may_take_is_sent(engine: Engine) -> None:
    def sent() -> list[str]:
        with session_scope(engine) as session:
            return queue_sweep.sweep(session, resend_after=0.0).runs

    beat(engine, 1, CPU)
    assert sent() == [ON_ANY]
    beat(engine, 2, GPU, busy=ON_LABEL)
    assert sent() == [ON_ANY]
    beat(engine, 2, GPU)
    assert sent() == [ON_CUDA, ON_ANY]
    beat(engine, 2, GPU, out="The artifacts folder cannot be written.")
    assert sent() == [ON_ANY]


@pytest.mark.usefixtures("_three")
def test_a_message_for_another_is_known_as_such(engine: Engine) -> None:
    def for_another(number: int) -> str | None:
        with reading_scope(engine) as session:
            return queue_sweep.for_another(session, f"host{number}.1.1.1")

    beat(engine, 1, CPU)
    assert for_another(1) is None
    beat(engine, 2, GPU)
    assert for_another(1) == ON_CUDA
    assert for_another(2) == ON_ANY


@pytest.mark.usefixtures("_three")
def test_each_run_says_what_it_waits_for(engine: Engine) -> None:
    beat(engine, 1, CPU)
    assert reasons(engine, ON_CUDA) == ["no worker online has a GPU (training.device cuda)"]
    assert reasons(engine, ON_LABEL)[0] == (
        "no worker online has 40 GiB of memory (placement.memory_gib) and the label a100 (placement.labels)"
    )
    beat(engine, 2, GPU, busy=ON_ANY)
    assert reasons(engine, ON_CUDA) == [f"1 worker busy with {ON_ANY}"]
    beat(engine, 2, GPU, out="The artifacts folder /a cannot be written: Read-only file system.")
    assert reasons(engine, ON_CUDA) == [
        "1 worker out of service: host2 (The artifacts folder /a cannot be written: Read-only file system)"
    ]


def test_a_launched_run_is_promised_only_a_worker_that_may_take_it(engine: Engine) -> None:
    beat(engine, 1, CPU)
    assert wait(engine, Needs()) == "Starts immediately: the worker is free."
    assert wait(engine, Needs("cuda")) == "Waiting: no worker online has a GPU (training.device cuda)."
    beat(engine, 1, CPU, out="The disk of /a is full.")
    assert wait(engine, Needs()) == "Waiting: 1 worker out of service: host1 (The disk of /a is full)."


def test_a_worker_says_since_when_it_is_out_and_forgets_it_when_it_is_fit(engine: Engine) -> None:
    def since() -> float | None:
        with reading_scope(engine) as session:
            [worker] = workers.listed(session)
        return worker.out_since

    beat(engine, 1, CPU, out="The disk is full.")
    first = since()
    assert first is not None
    beat(engine, 1, CPU, out="The folder is gone.")
    assert since() == first
    beat(engine, 1, CPU)
    assert since() is None


def test_the_queue_page_and_the_command_say_who_is_out_why_and_what_to_do(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    beat(engine, 1, CPU)
    beat(engine, 2, GPU, out="The artifacts folder /a cannot be written.")
    page = bytes(queue_page(engine).body).decode()
    assert page.count("out of service") == 1
    assert "The artifacts folder /a cannot be written. Mount it." in page
    assert "cuda · a100" in page
    listed = typed(tmp_path, "queue", ETRM_DATABASE_URL=database_url).stdout
    assert "2 workers online" in listed
    assert "host2 (process 1). The artifacts folder /a cannot be written. Mount it. It comes back" in listed


def test_a_run_that_meets_node_faults_on_one_node_after_another_ends_with_a_clear_cause(
    engine: Engine,
) -> None:
    add_run(engine, ON_ANY)

    def meet_a_fault(number: int) -> str:
        with session_scope(engine) as session:
            held = queue.claim(session, None, f"host{number}.1.1.1")
            assert held is not None
        with session_scope(engine) as session:
            queue.report_error(session, held, "StorageFull: no room", "Traceback …")
            assert queue.reported(session, held) == "StorageFull: no room"
            return str(queue.node_fault(session, held, "no room"))

    def row() -> Any:
        with reading_scope(engine) as session:
            return rows.get(session, ON_ANY)

    assert [meet_a_fault(number) for number in range(MAX_ATTEMPTS - 1)] == ["queued"] * (MAX_ATTEMPTS - 1)
    assert row().status_cause == "fault of the machine of host3 (process 1): no room; resumes from step 0"
    assert row().traceback == ""
    assert meet_a_fault(MAX_ATTEMPTS - 1) == "failed"
    assert row().status_cause == (
        "fault of the machine of host4 (process 1): no room; "
        "gave up after 5 attempts without progress past step 0"
    )
    with reading_scope(engine) as session:
        kinds = [event.kind for event in events.list(session, ON_ANY)]
    assert kinds == ["claimed", "node_fault"] * (MAX_ATTEMPTS - 1) + ["claimed", "failed"]


def test_a_run_that_is_being_cancelled_is_cancelled_by_a_node_fault(engine: Engine) -> None:
    add_run(engine, ON_ANY)
    with session_scope(engine) as session:
        held = queue.claim(session, None, "host.1.1.1")
        assert isinstance(held, Claim)
        run_service.request_cancel(session, ON_ANY)
        assert queue.node_fault(session, held, "no room") == "cancelled"
