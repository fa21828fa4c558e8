"""`etrm worker --slurm …`: jobs on a Slurm cluster that run the plain worker, through submitit.

Slurm gives notice before it takes a node: SIGUSR2 `signal_delay_s` before the time limit, SIGTERM where it
pre-empts. The worker then does as at any SIGTERM, saves a checkpoint and gives the run back, and the
job goes back into Slurm's queue. Why so: docs/decisions/slurm.md.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any, NamedTuple

from backend.kit import die_with_parent
from backend.kit.errors import FieldProblem, InvalidInput, Unavailable
from backend.kit.problems import not_valid
from backend.settings import Settings
from worker.service.supervision import python_module

OPTION = "--slurm"
JOB_NAME = "etrm-worker"
NO_LIMIT = 1_000_000  # of requeues: a worker is never done
NOTICE = signal.SIGUSR2
# What may be asked of Slurm, by the names that submitit has for it. One job is one worker on one node.
PARAMETERS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {
        "partition": str,
        "account": str,
        "qos": str,
        "timeout_min": int,
        "gpus_per_node": str,  # 2, or a100:2
        "cpus_per_task": int,
        "mem_gb": float,
        "mem_per_gpu": str,
        "mem_per_cpu": str,
        "constraint": str,
        "nodelist": str,
        "exclude": str,
        "gres": str,
        "comment": str,
        "dependency": str,
        "mail_type": str,
        "mail_user": str,
        "signal_delay_s": int,
        "array_parallelism": int,
    }
)
SHARED = ("timeout_min", "cpus_per_task", "mem_gb")  # which submitit has for every kind of cluster
_NEXT = re.compile(r",(?=[^,=]+=)")  # a comma before NAME=; others belong to a value, as in partition=a,b


class Job(NamedTuple):
    """A worker's job as squeue lists it."""

    id: str
    state: str
    run_time: str
    time_limit: str
    where: str  # its node, or why it waits


class SlurmWorker:
    """What a job runs: a worker in a process of its own, which is told when the job has to leave."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = tuple(labels)
        self._pid: int | None = None
        self._told_to_leave = False

    def __call__(self) -> None:
        """Work until Slurm wants the node back. An error where the worker ends by itself."""
        signal.signal(signal.SIGTERM, self._leave)
        labels = ",".join((*self._labels, job_label()))
        worker = subprocess.Popen(
            [sys.executable, "-I", "-S", str(die_with_parent.__file__), str(os.getpid()),
             *python_module("worker", "worker", "--labels", labels)],
            # Slurm signals every process of a job: here the notice means nothing, and would kill.
            preexec_fn=lambda: signal.signal(NOTICE, signal.SIG_IGN),
        )  # fmt: skip
        self._pid = worker.pid
        if self._told_to_leave:  # while it was being started
            self._tell_worker()
        self._await_its_end()
        status = worker.wait()
        self._pid = None
        if self._told_to_leave and is_to_be_requeued():
            os.kill(os.getpid(), NOTICE)  # submitit requeues at this signal, and ends the process
        if status and not self._told_to_leave:
            raise RuntimeError(f"The worker ended with exit status {status}; its output says why.")

    def checkpoint(self) -> Any:
        """Stop the worker cleanly; what submitit puts into the queue again."""
        from submitit.helpers import DelayedSubmission

        self._tell_worker()
        self._await_its_end()
        return DelayedSubmission(SlurmWorker(self._labels))

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        """Pre-empted or cancelled."""
        self._told_to_leave = True
        self._tell_worker()

    def _tell_worker(self) -> None:
        if self._pid is not None:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self._pid, signal.SIGTERM)

    def _await_its_end(self) -> None:
        """Without reaping it, so that a signal handler may wait as well: `Popen.wait` holds a lock."""
        if self._pid is not None:
            with suppress(ChildProcessError):  # reaped meanwhile
                os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)


def parameters(options: Sequence[str]) -> dict[str, Any]:
    """`partition=gpu,gpus_per_node=1` as names and values. InvalidInput names what is wrong."""
    found: dict[str, Any] = {}
    problems = []
    for option in (part for text in options for part in _NEXT.split(text)):
        name, equals, value = (part.strip() for part in option.partition("="))
        if name not in PARAMETERS:
            problems.append(not_valid(OPTION, name, PARAMETERS, "option of Slurm"))
        elif not equals or not value:
            problems.append(FieldProblem(OPTION, f"{name} has no value.", f"Write {name}=VALUE."))
        else:
            try:
                found[name] = PARAMETERS[name](value)
            except ValueError:
                problems.append(FieldProblem(OPTION, f"{name} must be a number, not {value!r}."))
    if problems:
        raise InvalidInput("No worker was submitted.", problems=problems)
    return found


def submit(settings: Settings, asked: Mapping[str, Any], count: int, labels: Sequence[str]) -> list[str]:
    """Submit `count` workers, as an array if there are several; the ids of their jobs."""
    submitit = _submitit()
    _check_cluster("sbatch")
    if settings.broker_url is None:
        raise Unavailable(
            "No broker to take runs from.",
            "Set ETRM_BROKER_URL to redis://HOST:PORT/0, which every node reaches.",
        )
    executor = executor_of(submitit, settings, asked, count)
    try:
        with executor.batch():
            jobs = [executor.submit(SlurmWorker(labels)) for _ in range(count)]
    except submitit.core.utils.FailedJobError as error:
        raise InvalidInput("Slurm did not take the job.", _last_line(str(error))) from error
    return [job.job_id for job in jobs]


def executor_of(submitit: Any, settings: Settings, asked: Mapping[str, Any], count: int) -> Any:
    """What submits: each job has a folder of its own below HOME/slurm, with its output."""
    executor = submitit.AutoExecutor(
        _folder(settings) / "%j", cluster="slurm", slurm_max_num_timeout=NO_LIMIT
    )
    given = {"timeout_min": 60, "array_parallelism": count, **asked}
    executor.update_parameters(
        slurm_job_name=JOB_NAME,
        slurm_additional_parameters={"requeue": True},
        **{name if name in SHARED else f"slurm_{name}": value for name, value in given.items()},
    )
    return executor


def jobs(settings: Settings) -> list[Job]:
    """The jobs that were submitted for this lab and have not ended."""
    _check_cluster("squeue")
    columns = [
        "--format=%i|%T|%M|%l|%R",
        f"--name={JOB_NAME}",
        f"--user={os.getuid()}",
        "--array",
        "--noheader",
    ]
    lines = _asked(["squeue", *columns]).splitlines()
    found = [Job(*(part.strip() for part in line.split("|", 4))) for line in lines]
    return [job for job in found if (_folder(settings) / job.id).is_dir()]


def cancel(settings: Settings) -> list[Job]:
    """Cancel them. Those that run save a checkpoint and give their run back."""
    found = jobs(settings)
    if found:
        _asked(["scancel", *(job.id for job in found)])
    return found


def job_label() -> str:
    """What the worker of this job is labelled with, and so known by on the queue page."""
    array, own = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_JOB_ID", "")
    return f"slurm-{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}" if array else f"slurm-{own}"


def is_to_be_requeued() -> bool:
    """Whether this job still counts as running: one that was cancelled or is requeued by Slurm does not."""
    shown = _asked(["scontrol", "show", "job", os.environ["SLURM_JOB_ID"]])
    return "JobState=RUNNING" in shown.split()


def _folder(settings: Settings) -> Path:
    return settings.home / "slurm"


def _submitit() -> Any:
    try:
        import submitit
    except ImportError as error:
        raise Unavailable(
            "submitit is not installed.", "Install the extra slurm: pip install 'submitit>=1.5,<2'."
        ) from error
    return submitit


def _check_cluster(command: str) -> None:
    if shutil.which(command) is None:
        raise Unavailable(
            f"{command} is not on this machine.",
            "Run this where Slurm's commands are: a login node of the cluster.",
        )


def _asked(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{command[0]} failed.", _last_line(error.stderr)) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]} does not answer.", "Try again later.") from error


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
