"""Workers with and without a GPU: what asks for one never touches a worker that has none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.db.session import reading_scope, session_scope
from backend.domain.experiment import ExperimentConfig
from backend.queue import board as queue_board
from backend.queue.pages import queue_page
from backend.workers import service as workers
from tests.faults.test_nodes import await_worker, broker_on, seed
from tests.support.processes import Lab, eventually
from tests.support.records.tiny import tiny

pytestmark = pytest.mark.faults

CUDA_RUNS = 50


@pytest.fixture
def lab(tmp_path: Path, database_url: str) -> Iterator[Lab]:
    """On each database in turn; its worker is not started."""
    with broker_on(tmp_path, database_url, CUDA_VISIBLE_DEVICES="", ETRM_LABELS="slow,here") as lab:
        seed(lab)
        yield lab


def asking(**placement: object) -> ExperimentConfig:
    config = tiny()
    return config.model_copy(update={"placement": config.placement.model_copy(update=placement)})


def on_cuda() -> ExperimentConfig:
    config = tiny()
    return config.model_copy(update={"training": config.training.model_copy(update={"device": "cuda"})})


def busy_gpu(lab: Lab, run_id: str | None) -> None:
    """A worker with a GPU reports, as far as anybody can see."""
    sign = workers.WorkerBeat("gpu.1.1.1", "gpu", 1, "cuda", "Imaginary GPU", 80 << 30, run_id, 0.0)
    with session_scope(lab.engine) as session:
        workers.beat(session, sign)


def test_fifty_cuda_runs_never_touch_a_cpu_worker_and_each_says_why_it_waits(lab: Lab) -> None:
    cuda = [lab.submit(on_cuda()) for _ in range(CUDA_RUNS)]
    lab.start_worker()

    for config in (asking(labels=("here",)), tiny()):  # behind them in the queue, and not held up by them
        last = lab.submit(config)
        lab.await_status(last, "running")
        lab.cancel(last)
        lab.await_status(last, "cancelled")
    eventually(lambda: lab.worker_log().count("succeeded") >= CUDA_RUNS, "every message taken")

    def assert_all_wait(why: str) -> None:
        assert [(row.status, row.attempt) for row in map(lab.row, cuda)] == [("queued", 0)] * CUDA_RUNS
        with reading_scope(lab.engine) as session:
            waiting = queue_board.read(session).waiting
        assert [each.run.waiting_reasons[0] for each in waiting] == [why] * CUDA_RUNS
        rows = bytes(queue_page(lab.engine).body).decode().split("<tr ")
        told = [row for row in rows if f'<span class="queue-reason">{why}</span>' in row]
        assert [run_id for run_id in cuda if any(f'id="wait-{run_id}"' in row for row in told)] == cuda

    assert_all_wait("no worker online has a GPU (training.device cuda)")
    busy_gpu(lab, last)
    assert_all_wait(f"1 worker busy with {lab.row(last).name}")


def test_a_message_that_reaches_the_wrong_worker_goes_on_to_the_right_one(lab: Lab) -> None:
    lab.start_worker()
    worker = await_worker(lab, lambda each: not each.is_out, "the worker")
    assert worker.labels == ("slow", "here")
    busy_gpu(lab, None)  # idle, as far as anybody can see: it never takes its messages
    run_id = lab.submit(on_cuda())
    eventually(lambda: lab.worker_log().count("succeeded") >= 4, "the message passed on again and again")
    assert lab.row(run_id).attempt == 0
