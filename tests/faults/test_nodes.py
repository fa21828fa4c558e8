"""A node that is broken fails no run: it takes none, says why, and comes back by itself once it is fit."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from backend.data import service as datasets
from backend.db.migrate import upgrade
from backend.db.session import reading_scope, session_scope
from backend.kit.format import worker_name
from backend.queue import dispatch
from backend.workers import service as workers
from backend.workers.service import WorkerState
from tests.support.databases import PostgresDatabases
from tests.support.processes import PATIENCE, Lab, eventually
from tests.support.records.tiny import CHECKPOINT_EVERY, tiny

pytestmark = pytest.mark.faults

BEFORE_FITNESS = "search_depth"  # the last revision at which no worker says whether it is fit
SMALL_DISK, KEPT_FREE = 24, 0.01  # MiB, GiB


@contextmanager
def broker_on(folder: Path, database_url: str, **environment: str) -> Iterator[Lab]:
    """A lab with a broker and no worker yet."""
    lab = Lab(folder, database_url)
    lab.environment |= environment
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lab.environment.items():
            patch.setenv(name, value)
        try:
            lab.start_broker()
            yield lab
        finally:
            lab.stop()


@pytest.fixture
def lab(tmp_path: Path, database_url: str) -> Iterator[Lab]:
    """On each database in turn; its worker is not started."""
    with broker_on(tmp_path, database_url) as lab:
        seed(lab)
        yield lab


def seed(lab: Lab) -> None:
    with session_scope(lab.engine) as session:
        datasets.seed_built_in(session)


def worker_of(lab: Lab) -> WorkerState | None:
    with reading_scope(lab.engine) as session:
        return next((each for each in workers.listed(session) if each.alive), None)


def await_worker(lab: Lab, condition: Callable[[WorkerState], bool], what: str) -> WorkerState:
    def found() -> WorkerState | None:
        worker = worker_of(lab)
        return worker if worker and condition(worker) else None

    return eventually(found, f"{what} (worker log: {lab.worker_log()[-3000:]})")


def await_log(lab: Lab, said: str) -> None:
    eventually(lambda: said in lab.worker_log(), f"{said!r} in the worker's log")


def assert_waits_untouched(lab: Lab, run_ids: list[str]) -> None:
    rows = [lab.row(run_id) for run_id in run_ids]
    assert [(row.status, row.attempt, row.status_cause) for row in rows] == [("queued", 0, "")] * len(rows)


def test_an_unusable_artifacts_folder_fails_no_run_and_the_worker_comes_back_by_itself(lab: Lab) -> None:
    lab.artifacts.touch()  # a file where the folder should be
    run_ids = [lab.submit(tiny()) for _ in range(6)]
    lab.start_worker()

    worker = await_worker(lab, lambda each: each.is_out, "a worker that is out")
    assert str(lab.artifacts) in worker.out_cause
    assert "ETRM_ARTIFACTS" in worker.out_advice
    assert worker.out_since is not None
    await_log(lab, "Out of service, this worker takes no work: The artifacts folder")
    assert_waits_untouched(lab, run_ids)

    lab.artifacts.unlink()
    lab.artifacts.mkdir()
    lab.await_status(run_ids[0], "running")
    back = await_worker(lab, lambda each: not each.is_out, "the worker that is fit again")
    assert (back.id, back.out_since, back.out_advice) == (worker.id, None, "")
    assert_waits_untouched(lab, run_ids[1:])


def test_a_folder_that_vanishes_under_a_training_puts_it_back_and_it_goes_on_afterwards(lab: Lab) -> None:
    lab.start_worker()
    run_id = lab.submit(tiny())
    lab.await_step(run_id, CHECKPOINT_EVERY + 1)
    elsewhere = lab.artifacts.with_name("elsewhere")
    lab.artifacts.rename(elsewhere)
    lab.artifacts.touch()

    worker = await_worker(lab, lambda each: each.is_out, "a worker that is out")
    row = eventually(lambda: (row := lab.row(run_id)).status == "queued" and row, "the run put back")
    assert row.status_cause.startswith(
        f"fault of the machine of {worker_name(worker.id)}: The artifacts folder"
    )
    assert row.traceback == ""

    lab.artifacts.unlink()
    elsewhere.rename(lab.artifacts)
    lab.await_status(run_id, "finished")
    assert lab.event_kinds(run_id) == ["queued", "claimed", "node_fault", "claimed", "finished"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of a few MiB."""
    folder = tmp_path / "artifacts"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}m", "etrm-test", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_that_is_full_or_read_only_takes_the_worker_out_until_it_is_not(
    tmp_path: Path, small_disk: Path, sqlite_url: str, fault: str
) -> None:
    filler = small_disk / "filler"
    remount = ["mount", "-o", "remount,{}", str(small_disk)]
    with broker_on(tmp_path, sqlite_url, ETRM_MIN_FREE_GIB=str(KEPT_FREE)) as lab:
        seed(lab)
        if fault == "full":
            filler.write_bytes(bytes((SMALL_DISK - 1) * 2**20))
        else:
            subprocess.run([part.format("ro") for part in remount], check=True)
        run_id = lab.submit(tiny())
        lab.start_worker()

        worker = await_worker(lab, lambda each: each.is_out, "a worker that is out")
        assert ("GiB free" if fault == "full" else "Read-only file system") in worker.out_cause
        assert_waits_untouched(lab, [run_id])

        if fault == "full":
            filler.unlink()
        else:
            subprocess.run([part.format("rw") for part in remount], check=True)
        lab.await_status(run_id, "running")


def fill(filler: Path) -> None:
    """Write until there is no room left."""
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**14))


def test_a_disk_that_fills_up_during_a_training_is_not_held_against_the_run(
    tmp_path: Path, small_disk: Path, sqlite_url: str
) -> None:
    with broker_on(tmp_path, sqlite_url, ETRM_MIN_FREE_GIB=str(KEPT_FREE)) as lab:
        seed(lab)
        lab.start_worker()
        run_id = lab.submit(tiny())
        lab.await_step(run_id, CHECKPOINT_EVERY + 1)
        filler = small_disk / "filler"
        fill(filler)

        row = eventually(lambda: (row := lab.row(run_id)).status == "queued" and row, "the run put back")
        assert "fault of the machine" in row.status_cause
        assert await_worker(lab, lambda each: each.is_out, "a worker that is out")

        filler.unlink()
        lab.await_status(run_id, "finished")
        assert lab.event_kinds(run_id) == ["queued", "claimed", "node_fault", "claimed", "finished"]


def test_a_worker_that_is_older_than_the_database_claims_nothing_and_says_so(lab: Lab) -> None:
    with lab.engine.begin() as connection:
        kept = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(text("UPDATE alembic_version SET version_num = 'of_the_future'"))
    try:
        run_id = lab.submit(tiny())
        lab.start_worker()
        worker = await_worker(lab, lambda each: each.is_out, "a worker that is out")
        assert "The database is newer than this program" in worker.out_cause
        assert "Update the program" in worker.out_advice
        assert_waits_untouched(lab, [run_id])
    finally:
        with lab.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :kept"), {"kept": kept})
    lab.await_status(run_id, "running")


@pytest.mark.parametrize("before", ["", BEFORE_FITNESS], ids=["empty", "older"])
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_worker_waits_for_tables_that_are_missing_or_older(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, before: str
) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    if kind == "postgres":
        databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
        url = databases.new_empty()
    if before:
        upgrade(url, before)
    with broker_on(tmp_path, url) as lab:
        lab.start_worker()
        await_log(lab, "older than this program" if before else "The database has no tables yet.")
        assert dispatch.send("aaaaaaaaaa")  # a hint that it must not follow

        upgrade(url)
        seed(lab)
        await_log(lab, "Fit again")
        run_id = lab.submit(tiny())
        lab.await_status(run_id, "running")
        assert "Traceback" not in lab.worker_log()
        assert lab.worker
        lab.worker.terminate()
        assert lab.worker.wait(timeout=PATIENCE) == 0


def test_a_worker_that_is_out_leaves_at_once_when_it_is_told_to(lab: Lab) -> None:
    lab.artifacts.touch()
    run_id = lab.submit(tiny())
    lab.start_worker()
    await_worker(lab, lambda each: each.is_out, "a worker that is out")
    assert lab.worker
    lab.worker.terminate()
    assert lab.worker.wait(timeout=PATIENCE) == 0
    assert worker_of(lab) is None
    assert_waits_untouched(lab, [run_id])
