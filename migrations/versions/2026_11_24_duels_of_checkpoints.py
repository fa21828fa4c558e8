"""Duels of checkpoints"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "duels"
down_revision = "dashboards"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "duel",
        sa.Column("id", ID, nullable=False),
        sa.Column("run_a", sa.Text(), nullable=False),
        sa.Column("run_b", sa.Text(), nullable=False),
        sa.Column("requests", sa.JSON(), nullable=False),
        sa.Column("ladder", sa.JSON(), nullable=False),
        sa.Column("rounds", sa.JSON(), nullable=False),
        sa.Column("k", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["run_a"], ["run.id"], name=op.f("fk_duel_run_a_run"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["run_b"], ["run.id"], name=op.f("fk_duel_run_b_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duel")),
    )
    for column in ("run_a", "run_b", "status"):
        op.create_index(op.f(f"ix_duel_{column}"), "duel", [column])


def downgrade() -> None:
    op.drop_table("duel")
