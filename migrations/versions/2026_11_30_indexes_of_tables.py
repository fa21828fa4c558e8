"""Indexes that hold what the table of runs asks of all runs, so that it reads neither configs nor sketches"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "indexes_of_tables"
down_revision = "series_tiles"
branch_labels = None
depends_on = None

LISTING = ["created_at", "id", "archived_at", "variation", "variant", "status", "seed", "project", "name"]
VALUES = ["name", "run_id", "last_step", "last_value", "min_value", "max_value"]
EXTERNAL = sa.text("origin = 'external'")


def upgrade() -> None:
    op.drop_index(op.f("ix_run_created_at_id"), "run")
    op.create_index("ix_run_listing", "run", LISTING)
    op.create_index("ix_run_external", "run", ["variation"], sqlite_where=EXTERNAL, postgresql_where=EXTERNAL)
    op.drop_index(op.f("ix_series_name"), "series")
    op.create_index("ix_series_values", "series", VALUES)


def downgrade() -> None:
    op.drop_index("ix_series_values", "series")
    op.create_index(op.f("ix_series_name"), "series", ["name"])
    op.drop_index("ix_run_external", "run")
    op.drop_index("ix_run_listing", "run")
    op.create_index(op.f("ix_run_created_at_id"), "run", ["created_at", "id"])
