"""Histograms of weights, gradients and contexts over steps"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "histograms"
down_revision = "parameter_searches"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "histogram",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("wall_time", sa.Double(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=True),
        sa.Column("high", sa.BigInteger(), nullable=True),
        sa.Column("not_finite", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_histogram_run_id_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "name", "step", name=op.f("pk_histogram")),
    )
    if op.get_bind().dialect.name == "postgresql":  # its bytes are deflated already
        op.execute("ALTER TABLE histogram ALTER COLUMN counts SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("histogram")
