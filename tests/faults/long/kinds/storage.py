"""The artifacts folder full, read-only or gone; checkpoints damaged; memory short; numbers that explode."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from backend.db.session import reading_scope, session_scope
from backend.lifecycle import service as lifecycle
from backend.queue import dispatch
from backend.runs import checkpoints, events
from backend.runs.status import RunStatus
from tests.faults.long.registry import Course, Missed, Skipped, fault
from tests.faults.long.trial import Trial
from tests.support.processes import eventually, kill
from tests.support.records.tiny import CHECKPOINT_EVERY, STEPS, tiny

SMALL_DISK = 24  # MiB
LAST = STEPS - 2 * CHECKPOINT_EVERY  # a step after which checkpoints are still to be written
WITHOUT_DISK = 3.0  # seconds at most before the folder is mended after the run was put back
CONTROL_GROUPS = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
LIMIT_FILES = "memory.limit_in_bytes", "memory.max"
MARGIN = (150, 210)  # MiB: less than a training takes, more than its worker: the kernel kills the largest
# With a learning rate of 1, weights grow by this factor less one at every step, with changing sign.
EXPLODES = (6.0, 10.0)  # weight decay

PUT_BACK = (
    "put back with the cause; the worker is out of service until the folder can be written, then resumes"
)
BEFORE_IT = "resumes from the checkpoint before it and says so"


@fault("disk-full", "the disk of the artifacts folder fills up (tmpfs)", PUT_BACK)
def disk_full(trial: Trial) -> Course:
    folder = trial.lab.artifacts
    _mount(trial, "-t", "tmpfs", "-o", f"size={SMALL_DISK}m", "etrm-faults", str(folder))
    run_id = trial.midway(LAST)
    filler = folder / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**14))
    _await_put_back(trial, run_id)
    filler.unlink()
    yield
    trial.expect(run_id, "node_fault", "fault of the machine")


@fault("disk-read-only", "the artifacts folder becomes read-only (bind mount)", PUT_BACK)
def disk_read_only(trial: Trial) -> Course:
    folder = str(trial.lab.artifacts)
    run_id = trial.midway(LAST)
    # Mounted now: what is open for writing on a mount keeps it from becoming read-only.
    _mount(trial, "--bind", folder, folder)
    _run("mount", "-o", "remount,bind,ro", folder)
    _await_put_back(trial, run_id)
    _run("mount", "-o", "remount,bind,rw", folder)
    yield
    trial.expect(run_id, "node_fault", "Read-only file system")


@fault("disk-vanished", "the artifacts folder vanishes", PUT_BACK)
def disk_vanished(trial: Trial) -> Course:
    run_id = trial.midway(LAST)
    folder = trial.lab.artifacts
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    folder.touch()  # a file in its place: the folder cannot be made again
    try:
        _await_put_back(trial, run_id)
    finally:
        folder.unlink()
        elsewhere.rename(folder)
    yield
    trial.expect(run_id, "node_fault", "The artifacts folder")


def _await_put_back(trial: Trial, run_id: str) -> None:
    def put_back() -> bool:
        row = trial.lab.row(run_id)
        if RunStatus(row.status).is_over:
            raise Missed(f"run {run_id} was over: {row.status} {row.status_cause}")
        return row.status == RunStatus.QUEUED

    eventually(put_back, "the run put back")
    trial.pause(WITHOUT_DISK)


def _mount(trial: Trial, *arguments: str) -> None:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise Skipped("needs root on Linux, to mount a file system")
    Path(arguments[-1]).mkdir(exist_ok=True)
    _run("mount", *arguments)
    trial.stack.callback(_run, "umount", "-l", arguments[-1])


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


# --- checkpoints


@fault(
    "damaged-bytes",
    "bytes of the newest checkpoint flipped",
    BEFORE_IT,
)
def damaged_bytes(trial: Trial) -> Course:
    def flip(file: Path) -> None:
        content = bytearray(file.read_bytes())
        for _ in range(8):
            content[trial.draw.randrange(len(content))] ^= 0xFF
        file.write_bytes(content)

    yield from _damaged(trial, flip)


@fault(
    "damaged-short",
    "a file of the newest checkpoint cut off",
    BEFORE_IT,
)
def damaged_short(trial: Trial) -> Course:
    def cut(file: Path) -> None:
        os.truncate(file, trial.draw.randrange(file.stat().st_size))

    yield from _damaged(trial, cut)


def _damaged(trial: Trial, damage: Callable[[Path], None]) -> Course:
    """Damage the newest checkpoint while no worker lives, so that the next attempt meets it."""
    from worker.training.checkpoints import checkpoint  # takes seconds: torch

    lab = trial.lab
    run_id = trial.midway(first=2 * CHECKPOINT_EVERY + 2)
    child = trial.child(run_id)
    assert lab.worker
    kill(lab.worker)
    eventually(lambda: not child.is_running(), "the end of its training")
    with reading_scope(lab.engine) as session:
        known = checkpoints.latest(session, run_id)
    if known is None:
        raise Missed(f"run {run_id} has no checkpoint in the database yet")
    # Newer ones may be in the journal only, or nowhere: the next attempt resumes from these or from that one.
    newest = [
        path
        for path in checkpoint.list_checkpoints(lab.artifacts / run_id)
        if checkpoint.step_of(path) >= known.step
    ]
    for folder in newest:
        damage(trial.draw.choice(sorted(file for file in folder.iterdir() if file.stat().st_size)))
    lab.start_worker()
    yield
    text = lab.log_text(run_id)
    if "Resuming from the checkpoint before it." not in text:
        trial.findings.append(f"run {run_id} does not say that its newest checkpoint was damaged")


# --- memory and numbers


@fault(
    "memory-limit",
    "out of memory: the address space of the training is limited (`RLIMIT_AS`)",
    "failed with memory as the cause and advice; resumed by hand, it is as if nothing had happened",
)
def memory_limit(trial: Trial) -> Course:
    run_id = trial.midway(LAST)
    child = trial.child(run_id)
    held = child.memory_info().vms
    resource.prlimit(child.pid, resource.RLIMIT_AS, (held, held))
    eventually(
        lambda: RunStatus(trial.lab.row(run_id).status).is_over or _was_interrupted(trial, run_id),
        "the end of its process",
    )
    row = trial.lab.row(run_id)
    if _was_interrupted(trial, run_id):
        raise AssertionError(f"it died instead of failing: {row.status_cause}")
    if row.status != RunStatus.FAILED:
        raise Missed(f"the training took no more memory: {row.status}")
    if "memory" not in row.status_cause.lower():
        trial.findings.append(f"the cause does not name memory: {row.status_cause}")
    with session_scope(trial.lab.engine) as session:
        lifecycle.resume(session, run_id)
    dispatch.send(run_id)
    yield


@fault(
    "memory-group",
    "out of memory: the kernel kills the training in its control group",
    "interrupted with memory as the cause, and resumed",
)
def memory_group(trial: Trial) -> Course:
    lab = trial.lab
    group, limit = _control_group()
    trial.stack.callback(_remove_group, group)
    assert lab.worker
    (group / "cgroup.procs").write_text(str(lab.worker.pid))
    trial.stack.callback((group.parent / "cgroup.procs").write_text, str(lab.worker.pid))
    used = int(
        (group / ("memory.current" if limit.name == "memory.max" else "memory.usage_in_bytes")).read_text()
    )
    limit.write_text(str(used + trial.draw.randint(*MARGIN) * 2**20))
    run_id = trial.submit()
    eventually(lambda: _was_interrupted(trial, run_id), "the kill")
    limit.write_text("max" if limit.name == "memory.max" else "-1")
    yield
    trial.expect(run_id, "interrupted", "by the kernel: out of memory")


def _was_interrupted(trial: Trial, run_id: str) -> bool:
    with reading_scope(trial.lab.engine) as session:
        return any(event.kind == "interrupted" for event in events.list(session, run_id))


def _control_group() -> tuple[Path, Path]:
    """A new control group and the file of its memory limit."""
    for root in CONTROL_GROUPS:
        group = root / f"etrm-faults-{os.getpid()}"
        with suppress(OSError):
            group.mkdir(exist_ok=True)
            for name in LIMIT_FILES:
                if (group / name).exists():
                    return group, group / name
            group.rmdir()
    raise Skipped("needs root and a memory controller of control groups")


def _remove_group(group: Path) -> None:
    def removed() -> bool:
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (group.parent / "cgroup.procs").write_text(pid)
        with suppress(OSError):
            group.rmdir()
        return not group.exists()

    eventually(removed, "the control group to be empty")


@fault(
    "nan",
    "the loss becomes NaN (weights that grow several times over at every step)",
    "failed with the step and advice; points and checkpoints stay",
)
def nan(trial: Trial) -> Course:
    config = tiny()
    explodes = {
        "learning_rate": 1.0,
        "weight_decay": trial.draw.uniform(*EXPLODES),
        "warmup_steps": 0,
        "gradient_clip": None,
    }
    optimisation = config.optimisation.model_copy(update=explodes)
    run_id = trial.submit(config.model_copy(update={"optimisation": optimisation}))
    trial.ends_as(run_id, RunStatus.FAILED, compared=False)
    yield
    cause = trial.lab.row(run_id).status_cause
    if "diverged" not in cause or "learning_rate" not in cause:
        trial.findings.append(f"the cause does not say that it diverged: {cause}")
