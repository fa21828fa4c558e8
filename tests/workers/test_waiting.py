"""Why a job waits: all reasons that hold, the most decisive first."""

from __future__ import annotations

from backend.workers.service import WorkerState
from backend.workers.waiting import Fleet, Job, reasons_for


def worker(host: str, run_id: str | None = None, alive: bool = True) -> WorkerState:
    return WorkerState(
        f"{host}.1.2.3", host, 1, "cpu", "CPU", 1, run_id, 0.0, out_since=None, heartbeat_at=0.0, alive=alive
    )


def fleet(*workers: WorkerState) -> Fleet:
    online = [each for each in workers if each.alive]
    work = {each.id: f"run {each.current_run_id}" for each in online if each.current_run_id}
    return Fleet(online, [each for each in workers if not each.alive], work)


NO_WORKER = "no worker is online: start one with etrm worker"
SOON = "a worker is idle and will start it within seconds"


def test_without_a_worker_that_comes_first_and_the_offline_ones_last() -> None:
    assert reasons_for(Job(0), fleet()) == [NO_WORKER]
    assert reasons_for(Job(2), fleet(worker("gpu1", "x", alive=False))) == [
        NO_WORKER, "2 ahead in queue", "1 worker offline: gpu1",
    ]  # fmt: skip


def test_busy_and_offline_workers_and_those_ahead_are_all_named() -> None:
    assert reasons_for(Job(3), fleet(worker("a", "x"), worker("b", "y"), worker("c", alive=False))) == [
        "2 workers busy with run x, run y", "3 ahead in queue", "1 worker offline: c",
    ]  # fmt: skip


def test_an_idle_worker_is_promised_only_to_whoever_gets_it() -> None:
    workers = fleet(worker("a"), worker("b"), worker("c", "x"))
    assert reasons_for(Job(0), workers) == [SOON]
    assert reasons_for(Job(1), workers) == ["1 ahead in queue", SOON]
    assert reasons_for(Job(2), workers) == ["1 worker busy with run x", "2 ahead in queue"]
    assert reasons_for(Job(1), fleet(worker("a"))) == ["1 ahead in queue"]


def test_a_large_fleet_is_counted_rather_than_listed() -> None:
    [busy] = reasons_for(Job(0), fleet(*(worker(f"host{n}", str(n)) for n in range(9))))
    assert busy == "9 workers busy with run 0, run 1, run 2, run 3 and 5 more"
