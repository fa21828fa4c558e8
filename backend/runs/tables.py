"""A run and what it leaves behind: events, log lines, checkpoints, alarms."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AutoId, Base, MaybeNan, OfRun


def _when_created(context: Any) -> float:
    """A new run waits behind those that are older."""
    created: float = context.get_current_parameters()["created_at"]
    return created


def _where(condition: str) -> dict[str, Any]:
    """Of an index on some rows alone."""
    return {f"{dialect}_where": text(condition) for dialect in ("sqlite", "postgresql")}


class Run(Base):
    """One training, or one run that logs here from outside. `config` is the whole experiment."""

    __tablename__ = "run"
    __table_args__ = (
        Index(  # the table of runs, newest first: what it asks of all of them, without their configs
            "ix_run_listing",
            *("created_at", "id", "archived_at", "variation", "variant", "status", "seed", "project", "name"),
        ),
        Index("ix_run_external", "variation", **_where("origin = 'external'")),  # configs of scripts
        Index(None, "status", "lease_until"),  # the sweep
        Index(None, "owner_id", "claimed_at"),  # whose turn it is in the queue
    )

    id: Mapped[str] = mapped_column(primary_key=True)  # 10 lower-case letters and digits
    name: Mapped[str]
    origin: Mapped[str] = mapped_column(default="training")  # training, external
    variant: Mapped[str] = mapped_column(default="")
    variation: Mapped[str] = mapped_column(
        default="", index=True
    )  # the same for runs that differ in their seed
    seed: Mapped[int | None]
    status: Mapped[str]
    status_cause: Mapped[str] = mapped_column(default="")
    phase: Mapped[str] = mapped_column(default="")  # loading, training, evaluating
    config: Mapped[dict[str, Any]]
    owner_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("person.id", ondelete="SET NULL")
    )  # whoever launched it; null: the lab's owner, somebody who was removed, or nobody knows
    project: Mapped[str] = mapped_column(default="")
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("run.id", ondelete="SET NULL"), index=True)
    fork_of: Mapped[str | None] = mapped_column(index=True)  # the run whose checkpoint its first weights are,
    fork_step: Mapped[int | None]  # and of which step: as its config says
    group_id: Mapped[str | None] = mapped_column(ForeignKey("run_group.id", ondelete="SET NULL"), index=True)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    seconds_left: Mapped[float | None]
    step: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0)  # fencing token: whoever writes carries it
    recorded: Mapped[int] = mapped_column(default=0)  # the last batch of a journal that is in the database
    worker_id: Mapped[str | None]
    lease_until: Mapped[float | None]
    beat_seconds: Mapped[float | None]  # external: it promises a sign of life at least this often
    beat_at: Mapped[float | None]  # external: its last sign of life
    beat_due: Mapped[float | None]  # external: by when it promised the next one
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    dispatched_at: Mapped[float | None]
    priority: Mapped[int] = mapped_column(default=0)  # 1 high, 0 normal, -1 low
    queue_position: Mapped[float] = mapped_column(default=_when_created)  # smallest first
    created_at: Mapped[float]
    claimed_at: Mapped[float | None]  # when a worker last took it
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]
    traceback: Mapped[str] = mapped_column(default="")
    tags: Mapped[list[str]] = mapped_column(default=list)
    notes: Mapped[str] = mapped_column(default="")
    scores: Mapped[dict[str, Any]] = mapped_column(default=dict)  # k -> [solved, n] on the held-out set
    verdict: Mapped[str] = mapped_column(default="")  # on its hypothesis: open, supported, refuted, undecided
    judgement: Mapped[dict[str, Any]] = mapped_column(default=dict)  # its reason and evidence, once judged
    archived_at: Mapped[float | None]  # put away: tables leave it out


class TrainedOn(Base):
    """Which tasks a run was trained on (`backend.domain.trained_on`), since its start; none of older ones."""

    __tablename__ = "trained_on"

    run_id: Mapped[str] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    asked: Mapped[int]  # tasks that the config asks for
    tasks: Mapped[int]  # trained on whole
    demonstrations: Mapped[int]  # tasks trained on by their demonstrations alone
    left_out: Mapped[dict[str, int]]  # why -> how many
    unknown_start: Mapped[str] = mapped_column(default="")  # "run k3f8a2m9qx": its start has no record
    packed: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)  # the tasks themselves


class Provenance(Base):
    """What a start of a run was computed with (`backend.domain.provenance`); none of older ones."""

    __tablename__ = "provenance"

    run_id: Mapped[str] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)  # 0: the script of an external run
    record: Mapped[dict[str, Any]]
    hidden: Mapped[int] = mapped_column(default=0)  # secrets taken out of the diff
    is_cut: Mapped[bool] = mapped_column(default=False)  # the diff is its beginning only
    diff: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)  # zlib of what was not committed


class RunEvent(Base):
    """Something that happened to a run: queued, claimed, lease lapsed, resumed, cancelled."""

    __tablename__ = "run_event"
    __table_args__ = (Index(None, "run_id", "id"),)

    id: Mapped[AutoId]
    run_id: Mapped[OfRun]
    wall_time: Mapped[float]
    kind: Mapped[str]
    text: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class LogLine(Base):
    """One line of a run's log; `id` is the cursor of the tail."""

    __tablename__ = "log_line"
    __table_args__ = (Index(None, "run_id", "id"),)

    id: Mapped[AutoId]
    run_id: Mapped[OfRun]
    wall_time: Mapped[float]
    level: Mapped[str]
    text: Mapped[str]


class Checkpoint(Base):
    """A checkpoint that is complete on disk; `path` is relative to the artifacts folder."""

    __tablename__ = "checkpoint"
    __table_args__ = (UniqueConstraint("run_id", "step"),)

    id: Mapped[AutoId]
    run_id: Mapped[OfRun]
    step: Mapped[int]
    path: Mapped[str]
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    created_at: Mapped[float]
    measured: Mapped[dict[str, Any]] = mapped_column(default=dict)  # the series that the best are chosen by


class Alarm(Base):
    """A diagnosis with its evidence, raised once per run and name."""

    __tablename__ = "alarm"
    __table_args__ = (UniqueConstraint("run_id", "name"),)

    id: Mapped[AutoId]
    run_id: Mapped[OfRun]
    name: Mapped[str]
    step: Mapped[int]
    value: Mapped[MaybeNan]  # a loss that became NaN raises one
    threshold: Mapped[MaybeNan]
    text: Mapped[str]
    deliver_after: Mapped[float | None] = mapped_column(index=True)  # when a webhook is to hear of it
    delivered_at: Mapped[float | None]
    delivery_attempts: Mapped[int] = mapped_column(default=0)
    delivery_error: Mapped[str] = mapped_column(default="")
