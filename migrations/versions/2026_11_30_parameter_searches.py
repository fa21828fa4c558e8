"""Searches over parameters: their trials, and the runs of these"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "parameter_searches"
down_revision = "subscriptions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "parameter_search",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["run_group.id"],
            name=op.f("fk_parameter_search_group_id_run_group"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["person.id"],
            name=op.f("fk_parameter_search_owner_id_person"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["run.id"], name=op.f("fk_parameter_search_parent_id_run"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("group_id", name=op.f("pk_parameter_search")),
    )
    op.create_index(op.f("ix_parameter_search_status"), "parameter_search", ["status"])
    op.create_table(
        "trial",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["parameter_search.group_id"],
            name=op.f("fk_trial_group_id_parameter_search"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", "number", name=op.f("pk_trial")),
    )
    op.create_table(
        "trial_run",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["group_id", "number"],
            ["trial.group_id", "trial.number"],
            name=op.f("fk_trial_run_group_id_number_trial"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_trial_run_run_id_run"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("group_id", "number", "at", name=op.f("pk_trial_run")),
    )
    op.create_index(op.f("ix_trial_run_run_id"), "trial_run", ["run_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_trial_run_run_id"), table_name="trial_run")
    op.drop_table("trial_run")
    op.drop_table("trial")
    op.drop_index(op.f("ix_parameter_search_status"), table_name="parameter_search")
    op.drop_table("parameter_search")
