"""What the command line finds on this machine: tasks, and the folders of runs."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import make_url

from backend.artifacts import service as objects
from backend.domain.arc.task import Task
from backend.domain.experiment import BUILT_IN_SETS, GENERATED_SETS
from backend.kit.errors import NotFound
from backend.settings import Settings
from worker.data.sets import BuiltinTasks, TaskSource


class LocalTasks:
    """Built-in and generated sets from the installation, imported ones from the database, if there is one."""

    def tasks(self, set_name: str) -> tuple[Task, ...]:
        source: TaskSource = BuiltinTasks()
        database = make_url(Settings.load().database_url)
        is_there = database.get_backend_name() != "sqlite" or Path(database.database or "").exists()
        if set_name not in (*BUILT_IN_SETS, *GENERATED_SETS) and is_there:
            from backend.db.session import make_engine
            from worker.recording.database_tasks import DbTasks

            source = DbTasks(make_engine(database.render_as_string(hide_password=False)))
        return source.tasks(set_name)


def folder_of_run(run: str, step: int | None = None) -> Path:
    """The folder of a run given by itself or by its id; NotFound says where was looked.

    Of a run in an object store, the checkpoint of this step, or the newest one, is fetched.
    """
    settings = Settings.load()
    artifacts = settings.artifacts
    if not Path(run).is_dir():
        _fetch(settings, run, step)
    for folder in (Path(run), artifacts / run):
        if folder.is_dir():
            return folder
    raise NotFound(
        f"Run {run} not found: no such folder, and no such run in {artifacts}.",
        "Give a folder made by etrm train, or a run id as etrm runs shows it.",
    )


def _fetch(settings: Settings, run_id: str, step: int | None) -> None:
    store = objects.of(settings)
    if store is None:
        return
    by_step = {int(path.rpartition("/step-")[2].partition("-")[0]): path for path in store.published(run_id)}
    wanted = max(by_step, default=None) if step is None else step
    if wanted in by_step:
        store.fetch(by_step[wanted], None, settings.artifacts)
