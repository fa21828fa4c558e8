"""Trained on or held out? The one answer for everything that shows an evaluation, from the run's record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from backend.domain import trained_on as domain
from backend.domain.trained_on import Standing
from backend.runs import trained_on
from backend.runs.tables import Run
from backend.scores.tables import Evaluation


def standings(session: Session, runs: Iterable[Run], rows: Sequence[Evaluation]) -> dict[int, Standing]:
    """Evaluation id -> how its tasks stand to what its run was trained on; `runs` hold those of `rows`.

    A run without a record (one older than the records, or logged from outside) is judged by the names of
    its sets, and its standings say so.
    """
    records = trained_on.of_runs(session, {row.run_id for row in rows})
    names = {run.id: _training_sets(run.config) for run in runs}
    return {row.id: _of(row, records.get(row.run_id), names.get(row.run_id, ())) for row in rows}


@dataclass(frozen=True)
class Parts:
    """The tasks of an evaluation by how they stand to the training; those given away, and those that unknown
    weights may have been trained on, are in neither."""

    trained: frozenset[str]
    held_out: frozenset[str]


def parts(session: Session, run: Run, rows: Sequence[Evaluation]) -> list[Parts]:
    """Of evaluations of one run, in the given order."""
    record = trained_on.of_run(session, run.id)
    return [_parts(row, record, run) for row in rows]


def _parts(row: Evaluation, record: domain.TrainedOn | None, run: Run) -> Parts:
    asked = frozenset(row.task_ids)
    if record is None:
        is_trained = row.set_name in _training_sets(run.config)
        return Parts(asked, frozenset()) if is_trained else Parts(frozenset(), asked)
    trained = asked & record.whole(row.set_name)
    if record.unknown_start:
        return Parts(trained, frozenset())
    return Parts(trained, asked - trained - frozenset(row.extras.get("given_away", ())))


def _of(row: Evaluation, record: domain.TrainedOn | None, training_sets: Sequence[object]) -> Standing:
    if record is None:
        return domain.by_name(training_sets, row.set_name, len(row.task_ids))
    given_away = row.extras.get("given_away", ())
    return domain.standing(record, row.set_name, row.task_ids, given_away)


def _training_sets(config: Mapping[str, Any]) -> Sequence[object]:
    """As the config says them; an external run's may be anything."""
    data = config.get("data")
    names = data.get("training_sets") if isinstance(data, Mapping) else None
    return names if isinstance(names, list | tuple) else (names,)
