"""CONTRIBUTING.md, "Add a metric", carried out as it stands there: one entry and one line are enough."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("alembic.ini", "backend", "frontend", "migrations", "pyproject.toml", "tests", "worker")
SECTION = re.compile(r"^## Add a metric\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```diff\n(.*?)^```$", re.DOTALL | re.MULTILINE)

# Runs in the copy: trains, records what came of it in a lab of its own, and looks everywhere.
LOOK = """
import sys
from pathlib import Path

import backend
from backend.db.session import session_scope
from backend.domain.config.problems import parse_experiment
from backend.domain.records import MetricFrame
from backend.data import service as datasets
from backend.metrics import service as series
from tests.support.databases import SqliteFiles
from tests.support.records.recorded import record_run
from tests.support.records.tiny_runs import Memory, tiny
from tests.support.web import WebServer
from worker.data.sets import BuiltinTasks
from worker.training.stop import StopSignal
from worker.training.trainer import train

NAME, TITLE, ABOUT = "halting/confidence", "Halting probability", "Mean probability of halting of the samples"
folder = Path(sys.argv[1])
assert Path(backend.__file__).is_relative_to(Path.cwd())

memory = Memory()
train(tiny(steps=20, evaluation={"sets": []}), BuiltinTasks(), memory, folder / "run", StopSignal())
points = {step: values[NAME] for step, values in memory.points.items() if NAME in values}
assert points
assert all(0 < value < 1 for value in points.values())

server = WebServer(folder, {"ETRM_HOME": str(folder), "ETRM_DATABASE_URL": SqliteFiles(folder).new()})
try:
    with session_scope(server.engine) as session:
        datasets.seed_built_in(session)
    run = record_run(server.engine, points=0, status="running")
    with session_scope(server.engine) as session:
        frame = MetricFrame(list(points), [1.0] * len(points), {NAME: list(points.values())})
        series.append(session, run, frame)
    with server.client(headers={"Accept": "text/html"}) as browser:
        page = browser.get(f"/runs/{run}").text
        assert f'data-panel="{NAME}"' in page and TITLE in page, "no panel on the run page"
        assert ABOUT in page, "no explanation"
        share = f"{list(points.values())[-1] * 100:.1f}"
        table = browser.get("/", params={"column": NAME, "filter": f"{NAME} > 0", "sort": f"-{NAME}"})
        assert table.status_code == 200, table.text
        assert f"run-{run}" in table.text and TITLE in table.text, "no row or no column"
        assert share in table.text, f"{share} % is not in the table"
        option = f'<option value="{NAME}">'
        assert option in browser.get("/runs/new").text, "no choice for a hypothesis"
        board = browser.get("/d/encoder-variants").text
        assert option in board and f"<option>{NAME}</option>" in board, "no choice on a dashboard"
        names = {each["name"]: each for each in browser.get("/api/v1/runs/names").json()}
        assert names[NAME]["title"] == TITLE
finally:
    server.stop()

bar = {"kind": "bar", "claim": "It halts surely.", "measure": f"{NAME}:max", "value": 0.9}
assert parse_experiment({"hypothesis": bar}).hypothesis.measure == f"{NAME}:max"
print("everywhere")
"""


def test_a_metric_is_one_entry_and_the_line_that_records_it(tmp_path: Path) -> None:
    copy, lab = tmp_path / "tree", tmp_path / "lab"
    lab.mkdir()
    copy.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy)
    section = SECTION.search((ROOT / "CONTRIBUTING.md").read_text())
    assert section
    blocks = BLOCK.findall(section[1])
    assert len(blocks) == 2, "an entry and a line"
    for block in blocks:
        subprocess.run(["git", "apply", "--recount", "-"], input=block, text=True, cwd=copy, check=True)
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(lab)],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip().endswith("everywhere"), done.stderr[-3000:]
