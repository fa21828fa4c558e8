"""Studies, and which runs and evaluations are theirs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "studies"
down_revision = "plays"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "study",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("scale", sa.Text(), nullable=False),
        sa.Column("hours", sa.Double(), nullable=False),
        sa.Column("spent", sa.Double(), nullable=False),
        sa.Column("looked_at", sa.Double(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["person.id"], name=op.f("fk_study_owner_id_person"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
    )
    op.create_index(op.f("ix_study_status"), "study", ["status"])
    op.create_table(
        "study_run",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("configuration", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk_study_run_study_id_study"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_study_run_run_id_run"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("study_id", "configuration", "seed", name=op.f("pk_study_run")),
    )
    op.create_index(op.f("ix_study_run_run_id"), "study_run", ["run_id"])
    op.create_table(
        "study_evaluation",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("configuration", sa.Text(), nullable=False),
        sa.Column("measurement", sa.Text(), nullable=False),
        sa.Column("set_name", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("tasks", sa.BigInteger(), nullable=False),
        sa.Column("evaluation_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk_study_evaluation_study_id_study"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["evaluation_id"],
            ["evaluation.id"],
            name=op.f("fk_study_evaluation_evaluation_id_evaluation"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint(
            "study_id",
            "configuration",
            "measurement",
            "set_name",
            "seed",
            "tasks",
            name=op.f("pk_study_evaluation"),
        ),
    )
    op.create_index(op.f("ix_study_evaluation_evaluation_id"), "study_evaluation", ["evaluation_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_study_evaluation_evaluation_id"), table_name="study_evaluation")
    op.drop_table("study_evaluation")
    op.drop_index(op.f("ix_study_run_run_id"), table_name="study_run")
    op.drop_table("study_run")
    op.drop_index(op.f("ix_study_status"), table_name="study")
    op.drop_table("study")
