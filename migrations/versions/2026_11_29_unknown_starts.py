"""Which records of tasks trained on lack those of the weights that the run started from"""

from __future__ import annotations

import json
import zlib
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "unknown_starts"
down_revision = "search_depth"
branch_labels = None
depends_on = None

RUN = sa.table("run", sa.column("id"), sa.column("config", sa.JSON()), sa.column("scores", sa.JSON()))
TRAINED_ON = sa.table("trained_on", *map(sa.column, ("run_id", "packed", "unknown_start")))


def upgrade() -> None:
    with op.batch_alter_table("trained_on") as table:
        table.add_column(sa.Column("unknown_start", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("trained_on") as table:
        table.alter_column("unknown_start", server_default=None)
    connection = op.get_bind()
    unknown: dict[str, str] = {}
    records: dict[str, dict[str, Any]] = {}
    scored: dict[str, dict[str, Any]] = {}
    query = sa.select(TRAINED_ON.c.run_id, TRAINED_ON.c.packed, RUN.c.config, RUN.c.scores).join_from(
        TRAINED_ON, RUN, TRAINED_ON.c.run_id == RUN.c.id
    )
    for run_id, packed, config, scores in connection.execute(query).all():
        records[run_id] = json.loads(zlib.decompress(packed))
        scored[run_id] = scores or {}
        if start := _unknown_start(config, records[run_id]):
            unknown[run_id] = start
    for run_id in records:  # one that started from an unknown one is unknown itself
        if start := _inherited(run_id, unknown, records):
            stored = records[run_id] | {"unknown_start": start}
            packed = zlib.compress(json.dumps(stored, separators=(",", ":")).encode())
            changed = sa.update(TRAINED_ON).where(TRAINED_ON.c.run_id == run_id)
            connection.execute(changed.values(packed=packed, unknown_start=start))
            if kept := scored[run_id]:
                values = {"scores": kept | {"unknown": True}}
                connection.execute(sa.update(RUN).where(RUN.c.id == run_id).values(values))


def downgrade() -> None:
    with op.batch_alter_table("trained_on") as table:
        table.drop_column("unknown_start")


def _unknown_start(config: Any, record: dict[str, Any]) -> str:
    """What a run started from, where nothing of it found its way into the record."""
    training = config.get("training") if isinstance(config, dict) else None
    start = training.get("initialise_from") if isinstance(training, dict) else None
    if not isinstance(start, dict):
        return ""
    if start.get("kind") == "checkpoint":
        return f"checkpoint file {PurePath(str(start.get('path', ''))).name}"
    known = any(part["before"] for part in record["sets"].values())
    return f"run {start.get('run', '')}" if start.get("kind") == "run" and not known else ""


def _inherited(run_id: str, unknown: dict[str, str], records: dict[str, dict[str, Any]]) -> str:
    """The unknown start of a run or of the runs before it."""
    seen: set[str] = set()
    while run_id in records and run_id not in seen:
        if run_id in unknown:
            return unknown[run_id]
        seen.add(run_id)
        run_id = records[run_id]["start"]
    return ""
