"""What state a run or an evaluation can be in, and what may follow what."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class RunStatus(StrEnum):
    """The life of a run. `cancelling` lasts until its process and its GPU memory are gone."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"  # the script of an external run has fallen silent; it may log again

    @property
    def is_over(self) -> bool:
        return self in (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELLED)


Life = Mapping[RunStatus, frozenset[RunStatus]]  # status -> what may follow it

QUEUED, RUNNING, CANCELLING, FINISHED, FAILED, CANCELLED, LOST = RunStatus

HELD = (RUNNING, CANCELLING)  # a worker has it
LOGGING = (RUNNING, LOST)  # an external run that its script may log to and end

# A run whose worker is lost goes running -> queued, with the cause noted.
TRAINING: Life = {
    QUEUED: frozenset({RUNNING, CANCELLED}),
    RUNNING: frozenset({FINISHED, FAILED, CANCELLING, QUEUED}),
    CANCELLING: frozenset({CANCELLED}),
    FINISHED: frozenset(),
    FAILED: frozenset({QUEUED}),
    CANCELLED: frozenset({QUEUED}),
    LOST: frozenset(),
}

# A run that a script logs from outside: there is no process of ours to wait for.
EXTERNAL: Life = {status: frozenset() for status in RunStatus} | {
    RUNNING: frozenset({FINISHED, FAILED, CANCELLED, LOST}),
    LOST: frozenset({FINISHED, FAILED, CANCELLED, RUNNING}),
    FINISHED: frozenset({RUNNING}),  # the script was started again with the run's id
    FAILED: frozenset({RUNNING}),
    CANCELLED: frozenset({RUNNING}),
}

RUN_LIVES: Mapping[str, Life] = {"training": TRAINING, "external": EXTERNAL}  # by `Run.origin`

# A cancelled job whose last batch is delivered meanwhile is finished. A training that resumes may score
# the same checkpoint again, whatever became of the first time.
EVALUATION: Life = {
    QUEUED: frozenset({RUNNING, CANCELLED}),
    RUNNING: frozenset({FINISHED, FAILED, CANCELLING, QUEUED}),
    CANCELLING: frozenset({CANCELLED, FINISHED}),
    FINISHED: frozenset({RUNNING}),
    FAILED: frozenset({QUEUED, RUNNING}),
    CANCELLED: frozenset({QUEUED, RUNNING}),
    LOST: frozenset(),
}


def may_follow(before: RunStatus, after: RunStatus, life: Life = TRAINING) -> bool:
    """Whether something of this life may go from `before` to `after`."""
    return after in life[before]


MAX_ATTEMPTS = 5  # interruptions without new progress after which a run or an evaluation fails
