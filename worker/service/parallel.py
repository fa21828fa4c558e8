"""`python -m worker.service.parallel NODES@HOST:PORT|alone PROCESSES MODULE …`: a module in several
processes that share each batch.

torchrun starts them, here and, with a rendezvous, on other machines. What it does not do is done here: no
process outlives its starter, and the exit status is that of the processes, not torchrun's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from backend.kit import die_with_parent
from worker.service.supervision import STOPPED

ALONE = "alone"
STATUS_FOLDER = "ETRM_STATUS_FOLDER"  # between a starter and its processes; nothing for people to set
LOST = 76  # exit status of a process whose sister died
LEFT_AS_ASKED = (0, STOPPED)


def is_one_of_several() -> bool:
    """Whether torchrun started this process."""
    return "RANK" in os.environ


def is_first() -> bool:
    """Whether this process is the one that records and reports."""
    return int(os.environ.get("RANK", 0)) == 0


def hand_over(
    processes: int, module: str, arguments: Sequence[str], nodes: int = 1, rendezvous: str = ""
) -> NoReturn:
    """Become the starter of `processes` that run `module` here.

    With a `rendezvous` (HOST:PORT) they meet those of the other machines, `nodes` in all.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    meeting = f"{nodes}@{rendezvous}" if rendezvous else ALONE
    command = [sys.executable, "-m", "worker.service.parallel", meeting, str(processes), module, *arguments]
    os.execv(sys.executable, command)


def join() -> None:
    """To be called first in each process: it ends with its starter."""
    if is_one_of_several():
        die_with_parent.tie(os.getppid())


def leave(status: int) -> NoReturn:
    """End this process; among several its starter learns the status."""
    if is_one_of_several() and STATUS_FOLDER in os.environ:
        (Path(os.environ[STATUS_FOLDER]) / os.environ["LOCAL_RANK"]).write_text(str(status))
        status = int(status not in LEFT_AS_ASKED)  # torchrun takes every other status for a crash
    sys.exit(status)


def main(meeting: str, processes: int, module: str, arguments: Sequence[str]) -> int:
    """Start the processes and wait for them; what they left with, or killed as one of them was."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "torch.distributed.run", *_meeting(meeting), "--nproc-per-node"]
        command += [str(processes), "-m", module, *arguments]
        torchrun = subprocess.Popen(
            [sys.executable, "-I", "-S", str(die_with_parent.__file__), str(os.getpid()), *command],
            env=os.environ | {STATUS_FOLDER: folder},
        )

        def pass_on(number: int, _frame: FrameType | None) -> None:
            torchrun.send_signal(number)

        signal.signal(signal.SIGTERM, pass_on)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to torchrun as well
        torchrun.wait()
        left = {int(file.name): int(file.read_text()) for file in Path(folder).iterdir()}
    return _ending(left, processes)


def _ending(left: dict[int, int], processes: int) -> int:
    """The exit status of all, from those that processes left with, by their number on this machine."""
    for _, status in sorted(left.items()):
        if status not in (*LEFT_AS_ASKED, LOST):
            return status
    if len(left) < processes or LOST in left.values():
        os.kill(os.getpid(), signal.SIGKILL)  # as one of them, or one on another machine, was
    return left[0]


def _meeting(meeting: str) -> list[str]:
    """How torchrun finds the other machines."""
    if meeting == ALONE:
        return ["--standalone"]
    nodes, _, endpoint = meeting.partition("@")
    return [f"--nnodes={nodes}", "--rdzv-backend=c10d", f"--rdzv-endpoint={endpoint}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]))
