"""CONTRIBUTING.md, "Add an encoder", carried out as it stands there: two files and one line are enough."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("backend", "benchmarks", "frontend", "migrations", "pyproject.toml", "tests", "worker")
SECTION = re.compile(r"^## Add an encoder\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"^```python\n# (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINE = re.compile(r"^```diff\n(.*?)^```$", re.DOTALL | re.MULTILINE)
KIND = "colours"

# A test in the copy: trains, and looks for the encoder wherever encoders are.
LOOK = """
from pathlib import Path

from starlette.testclient import TestClient

import backend
from backend.app import create_app
from backend.data import service as datasets
from backend.db.migrate import upgrade
from backend.db.session import session_scope
from backend.people import service as accounts
from backend.settings import Settings
from benchmarks.kit import filled
from benchmarks.learning import encoders_learn, overfit
from tests.support.records.recorded import record_run
from tests.support.records.tiny_runs import Memory, tiny
from worker.data.sets import BuiltinTasks
from worker.training.stop import StopSignal
from worker.training.trainer import train

KIND, TITLE, TEXT = "colours", "ETRM colour counts", "Blind to where a cell lies."
HUE, MARKER = "series-8", "is-cross"


def test_it_is_everywhere(tmp_path):
    assert Path(backend.__file__).is_relative_to(Path.cwd())

    memory = Memory()
    changes = {"training": {"log_every": 2}, "evaluation": {"sets": []}}
    config = tiny(steps=4, model={"encoder": {"kind": KIND}}, **changes)
    assert config.variant == KIND
    train(config, BuiltinTasks(), memory, tmp_path / "run", StopSignal())
    assert [point["encoder/gradient_coverage"] > 0.9 for point in memory.points.values()] == [True, True]

    settings = Settings(home=tmp_path)
    upgrade(settings.database_url)
    with TestClient(create_app(settings), base_url="http://127.0.0.1") as client:
        engine = client.app.state.engine
        with session_scope(engine) as session:
            datasets.seed_built_in(session)
            token = accounts.create_token(session, "test")
        client.headers.update({"Authorization": f"Bearer {token}", "Accept": "text/html"})
        run, other = (record_run(engine, preset=f"quick_{name}", points=20) for name in (KIND, "slots"))
        mark = f'<span class="variant {HUE} {MARKER}"'

        form = client.get("/runs/new", params={"preset": KIND}).text
        assert mark in form and TEXT in form, "not in the form"
        assert f">{TITLE}</a>" in form and f">Quick {TITLE}</a>" in form, "no presets"
        table = client.get("/", params={"filter": f'encoder == "{KIND}"'}).text
        assert f"run-{run}" in table and f"run-{other}" not in table, "not found by its name"
        assert mark in table, "no marker in the table"
        assert f'<polyline class="{HUE}"' in table, "no course in the table"
        page = client.get(f"/runs/{run}").text
        assert mark in page and f"stroke:var(--{HUE})" in page, "no look on its page"
        assert 'data-panel="scale_free"' in page, "no plot of its health"
        evidence = page.partition('<table class="table evidence">')[2]
        assert f'<polyline class="{HUE}"' in evidence, "no courses of its health"
        compared = client.get("/compare", params={"runs": f"{run},{other}"}).text
        assert f"stroke:var(--{HUE})" in compared, "no line in a comparison"

    known = f"quick_{KIND}"
    assert encoders_learn.PRESETS[KIND] == overfit.VARIANTS[KIND][0] == known and known in filled.VARIANTS
"""


def test_an_encoder_is_two_files_and_one_line(tmp_path: Path) -> None:
    copy = tmp_path / "tree"
    copy.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "golden"))
        else:
            shutil.copy(ROOT / name, copy)
    section = SECTION.search((ROOT / "CONTRIBUTING.md").read_text())
    assert section
    files, lines = FILE.findall(section[1]), LINE.findall(section[1])
    assert [Path(path).name for path, _ in files] == [f"{KIND}.py"] * 2
    assert [line for line in lines[0].splitlines() if re.match(r"[+-] ", line)] == [f'+    "{KIND}",']
    for path, code in files:
        (copy / path).write_text(code)
    subprocess.run(["git", "apply", "-"], input=lines[0], text=True, cwd=copy, check=True)

    look = f"tests/test_{KIND}.py"
    (copy / look).write_text(LOOK)

    chosen = [
        "-k",
        KIND,
        look,
        "tests/worker/models/test_encoders.py",
    ]  # and what every encoder is tested for
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-W", "ignore", "-p", "no:cacheprovider", *chosen],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert passed, done.stdout[-3000:] + done.stderr[-3000:]
    assert int(passed[1]) > 5, done.stdout
