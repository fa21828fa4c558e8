"""Ablations, and evaluations under an intervention"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "ablations"
down_revision = "histograms"
branch_labels = None
depends_on = None

KEY = "uq_evaluation_key"
OLD = ["run_id", "set_name", "step", "weights", "views", "act_steps", "search", "canvas", "tasks_digest"]
OLD += ["distinct_views", "adaptation"]
NEW = [*OLD, "intervention"]


def upgrade() -> None:
    with op.batch_alter_table("evaluation") as evaluation:
        evaluation.add_column(sa.Column("intervention", sa.Text(), nullable=False, server_default=""))
        evaluation.add_column(sa.Column("set_aside", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("evaluation") as evaluation:
        evaluation.alter_column("intervention", server_default=None)
        evaluation.alter_column("set_aside", server_default=None)
        evaluation.drop_constraint(KEY, type_="unique")
        evaluation.create_unique_constraint(KEY, NEW)
    op.create_table(
        "ablation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("is_again", sa.Boolean(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("weights", sa.JSON(), nullable=False),
        sa.Column("tasks", sa.JSON(), nullable=False),
        sa.Column("evaluations", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_ablation_run_id_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ablation")),
    )
    op.create_index(op.f("ix_ablation_run_id"), "ablation", ["run_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_ablation_run_id"), table_name="ablation")
    op.drop_table("ablation")
    op.execute("DELETE FROM evaluation WHERE intervention <> '' OR set_aside")
    with op.batch_alter_table("evaluation") as evaluation:
        evaluation.drop_constraint(KEY, type_="unique")
        evaluation.create_unique_constraint(KEY, OLD)
        evaluation.drop_column("intervention")
        evaluation.drop_column("set_aside")
