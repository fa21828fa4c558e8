"""The two kinds of work a worker takes from the queue, as the one who carries them out sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy.orm import Session

from backend.evaluation import jobs as evaluation_queue
from backend.evaluation.jobs import Share
from backend.queue import claims as queue
from backend.queue.claims import Claim
from backend.runs.status import RunStatus
from worker.service.supervision import python_module

Held = TypeVar("Held")
HeldIn = TypeVar("HeldIn", contravariant=True)
Status = RunStatus | None  # the new one, or None where the work belongs to somebody else by now


class Queue(Protocol[HeldIn]):
    """What can become of the work of one kind: the modules `queue` and `evaluation_queue`."""

    def renew(self, session: Session, held: HeldIn) -> Status: ...

    def finish(self, session: Session, held: HeldIn) -> Status: ...

    def release(self, session: Session, held: HeldIn, cause: str) -> Status: ...

    def interrupt(self, session: Session, held: HeldIn, cause: str, traceback: str) -> Status: ...

    def node_fault(self, session: Session, held: HeldIn, cause: str, traceback: str) -> Status: ...

    def reported(self, session: Session, held: HeldIn) -> str: ...

    def fail(self, session: Session, held: HeldIn, cause: str, traceback: str) -> Status: ...


@dataclass(frozen=True)
class Work(Generic[Held]):
    """Something claimed: how to carry it out, and where to write what became of it."""

    held: Held
    queue: Queue[Held]
    name: str  # in the worker's log
    command: list[str]  # what carries it out, in a process of its own
    console: Path  # where that process prints, below the artifacts folder
    about: Mapping[str, object]  # what the worker's log says of it: run_id, …


AnyWork = Work[Any]


def run_work(claim: Claim, trace_id: str = "") -> Work[Claim]:
    """A run: training, then scoring. `trace_id`: of the request that queued it."""
    return Work(
        claim,
        queue,
        f"run {claim.run_id}, attempt {claim.attempt}",
        python_module("worker.service.train", claim.run_id, str(claim.attempt)),
        Path(claim.run_id, "console.txt"),
        {"run_id": claim.run_id, "attempt": claim.attempt, "trace_id": trace_id},
    )


def evaluation_work(share: Share, trace_id: str = "") -> Work[Share]:
    """A share of an evaluation. `trace_id`: of the request that queued it."""
    return Work(
        share,
        evaluation_queue,
        f"evaluation {share.evaluation_id}, share {share.id}",
        python_module("worker.service.evaluate", str(share.evaluation_id), str(share.id)),
        Path(share.run_id, "evaluations", f"evaluation-{share.evaluation_id}-{share.id}.console.txt"),
        {"run_id": share.run_id, "evaluation_id": share.evaluation_id, "trace_id": trace_id},
    )
