"""Aliases of checkpoints, what the best are chosen by, and what needs one: forks and dashboards"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "kept_checkpoints"
down_revision = "recorded_batches"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
RUN = sa.table(
    "run",
    sa.column("id", sa.Text()),
    sa.column("config", sa.JSON()),
    sa.column("fork_of", sa.Text()),
    sa.column("fork_step", sa.BigInteger()),
)
DASHBOARD = sa.table("dashboard", sa.column("id"), sa.column("name"), sa.column("content", sa.JSON()))
SHOWN = sa.table("dashboard_run", *map(sa.column, ("dashboard_id", "run_id", "dashboard", "every")))


def upgrade() -> None:
    with op.batch_alter_table("run") as run:
        run.add_column(sa.Column("fork_of", sa.Text(), nullable=True))
        run.add_column(sa.Column("fork_step", sa.BigInteger(), nullable=True))
        run.create_index(op.f("ix_run_fork_of"), ["fork_of"])
    with op.batch_alter_table("checkpoint") as checkpoint:
        checkpoint.add_column(sa.Column("measured", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("checkpoint") as checkpoint:
        checkpoint.alter_column("measured", server_default=None)
    op.create_table(
        "checkpoint_alias",
        sa.Column("id", BIG, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("checkpoint_id", BIG, nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoint_alias")),
        sa.UniqueConstraint("run_id", "name", name=op.f("uq_checkpoint_alias_run_id_name")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], ondelete="CASCADE", name=op.f("fk_checkpoint_alias_run_id_run")
        ),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"],
            ["checkpoint.id"],
            ondelete="CASCADE",
            name=op.f("fk_checkpoint_alias_checkpoint_id_checkpoint"),
        ),
    )
    op.create_index(op.f("ix_checkpoint_alias_checkpoint_id"), "checkpoint_alias", ["checkpoint_id"])
    op.create_table(
        "dashboard_run",
        sa.Column("dashboard_id", BIG, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("dashboard", sa.Text(), nullable=False),
        sa.Column("every", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("dashboard_id", "run_id", name=op.f("pk_dashboard_run")),
        sa.ForeignKeyConstraint(
            ["dashboard_id"],
            ["dashboard.id"],
            ondelete="CASCADE",
            name=op.f("fk_dashboard_run_dashboard_id_dashboard"),
        ),
    )
    op.create_index(op.f("ix_dashboard_run_run_id"), "dashboard_run", ["run_id"])
    connection = op.get_bind()
    for run_id, config in connection.execute(sa.select(RUN.c.id, RUN.c.config)).all():
        start = _part(_part(config, "training"), "initialise_from")
        if start.get("kind") == "run" and isinstance(start.get("run"), str):
            forked = {"fork_of": start["run"], "fork_step": start.get("step")}
            connection.execute(sa.update(RUN).where(RUN.c.id == run_id).values(forked))
    for dashboard_id, name, content in connection.execute(sa.select(DASHBOARD)).all():
        for row in _shown(dashboard_id, name, content):
            connection.execute(sa.insert(SHOWN).values(row))


def downgrade() -> None:
    op.drop_table("dashboard_run")
    op.drop_table("checkpoint_alias")
    with op.batch_alter_table("checkpoint") as checkpoint:
        checkpoint.drop_column("measured")
    with op.batch_alter_table("run") as run:
        run.drop_index(op.f("ix_run_fork_of"))
        run.drop_column("fork_step")
        run.drop_column("fork_of")


def _shown(dashboard_id: int, name: str, content: Any) -> Iterator[dict[str, Any]]:
    """The runs that a dashboard names and shows scores of: the rule of the program at this revision."""
    panels = content.get("panels", []) if isinstance(content, dict) else []
    shown = set()
    for panel in panels if isinstance(panels, list) else ():
        kind = panel.get("kind")
        if kind == "table" and panel.get("table", "results") == "results":
            shown.add(panel.get("at", "newest"))
        elif (
            kind == "grids"
            or (kind == "table" and panel.get("table") == "significance")
            or (kind == "bars" and str(panel.get("measure", "pass@1")).startswith("pass@"))
        ):
            shown.add("newest")
    runs = _part(content, "source").get("runs", [])
    for run_id in dict.fromkeys(runs) if shown and isinstance(runs, list) else ():
        yield {
            "dashboard_id": dashboard_id,
            "run_id": run_id,
            "dashboard": name,
            "every": shown != {"newest"},
        }


def _part(config: Any, name: str) -> dict[str, Any]:
    part = config.get(name) if isinstance(config, dict) else None
    return part if isinstance(part, dict) else {}
