"""Evaluations in which views that look alike vote once"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "distinct_views"
down_revision = "headlines"
branch_labels = None
depends_on = None

KEY = "uq_evaluation_key"
OLD = ["run_id", "set_name", "step", "weights", "views", "act_steps", "search", "canvas", "tasks_digest"]
NEW = [*OLD, "distinct_views"]


def upgrade() -> None:
    with op.batch_alter_table("evaluation") as evaluation:
        evaluation.add_column(
            sa.Column("distinct_views", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    with op.batch_alter_table("evaluation") as evaluation:
        evaluation.alter_column("distinct_views", server_default=None)
        evaluation.drop_constraint(KEY, type_="unique")
        evaluation.create_unique_constraint(KEY, NEW)


def downgrade() -> None:
    op.execute("DELETE FROM evaluation WHERE distinct_views")
    _forget_scores("distinct_views")
    with op.batch_alter_table("evaluation") as evaluation:
        evaluation.drop_constraint(KEY, type_="unique")
        evaluation.create_unique_constraint(KEY, OLD)
        evaluation.drop_column("distinct_views")


def _forget_scores(setting: str) -> None:
    """Scores kept beside runs that name the setting: the version before cannot read them."""
    runs = sa.table("run", sa.column("id"), sa.column("scores", sa.JSON()))
    connection = op.get_bind()
    for run_id, scores in connection.execute(sa.select(runs)).all():
        if setting in ((scores or {}).get("protocol") or {}):
            connection.execute(sa.update(runs).where(runs.c.id == run_id).values(scores={}))
