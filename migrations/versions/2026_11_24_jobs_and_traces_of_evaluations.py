"""Jobs and traces of evaluations"""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "evaluation_jobs"
down_revision = "0002"
branch_labels = None
depends_on = None

OLD_KEY = "uq_evaluation_run_id_set_name_step_weights_views_act_steps"
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("evaluation") as evaluation:
        evaluation.add_column(sa.Column("search", sa.Text(), nullable=True))
        evaluation.add_column(sa.Column("tasks_digest", sa.Text(), nullable=True))
    _fill()
    with op.batch_alter_table("evaluation") as evaluation:
        evaluation.alter_column("search", existing_type=sa.Text(), nullable=False)
        evaluation.alter_column("tasks_digest", existing_type=sa.Text(), nullable=False)
        evaluation.drop_constraint(op.f(OLD_KEY), type_="unique")
        evaluation.create_unique_constraint(
            "uq_evaluation_key",
            ["run_id", "set_name", "step", "weights", "views", "act_steps", "search", "tasks_digest"],
        )
    op.create_table(
        "outcome_trace",
        sa.Column("outcome_id", ID, autoincrement=False, nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["outcome_id"],
            ["outcome.id"],
            name=op.f("fk_outcome_trace_outcome_id_outcome"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("outcome_id", name=op.f("pk_outcome_trace")),
    )
    op.create_table(
        "evaluation_job",
        sa.Column("evaluation_id", ID, autoincrement=False, nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("workers", sa.BigInteger(), nullable=False),
        sa.Column("status_cause", sa.Text(), nullable=False),
        sa.Column("traceback", sa.Text(), nullable=False),
        sa.Column("batches", sa.BigInteger(), nullable=True),
        sa.Column("next_batch", sa.BigInteger(), nullable=False),
        sa.Column("batches_done", sa.BigInteger(), nullable=False),
        sa.Column("views", sa.BigInteger(), nullable=True),
        sa.Column("views_done", sa.BigInteger(), nullable=False),
        sa.Column("cells", sa.BigInteger(), nullable=True),
        sa.Column("cells_done", sa.BigInteger(), nullable=False),
        sa.Column("fruitless", sa.BigInteger(), nullable=False),
        sa.Column("dispatched_at", sa.Double(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=True),
        _of_evaluation("evaluation_job"),
        sa.PrimaryKeyConstraint("evaluation_id", name=op.f("pk_evaluation_job")),
    )
    op.create_table(
        "evaluation_share",
        sa.Column("id", ID, nullable=False),
        sa.Column("evaluation_id", ID, nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("device_name", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("views", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        _of_evaluation("evaluation_share"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation_share")),
    )
    op.create_index(op.f("ix_evaluation_share_evaluation_id"), "evaluation_share", ["evaluation_id"])
    op.create_index(op.f("ix_evaluation_share_lease_until"), "evaluation_share", ["lease_until"])
    op.create_table(
        "evaluation_batch",
        sa.Column("evaluation_id", ID, autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("share_id", ID, nullable=True),
        sa.Column("votes", sa.LargeBinary(), nullable=True),
        _of_evaluation("evaluation_batch"),
        sa.PrimaryKeyConstraint("evaluation_id", "number", name=op.f("pk_evaluation_batch")),
    )


def _of_evaluation(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_evaluation_id_evaluation")
    return sa.ForeignKeyConstraint(["evaluation_id"], ["evaluation.id"], name=name, ondelete="CASCADE")


def _fill() -> None:
    """No search before this; the digest as `backend.scores.queries.digest` makes it."""
    evaluation = sa.table(
        "evaluation",
        sa.column("id", ID),
        sa.column("task_ids", sa.JSON()),
        sa.column("search", sa.Text()),
        sa.column("tasks_digest", sa.Text()),
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(evaluation.c.id, evaluation.c.task_ids)).all():
        digest = hashlib.sha256(json.dumps(sorted(row.task_ids)).encode()).hexdigest()[:16]
        connection.execute(
            sa.update(evaluation).where(evaluation.c.id == row.id).values(search="", tasks_digest=digest)
        )


def downgrade() -> None:
    for table in ("evaluation_batch", "evaluation_share", "evaluation_job", "outcome_trace"):
        op.drop_table(table)
    with op.batch_alter_table("evaluation") as evaluation:
        evaluation.drop_constraint("uq_evaluation_key", type_="unique")
        evaluation.create_unique_constraint(
            op.f(OLD_KEY), ["run_id", "set_name", "step", "weights", "views", "act_steps"]
        )
        evaluation.drop_column("tasks_digest")
        evaluation.drop_column("search")
