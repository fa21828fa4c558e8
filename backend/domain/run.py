"""What state a run can be in, and what may follow what."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """The life of a run. `cancelling` lasts until its process and its GPU memory are gone."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self in (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELLED)


# queued -> queued never happens: a lost worker's run goes running -> queued, with the cause noted.
TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.CANCELLED}),
    RunStatus.RUNNING: frozenset(
        {RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELLING, RunStatus.QUEUED}
    ),
    RunStatus.CANCELLING: frozenset({RunStatus.CANCELLED}),
    RunStatus.FINISHED: frozenset(),
    RunStatus.FAILED: frozenset({RunStatus.QUEUED}),
    RunStatus.CANCELLED: frozenset({RunStatus.QUEUED}),
}


def may_follow(before: RunStatus, after: RunStatus) -> bool:
    """Whether a run may go from `before` to `after`."""
    return after in TRANSITIONS[before]
