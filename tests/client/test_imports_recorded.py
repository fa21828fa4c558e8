"""Runs come into a lab from what MLflow 3.17 and Trackio 0.43 themselves wrote.

`recorded/` holds the tables and files of one script for each, as the library left them; only the names of the
user and of folders were changed.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.support.scripts import bring_in, log_of, points_of, run_ids, run_of
from tests.support.web import WebServer

RECORDED = Path(__file__).parent / "recorded"


def database(path: Path, recorded: str) -> Path:
    with closing(sqlite3.connect(path)) as opened:
        opened.executescript((RECORDED / recorded).read_text())
    return path


def file_store(root: Path) -> Path:
    for name, text in json.loads((RECORDED / "mlflow-3.17-files.json").read_text()).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize("kind", ["database", "folder of the database", "files"])
def test_runs_of_mlflow_come_in_whole(
    tmp_path: Path, server: WebServer, client: httpx.Client, kind: str
) -> None:
    if kind == "files":
        source = file_store(tmp_path / "mlruns")
    else:
        file = database(tmp_path / "mlflow.db", "mlflow-3.17-database.sql")
        source = file if kind == "database" else file.parent
    done = bring_in(tmp_path, server, "mlflow", source)
    assert done.returncode == 0, done.stderr
    assert "negative is left out at step -3" in done.stderr
    runs = {run["name"]: run for run in (run_of(client, run_id) for run_id in run_ids(tmp_path))}
    assert {name: run["status"] for name, run in runs.items()} == {
        "parent": "finished",
        "child": "finished",
        "broken": "failed",
        "killed": "cancelled",
        "config alone": "finished",
        "open": "finished",
    }
    assert {run["project"] for run in runs.values()} == {"arc: größe # 2", ""}
    parent = runs["parent"]
    assert parent["config"] == {
        "lr": 1e-05,
        "depth": 3,
        "flag": True,
        "model.name": "trm",
        "commit": "12e4567",  # no number, though it looks like one
        "day": "2024_01_02",
        "seed": "007",
        "nan": "NaN",
        "empty": "",
    }
    assert points_of(client, parent["id"]) == {
        "loss": {step: 1 / (1 + step) for step in range(4)},
        "eval/acc": {step: step / 4 for step in range(4)},
        "odd": dict.fromkeys(range(3)),  # NaN and both infinities
        "again": {5: 2.0},
        "without step": {0: 4.0},
    }
    assert log_of(client, parent["id"]) == ["What it is\nabout", "Tags: group = first, größe = l"]
    assert log_of(client, runs["child"]["id"]) == [f"Nested in run {parent['id']}."]
    assert runs["config alone"]["config"] == {"only": 1}


def test_a_folder_of_artifacts_names_the_database_beside_it(tmp_path: Path) -> None:
    file = database(tmp_path / "mlflow.db", "mlflow-3.17-database.sql")
    (tmp_path / "mlruns/1/models").mkdir(parents=True)
    done = bring_in(tmp_path, None, "mlflow", tmp_path / "mlruns")
    assert done.returncode == 1
    assert f"Give {file}." in done.stderr


def test_runs_of_trackio_come_in_whole(tmp_path: Path, server: WebServer, client: httpx.Client) -> None:
    folder = tmp_path / "trackio"
    folder.mkdir()
    database(folder / "mymodel.db", "trackio-0.43-project.sql")
    with closing(sqlite3.connect(folder / "registry.db")) as other:  # no project
        other.executescript("CREATE TABLE links (name TEXT)")
    done = bring_in(tmp_path, server, "trackio", folder)
    assert done.returncode == 0, done.stderr
    for text in ("table is left out", "hist is left out", "the measures of the machine are left out"):
        assert text in done.stderr
    first, second = (run_of(client, line.split(": ")[0]) for line in done.stdout.splitlines())
    assert (first["name"], second["name"], first["project"]) == ("first", "first", "mymodel")
    assert first["config"] == {"lr": 1e-05, "nested": {"a": [1, 2]}, "nan": "NaN"}
    assert points_of(client, first["id"]) == {
        "loss": {step: 1 / (1 + step) for step in range(4)},
        "eval/acc": {step: step / 4 for step in range(4)},
        "odd": {40: None},
        "inf": {40: None},
        "np": {40: 0.5},
        "bool": {40: 1.0},
        "int": {40: 3.0},
        "again": {50: 2.0},
    }
    assert log_of(client, first["id"]) == [
        "note at step 3: warm-up",
        "Alert at step 51: spike: The loss rose",
    ]
    assert points_of(client, second["id"]) == {"loss": {0: 7.0}}
