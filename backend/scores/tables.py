"""Evaluations, their outcomes per test input, the candidate grids; and the jobs that make them."""

from __future__ import annotations

from typing import Annotated, Any

from sqlalchemy import ColumnElement, ForeignKey, LargeBinary, UniqueConstraint
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AutoId, Base, BigId, OfRun
from backend.domain.records import WITHOUT_EMBEDDING

OfEvaluation = Annotated[int, mapped_column(ForeignKey("evaluation.id", ondelete="CASCADE"))]
OfEvaluationAsKey = Annotated[
    int, mapped_column(ForeignKey("evaluation.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
]


class Evaluation(Base):
    """One scoring of one checkpoint on tasks of one set. `passes` is {"k": [solved, n]}."""

    __tablename__ = "evaluation"
    __table_args__ = (
        UniqueConstraint(
            "run_id", "set_name", "step", "weights", "views", "act_steps", "search", "canvas", "tasks_digest",
            "distinct_views", "adaptation", "intervention",
            name="uq_evaluation_key",
        ),
    )  # fmt: skip

    id: Mapped[AutoId]
    run_id: Mapped[OfRun]
    set_name: Mapped[str]
    step: Mapped[int]
    weights: Mapped[str]  # ema, raw
    views: Mapped[int]
    act_steps: Mapped[int]
    search: Mapped[str] = mapped_column(default="")  # its config as JSON; empty without one
    canvas: Mapped[str] = mapped_column(default="")  # "trimmed +N"; empty: square
    distinct_views: Mapped[bool] = mapped_column(default=False)  # views that look alike vote once
    adaptation: Mapped[str] = mapped_column(default="")  # its config as JSON; empty without one
    intervention: Mapped[str] = mapped_column(default="")  # what was taken from the model on purpose
    set_aside: Mapped[bool] = mapped_column(default=False)  # only an ablation or a study asked for it
    tasks_digest: Mapped[str]  # of the set of task ids
    task_ids: Mapped[list[str]]
    status: Mapped[str]  # running, finished; of a job also queued, cancelling, cancelled, failed
    passes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    failure_modes: Mapped[dict[str, int]] = mapped_column(default=dict)
    seconds: Mapped[float] = mapped_column(default=0.0)  # of computing, summed over workers
    extras: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[float]
    finished_at: Mapped[float | None]

    @hybrid_property
    def is_result(self) -> bool:
        """Whether it says how good its run is: no intervention, and not only asked for to see what a setting
        changes, by an ablation or a study.

        Others are met where they are named, and never stand for the run.
        """
        return not (self.intervention or self.set_aside)

    @is_result.inplace.expression
    @classmethod
    def _is_result(cls) -> ColumnElement[bool]:
        return (cls.intervention == "") & cls.set_aside.is_(False)

    @property
    def apart(self) -> list[str]:
        """The tasks that its scores do not count: TRM has no embedding for them."""
        found: list[str] = self.extras.get(WITHOUT_EMBEDDING, {}).get("tasks", [])
        return found


class Outcome(Base):
    """What an evaluation made of one test input. The unique key also serves paging an evaluation."""

    __tablename__ = "outcome"
    __table_args__ = (UniqueConstraint("evaluation_id", "task_id", "test_index"),)

    id: Mapped[AutoId]
    evaluation_id: Mapped[OfEvaluation]
    task_id: Mapped[str] = mapped_column(index=True)  # a task's page: what every run made of it
    test_index: Mapped[int]
    views: Mapped[int]
    truth_rank: Mapped[int | None]
    note: Mapped[str] = mapped_column(default="")


class OutcomeTrace(Base):
    """Who voted for what on one test input, packed (`backend.domain.arc.votes`): asked for one at a time."""

    __tablename__ = "outcome_trace"

    outcome_id: Mapped[int] = mapped_column(
        ForeignKey("outcome.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    packed: Mapped[bytes] = mapped_column(LargeBinary)


class Prediction(Base):
    """One candidate answer. `grid` is rows of digits joined by "/"; rank 1 is the first attempt."""

    __tablename__ = "prediction"
    __table_args__ = (UniqueConstraint("outcome_id", "rank"),)

    id: Mapped[AutoId]
    outcome_id: Mapped[int] = mapped_column(ForeignKey("outcome.id", ondelete="CASCADE"))
    rank: Mapped[int]
    grid: Mapped[str]
    votes: Mapped[int]
    confidence: Mapped[float]
    correct: Mapped[bool]
    cell_accuracy: Mapped[float]
    failure_mode: Mapped[str | None]


class EvaluationJob(Base):
    """An evaluation that workers take from the queue. How much there is to do is known once one has begun.

    Batches are those of the plan: numbers from 0 on, `next_batch` is the first that nobody took yet.
    """

    __tablename__ = "evaluation_job"

    evaluation_id: Mapped[OfEvaluationAsKey]
    options: Mapped[dict[str, Any]]  # batch_size, keep_candidates, trace_steps
    workers: Mapped[int]  # the maximum that share it
    status_cause: Mapped[str] = mapped_column(default="")
    traceback: Mapped[str] = mapped_column(default="")
    batches: Mapped[int | None]
    next_batch: Mapped[int] = mapped_column(default=0)
    batches_done: Mapped[int] = mapped_column(default=0)
    views: Mapped[int | None]  # distinct ones, of all test inputs
    views_done: Mapped[int] = mapped_column(default=0)
    cells: Mapped[int | None]  # views x cells of their canvas: what time is about proportional to
    cells_done: Mapped[int] = mapped_column(default=0)
    failed_attempts: Mapped[int] = mapped_column(
        "fruitless", default=0
    )  # interruptions since a batch was finished
    dispatched_at: Mapped[float | None]
    started_at: Mapped[float | None]


class EvaluationBatch(Base):
    """A batch that a share took. `votes` are packed once it is done; rows go when the job is finished."""

    __tablename__ = "evaluation_batch"

    evaluation_id: Mapped[OfEvaluationAsKey]
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    share_id: Mapped[int | None] = mapped_column(BigId)  # None: its share ended before it was done
    votes: Mapped[bytes | None] = mapped_column(LargeBinary)


class SequentialComparison(Base):
    """Two checkpoints evaluated with more and more views, until it is decided which solves more."""

    __tablename__ = "duel"

    id: Mapped[AutoId]
    run_a: Mapped[str] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), index=True)
    run_b: Mapped[str] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), index=True)
    requests: Mapped[list[Any]]  # what is asked of a and of b, but for the views
    view_budgets: Mapped[list[Any]] = mapped_column("ladder")  # views of each round
    rounds: Mapped[list[Any]] = mapped_column(default=list)  # [evaluation of a, of b, words] so far
    k: Mapped[int]
    status: Mapped[str] = mapped_column(index=True)  # running, decided, undecided, failed
    words: Mapped[str] = mapped_column(default="")
    created_at: Mapped[float]
    finished_at: Mapped[float | None]
