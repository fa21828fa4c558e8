"""Whether a worker is fit to take work, what it is labelled with, and how far its clock is off"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "worker_fitness"
down_revision = "unknown_starts"
branch_labels = None
depends_on = None

TEXTS = ("out_cause", "out_advice")


def upgrade() -> None:
    with op.batch_alter_table("worker") as worker:
        worker.add_column(sa.Column("labels", sa.JSON(), nullable=False, server_default="[]"))
        for name in TEXTS:
            worker.add_column(sa.Column(name, sa.Text(), nullable=False, server_default=""))
        worker.add_column(sa.Column("out_since", sa.Double(), nullable=True))
        worker.add_column(sa.Column("clock_ahead", sa.Double(), nullable=False, server_default="0"))
    with op.batch_alter_table("worker") as worker:
        for name in ("labels", *TEXTS, "clock_ahead"):
            worker.alter_column(name, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("worker") as worker:
        for name in ("labels", *TEXTS, "out_since", "clock_ahead"):
            worker.drop_column(name)
