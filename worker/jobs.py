"""The two kinds of work a worker takes from the queue, as the one who carries them out sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from sqlalchemy.orm import Session

from backend.domain.run import RunStatus
from backend.services import evaluation_queue, queue
from backend.services.evaluation_queue import Share
from backend.services.queue import Claim
from worker.supervise import python_module


class Work(Protocol):
    """Something claimed: how to carry it out, and what its process's end means for it.

    What ends it returns its new status, or None where it belongs to somebody else by now.
    """

    run_id: str

    @property
    def name(self) -> str:
        """In the worker's log."""

    def command(self) -> list[str]:
        """What carries it out, in a process of its own."""

    def console(self, artifacts: Path) -> Path:
        """Where that process prints."""

    def renew(self, session: Session, now: float) -> RunStatus | None: ...

    def finish(self, session: Session, now: float) -> RunStatus | None: ...

    def release(self, session: Session, cause: str, now: float) -> RunStatus | None: ...

    def interrupt(self, session: Session, cause: str, now: float, tail: str) -> RunStatus | None: ...

    def fail(self, session: Session, cause: str, tail: str, now: float) -> RunStatus | None: ...


class RunWork:
    """A run: training, then scoring."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.run_id = claim.run_id

    @property
    def name(self) -> str:
        return f"run {self.run_id}, attempt {self.claim.attempt}"

    def command(self) -> list[str]:
        return python_module("worker.run", self.run_id, str(self.claim.attempt))

    def console(self, artifacts: Path) -> Path:
        return artifacts / self.run_id / "console.txt"

    def renew(self, session: Session, now: float) -> RunStatus | None:
        return queue.renew(session, self.claim, now)

    def finish(self, session: Session, now: float) -> RunStatus | None:
        return queue.finish(session, self.claim, now)

    def release(self, session: Session, cause: str, now: float) -> RunStatus | None:
        return queue.release(session, self.claim, cause, now)

    def interrupt(self, session: Session, cause: str, now: float, tail: str) -> RunStatus | None:
        return queue.interrupt(session, self.claim, cause, now, tail)

    def fail(self, session: Session, cause: str, tail: str, now: float) -> RunStatus | None:
        return queue.fail(session, self.claim, cause, tail, now)


class EvaluationWork:
    """A share of an evaluation."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.run_id = share.run_id

    @property
    def name(self) -> str:
        return f"evaluation {self.share.evaluation_id}, share {self.share.id}"

    def command(self) -> list[str]:
        return python_module("worker.evaluation_run", str(self.share.evaluation_id), str(self.share.id))

    def console(self, artifacts: Path) -> Path:
        name = f"evaluation-{self.share.evaluation_id}-{self.share.id}.console.txt"
        return artifacts / self.run_id / "evaluations" / name

    def renew(self, session: Session, now: float) -> RunStatus | None:
        return evaluation_queue.renew(session, self.share, now)

    def finish(self, session: Session, now: float) -> RunStatus | None:
        return evaluation_queue.finish(session, self.share, now)

    def release(self, session: Session, cause: str, now: float) -> RunStatus | None:
        return evaluation_queue.release(session, self.share, cause, now)

    def interrupt(self, session: Session, cause: str, now: float, tail: str) -> RunStatus | None:
        return evaluation_queue.interrupt(session, self.share, cause, now, tail)

    def fail(self, session: Session, cause: str, tail: str, now: float) -> RunStatus | None:
        return evaluation_queue.fail(session, self.share, cause, tail, now)
