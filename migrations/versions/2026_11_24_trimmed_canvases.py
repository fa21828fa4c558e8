"""Evaluations on trimmed canvases"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "trimmed_canvases"
down_revision = "duels"
branch_labels = None
depends_on = None

KEY = "uq_evaluation_key"
OLD = ["run_id", "set_name", "step", "weights", "views", "act_steps", "search", "tasks_digest"]
NEW = [*OLD[:-1], "canvas", OLD[-1]]


def upgrade() -> None:
    with op.batch_alter_table("evaluation") as evaluation:
        evaluation.add_column(sa.Column("canvas", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("evaluation") as evaluation:
        evaluation.alter_column("canvas", server_default=None)
        evaluation.drop_constraint(KEY, type_="unique")
        evaluation.create_unique_constraint(KEY, NEW)


def downgrade() -> None:
    op.execute("DELETE FROM evaluation WHERE canvas <> ''")
    with op.batch_alter_table("evaluation") as evaluation:
        evaluation.drop_constraint(KEY, type_="unique")
        evaluation.create_unique_constraint(KEY, OLD)
        evaluation.drop_column("canvas")
