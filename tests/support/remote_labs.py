"""A lab that is reached by its URL and on its database."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from sqlalchemy import Engine

from backend.dashboards import service as dashboards
from backend.data import service as datasets
from backend.db.session import reading_scope, session_scope
from backend.domain.config.presets import PRESETS
from backend.keeping import service as keeping
from backend.lifecycle import service as runs
from backend.people import service as accounts
from backend.runs_table import saved_views
from tests.support.commands import typed
from tests.support.databases import SqliteFiles
from tests.support.records.recorded import (
    record_checkpoint,
    record_evaluation,
    record_run,
)
from tests.support.records.searched import record_search
from tests.support.records.studied import record_study
from tests.support.servers import started_lab
from tests.support.web import WebServer

TASK = {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[3]], "output": [[4]]}]}


@dataclass
class Labs:
    """One lab, reached by its URL from a machine that has nothing of it, and on its database."""

    server: WebServer
    settings: Mapping[str, str]
    folder: Path
    names: dict[str, str] = field(default_factory=dict)

    @property
    def engine(self) -> Engine:
        return self.server.engine

    def by_url(self, line: str, token: str | None = None, **variables: str) -> CompletedProcess[str]:
        by_token = {"ETRM_URL": self.server.url, "ETRM_TOKEN": token or self.server.token}
        return typed(self.folder / "elsewhere", *shlex.split(line), **by_token | variables)

    def here(self, line: str) -> CompletedProcess[str]:
        # A token's use is noted once in a while: that is no matter of how the command came.
        variables = dict(self.settings, ETRM_PORT=self.server.url.rpartition(":")[2])
        return typed(Path(variables.pop("ETRM_HOME")), *shlex.split(line), **variables)


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[Labs]:
    """A lab of its own: where another test's run continues, its duration differs from command to command."""
    folder = tmp_path_factory.mktemp("remote")
    with started_lab(folder, sqlite_files.new()) as lab:
        server = WebServer(lab.folder, lab.environment)
        try:
            yield furnished(server, lab.environment, folder)
        finally:
            server.stop()


def furnished(server: WebServer, settings: Mapping[str, str], folder: Path) -> Labs:
    """A lab with something to show under the names that READING uses."""
    labs = Labs(server, settings, folder)
    engine, artifacts = labs.engine, Path(settings["ETRM_ARTIFACTS"])
    run, other = (record_run(engine, points=20, tasks=6, seed=901 + at, name=f"run {at}") for at in range(2))
    diverged = record_run(engine, points=20, nan_from=12, seed=903)
    bare = record_run(engine, status="failed", points=0, total=600, seed=904)
    for step in (100, 200):
        record_checkpoint(engine, artifacts, bare, step)
    with session_scope(engine) as session:
        config = PRESETS["quick"].make().model_copy(update={"seed": 901})
        earlier = config.training.model_copy(update={"steps": 300})
        record_evaluation(session, run, config.model_copy(update={"training": earlier}), 6, 5)
        keeping.set_alias(session, bare, "mine", 100)
        saved_views.save(session, "remote view", "filter=seed+%3E+900&sort=-seed&column=training.steps")
        slug = dashboards.create(session, "Remote board", {}).slug
        dashboards.share(session, slug)
        accounts.add_person(session, "Ines Remote", "viewer")
        task = (json.dumps(TASK).encode(), "one.json")
        datasets.import_files(session, "remote-small", [task])
    with reading_scope(engine) as session:
        results = [runs.get(session, each).results for each in (run, other)]
    labs.names = {
        "run": run, "other": other, "diverged": diverged, "bare": bare, "view": "'remote view'",
        "evaluation": str(results[0][0].id), "other_evaluation": str(results[1][0].id), "slug": slug,
        "small": "remote-small", "search": record_search(engine, "stopped"),
        "study": record_study(engine, "stopped"),
    }  # fmt: skip
    return labs


def ended(labs: Labs) -> str:
    """A failed run with checkpoints of steps 100 and 200, the older one called mine."""
    run = record_run(labs.engine, status="failed", points=0, total=600)
    for step in (100, 150, 200):
        record_checkpoint(labs.engine, Path(labs.settings["ETRM_ARTIFACTS"]), run, step)
    with session_scope(labs.engine) as session:
        keeping.set_alias(session, run, "mine", 100)
    return run
