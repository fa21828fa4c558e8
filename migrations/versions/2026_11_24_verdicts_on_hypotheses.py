"""The verdict on a run's hypothesis, with its reason and evidence"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "verdicts"
down_revision = "trimmed_canvases"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("run") as run:
        run.add_column(sa.Column("verdict", sa.Text(), nullable=False, server_default=""))
        run.add_column(sa.Column("judgement", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("run") as run:
        run.alter_column("verdict", server_default=None)
        run.alter_column("judgement", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("run") as run:
        run.drop_column("judgement")
        run.drop_column("verdict")
