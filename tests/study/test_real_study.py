"""A small study over real trainings and evaluations: from its file to its verdicts, though the worker is
killed in the middle."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import func, select

from backend.db.session import reading_scope
from backend.scores.tables import EvaluationJob
from backend.study import service as studies
from backend.study.views import ClaimView, StudyView
from tests.support.commands import typed
from tests.support.databases import SqliteFiles
from tests.support.processes import Lab, eventually, kill
from tests.support.servers import started_lab
from tests.support.web import WebServer

pytestmark = pytest.mark.faults

# Two trainings of a second or two under two seeds, the second from the weights of the first; the second round
# asks more tasks of the same weights. The bars are such that any training meets or misses them.
STUDY = """
title = "Small trainings"

[scales.tiny]
title = "Seconds on a processor"
hours = 20
at_once = 2
rounds = [{ seeds = 2, tasks = 3 }, { seeds = 2, tasks = 6 }]

[scales.tiny.overrides]
model = { core = { width = 16, heads = 2, layers = 1, context_tokens = 4 }, act = { max_steps = 2 } }
data = { first_tasks = 8 }
training = { steps = 60, batch_size = 4, checkpoint_every = 10, keep_checkpoints = 1, keep_best = 0 }
evaluation = { sets = [{ name = "arc-agi-1/evaluation", first_tasks = 3, that_fit = true }], views = 1 }

[configurations.encoder]
title = "encoder"
scales = { tiny = { seconds = 20 } }

[configurations.again]
title = "encoder on the decoder of the first"
starts_from = { configuration = "encoder", weights = "raw", part = "decoder" }
scales = { tiny = { seconds = 20, overrides = { training = { steps = 20 } } } }

[measurements.longer]
title = "four ACT steps"
options = { act_steps = 4 }
seconds = { tiny = 5 }

[[claims]]
name = "learns"
claim = "The loss is finite"
tests = [{ of = "again", minus = "encoder", measure = "loss", comparison = "<", bar = 1000.0 }]

[[claims]]
name = "solves"
claim = "It solves nearly every task"
tests = [{ of = "encoder", comparison = ">=", bar = 0.98 }]

[[claims]]
name = "longer"
claim = "More ACT steps solve more"
tests = [{ of = "encoder/longer", minus = "encoder", comparison = ">", bar = 0.0 }]
"""


def test_a_study_survives_the_worker_that_began_it(tmp_path: Path, sqlite_files: SqliteFiles) -> None:
    file = tmp_path / "small.toml"
    file.write_text(STUDY)
    with started_lab(tmp_path, sqlite_files.new()) as lab:
        server = WebServer(tmp_path, lab.environment)
        try:
            lab.start_worker()
            study_id = start(lab, file)
            kill_the_worker_in_a_training(lab, study_id)
            lab.start_worker()

            def over() -> StudyView | None:
                view = read(lab, study_id)
                return view if view.status != "running" else None

            study = eventually(over, f"the end (worker: {lab.worker_log()[-2000:]})", within=1800)
            table = tmp_path / "claims.md"
            export = ("study", "export", study_id, "--format", "markdown", "--out", str(table))
            exported = typed(tmp_path, *export, **lab.environment)
            with server.client() as client:
                page = client.get(f"/studies/{study_id}", headers={"Accept": "text/html"}).text
                paper = client.get(f"/api/v1/studies/{study_id}/paper")
        finally:
            server.stop()
        with reading_scope(lab.engine) as session:
            jobs = session.scalar(select(func.count()).select_from(EvaluationJob))

    assert study.cause == "Every claim is decided or has had all its rounds."
    assert {claim.name: claim.trouble for claim in study.claims} == {"learns": "", "solves": "", "longer": ""}
    assert sorted((run.configuration, run.seed, run.state) for run in study.runs) == [
        (name, seed, "finished") for name in ("again", "encoder") for seed in (0, 1)
    ]
    claims = {claim.name: claim for claim in study.claims}
    assert [claims[name].verdict for name in ("learns", "solves", "longer")] == [
        "supported",
        "refuted",
        "undecided",
    ]
    assert tasks_of(claims["solves"]) == {3}  # the first round decided it
    assert tasks_of(claims["longer"]) == {6}
    # The trainings' own evaluations served the first round; other options and more tasks were computed.
    assert jobs == 6
    assert exported.returncode == 0, exported.stderr
    for claim in study.claims:
        assert claim.claim in page
        assert claim.claim in table.read_text()
    if paper.status_code != 503:  # matplotlib is there
        with zipfile.ZipFile(io.BytesIO(paper.content)) as archive:
            numbers = json.loads(archive.read("study.json"))
            names = archive.namelist()
        assert {each["name"]: each["verdict"] for each in numbers["claims"]} == {
            name: claim.verdict for name, claim in claims.items()
        }
        assert "tables/small-claims.tex" in names


def start(lab: Lab, file: Path) -> str:
    done = typed(lab.folder, "study", str(file), "--scale", "tiny", "--json", **lab.environment)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["id"])


def read(lab: Lab, study_id: str) -> StudyView:
    with reading_scope(lab.engine) as session:
        return studies.get(session, study_id)


def kill_the_worker_in_a_training(lab: Lab, study_id: str) -> None:
    """Once its first run has a checkpoint to resume from."""
    first = eventually(lambda: read(lab, study_id).runs, "the first run")[0]
    assert first.run_id
    run_id = first.run_id
    child = lab.await_child(run_id)
    lab.await_step(run_id, 15)
    assert lab.worker
    kill(lab.worker)
    eventually(lambda: not child.is_running(), "the death of the training")


def tasks_of(claim: ClaimView) -> set[int | None]:
    return {sample.tasks for test in claim.tests for sample in test.samples}
