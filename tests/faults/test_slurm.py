"""Workers as jobs of a cluster: a node is taken back, the run resumes elsewhere, and nothing is lost."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import submitit

from backend.data import service as datasets
from backend.db.session import make_engine, reading_scope, session_scope
from backend.settings import Settings
from backend.workers import service as workers
from tests.support.databases import SqliteFiles
from tests.support.processes import Lab, eventually, kill
from tests.support.records.tiny import CHECKPOINT_EVERY, STEPS, tiny
from worker.service import slurm

pytestmark = [pytest.mark.faults, pytest.mark.long]

MID = 2 * CHECKPOINT_EVERY + 5  # a step with two checkpoints behind it


def has_cluster() -> bool:
    """Whether Slurm's commands are here, and a cluster that answers them."""
    if not shutil.which("sbatch"):
        return False
    try:
        return subprocess.run(["sinfo"], capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.fixture
def lab(tmp_path: Path, sqlite_files: SqliteFiles, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A broker and a database, and no worker but those that jobs start."""
    url = sqlite_files.new()
    engine = make_engine(url)
    with session_scope(engine) as session:
        datasets.seed_built_in(session)
    engine.dispose()
    lab = Lab(tmp_path, url)
    for name, value in lab.environment.items():
        monkeypatch.setenv(name, value)
    lab.start_broker()
    try:
        yield lab
    finally:
        lab.stop()


def labels(lab: Lab) -> list[tuple[str, ...]]:
    with reading_scope(lab.engine) as session:
        return [each.labels for each in workers.listed(session) if each.alive]


def midway(lab: Lab) -> tuple[str, psutil.Process]:
    """A run between two checkpoints, and its training process."""
    run_id = lab.submit(tiny())
    training = lab.await_child(run_id)
    lab.await_step(run_id, MID)
    return run_id, training


def assert_it_went_on(lab: Lab, run_id: str) -> None:
    row = lab.await_status(run_id, "finished")
    assert (row.attempt, row.step) == (2, STEPS)
    assert "Resuming from the checkpoint of step" in lab.log_text(run_id)
    assert list(lab.points(run_id)["loss"]) == list(range(1, STEPS + 1))


def test_a_job_that_has_to_leave_drains_its_worker_and_runs_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    executor = submitit.LocalExecutor(lab.folder / "jobs" / "%j", max_num_timeout=slurm.NO_LIMIT)
    executor.update_parameters(timeout_min=120)
    job = executor.submit(slurm.SlurmWorker(["fast"]))
    try:
        run_id, training = midway(lab)
        assert labels(lab) == [("fast", "slurm-7")]
        worker, task = training.parents()[:2]
        for process in (training, worker, task):  # Slurm gives every process of a job notice
            process.send_signal(slurm.NOTICE)
        assert_it_went_on(lab, run_id)
    finally:
        controller = psutil.Process(int(job.job_id))
        kill(controller, *controller.children())  # their workers die with them


@pytest.mark.parametrize("notice", ["USR2", "TERM"])  # before the time limit; where a job is pre-empted
def test_a_job_of_a_real_cluster_does_so_too(lab: Lab, notice: str) -> None:
    if not has_cluster():
        pytest.skip("sbatch is not here, or no cluster answers it")
    settings = Settings.load()
    [job] = slurm.submit(settings, {"timeout_min": 120}, 1, ["fast"])
    try:
        run_id, _ = midway(lab)
        assert labels(lab) == [("fast", f"slurm-{job}")]
        subprocess.run(["scancel", f"--signal={notice}", job], check=True)
        assert_it_went_on(lab, run_id)
        [listed] = slurm.jobs(settings)
        assert (listed.id, listed.state) == (job, "RUNNING")
    finally:
        slurm.cancel(settings)
    eventually(lambda: not slurm.jobs(settings), "the cancelled job to be gone")
    eventually(lambda: not labels(lab), "its worker to have left in good order")
