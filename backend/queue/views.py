"""QueueView: the queue as the API and the command line give it."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from backend.evaluation.views import EvaluationView
from backend.kit.model import Model
from backend.queue.board import Board
from backend.run_view.views import RunView


class WorkerView(Model):
    """A worker as of its last heartbeat. Times are seconds since the Unix epoch."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    host: str
    pid: int
    device: str = Field(examples=["cuda"])
    device_name: str
    memory_bytes: int = Field(description="Of the device: GPU memory, or the machine's.")
    labels: list[str] = Field([], description="What runs may ask of it in `placement.labels`.")
    clock_ahead: float = Field(0.0, description="Seconds by which its host's clock leads the database's.")
    out_cause: str = Field("", description="Why it takes no work until that is put right; empty: it does.")
    out_advice: str = Field("", description="What to do about that.")
    out_since: float | None = Field(None, description="Since when it is out of service.")
    utilisation: float | None = Field(
        None, description="Of the device, 0 to 1, at the last heartbeat; null: it does not tell."
    )
    memory_used: int | None = Field(None, description="Bytes of `memory_bytes` in use, by any process.")
    current_run_id: str | None
    started_at: float
    heartbeat_at: float
    alive: bool


class EvaluationQueueView(Model):
    """Evaluation jobs: `compute.workers` says who shares one, `waiting_reasons` why it waits."""

    model_config = ConfigDict(from_attributes=True)

    running: list[EvaluationView]
    waiting: list[EvaluationView] = Field(description="The oldest first, as workers take them.")
    ended: list[EvaluationView] = Field(description="Failed or cancelled within a day.")


class QueueView(Model):
    """Waiting runs, the next one first; each one's `waiting_reasons` say why it waits."""

    runs: list[RunView]
    priorities: list[str] = Field(description="high, normal or low, of each of `runs`.")
    running: list[RunView]
    ended: list[RunView] = Field(description="Failed or cancelled within a day; resume tries one again.")
    workers: list[WorkerView]
    evaluations: EvaluationQueueView


def view_of(board: Board) -> QueueView:
    """The whole queue."""
    return QueueView(
        runs=[each.run for each in board.waiting],
        priorities=[each.priority for each in board.waiting],
        running=list(board.running),
        ended=list(board.ended),
        workers=[WorkerView.model_validate(each) for each in board.workers],
        evaluations=EvaluationQueueView.model_validate(board.evaluations),
    )
