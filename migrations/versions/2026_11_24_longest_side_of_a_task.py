"""Longest side of a task's grids"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "task_side"
down_revision = "evaluation_jobs"
branch_labels = None
depends_on = None

TASK = sa.table(
    "task",
    sa.column("set_name", sa.Text()),
    sa.column("id", sa.Text()),
    sa.column("demonstrations", sa.JSON()),
    sa.column("tests", sa.JSON()),
    sa.column("side", sa.BigInteger()),
)


def upgrade() -> None:
    op.add_column("task", sa.Column("side", sa.BigInteger(), nullable=False, server_default="0"))
    database = op.get_bind()
    rows = database.execute(sa.select(TASK.c.set_name, TASK.c.id, TASK.c.demonstrations, TASK.c.tests)).all()
    for set_name, task_id, demonstrations, tests in rows:
        change = sa.update(TASK).where(TASK.c.set_name == set_name, TASK.c.id == task_id)
        database.execute(change.values(side=max(_sides([*demonstrations, *tests]), default=0)))
    with op.batch_alter_table("task") as task:
        task.alter_column("side", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("task") as task:
        task.drop_column("side")


def _sides(pairs: list[Any]) -> Iterator[int]:
    """The longer side of every grid of pairs of digit rows joined by "/"."""
    for digits in (grid for pair in pairs for grid in pair if grid):
        rows = digits.split("/")
        yield max(len(rows), len(rows[0]))
