"""What the table of runs asks, kept beside the runs; saved views"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "facts_of_runs"
down_revision = "task_side"
branch_labels = None
depends_on = None

SUMMARIES = """
UPDATE series SET
  last_step = coalesce((SELECT max(s.last_step) FROM series_segment s WHERE s.series_id = series.id), -1),
  last_value = (SELECT s.last_value FROM series_segment s WHERE s.series_id = series.id
                ORDER BY s.last_step DESC, s.version DESC LIMIT 1),
  min_value = (SELECT min(s.min_value) FROM series_segment s WHERE s.series_id = series.id),
  max_value = (SELECT max(s.max_value) FROM series_segment s WHERE s.series_id = series.id)
"""


def upgrade() -> None:
    op.create_table(
        "saved_view",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_view")),
        sa.UniqueConstraint("name", name=op.f("uq_saved_view_name")),
    )
    with op.batch_alter_table("run") as run:
        run.add_column(sa.Column("variation", sa.Text(), nullable=False, server_default=""))
        run.add_column(sa.Column("scores", sa.JSON(), nullable=False, server_default="{}"))
        run.add_column(sa.Column("archived_at", sa.Double(), nullable=True))
        run.create_index(op.f("ix_run_variation"), ["variation"])
    with op.batch_alter_table("run") as run:
        run.alter_column("variation", server_default=None)
        run.alter_column("scores", server_default=None)
    with op.batch_alter_table("series") as series:
        series.add_column(sa.Column("last_step", sa.BigInteger(), nullable=False, server_default="-1"))
        series.add_column(sa.Column("last_value", sa.Double(), nullable=True))
        series.add_column(sa.Column("min_value", sa.Double(), nullable=True))
        series.add_column(sa.Column("max_value", sa.Double(), nullable=True))
        series.add_column(sa.Column("sketch", sa.LargeBinary(), nullable=True))
        series.create_index(op.f("ix_series_name"), ["name"])
    with op.batch_alter_table("series") as series:
        series.alter_column("last_step", server_default=None)
    op.execute(SUMMARIES)
    _fill_in_runs()


def _fill_in_runs() -> None:
    """Variation and scores of the runs there are; the rules are those of the services at this revision."""
    connection = op.get_bind()
    run = sa.table("run", sa.column("id"), sa.column("config", sa.JSON()), *map(sa.column, ("variation",)))
    scores = sa.table("run", sa.column("id"), sa.column("scores", sa.JSON()))
    by_run: dict[str, list[Any]] = {}
    evaluation = sa.table(
        "evaluation",
        *map(sa.column, ("id", "run_id", "set_name", "step", "status")),
        sa.column("passes", sa.JSON()),
    )
    for row in connection.execute(sa.select(evaluation).where(evaluation.c.status == "finished")):
        by_run.setdefault(row.run_id, []).append(row)
    for run_id, config in connection.execute(sa.select(run.c.id, run.c.config)).all():
        change = sa.update(run).where(run.c.id == run_id).values(variation=_variation(config))
        connection.execute(change)
        if found := _held_out(config, by_run.get(run_id, [])):
            kept = {k: score for k, score in found.passes.items() if score[1]}
            connection.execute(sa.update(scores).where(scores.c.id == run_id).values(scores=kept))


def _variation(config: dict[str, Any]) -> str:
    kept = {key: config[key] for key in config if key not in ("name", "seed")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


def _held_out(config: dict[str, Any], finished: list[Any]) -> Any:
    data, evaluation = config.get("data"), config.get("evaluation")
    trained_on = data.get("training_sets", []) if isinstance(data, dict) else []
    sets = evaluation.get("sets", []) if isinstance(evaluation, dict) else []
    order = [each.get("name") for each in sets if isinstance(each, dict)]

    def rank(row: Any) -> tuple[int, int, int]:
        place = order.index(row.set_name) if row.set_name in order else len(order)
        return -place, row.step, row.id

    return max((row for row in finished if row.set_name not in trained_on), key=rank, default=None)


def downgrade() -> None:
    with op.batch_alter_table("series") as series:
        series.drop_index(op.f("ix_series_name"))
        for name in ("last_step", "last_value", "min_value", "max_value", "sketch"):
            series.drop_column(name)
    with op.batch_alter_table("run") as run:
        run.drop_index(op.f("ix_run_variation"))
        for name in ("variation", "scores", "archived_at"):
            run.drop_column(name)
    op.drop_table("saved_view")
