"""The `etrm` command as a user types it: real processes on a real database."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from backend.db.session import make_engine
from tests.support.lab import environment, etrm
from tests.support.recorded import record_checkpoint, record_run

ROOT = Path(__file__).parents[2]
TASK = {"train": [{"input": [[1, 2]], "output": [[3, 4]]}], "test": [{"input": [[5]], "output": [[6]]}]}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated database and the built-in sets, and no server."""
    home = tmp_path_factory.mktemp("lab")
    done = etrm(home, "migrate")
    assert (done.returncode, done.stdout) == (0, "The database is up to date.\n"), done.stderr
    return home


def output(home: Path, *arguments: str) -> str:
    """Standard output of a command that must succeed."""
    done = etrm(home, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(home: Path, *arguments: str, status: int = 1, **variables: str) -> str:
    """Standard error of a command that must fail without a traceback and print nothing else."""
    done = etrm(home, *arguments, **variables)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def queue(home: Path, *arguments: str) -> str:
    """Queue a run; its id."""
    found = re.search(r"[Qq]ueued run ([a-z0-9]{10})", output(home, *arguments))
    assert found
    return found[1]


def test_help_names_every_command_and_loads_nothing_heavy(tmp_path):
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "backend.cli", "--help"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    for command in (
        "up",
        "web",
        "worker",
        "migrate",
        "train",
        "sweep",
        "evaluate",
        "checkpoint",
        "runs",
        "data",
        "token",
        "parity",
    ):
        assert re.search(rf"^  {command} +\w", shown.stdout, re.MULTILINE), command
    for heavy in ("torch", "sqlalchemy", "numpy", "celery", "fastapi", "pydantic"):
        assert not re.search(rf"\| +{heavy}$", shown.stderr, re.MULTILINE), heavy


def test_an_unknown_command_suggests_the_right_one(tmp_path):
    assert "Did you mean 'up'?" in refusal(tmp_path, "upp", status=2)


def test_a_command_without_a_database_says_how_to_make_one(tmp_path):
    assert "etrm up" in refusal(tmp_path, "runs")


def test_a_wrong_setting_is_named(tmp_path):
    assert "ETRM_PORT" in refusal(tmp_path, "runs", ETRM_PORT="eighty")


def test_a_database_of_newer_code_is_left_alone(home, tmp_path):
    import sqlite3

    (tmp_path / "etrm.sqlite3").write_bytes((home / "etrm.sqlite3").read_bytes())
    with sqlite3.connect(tmp_path / "etrm.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    connection.close()
    assert "newer" in refusal(tmp_path, "migrate")


@pytest.mark.parametrize(
    ("variable", "url", "said"),
    [("ETRM_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", "database cannot be used")],
)
def test_a_database_that_does_not_answer_is_told_in_words(tmp_path, variable, url, said):
    assert said in refusal(tmp_path, "migrate", **{variable: url})


# --- configs -------------------------------------------------------------------------------------


def test_a_preset_is_printed_whole_and_is_a_config_file(home, tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(output(home, "config", "quick", "--set", "training.steps=7"))
    assert json.loads(file.read_text())["training"]["steps"] == 7
    assert output(home, "config", str(file)) == file.read_text()


def test_every_preset_is_listed_with_what_it_is(home):
    assert re.search(r"^quick +A small ETRM", output(home, "presets"), re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("config", "quik"), "Did you mean quick?"),
        (("config", "quick", "--set", "training.stepz=3"), "Did you mean 'steps'?"),
        (("config", "quick", "--set", "training.steps=many"), "training.steps"),
        (("config", "quick", "--set", "training.steps=0"), "training.steps"),
        (("config", "nowhere.json"), "There is no file nowhere.json"),
        (
            ("train", "quick", "--queue", "--set", 'data.training_sets=["arc-agi-9"]'),
            "no task set 'arc-agi-9'",
        ),
    ],
)
def test_a_wrong_config_is_refused_with_its_field_and_the_way_out(home, arguments, said):
    assert said in refusal(home, *arguments)


def test_a_file_that_is_no_json_is_named_by_line(home, tmp_path):
    (tmp_path / "bad.json").write_text("{\n  training: 1}")
    assert "Line 2" in refusal(home, "config", str(tmp_path / "bad.json"))


# --- runs ----------------------------------------------------------------------------------------


def test_a_run_is_queued_found_shown_cancelled_resumed_and_cloned(home):
    run = queue(home, "train", "quick", "--queue", "--set", "seed=41")
    assert re.search(rf"^{run}  quick +deterministic +queued", output(home, "runs"), re.MULTILINE)
    assert json.loads(output(home, "runs", "--json", "--filter", "seed == 41"))[0]["id"] == run
    assert "status    queued" in output(home, "run", "show", run)
    assert "verdict   no data yet: No point has been recorded yet." in output(home, "run", "show", run)
    told = json.loads(output(home, "run", "show", run, "--json"))
    assert (told["config"]["seed"], told["health"]["word"]) == (41, "no data yet")
    assert "cancelled" in output(home, "run", "cancel", run)
    assert "cannot be cancelled" in refusal(home, "run", "cancel", run)
    assert "queued" in output(home, "run", "resume", run)
    clone = queue(home, "run", "clone", run, "--set", "seed=42")
    shown = json.loads(output(home, "run", "show", clone, "--json"))
    assert (shown["parent_id"], shown["config"]["seed"]) == (run, 42)


def test_the_queue_as_json_is_that_of_the_api(home: Path) -> None:
    run = queue(home, "train", "quick", "--queue", "--set", "seed=51")
    shown = json.loads(output(home, "queue", "--json"))
    assert run in [each["id"] for each in shown["runs"]]
    assert shown["wait"]["words"]


def test_the_table_of_runs_and_curves_are_written_into_files(home: Path, tmp_path: Path) -> None:
    run = queue(home, "train", "quick", "--queue", "--set", "seed=52")
    table, curves = tmp_path / "runs.csv", tmp_path / "curves.parquet"
    output(
        home, "runs", "export", "--filter", "seed == 52", "--column", "training.steps", "--out", str(table)
    )
    assert re.search(f"^{run},quick.*,52,queued", table.read_text(), re.MULTILINE)
    output(home, "run", "curves", run, "--format", "parquet", "--out", str(curves))
    assert curves.read_bytes().endswith(b"PAR1")


def test_runs_are_tagged_noted_and_put_away(home: Path) -> None:
    one, two = (queue(home, "train", "quick", "--queue", "--set", f"seed={seed}") for seed in (71, 72))
    assert "2 of 2 runs" in output(home, "runs", "tag", one, two, "--add", "good", "--add", "old")
    assert "1 of 1 runs" in output(home, "runs", "tag", two, "--remove", "old")
    output(home, "runs", "note", one, "A first look.")
    listed = json.loads(output(home, "runs", "--filter", 'tag == "good"', "--json"))
    assert [(each["id"], each["tags"], each["notes"]) for each in listed] == [
        (two, ["good"], ""),
        (one, ["good", "old"], "A first look."),
    ]
    assert "Archived 2 runs." in output(home, "runs", "archive", one, two)
    assert output(home, "runs", "--filter", "seed in (71, 72)") == "No run matches.\n"
    output(home, "runs", "restore", one)
    assert one in output(home, "runs", "--filter", "seed in (71, 72)")
    assert "no run 'nothing'" in refusal(home, "runs", "archive", two, "nothing")


def test_a_view_is_saved_listed_used_and_deleted(home: Path) -> None:
    runs = [queue(home, "train", "quick", "--queue", "--set", f"seed={seed}") for seed in (81, 82, 83)]
    arguments = ("--filter", "seed > 80 and seed < 90", "--sort", "-seed", "--column", "training.steps")
    assert "filter=seed" in output(home, "view", "save", "eighties", *arguments)
    shown = output(home, "runs", "--view", "eighties", "--filter", "seed != 82").splitlines()
    assert shown[0].endswith("training.steps")
    assert [line.split()[0] for line in shown[1:]] == [runs[2], runs[0]]
    assert all(line.endswith(" 600") for line in shown[1:])
    assert re.search("eighties +seed > 80 and seed < 90 +-seed +training.steps", output(home, "view", "list"))
    assert "Did you mean 'eighties'?" in refusal(home, "runs", "--view", "eightys")
    output(home, "view", "delete", "eighties")
    assert json.loads(output(home, "view", "list", "--json")) == []


def test_runs_are_compared(home):
    first, second = (
        queue(home, "train", "quick", "--queue"),
        queue(home, "train", "quick", "--queue", "--set", "training.steps=7"),
    )
    shown = output(home, "compare", first, second)

    assert re.search(r"training.steps +600 +7", shown)
    assert f"{second}  not compared: Run {first} has no finished evaluation" in shown
    assert "no run 'zzzzzzzzzz'" in refusal(home, "compare", first, "zzzzzzzzzz")


def test_a_dashboard_is_made_shared_exported_and_deleted(home, tmp_path):
    assert "encoder-variants" in output(home, "dashboard", "list")
    shown = tmp_path / "shown.json"
    shown.write_text(output(home, "dashboard", "show", "encoder-variants"))
    assert "/d/for-tonight" in output(home, "dashboard", "create", "For tonight", "--from", str(shown))
    link = re.search(
        r"link (\d+), shown this once: http://\S+/s/\S{30,}",
        output(home, "dashboard", "share", "for-tonight"),
    )
    assert link
    output(home, "dashboard", "revoke", "for-tonight", link[1])
    output(home, "dashboard", "export", "for-tonight", "--out", str(tmp_path / "out.html"))
    page = (tmp_path / "out.html").read_text()
    assert "<style>" in page
    assert "<script" not in page
    output(home, "dashboard", "delete", "for-tonight")
    assert "no dashboard 'for-tonight'" in refusal(home, "dashboard", "show", "for-tonight")


def test_a_sweep_is_shown_first_and_then_queued_as_a_group(home):
    swept = (
        "sweep",
        "quick",
        *("--seeds", "2", "--set", "training.steps=7"),
        *("--grid", "model.encoder.kind=deterministic,iterative"),
    )
    planned = output(home, *swept, "--dry-run")
    assert re.search(r'^quick · encoder iterative · seed 1 +"iterative" +1$', planned, re.MULTILINE)
    assert planned.endswith("4 runs. Nothing was queued.\n")
    assert json.loads(output(home, "runs", "--json", "--filter", 'group == "my encoders"')) == []

    said = output(home, *swept, "--name", "my encoders")

    group = re.search(r"Queued 4 runs as group ([a-z0-9]{10}): my encoders\.", said)
    assert group
    found = json.loads(output(home, "runs", "--json", "--filter", f'group == "{group[1]}"'))
    assert [run["name"] for run in found][::-1] == [
        f"quick · encoder {kind} · seed {seed}" for kind in ("deterministic", "iterative") for seed in (0, 1)
    ]
    assert {run["config"]["training"]["steps"] for run in found} == {7}


def test_random_draws_are_the_same_each_time_and_differ_by_their_seed(home):
    drawn = ("sweep", "quick", "--random", "optimisation.learning_rate=1e-4..1e-2:log", "--count", "3")
    first = output(home, *drawn, "--dry-run")
    assert output(home, *drawn, "--dry-run") == first
    assert output(home, *drawn, "--dry-run", "--draw-seed", "1") != first


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seeds", "1"), "nothing varies"),
        (("--seeds", "300"), "sweep.seeds: must be 1 to 256, not 300."),
        (("--grid", "model.core.widht=64,128"), "Did you mean 'width'?"),
        (("--grid", "model.core.width=64,1"), "value 2: must be at least 8"),
        (("--grid", "model.core.width"), "gives a field no values"),
        (("--grid", "seed=1", "--grid", "seed=2"), "seed is given twice"),
        (("--random", "training.steps=1..9"), "sweep.count: is missing."),
        (("--random", "training.steps=1..9:lgo", "--count", "2"), 'there is no option "lgo"'),
    ],
)
def test_a_wrong_sweep_is_refused_with_its_field_and_the_way_out(home, arguments, said):
    assert said in refusal(home, "sweep", "quick", *arguments)


def test_a_log_is_printed_line_by_line(home):
    run = queue(home, "train", "quick", "--queue")
    assert output(home, "run", "log", run) == ""
    assert "no run 'nosuchrun1'" in refusal(home, "run", "log", "nosuchrun1")


def test_a_wrong_filter_is_refused_with_a_suggestion(home):
    assert "Did you mean seed?" in refusal(home, "runs", "--filter", "sed == 1")


# --- data ----------------------------------------------------------------------------------------


def test_the_built_in_sets_are_there(home):
    assert re.search(r"^arc-agi-1/training +built-in +400$", output(home, "data", "list"), re.MULTILINE)


def test_a_task_is_drawn_with_its_digits(home):
    drawn = output(home, "data", "show", "arc-agi-1/training", "007bbfb7").splitlines()
    assert drawn[1] == "0 7 7   →  0 0 0 0 7 7 0 7 7 "
    assert "Did you mean arc-agi-1/training?" in refusal(
        home, "data", "show", "arc-agi-1/trainin", "007bbfb7"
    )


def test_task_files_are_imported_as_one_set(home, tmp_path):
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file in files:
        file.write_text(json.dumps(TASK))
    said = output(home, "data", "import", *map(str, files), "--name", "mine/pair")
    assert said == "Imported 2 tasks as mine/pair.\n"
    assert "1 2   →  3 4" in output(home, "data", "show", "mine/pair", "two")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not JSON"),
        (json.dumps(TASK | {"test": [{"input": [[1], [2, 3]]}]}), "has 2 cells, row 1 has 1"),
        (json.dumps(TASK | {"test": [{"input": [[10]]}]}), "10 is not a colour"),
        (json.dumps(TASK | {"test": [{"input": [[1]] * 31}]}), "has 31 rows"),
        ("[" + " " * 50_000_000 + "]", "larger than the 25 MB"),
    ],
    ids=["empty", "ragged", "colour 10", "31 rows", "50 MB"],
)
def test_a_malformed_task_file_is_refused_with_its_place(home, tmp_path, content, said):
    (tmp_path / "task.json").write_text(content)
    assert said in refusal(home, "data", "import", str(tmp_path / "task.json"), "--name", "bad")
    assert "bad" not in output(home, "data", "list")


# --- tokens --------------------------------------------------------------------------------------


def test_a_token_is_shown_once_listed_without_its_secret_and_revoked(home):
    secret = output(home, "token", "create", "notebook").strip()
    assert secret.startswith("etrm_")
    listed = output(home, "token", "list")
    assert "notebook" in listed
    assert secret not in listed
    assert "Choose another name" in refusal(home, "token", "create", "notebook")
    output(home, "token", "revoke", "notebook")
    assert re.search(r"^notebook .*revoked$", output(home, "token", "list"), re.MULTILINE)


def test_no_login_link_without_a_lab(home):
    assert "etrm up" in refusal(home, "login")


# --- what needs torch ----------------------------------------------------------------------------


def test_commands_that_need_torch_become_the_worker(home, tmp_path):
    assert "Did you mean quick?" in refusal(home, "train", "quik")
    assert "There is no run none" in refusal(home, "evaluate", "none")
    assert "etrm up" in refusal(home, "worker")


# --- images for a team ---------------------------------------------------------------------------


def test_the_compose_file_starts_what_the_lab_needs():
    import yaml

    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    services = compose["services"]
    assert set(services) == {"web", "worker", "postgres", "redis"}
    reserved = services["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert reserved == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    dockerfile = (ROOT / services["web"]["build"]["dockerfile"]).read_text()
    for name in ("web", "worker"):
        assert f" AS {services[name]['build']['target']}\n" in dockerfile
        assert "artifacts:/artifacts" in services[name]["volumes"]
        used = {key for key in services[name]["environment"] if key.startswith("ETRM_")}
        assert used >= {"ETRM_DATABASE_URL", "ETRM_BROKER_URL", "ETRM_ARTIFACTS"}
    assert set(compose["volumes"]) == {"artifacts", "database"}
    for copied in re.findall(r"^COPY (\w+) \1$", dockerfile, re.MULTILINE):
        assert os.path.isdir(ROOT / copied)


# --- checkpoints ---------------------------------------------------------------------------------


def test_checkpoints_are_listed_taken_away_and_forked(home: Path, tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{home / 'etrm.sqlite3'}")
    run = record_run(engine, status="cancelled", points=0, total=600)
    content = {step: record_checkpoint(engine, home / "artifacts", run, step) for step in (100, 200)}
    engine.dispose()
    listed = json.loads(output(home, "run", "checkpoints", run, "--json"))
    assert [each["step"] for each in listed] == [200, 100]
    file = tmp_path / "mine.safetensors"
    said = output(home, "run", "weights", run, str(file), "--checkpoint", "100", "--weights", "raw")
    assert file.read_bytes() == content[100]["raw"]
    assert listed[1]["sha256"]["raw"] in said
    fork = queue(home, "run", "fork", run, "--checkpoint", "100", "--set", "seed=4")
    config = json.loads(output(home, "run", "show", fork, "--json"))["config"]
    assert (config["seed"], config["training"]["initialise_from"]["run"]) == (4, run)
    assert "goes on from step 100" in output(home, "run", "resume", run, "--checkpoint", "100")
    assert "no checkpoint of step 200" in refusal(home, "run", "fork", run, "--checkpoint", "200")
