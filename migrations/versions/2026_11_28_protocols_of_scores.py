"""How the scores kept beside a run were measured, as data in place of words"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "protocols"
down_revision = "leaner_segments"
branch_labels = None
depends_on = None

RUN = sa.table("run", sa.column("id"), sa.column("config", sa.JSON()), sa.column("scores", sa.JSON()))
SETTINGS = ("set_name", "tasks_digest", "weights", "views", "act_steps", "search", "canvas")
EVALUATION = sa.table(
    "evaluation",
    *map(sa.column, ("id", "run_id", "step", "status", *SETTINGS)),
    sa.column("task_ids", sa.JSON()),
    sa.column("passes", sa.JSON()),
)


def upgrade() -> None:
    connection = op.get_bind()
    for run_id, config, scores in connection.execute(sa.select(RUN)).all():
        if scores:
            own = sa.select(EVALUATION).where(
                EVALUATION.c.run_id == run_id, EVALUATION.c.status == "finished"
            )
            _store(run_id, _with_protocol(config, list(connection.execute(own))))


def _with_protocol(config: dict[str, Any], finished: list[Any]) -> dict[str, Any]:
    """k -> [solved, n] of the run's held-out result, with its protocol; empty without one."""
    found = _held_out(config, finished)
    scores = {k: score for k, score in found.passes.items() if score[1]} if found else {}
    if not scores:
        return {}
    protocol = {name: getattr(found, name) for name in SETTINGS} | {"n": len(found.task_ids)}
    return scores | {"protocol": protocol}


def _held_out(config: dict[str, Any], finished: list[Any]) -> Any:
    """The newest evaluation on a held-out set, of several sets the first in the config: the rule of the
    services at this revision."""
    data, evaluation = config.get("data"), config.get("evaluation")
    trained_on = data.get("training_sets", []) if isinstance(data, dict) else []
    sets = evaluation.get("sets", []) if isinstance(evaluation, dict) else []
    order = [each.get("name") for each in sets if isinstance(each, dict)]

    def rank(row: Any) -> tuple[int, int, int]:
        place = order.index(row.set_name) if row.set_name in order else len(order)
        return -place, row.step, row.id

    return max((row for row in finished if row.set_name not in trained_on), key=rank, default=None)


def _store(run_id: str, scores: dict[str, Any]) -> None:
    op.get_bind().execute(sa.update(RUN).where(RUN.c.id == run_id).values(scores=scores))


def downgrade() -> None:
    for run_id, _, scores in op.get_bind().execute(sa.select(RUN)).all():
        _store(run_id, {k: score for k, score in scores.items() if k != "protocol"})
