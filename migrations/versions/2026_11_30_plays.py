"""Tasks that are asked in the playground"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "plays"
down_revision = "context_snapshots"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "play",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_cause", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["person.id"], name=op.f("fk_play_owner_id_person"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_play_run_id_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_play")),
    )
    op.create_index(op.f("ix_play_run_id"), "play", ["run_id"])
    op.create_index(op.f("ix_play_status_created_at"), "play", ["status", "created_at"])
    op.create_index(op.f("ix_play_kept_created_at"), "play", ["kept", "created_at"])
    if op.get_bind().dialect.name == "postgresql":  # its bytes are deflated already
        op.execute("ALTER TABLE play ALTER COLUMN result SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("play")
