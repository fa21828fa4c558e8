"""Runs of W&B, MLflow and Trackio come into a lab from their files, written here in the documented form."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from etrm_lab import mlflow_files, wandb_files
from etrm_lab.exit_codes import ExitCode
from etrm_lab.imports import BadSource, Point
from tests.support.scripts import bring_in, log_of, points_of, run_ids, run_of, sync
from tests.support.web import WebServer

START = 1_700_000_000


def mlflow_run(root: Path, run_id: str, status: int = 3, **metrics: str) -> Path:
    """A run of a file store, with its metrics as they stand in the files."""
    folder = root / "123" / run_id
    (folder / "params").mkdir(parents=True)
    (folder / "tags").mkdir()
    (root / "123/meta.yaml").write_text(
        "experiment_id: '123'\nlifecycle_stage: active\nname: 'arc: it''s 2'\n"
    )
    (folder / "meta.yaml").write_text(
        f"artifact_uri: file:///x/{run_id}/artifacts\nend_time: null\nlifecycle_stage: active\n"
        f"run_id: {run_id}\nrun_name: swift-{run_id[:2]}\nstart_time: {START}000\nstatus: {status}\n"
    )
    (folder / "params/lr").write_text("0.001")
    (folder / "params/model.name").write_text("trm")
    (folder / "tags/mlflow.user").write_text("ana")
    (folder / "tags/group").write_text("first")
    for name, text in metrics.items():
        file = folder / "metrics" / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def test_a_file_store_of_mlflow_comes_in_once(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    root = tmp_path / "mlruns"
    lines = "".join(f"{START + step}500 {step / 2} {step}\n" for step in range(300))
    folder = mlflow_run(
        root, "a" * 32, loss=lines, eval__acc=f"{START}000 nan 0\n{START}001 1.0 7\n{START}002 inf 7\n"
    )
    mlflow_run(root, "b" * 32, status=4, loss=f"{START}000 1.0 0\n")
    done = bring_in(tmp_path, server, "mlflow", root)
    assert done.returncode == 0, done.stderr
    ids = run_ids(tmp_path)
    assert len(ids) == 2
    (whole,) = [run_id for run_id in ids if run_of(client, run_id)["name"] == "swift-aa"]
    (failed,) = set(ids) - {whole}
    assert points_of(client, whole) == {
        "loss": {step: step / 2 for step in range(300)},
        "eval/acc": {0: None, 7: None},  # NaN and infinity
    }
    run = run_of(client, whole)
    assert (run["status"], run["config"]) == ("finished", {"lr": 0.001, "model.name": "trm"})
    assert run["project"] == "arc: it's 2"
    assert log_of(client, whole) == ["Tags: group = first"]
    assert run_of(client, failed)["status"] == "failed"

    again = bring_in(tmp_path, server, "mlflow", root)
    assert again.stdout.count("unchanged in") == 2
    with (folder / "metrics/loss").open("a") as opened:
        opened.write(f"{START + 300}500 7.0 300\n")
    assert bring_in(tmp_path, server, "mlflow", root).returncode == 0
    assert points_of(client, whole)["loss"] == {**{step: step / 2 for step in range(300)}, 300: 7.0}
    assert log_of(client, whole) == ["Tags: group = first"]
    assert run_of(client, whole)["status"] == "finished"


def test_a_damaged_run_leaves_nothing_behind(tmp_path: Path, server: WebServer) -> None:
    root = tmp_path / "mlruns"
    mlflow_run(root, "c" * 32, loss=f"{START}000 1.0 0\n")
    folder = mlflow_run(root, "d" * 32, loss=f"{START}000 1.0 0\nnonsense\n")
    done = bring_in(tmp_path, server, "mlflow", root)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{folder / 'metrics/loss'}, line 2 is not a line of a metric" in done.stderr
    assert list((tmp_path / "etrm-runs").iterdir()) == []


def test_what_is_no_file_of_a_tracker_is_refused_by_name(tmp_path: Path) -> None:
    file, empty = tmp_path / "some.db", tmp_path / "empty.csv"
    file.write_bytes(b"nothing of the kind" * 100)
    empty.touch()
    for kind, path, text in (
        ("mlflow", file, "is no SQLite file that can be read"),
        ("trackio", file, "is no SQLite file that can be read"),
        ("wandb", file, "is none of .csv"),
        ("wandb", empty, "holds no run with numbers or text"),
        ("mlflow", tmp_path, "has no runs of MLflow"),
        ("wandb", tmp_path / "nowhere", "does not exist"),
    ):
        done = bring_in(tmp_path, None, kind, path)
        expected = ExitCode.FAILED if path.exists() else ExitCode.NOT_FOUND
        assert (done.returncode, done.stdout) == (expected, ""), kind
        assert f"{path} {text}" in done.stderr
    assert run_ids(tmp_path) == []


def test_a_database_of_mlflow_comes_in(tmp_path: Path, server: WebServer, client: httpx.Client) -> None:
    file = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(file)) as database:
        database.executescript(
            "CREATE TABLE experiments (experiment_id INTEGER, name TEXT);"
            "CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, start_time BIGINT,"
            " lifecycle_stage TEXT, experiment_id INTEGER);"
            "CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);"
            "CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);"
            "CREATE TABLE metrics (key TEXT, value FLOAT, timestamp BIGINT, run_uuid TEXT, step BIGINT,"
            " is_nan BOOLEAN);"
            "INSERT INTO experiments VALUES (0, 'Default');"
            "INSERT INTO runs VALUES ('r1', 'calm', 'KILLED', 1700000000000, 'active', 0),"
            " ('r2', 'gone', 'FINISHED', 1700000000000, 'deleted', 0);"
            "INSERT INTO params VALUES ('depth', '3', 'r1');"
            "INSERT INTO metrics VALUES ('loss', 0, 1700000000000, 'r1', 0, 1),"
            " ('loss', 1.7976931348623157e308, 1700000000001, 'r1', 1, 0),"
            " ('loss', 0.5, 1700000000002, 'r1', 2, 0);"
        )
        database.commit()
    done = bring_in(tmp_path, server, "mlflow", file, "--name", "mine", "--project", "other")
    assert done.returncode == 0, done.stderr
    (run_id,) = run_ids(tmp_path)
    run = run_of(client, run_id)
    assert (run["name"], run["project"], run["status"]) == ("mine", "other", "cancelled")
    assert run["config"] == {"depth": 3}
    assert points_of(client, run_id) == {"loss": {0: None, 1: None, 2: 0.5}}
    assert '"values":{"loss":Infinity}' in (tmp_path / f"etrm-runs/{run_id}.jsonl").read_text()


def test_a_project_of_trackio_comes_in(tmp_path: Path, server: WebServer, client: httpx.Client) -> None:
    file = tmp_path / "arc.db"
    with closing(sqlite3.connect(file)) as database:
        database.executescript(
            "CREATE TABLE metrics (id INTEGER PRIMARY KEY, run_id TEXT, timestamp TEXT, run_name TEXT,"
            " step INTEGER, metrics TEXT);"
            "CREATE TABLE configs (id INTEGER PRIMARY KEY, run_id TEXT, run_name TEXT, config TEXT,"
            " created_at TEXT);"
        )
        rows = [
            ({"loss": step, "eval": {"acc": "NaN"}} if step else {"loss": "Infinity"}) for step in range(50)
        ]
        for run_id in ("r1", "r2"):  # two runs of one name
            for step, row in enumerate(rows):
                stamp = f"2026-01-02T03:04:{step:02}+00:00"
                values = (run_id, stamp, "lively", step, json.dumps(row))
                database.execute("INSERT INTO metrics VALUES (NULL, ?, ?, ?, ?, ?)", values)
        config = json.dumps({"lr": 0.1, "_Username": "ana"})
        database.execute("INSERT INTO configs VALUES (NULL, 'r1', 'lively', ?, '')", (config,))
        database.commit()
    assert bring_in(tmp_path, None, "trackio", file).returncode == 0  # no lab is known
    ids = run_ids(tmp_path)
    assert len(ids) == 2
    assert sync(tmp_path, server.url, server.token).returncode == 0
    assert [run_of(client, run_id)["config"] for run_id in ids].count({"lr": 0.1}) == 1
    for run_id in ids:
        expected = {step: float(step) if step else None for step in range(50)}
        assert points_of(client, run_id) == {"loss": expected, "eval/acc": dict.fromkeys(range(1, 50))}
        assert run_of(client, run_id)["project"] == "arc"


def test_histories_of_wandb_come_in(tmp_path: Path, server: WebServer, client: httpx.Client) -> None:
    table = tmp_path / "baseline.csv"
    table.write_text(
        ",_step,_runtime,_timestamp,loss,note\n"
        f"0,0,1,{START},0.5,\n1,10,2,{START + 1},,hello\n2,20,3,{START + 2},nan,\n3,20,3,{START + 3},0.25,\n"
    )
    lines = tmp_path / "run-1" / "wandb-history.jsonl"
    lines.parent.mkdir()
    history = [
        {"_step": step, "_timestamp": START + step, "eval": {"acc": step}, "a,b": math.inf} for step in (0, 5)
    ]
    lines.write_text("\n".join(map(json.dumps, history)))
    (lines.parent / "config.yaml").write_text("wandb_version: 1\nlr:\n  desc: null\n  value: 0.1\n")
    chart = tmp_path / "chart.csv"
    chart.write_text(
        '"Step","one - loss","one - loss__MIN","two - loss"\n"0","1.0","0.0",""\n"5","","","2.0"\n'
    )
    found = {}
    for path, names in ((table, ["baseline"]), (lines, ["run-1"]), (chart, ["one", "two"])):
        before = set(run_ids(tmp_path))
        done = bring_in(tmp_path, server, "wandb", path)
        assert done.returncode == 0, done.stderr
        ids = set(run_ids(tmp_path)) - before
        found.update({run_of(client, run_id)["name"]: run_id for run_id in ids})
        assert {*names} <= {*found}
    assert points_of(client, found["baseline"]) == {"loss": {0: 0.5, 20: 0.25}}
    assert log_of(client, found["baseline"]) == ["note at step 10: hello"]
    assert points_of(client, found["run-1"]) == {"eval/acc": {0: 0.0, 5: 5.0}, "a_b": {0: None, 5: None}}
    assert run_of(client, found["run-1"])["config"] == {"lr": 0.1}
    assert points_of(client, found["one"]) == {"loss": {0: 1.0}}
    assert points_of(client, found["two"]) == {"loss": {5: 2.0}}


def test_charts_of_wandb_keep_apart_what_has_alike_names(
    tmp_path: Path, server: WebServer, client: httpx.Client
) -> None:
    """`a` and `a - seed 2` are two runs, and two runs called `a` are not one."""
    (tmp_path / "chart.csv").write_text('"Step","a - loss","a - seed 2 - loss"\n"0","1.0","5.0"\n')
    done = bring_in(tmp_path, server, "wandb", "chart.csv")
    assert done.returncode == 0, done.stderr
    ids = {run_of(client, run_id)["name"]: run_id for run_id in run_ids(tmp_path)}
    assert {name: points_of(client, run_id) for name, run_id in ids.items()} == {
        "a": {"loss": {0: 1.0}},
        "a - seed 2": {"loss": {0: 5.0}},
    }


def test_histories_of_wandb_as_pandas_writes_them_come_in(tmp_path: Path) -> None:
    """`run.history()` as `.to_json()`, a column after the other, and as `.to_csv()`, with its truths."""
    columns = {"_step": {"0": 0, "1": 5}, "loss": {"0": 0.5, "1": None}, "solved": {"0": True, "1": False}}
    (tmp_path / "history.json").write_text(json.dumps(columns))
    (tmp_path / "history.csv").write_text(",_step,loss,solved\n0,0,0.5,True\n1,5,,False\n")
    for name in ("history.json", "history.csv"):
        (run,) = wandb_files.runs_of(tmp_path / name)
        points = [record for record in run.records() if isinstance(record, Point)]
        assert {(point.name, point.step, point.value) for point in points} == {
            ("loss", 0, 0.5),
            ("solved", 0, 1.0),
            ("solved", 5, 0.0),
        }


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "Step,a - loss,a - loss\n0,1,5\n", "has the column 'a - loss' twice"),
        ("b.csv", "epoch,a - loss,a - loss__MIN\n0.5,1,1\n", "is a chart over epoch. Choose Step"),
        ("c.jsonl", '{"_step": 0, "loss": 1}\n{"_step": 1, "lo', ", line 2 is no JSON"),
        ("d.json", json.dumps([{"_step": list(range(99)), "loss": 1}]), "_step of row 1 is [0, 1, 2, 3,"),
    ],
)
def test_exports_of_wandb_that_would_lose_numbers_are_refused(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadSource) as refused:
        _ = [list(run.records()) for run in wandb_files.runs_of(tmp_path / name)]
    assert said in str(refused.value)
    assert ", 98]" not in str(refused.value)


def test_runs_of_a_deleted_experiment_stay_out_and_long_names_whole(tmp_path: Path) -> None:
    """YAML folds a long text over several lines."""
    mlflow_run(tmp_path / "mlruns", "aa" * 16, loss=f"{START}000 1.0 0\n")
    mlflow_run(tmp_path / "mlruns/.trash", "bb" * 16, loss=f"{START}000 1.0 0\n")
    meta = tmp_path / "mlruns/123" / ("aa" * 16) / "meta.yaml"
    long = "'it''s the run: with a name that is longer than the eighty letters\n  of a line, second part'"
    meta.write_text(meta.read_text().replace("run_name: swift-aa", f"run_name: {long}"))
    (run,) = mlflow_files.runs_of(tmp_path)
    assert run.name == (
        "it's the run: with a name that is longer than the eighty letters of a line, second part"
    )
