"""Contexts of probes over steps"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "context_snapshots"
down_revision = "ablations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "context_snapshot",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("wall_time", sa.Double(), nullable=False),
        sa.Column("tasks", sa.JSON(), nullable=False),
        sa.Column("views", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("scale", sa.Double(), nullable=False),
        sa.Column("coordinates", sa.LargeBinary(), nullable=False),
        sa.Column("contexts", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_context_snapshot_run_id_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "step", name=op.f("pk_context_snapshot")),
    )
    op.create_index(op.f("ix_context_snapshot_run_id_wall_time"), "context_snapshot", ["run_id", "wall_time"])
    if op.get_bind().dialect.name == "postgresql":  # numbers like these do not get smaller
        op.execute("ALTER TABLE context_snapshot ALTER COLUMN contexts SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("context_snapshot")
