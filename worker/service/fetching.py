"""Fetch what an attempt or an evaluation starts from, where checkpoints are in an object store."""

from __future__ import annotations

import logging
import shutil

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.artifacts import service as objects
from backend.db.session import reading_scope
from backend.domain.experiment import ExperimentConfig, RunStart
from backend.kit.errors import CheckpointCorrupt, CheckpointMissing
from backend.runs import checkpoints
from backend.runs import journal_queries as journal
from backend.runs import queries as runs
from backend.runs.status import RunStatus
from backend.runs.tables import Checkpoint
from backend.settings import Settings
from worker.recording.journal import ATTEMPT_BITS, FOLDER

log = logging.getLogger(__name__)


def fetch_start(engine: Engine, settings: Settings, run_id: str, config: ExperimentConfig) -> None:
    """The newest checkpoint of the run that is whole; of a fork that has none, the one it starts from.

    The error of the last if none is whole. StoreAway.
    """
    if objects.of(settings) is None:
        return
    with reading_scope(engine) as session:
        listed = list(checkpoints.list(session, run_id))
        start = config.training.initialise_from
        if not listed and isinstance(start, RunStart):
            listed = _of_step(session, start.run, start.step)
    _fetch_first(settings, listed)


def fetch_step(engine: Engine, settings: Settings, run_id: str, step: int) -> None:
    """The checkpoint of a step, if it is listed. CheckpointCorrupt, CheckpointMissing, StoreAway."""
    if objects.of(settings) is None:
        return
    with reading_scope(engine) as session:
        listed = _of_step(session, run_id, step)
    _fetch_first(settings, listed)


def sweep(engine: Engine, settings: Settings, run_id: str, attempt: int) -> None:
    """Remove what the database does not list: from the store, of this run's earlier attempts; from this disk,
    of runs that are over. StoreAway."""
    store = objects.of(settings)
    if store is None:
        return
    copies = list(settings.artifacts.glob("*/checkpoints/step-*"))
    with reading_scope(engine) as session:
        known = runs.with_ids(session, {run_id, *(copy.parents[1].name for copy in copies)})
        listed = {each.path for each in journal.checkpoints_of_runs(session, [run.id for run in known])}
    over = {run.id for run in known if RunStatus(run.status).is_over}
    for copy in copies:
        folder = copy.parents[1]
        waits = (folder / FOLDER).exists()  # for the store, or for the database
        if folder.name in over and not waits and str(copy.relative_to(settings.artifacts)) not in listed:
            shutil.rmtree(copy, ignore_errors=True)
    for path in store.sweep(run_id, listed, attempt):
        log.info("Removed from the object store, for the database does not list it: %s", path)


def sweep_replaced(engine: Engine, settings: Settings, run_id: str, attempt: int) -> None:
    """Remove what an attempt of this machine has uploaded, once a later one has continued without it or the
    run is deleted. StoreAway.

    Until the later one has stored something, it may list what this one uploaded, and then sweeps by itself.
    """
    if objects.of(settings) is None:
        return
    with reading_scope(engine) as session:
        run = runs.get(session, run_id)
    if run is None or run.recorded >> ATTEMPT_BITS > attempt:
        sweep(engine, settings, run_id, attempt)


def _of_step(session: Session, run_id: str, step: int) -> list[Checkpoint]:
    return [each for each in checkpoints.list(session, run_id) if each.step == step]


def _fetch_first(settings: Settings, listed: list[Checkpoint]) -> None:
    store = objects.of(settings)
    if store is None:
        return
    for checkpoint in listed:
        try:
            store.fetch(checkpoint.path, checkpoint.sha256, settings.artifacts)
        except (CheckpointCorrupt, CheckpointMissing) as error:
            if checkpoint is listed[-1]:
                raise
            log.warning("%s Taking the checkpoint before it.", error.message)
        else:
            return
