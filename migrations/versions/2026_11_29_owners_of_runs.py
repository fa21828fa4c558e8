"""Whose a run is, its project, when it was last taken by a worker, and how many runs a person may have

Runs that are there belong to nobody: nothing says who launched them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "owners_of_runs"
down_revision = "use_of_workers"
branch_labels = None
depends_on = None

LIMITS = ("limit_running", "limit_queued")


def upgrade() -> None:
    with op.batch_alter_table("run") as run:
        run.add_column(sa.Column("owner_id", sa.BigInteger(), nullable=True))
        run.add_column(sa.Column("project", sa.Text(), nullable=False, server_default=""))
        run.add_column(sa.Column("claimed_at", sa.Double(), nullable=True))
        run.create_foreign_key(
            op.f("fk_run_owner_id_person"), "person", ["owner_id"], ["id"], ondelete="SET NULL"
        )
        run.create_index(op.f("ix_run_owner_id_claimed_at"), ["owner_id", "claimed_at"])
    with op.batch_alter_table("run") as run:
        run.alter_column("project", server_default=None)
    with op.batch_alter_table("person") as person:
        for name in LIMITS:
            person.add_column(sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("person") as person:
        for name in reversed(LIMITS):
            person.drop_column(name)
    with op.batch_alter_table("run") as run:
        run.drop_index(op.f("ix_run_owner_id_claimed_at"))
        run.drop_constraint(op.f("fk_run_owner_id_person"), type_="foreignkey")
        for name in ("claimed_at", "project", "owner_id"):
            run.drop_column(name)
