"""Which tasks a run was trained on; a leak found by an evaluation is no alarm of the run any more"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "trained_on"
down_revision = "audit_trail"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trained_on",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("tasks", sa.BigInteger(), nullable=False),
        sa.Column("demonstrations", sa.BigInteger(), nullable=False),
        sa.Column("left_out", sa.JSON(), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_trained_on_run_id_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_trained_on")),
    )
    # Each was raised by one evaluation, whose own warning stays, and often of tasks never trained on.
    op.execute("DELETE FROM alarm WHERE name = 'leak'")


def downgrade() -> None:
    op.drop_table("trained_on")
