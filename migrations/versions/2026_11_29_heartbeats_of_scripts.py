"""What the script of an external run promises, and when it was last heard

Runs that are there have no promise: the first sweep gives them the default one, from their last point.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "script_heartbeats"
down_revision = "worker_fitness"
branch_labels = None
depends_on = None

COLUMNS = ("beat_seconds", "beat_at", "beat_due")


def upgrade() -> None:
    with op.batch_alter_table("run") as run:
        for name in COLUMNS:
            run.add_column(sa.Column(name, sa.Double(), nullable=True))


def downgrade() -> None:
    run = sa.table("run", sa.column("status"))
    op.execute(sa.update(run).where(run.c.status == "lost").values(status="running"))
    with op.batch_alter_table("run") as altered:
        for name in reversed(COLUMNS):
            altered.drop_column(name)
